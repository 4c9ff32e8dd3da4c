"""What is printed for every machine that ships: it fits, loses no digit, is explained, and is never above 100 %."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from accelsim.report import plot, terminal
from accelsim.report.glossary import explain
from accelsim.report.table import Grid, grids
from accelsim.result import Result
from accelsim.simulate import simulate
from accelsim.workload.network import Network
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import builtin, parse

MACHINES = builtin("arch")
SMALL = """\
name: small
source: made up
input: {C: 8, H: 6, W: 6}
layers:
  CONV1: {op: conv, M: 8, kernel: 3, density: {ifmap: 0.5, filter: 0.5}}
  POOL2: {op: maxpool, kernel: 2}
  FC3: {op: fc, M: 16, repeat: 2, density: {ifmap: 0.5, filter: 0.5}}
"""


@cache
def network() -> Network:
    return network_of(parse(SMALL))


@cache
def result(machine: str) -> Result:
    dataflow = "row_stationary" if machine == "eyeriss_v2" else None  # it names none
    return simulate(machine, network(), dataflow)


def parts(found: Result) -> set[str]:
    """Names of the parts that a machine declares, which are its own."""
    physical = found.architecture.physical
    return set(physical.parts) if physical else set()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_cut(machine, width):
    blocks = terminal.report(result(machine))
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    terminal.write(blocks, console)
    text = console.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    printed = set(text.split())
    for grid in (block for block in blocks if isinstance(block, Grid)):
        assert {cell for row in grid.rows for cell in row[1:] if cell} <= printed


@pytest.mark.parametrize("machine", MACHINES)
def test_every_heading_is_explained(machine):
    found = result(machine)
    for grid in grids(found):
        for heading in (*grid.header, grid.title.split("; ")[0], *(row[0] for row in grid.rows[len(found.layers) :])):
            assert heading in parts(found) or explain(heading), heading


@pytest.mark.parametrize("machine", MACHINES)
def test_columns_are_in_one_order(machine):
    found = {grid.title.split(" [")[0]: grid.header for grid in grids(result(machine))}
    assert found["time"][:7] == (
        "layer", "MACs [M]", "cycles", "total [ms]", "processing [ms]", "active PEs", "utilization [%]",
    )  # fmt: skip
    # parts of a machine's own that stand idle or work are no data type, nor are the clock and leakage of a process
    own = ("standing",) if parts(result(machine)) or result(machine).energy_table.technology else ()
    assert found["energy by data type"] == ("layer", "ifmap", "filter", "psum", "MAC unit", *own, "all")
    levels = tuple(level.name for level in result(machine).architecture.levels)
    assert found["words moved at each level"][1 : 1 + len(levels)] == levels
    assert found["energy by level"][1 : 1 + len(levels)] == levels
    assert found["energy by level"][-2:] == ("MAC unit", "all")
    # a machine whose transfers take no time stalls for nothing
    if "stalled cycles by cause" in found:
        assert found["stalled cycles by cause"][-2:] == ("all stalls", "of cycles [%]")


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_used_more_than_it_is_there(machine):
    document = result(machine).to_dict()
    for part in (*document["layers"], document["total"]):
        assert 0 < part["utilization"] <= 1


@pytest.mark.parametrize("machine", MACHINES)
def test_a_picture_is_whole_and_its_levels_have_colours_of_their_own(machine, tmp_path):
    document = result(machine).to_dict()
    axes = plot.energy(document)
    figure = axes.figure
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert max(-box.x0, -box.y0, box.x1 - width, box.y1 - height) * figure.dpi < 1
    drawn = {row["component"] for row in document["total"]["energy_breakdown"]}
    paint = plot.colours(sorted(drawn), document["levels"])
    assert len(set(paint.values())) == len(drawn)
    figure.savefig(Path(tmp_path) / "x.png")
