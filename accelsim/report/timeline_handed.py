"""A window of a layer with an epilogue: the layer's own tracks, and one for each layer that its tiles pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from accelsim.engine.fused.epilogue import Operand
from accelsim.engine.fused.handed import LANES, OPERATIONS
from accelsim.engine.fused.handed_seen import HandedTimeline, Passing
from accelsim.engine.program import Ints
from accelsim.engine.timeline import Timeline
from accelsim.report.slices import EPILOGUE, HANDED, LANE, TRANSFER, Slice, Track, laid_out
from accelsim.report.timeline_reasons import Reasons
from accelsim.workload.problem import Tensor

Inner = Callable[[Timeline, Callable[[Timeline], Reasons]], Iterable[Track]]


def tracks(found: HandedTimeline, of_layer: Inner) -> Iterator[Track]:
    """The MAC array, each layer of the epilogue, then networks and ports. of_layer : tracks of a layer by itself.

    A tile passes all layers at once, while it drains: each has a slice of it, and so has each operand that comes from
    the outermost level.
    """
    told = _Told(found)
    array, *others = of_layer(found.layer, lambda layer: _Drains(found, layer))
    yield array
    yield from told.layers()
    operands, own = list(told.operands()), list[Slice]()
    # ifmaps from the outermost level are the first of what comes
    while others and LANE.sub("", others[0].name) == told.down:
        own += others.pop(0).slices
    yield from laid_out(found.span, told.down, [*own, *operands])
    for track in others:
        if LANE.sub("", track.name) == f"port {LANES}":
            yield track._replace(slices=map(_worked_on, track.slices))
        elif LANE.sub("", track.name) != told.up or told.epilogue.leaves:
            # where all of it stays, nothing is on the way out
            yield track


def _worked_on(one: Slice) -> Slice:
    """A tile at the vector unit."""
    return one._replace(name=one.name.replace(f"{Tensor.PSUM.value} drain", "tile"))


class _Drains(Reasons):
    """What slices tell of transfers, where those that leave are the last output's."""

    def __init__(self, handed: HandedTimeline, layer: Timeline) -> None:
        super().__init__(layer)
        self.sink = handed.handed.epilogue.last.name
        self.passing = {one.at: one for one in handed.passing}
        self.carried: dict[str, dict[str, Ints]] = {}
        for share in handed.handed.shares:
            called = share.of if share.of == OPERATIONS else f"words of {share.of}"
            known = self.carried.setdefault(share.use.port.name, {})
            # of ports on one way both have the same words
            known[called] = np.maximum(share.words, known.get(called, 0))

    def transfer(self, at: int, begin: int, end: int) -> Slice:
        """A transfer on a network."""
        shown = super().transfer(at, begin, end)
        return shown._replace(name=f"{self.sink} {shown.name}") if at in self.passing else shown

    def holder(self, at: int, begin: int, end: int, port: str) -> Slice:
        """A transfer on one of its ports: of a tile what it carries there."""
        shown = super().holder(at, begin, end, port)
        if at not in self.passing:
            return shown
        tiles = self.passing[at].tiles
        told = {called: int(words[tiles].sum()) for called, words in self.carried[port].items()}
        return shown._replace(told={**told, **shown.told})


class _Told:
    """What slices say of an epilogue."""

    def __init__(self, found: HandedTimeline) -> None:
        self.found, self.handed, self.epilogue = found, found.handed, found.handed.epilogue
        self.reasons = Reasons(found.layer)
        machine = self.handed.machine
        self.outermost, self.home = machine.levels[0].name, machine.levels[self.handed.home].name
        self.down = f"{self.outermost}->{self.home} {Tensor.IFMAP.value}"
        self.up = f"{self.outermost}<-{self.home} {Tensor.PSUM.value}"

    def layers(self) -> Iterator[Track]:
        """Of each layer of the epilogue, the tiles that pass it: side by side those that hold no port for any word."""
        for place, op in enumerate(self.epilogue.ops):
            name = f"{EPILOGUE}{op.name}"
            yield from list(laid_out(self.found.span, name, self._of_layer(place))) or [Track(name, 0, [])]

    def _of_layer(self, place: int) -> Iterator[Slice]:
        found, epilogue = self.found, self.epilogue
        made, last = found.made[place], place == len(epilogue.ops) - 1
        for one in found.passing:
            told: dict[str, Any] = {"tile": self.reasons.tile(one.at)}
            for operand, read, away in self._read(one):
                if operand.place == place:
                    told[f"words of {operand.tensor}, from {self.outermost if away else self.home}"] = read
            told["operations"] = found.words(made.operations, one)
            told["words made"] = found.words(made.words, one)
            if last:
                ways = ((self.home, epilogue.stays), (self.outermost, epilogue.leaves))
                told["to"] = " and ".join(name for name, goes in ways if goes)
            yield Slice(_name(one), HANDED, one.begin, one.end, told | self._waited(one))

    def operands(self) -> Iterator[Slice]:
        """What comes from the outermost level for a tile as it leaves."""
        for one in self.found.passing:
            for operand, words, away in self._read(one):
                if away and words:
                    whom = f"{self.epilogue.ops[operand.place].name}, {_name(one)}"
                    told = {"words": words, "tile": self.reasons.tile(one.at), "for": whom, **self._waited(one)}
                    yield Slice(f"fill {operand.tensor}", TRANSFER, one.begin, one.end, told)

    def _read(self, one: Passing) -> Iterator[tuple[Operand, int, bool]]:
        """(operand, words of it beside some tiles, whether they come from the outermost level)."""
        tiles, handed = self.handed.tiles, self.handed
        for operand, sizes, away in zip(self.epilogue.operands, tiles.operands, handed.fetched, strict=True):
            yield operand, self.found.words(sizes, one), away

    def _waited(self, one: Passing) -> dict[str, str]:
        return self.reasons.of(self.found.layer.lines[one.at].tolist())


def _name(one: Passing) -> str:
    return f"tile {one.first}" if one.many == 1 else f"tiles {one.first} to {one.first + one.many - 1}"
