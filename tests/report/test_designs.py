"""Designs as data: fronts, what fields move and heat maps against plain definitions of each."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.report.designs import Designs, design_of, front, heats, moves, require_done, runs, unit_of

FIELDS = ("workload", "dataflow", "rows", "glb")


def designs(values, fields=FIELDS, layers=(), objectives=("energy", "cycles")):
    """Points of a full grid in the order of their fields; values : (energy, cycles) of each, None: it failed."""
    grid = product(("net",), ("rs", "ws"), (8, 16, 32), ("1 KiB", "2 KiB"))
    rows = []
    for point, (place, value) in enumerate(zip(grid, values, strict=False)):
        made = dict(zip(FIELDS, place, strict=True)) | {"point": point, "batch": 1, "error": "" if value else "no room"}
        metrics = {"energy": value[0], "cycles": value[1], "energy_unit": "pJ"} if value else {}
        rows.append(made | metrics)
    return Designs("drawn", rows, fields, objectives, layers)


VALUES = st.lists(st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=12, max_size=12)


@given(VALUES)
def test_the_front_is_what_no_other_dominates(values):
    rows = designs(values).done

    def better(one, other):
        least = all(one[name] <= other[name] for name in ("energy", "cycles"))
        return least and (any(one[n] < other[n] for n in ("energy", "cycles")) or one["point"] < other["point"])

    wanted = [row for row in rows if not any(better(one, row) for one in rows)]
    found = front(rows, ("energy", "cycles"))
    assert sorted(row["point"] for row in found) == [row["point"] for row in wanted]
    assert [row["energy"] for row in found] == sorted(row["energy"] for row in found)


@given(VALUES)
def test_moves_are_geometric_means_over_pairs_that_differ_in_one_field(values):
    own = designs(values)
    found = {move.field: move for move in moves(own, "energy")}
    assert [move.span for move in moves(own, "energy")] == sorted((m.span for m in found.values()), reverse=True)
    for field, move in found.items():
        others = [name for name in FIELDS if name != field]
        ratios = {}
        for row in own.done:
            group = [one for one in own.done if all(one[name] == row[name] for name in others)]
            if len(group) > 1 or not move.alone:
                group = group if move.alone else own.done
                mean = prod(one["energy"] for one in group) ** (1 / len(group))
                ratios.setdefault(str(row[field]), []).append(row["energy"] / mean)
        assert move.of == pytest.approx({text: prod(own) ** (1 / len(own)) for text, own in ratios.items()})
        assert move.values == len({row[field] for row in own.done})


def test_a_field_that_moves_alone_is_told_exactly():
    grid = designs([(energy * glb, 1) for energy in (1, 1, 1, 4, 4, 4) for glb in (1, 2)])
    found = moves(grid, "energy")
    assert [move.field for move in found] == ["dataflow", "glb", "rows"] and all(move.alone for move in found)
    assert found[0].of == pytest.approx({"rs": 0.5, "ws": 2.0})
    assert found[1].of == pytest.approx({"1 KiB": 0.5**0.5, "2 KiB": 2**0.5})
    assert found[2].of == pytest.approx({"8": 1, "16": 1, "32": 1})
    assert {move.span for move in moves(grid, "cycles")} == {1.0}
    # of points that differ in all fields no field stands alone
    sample = grid._replace(rows=[grid.rows[0], grid.rows[9]])
    assert not any(move.alone for move in moves(sample, "energy"))


def test_the_data_are_those_of_the_pictures_of_plot():
    """`report.plot_sweep` draws the same with matplotlib, out of its own arithmetic."""
    from accelsim.report.plot_sweep import sensitivity

    own = designs([(1 + 7 * at % 5 + at, 9 - at % 4) for at in range(12)])
    axes = sensitivity(Designs("drawn", own.rows, FIELDS, own.objectives), objective="cycles")
    lines = [line for line in axes.get_lines() if line.get_marker() == "o"]
    names = [text.get_text() for text in axes.get_yticklabels()]
    for name, line in zip(names, lines, strict=True):
        (move,) = (one for one in moves(own, "cycles") if one.field == name)
        assert list(line.get_xdata()) == pytest.approx(list(move.of.values()))


@given(VALUES)
def test_heat_is_the_least_of_all_designs_of_a_column(values):
    own = designs(values)
    layers = [
        {**row, "layer": name, "energy": row.get("energy") and row["energy"] * times}
        for row in own.rows
        for name, times in (("A", 1), ("B", 3))
    ]
    heat = heats(own._replace(layers=iter(layers)), ("energy",))["energy"]
    assert (heat.across, heat.columns) == ("dataflow", ["rs", "ws"]) and list(heat.cells) == ["A", "B"]
    for name, flow in product("AB", heat.columns):
        wanted = [row["energy"] for row in layers if row["layer"] == name and row["dataflow"] == flow and row["energy"]]
        assert heat.cells[name].get(flow) == min(wanted, default=None)


def test_what_runs_something_else_is_apart():
    rows = [{**row, "workload": "ab"[at % 2]} for at, row in enumerate(designs([(1, 1)] * 12).rows)]
    own = Designs("two", rows, FIELDS, ("energy",))
    assert {label: len(of) for label, of in runs(own).items()} == {"a": 6, "b": 6}
    units = [{**row, "energy_unit": "pJ" if row["rows"] == 8 else "MAC"} for row in rows]
    mixed = own._replace(rows=units)
    assert set(runs(mixed)) == {"a, in pJ", "b, in pJ", "a, in MAC energies", "b, in MAC energies"}
    assert moves(mixed, "energy") == [] and moves(mixed, "cycles") != []


def test_names_of_designs_and_units():
    row = {"levels.GLB.capacity": "64 KiB", "rows": 8, "arch": "eyeriss"}
    assert design_of(row, ["levels.GLB.capacity", "rows"]) == "GLB.capacity 64 KiB, rows 8"
    assert design_of(row, []) == "eyeriss"
    assert (unit_of("edp", "pJ"), unit_of("area_mm2", "pJ")) == ("pJ x ms", "mm2")


def test_nothing_done_is_refused_with_the_reason():
    with pytest.raises(AccelsimError, match=r"no point of 'drawn' has metrics: no room$"):
        require_done(designs([None]))
    with pytest.raises(AccelsimError, match="it has no point"):
        require_done(designs([]))


def test_every_objective_of_a_sweep_has_a_unit():
    from accelsim.sweep.record import METRICS, OBJECTIVES

    for name in OBJECTIVES:
        theirs = METRICS[name][0].replace("energy_unit", "pJ")
        assert unit_of(name, "pJ") == theirs
