"""What stands in the networks of a space: plain layers, positions, copies of cells; and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from accelsim.codesign.spaces.spec import CellSpec, CellUseSpec, ChooseSpec, SpaceSpec, Where
from accelsim.quantities import short
from accelsim.specs import part
from accelsim.workload.blocks import BlockSpec
from accelsim.yamlfile import Document, Place, unknown

ALL = "all"
MOST_POSITIONS = 1_000
"""Of one entry of a file."""


class At(NamedTuple):
    """A position, or an edge of a copy of a cell: what its operation gets. choose : what may stand there."""

    entry: str
    name: str
    C: int
    M: int
    stride: int
    choose: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether its shape stays."""
        return self.stride == 1 and self.C == self.M


class Copy(NamedTuple):
    """A copy of a cell, C channels wide. prefix : of the names of its positions."""

    entry: str
    name: str
    cell: CellSpec
    C: int
    prefix: str

    def edges(self) -> list[tuple[int, int, str, str]]:
        """(from, to, position, name of what stands there)."""
        own = [(i, j, f"e{i}{j}" if j < 10 else f"e{i}_{j}") for i, j in self.cell.edges]
        return [(i, j, f"{self.prefix}{name}", f"{self.name}_{name}") for i, j, name in own]


Stands = tuple[str, Any] | At | Copy


def check_names(document: Document, spec: SpaceSpec) -> None:
    """Blocks that operations name, operations that cells name; edges that lead on."""
    for name, block in spec.blocks.items():
        part(document, ("blocks", name), block, BlockSpec)
    for name, own in spec.operations.items():
        if own.block is not None and own.block not in spec.blocks:
            document.refuse(("operations", name, "block"), unknown("block", own.block, spec.blocks))
        if own.drops and own.block is not None:
            document.refuse(("operations", name, "drops"), "an edge that is left out has no block")
        if own.same is not None and own.block is None and own.same == Where.NOTHING:
            document.refuse(("operations", name, "same"), "without a block nothing stands there anyway")
    for name, cell in spec.cells.items():
        _check_choose(document, ("cells", name, "choose"), cell.choose, spec)
        ends, reached = [], {0}
        for at, (i, j) in enumerate(cell.edges):
            if i >= j or i not in reached:
                why = "leads back" if i >= j else f"begins at node {i}, to which no edge before it leads"
                document.refuse(("cells", name, "edges", at), f"{i} to {j} {why}")
            reached.add(j)
            ends.append((i, j))
        if len(set(ends)) < len(ends):
            document.refuse(("cells", name, "edges"), "an edge is there twice")


def _check_choose(document: Document, place: Place, choose: Sequence[str], spec: SpaceSpec) -> None:
    for at, one in enumerate(choose):
        if tuple(choose) != (ALL,) and one not in spec.operations:
            where = (*place, at) if (*place, at) in document.values else place
            document.refuse(where, unknown("operation", one, spec.operations))


def places_of(document: Document, spec: SpaceSpec) -> tuple[Stands, ...]:
    """What stands in the network, with the channels that arrive."""
    out: list[Stands] = []
    channels: int | None = spec.input.C
    for name, layer in spec.layers.items():
        place: Place = ("layers", name)
        if isinstance(layer, dict) and "choose" in layer:
            entry = part(document, place, layer, ChooseSpec)
            if entry is None or channels is None:
                _unknown_channels(document, place, entry)
                continue
            _check_choose(document, (*place, "choose"), entry.choose, spec)
            choose = tuple(spec.operations) if entry.choose == (ALL,) else entry.choose
            for time, own in enumerate(_names(document, name, entry.times)):
                out.append(At(name, own, channels, entry.M, entry.stride if time == 0 else 1, choose))
                channels = entry.M
        elif isinstance(layer, dict) and "cell" in layer:
            use = part(document, place, layer, CellUseSpec)
            if use is None or channels is None:
                _unknown_channels(document, place, use)
                continue
            if use.cell not in spec.cells:
                document.refuse((*place, "cell"), unknown("cell", use.cell, spec.cells))
                continue
            for own in _names(document, name, use.times):
                prefix = f"{use.cell}_" if len(spec.cells) > 1 else ""
                out.append(Copy(name, own, spec.cells[use.cell], channels, prefix))
        else:
            out.append((name, layer))
            if isinstance(layer, dict):
                found = layer.get("M", layer.get("set", {}).get("M") if isinstance(layer.get("set"), dict) else None)
                channels = found if isinstance(found, int) else None if "block" in layer else channels
    return tuple(out)


def _names(document: Document, name: str, times: int) -> list[str]:
    """Of what stands so many times in a row; none, and an error, where that is too often."""
    if times > MOST_POSITIONS:
        document.refuse(("layers", name, "times"), f"must be at most {MOST_POSITIONS:,}, got {short(times)}")
        return []
    return [f"{name}_{time}" for time in range(1, times + 1)] if times > 1 else [name]


def _unknown_channels(document: Document, place: Place, entry: object) -> None:
    if entry is not None:
        document.refuse(place, "what is before it does not say how many channels arrive (M)", key=True)
