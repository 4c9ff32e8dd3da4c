"""A window of a group's cycles as tracks: the MAC array, its passes, what comes and goes, and what happens inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from accelsim.engine.fused.timeline import GroupTimeline
from accelsim.engine.fused.waits import DRAIN, PASS, PORT, Wait
from accelsim.engine.timeline import Timeline
from accelsim.report.slices import COMPUTE, LANE, MACS, PASSES, STALL, TRANSFER, Slice, Track, laid_out, within
from accelsim.report.slices import PORT as OF_PORT
from accelsim.workload.problem import Tensor

VECTOR = "vector"
"""What the MAC array stands still for while the vector unit runs a pass, as the stall table has it."""
FIXED = "fixed"
"""The same of starting a group."""
Inner = Callable[[Timeline], Iterable[Track]]


def tracks(found: GroupTimeline, of_layer: Inner) -> Iterator[Track]:
    """The MAC array, the passes, each direction of each network, each port. of_layer : tracks of a pass by itself.

    The slices of the MAC array follow each other without a gap: those of `STALL`, by their name, are the stall table.
    """
    if found.ran.launch:
        yield from _launched(found, of_layer)
        return
    told = _Told(found)
    array: list[Slice] = []
    lists: dict[str, list[Slice]] = {name: [] for name in told.networks}
    inside: dict[str, list[Slice]] = {}
    for k in found.passes:
        array += told.gap(k)
        first, *others = told.inner(k, of_layer)
        array += first[1]
        for name, slices in others:
            inside.setdefault(name, []).extend(slices)
    array += told.end()
    for name, one in told.transfers():
        lists.setdefault(name, []).append(one)
    ports = {name: slices for name, slices in inside.items() if name.startswith("port ")}
    ups = {name: slices for name, slices in inside.items() if "<-" in name}
    downs = {name: slices for name, slices in inside.items() if name not in ports and name not in ups}
    yield _track(found, MACS, array)
    yield _track(found, PASSES, told.passes())
    down = [name for name in lists if "->" in name]
    up = [name for name in lists if "<-" in name]
    held = [name for name in lists if name not in (*down, *up)]
    for names, own in ((down, downs), (up, ups), (held, ports)):
        for name in dict.fromkeys((*names, *own)):
            yield from laid_out(found.span, name, [*lists.get(name, ()), *own.get(name, ())])


def _launched(found: GroupTimeline, of_layer: Inner) -> Iterator[Track]:
    """The same behind the cycles in which the group is started."""
    launch = found.ran.launch
    begun = tuple(within(found.span, [Slice(FIXED, STALL, 0, launch, {})]))
    for track in tracks(found.started, of_layer):
        slices = list(begun) if track.name == MACS else []
        for one in track.slices:
            told = {what: _Told.moved(what, value, launch) for what, value in one.told.items()}
            slices.append(one._replace(begin=one.begin + launch, end=one.end + launch, told=told))
        yield Track(track.name, len(slices), slices)


def _track(found: GroupTimeline, name: str, slices: Iterable[Slice]) -> Track:
    kept = list(within(found.span, slices))
    return Track(name, len(kept), kept)


class _Told:
    """What slices say of a group."""

    def __init__(self, found: GroupTimeline) -> None:
        self.found, self.ran, self.clock = found, found.ran, found.ran.clock
        self.schedule, self.waits = self.clock.schedule, found.ran.waits
        outermost, home = self.ran.levels
        self.down, self.up = f"{outermost}->{home}", f"{outermost}<-{home}"
        self.networks = [f"{self.down} {tensor.value}" for tensor in (Tensor.IFMAP, Tensor.FILTER)]
        self.networks.append(f"{self.up} {Tensor.PSUM.value}")

    # ---- the array ---------------------------------------------------------------------------------------------------

    def gap(self, k: int) -> Iterator[Slice]:
        """What the array waits for before a pass."""
        begins, gap = int(self.clock.begins[k]), int(self.clock.gap[k])
        if gap:
            cause = self.schedule.causes[int(self.clock.cause[k])]
            yield Slice(cause, STALL, begins - gap, begins, self.waited(self.waits.of_pass(k)))

    def end(self) -> Iterator[Slice]:
        """What leaves behind the last pass."""
        last = int(self.clock.ends[-1])
        yield Slice("drain", STALL, last, self.clock.cycles, {})

    def inner(self, k: int, of_layer: Inner) -> list[tuple[str, list[Slice]]]:
        """(track, slices) of what happens in a pass, the array's first; in cycles of the group."""
        begins, whole, late = (int(of[k]) for of in (self.clock.begins, self.schedule.cycles, self.clock.stretch))
        name, at = self.layer(k), {"pass": f"{k}, {self.layer(k)}"}
        seen = self.found.inner.get(k)
        if seen is None:
            own = [(MACS, self.summed(k))]
        else:
            own = [(LANE.sub("", track.name), list(track.slices)) for track in of_layer(seen)]
        shown = []
        for track, slices in own:
            kept = []
            for one in slices:
                told = {**at, **{what: self.moved(what, value, begins) for what, value in one.told.items()}}
                called = f"{name} {one.name}" if track == MACS and one.category == COMPUTE else one.name
                kept += _behind(one._replace(name=called, told=told), begins, whole, late, track == MACS)
            shown.append((track, kept))
        if late:
            cause = self.schedule.causes[len(self.schedule.sources) + int(self.schedule.layer[k])]
            array = shown[0][1]
            array.append(Slice(cause, STALL, begins + whole - 1, begins + whole - 1 + late, dict(at)))
            array.sort(key=lambda one: one.begin)
        return shown

    @staticmethod
    def moved(what: str, value: Any, begins: int) -> Any:
        """What a slice of a pass says, in cycles of the group."""
        return value + begins if what in ("from", "to") else value

    def summed(self, k: int) -> list[Slice]:
        """A pass in sum: how long it computes, then what it stands still for. One of the vector unit is all stall."""
        one, whole = self.ran.insides[int(self.ran.which[k])], int(self.schedule.cycles[k])
        if one is None:
            return [Slice(VECTOR, STALL, 0, whole, {})]
        found = [Slice("pass", COMPUTE, 0, one.timing.compute, {})]
        for cause, cycles in one.timing.stalls.items():
            found.append(Slice(cause, STALL, found[-1].end, found[-1].end + cycles, {"in sum": "of a pass"}))
        return found

    # ---- passes ------------------------------------------------------------------------------------------------------

    def layer(self, k: int) -> str:
        """Whose pass it is."""
        return self.ran.layers[int(self.schedule.layer[k])]

    def passes(self) -> Iterator[Slice]:
        """Each from its begin to its end."""
        for k in self.found.passes:
            told = {"pass": k, "tile": self.ran.tile(int(self.schedule.tile[k])), **self.waited(self.waits.of_pass(k))}
            yield Slice(self.layer(k), COMPUTE, int(self.clock.begins[k]), int(self.clock.ends[k]), told)

    # ---- what comes and goes -----------------------------------------------------------------------------------------

    def transfers(self) -> Iterator[tuple[str, Slice]]:
        """(track, slice) of each transfer, on its way and on its ports."""
        clock, transfers, free = self.clock, self.schedule.transfers, self.waits.free
        for at in self.found.transfers.tolist():
            name, tensor, words = self.what(at)
            needed = int(transfers.needed[at])
            told = {
                "words": words, "tile": self.ran.tile(int(self.schedule.tile[needed])),
                "for pass": f"{needed}, {self.layer(needed)}", **self.waited(self.waits.of_transfer(at)),
            }  # fmt: skip
            begin, end = int(clock.came[at]), int(clock.come[at])
            yield f"{self.down} {tensor.value}", Slice(name, TRANSFER, begin, end, told)
            yield from self.held(f"{tensor.value} {name}", begin, free[at].tolist())
        for tile in self.found.drains.tolist():
            leaves = self.schedule.leaves
            told = {"words": int(leaves[tile])} if leaves is not None else {}
            told |= {"tile": self.ran.tile(tile), **self.waited(self.waits.of_drain(tile))}
            begin, end = int(clock.left[tile]), int(clock.gone[tile])
            name = f"drain {self.ran.layers[-1]}"
            yield f"{self.up} {Tensor.PSUM.value}", Slice(name, TRANSFER, begin, end, told)
            yield from self.held(f"{Tensor.PSUM.value} {name}", begin, free[len(clock.came) + tile].tolist())

    def held(self, name: str, begin: int, until: list[int]) -> Iterator[tuple[str, Slice]]:
        """(track, slice) of each port that is held."""
        for port, end in zip(self.ran.ports, until, strict=True):
            if end > begin:
                yield f"port {port}", Slice(name, OF_PORT, begin, end, {})

    def what(self, at: int) -> tuple[str, Tensor, int]:
        """(name, operand, words) of what comes."""
        schedule = self.schedule
        cause, number = int(schedule.transfers.cause[at]), int(schedule.fetch[at])
        if cause < len(schedule.sources):
            words = schedule.fetches.words
            come = 0 if words is None else int(words[number])
            return f"fill {schedule.sources[cause]}", self.ran.operands[cause], come
        layer, words = cause - len(schedule.sources), schedule.filters.words
        row = int(schedule.rows[schedule.transfers.needed[at]])
        return f"fill filter of {self.ran.layers[layer]}", Tensor.FILTER, 0 if words is None else int(words[row])

    def waited(self, wait: Wait | None) -> Mapping[str, str]:
        """What something waited for, and the rule that says so; nothing for what began at once."""
        if wait is None:
            return {}
        if wait.kind == PORT:
            text = f"port {self.ran.ports[wait.at]}"
        elif wait.kind == PASS:
            text = f"pass {wait.at}, {self.layer(wait.at)}"
        elif wait.kind == DRAIN:
            text = f"drain {self.ran.layers[-1]}, tile {self.ran.tile(wait.at)}"
        else:
            needed = int(self.schedule.transfers.needed[wait.at])
            text = f"{self.what(wait.at)[0]}, tile {self.ran.tile(int(self.schedule.tile[needed]))}"
        return {"waited for": text, "rule": wait.rule}


def _behind(one: Slice, begins: int, whole: int, late: int, cut: bool) -> list[Slice]:
    """A slice of a pass in cycles of the group: its last unit runs `late` cycles later. cut : in two, where it must."""
    if not late:
        return [one._replace(begin=one.begin + begins, end=one.end + begins)]
    unit = whole - 1
    if cut and one.begin < unit < one.end:
        first, second = one._replace(end=unit), one._replace(begin=unit)
        return _behind(first, begins, whole, late, cut) + _behind(second, begins, whole, late, cut)
    begin = one.begin + (late if one.begin >= unit else 0)
    end = one.end + (late if one.end > unit else 0)
    return [one._replace(begin=begin + begins, end=end + begins)]
