"""The floor of NVDLA by size, from tables of two processes, beside the primer's (nvdla.org)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.floor import floor_of
from accelsim.energy.load import load_table
from accelsim.reproduce import source
from accelsim.reproduce.markdown import table, triple

MACHINE = "nvdla_full"
NODES = (28, 16)


@dataclass(frozen=True)
class Size:
    """A size of NVDLA: MAC cells of so many multipliers, KiB of buffer. areas : published mm2 by node."""

    macs: int
    cells: int
    lanes: int
    buffer: int
    areas: tuple[float, ...]

    @property
    def machine(self) -> Architecture:
        """The full configuration cut down: its buffer's port is a word for each multiplier of a cell."""
        return load_architecture(
            MACHINE,
            {
                "levels.CBUF.capacity": f"{self.buffer} KiB",
                "levels.CBUF.array.size": {"x": self.cells},
                "levels.CBUF.array.networks.ifmap.width": f"{self.lanes} words",
                "levels.ACC.array.size": {"y": self.lanes},
                "physical.memories.CBUF.port": f"{8 * self.lanes} b",
            },
        )

    def floor(self, node: int) -> dict[str, float]:
        """Ours in mm2 by component."""
        return {
            part.component: float(part.floor) for part in floor_of(self.machine, load_table(f"cmos_{node}nm")).parts
        }


@cache
def sizes() -> tuple[Size, ...]:
    """Those published, largest first."""
    return tuple(
        Size(
            int(row["macs"]),
            int(row["cells"]),
            int(row["lanes"]),
            int(row["buffer_KiB"]),
            tuple(float(row[f"area_mm2_{node}nm"]) for node in NODES),
        )
        for row in source.rows("nvdla_sizes")
    )


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Floors by size as Markdown."""
    header = ["MACs", "buffer [KiB]", *(cell for node in NODES for cell in (f"{node} nm, theirs", "ours", "error"))]
    return "\n".join([_HEAD, table([*header, "of it buffer, 28 nm"], _rows()), _WHY])


def _rows() -> Iterator[list[str]]:
    for size in sizes():
        cells: list[str] = []
        for node, theirs in zip(NODES, size.areas, strict=True):
            cells += triple(sum(size.floor(node).values()), theirs, ".2f")
        floor = size.floor(NODES[0])
        share = floor["CBUF"] / sum(floor.values())
        yield [str(size.macs), str(size.buffer), *cells, f"{share:.0%}"]


_HEAD = """\
## NVDLA's area by size

mm2 of floor from `cmos_28nm` and `cmos_16nm`, 3.17 times cells as everywhere, beside the primer's areas. `nvdla_full`
with fewer MACs and less buffer.
"""

_WHY = """\
The primer's areas are of all of NVDLA: its engines for pooling and activations, control and bus interfaces have no
cells here, and are a larger part of the smallest. From 28 to 16 nm the primer's areas shrink to 0.60, ours to less than
half: MACs and registers by Stillmaker and Baas's table, memories by the rule of their grid, which takes 16/22 of the
area at 22 nm.
"""
