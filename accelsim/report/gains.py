"""What twice of one thing would change of a run, as data and in words; `accelsim.advice` works it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from accelsim.architecture.levers import CAPACITY, CHANNELS, PORT, SIDE
from accelsim.report.text import energy_text, number, percent, shown

DATAFLOW = "dataflow"
"""The kind of a gain that comes of another dataflow on the same machine; the others are those of `Lever`."""
MATTERS = 0.005
"""Least change of cycles or energy that is worth a sentence."""
DOUBLED = {
    CAPACITY: "twice the capacity of {}",
    SIDE: "twice the {}",
    PORT: "twice the width of port '{}'",
    CHANNELS: "twice the channels of {}",
    DATAFLOW: "dataflow {} instead",
}


@dataclass(frozen=True)
class Gain:
    """One layer, or all of them, as it is and with twice of something, or under another dataflow.

    kind, what : of `architecture.levers.Lever`, or DATAFLOW and its name. cycles : core cycles (before, after).
    energy : in the table's unit (before, after). searched : whether the mapping was searched for anew.
    reason : why it was not evaluated; ''. left : layers that were not, of those that are added up.
    note : what else to know beside it; ''.
    """

    kind: str
    what: str
    cycles: tuple[int, int]
    energy: tuple[float, float]
    searched: bool = False
    reason: str = ""
    left: int = 0
    note: str = ""

    @property
    def faster(self) -> float:
        """The share of the cycles that it saves; below 0: it costs some."""
        return _saved(*self.cycles)

    @property
    def cheaper(self) -> float:
        """The share of the energy that it saves."""
        return _saved(*self.energy)

    @property
    def name(self) -> str:
        """``twice the width of port 'DRAM link'``."""
        what = shown(self.what)
        if self.kind == SIDE:
            for axis, sides in (("array y", "rows"), ("array x", "columns")):
                what = what.replace(axis, f"{sides} of the array", 1) if what.startswith(axis) else what
        return DOUBLED[self.kind].format(what)

    def sentence(self, unit: str) -> str:
        """Both changes in words; unit : of the energy."""
        again = "with the mapping searched for anew" if self.searched else "in the same mapping"
        cycles = _changed(self.faster, "fewer", "cycles", number(abs(self.cycles[0] - self.cycles[1])))
        spent = energy_text(abs(self.energy[0] - self.energy[1]), unit)
        energy = _changed(self.cheaper, "less", "energy", spent)
        parts = [text for text, saved in ((cycles, self.faster), (energy, self.cheaper)) if abs(saved) >= MATTERS]
        left = f"; {self.left} of the layers could not be evaluated so" if self.left else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.name}, {again}: {', '.join(parts) or 'changes nothing'}{left}{note}"


Gains = Mapping[str, Sequence[Gain]]
"""By layer."""


def added(gains: Iterable[tuple[Gain, int]]) -> list[Gain]:
    """(gain, repeat) of layers added up, one for each lever; a layer that was not evaluated stays as it is."""
    sums: dict[tuple[str, str], list[tuple[Gain, int]]] = {}
    for gain, repeat in gains:
        sums.setdefault((gain.kind, gain.what), []).append((gain, repeat))
    return [
        Gain(
            kind,
            what,
            (sum(g.cycles[0] * n for g, n in own), sum(g.cycles[1] * n for g, n in own)),
            (sum(g.energy[0] * n for g, n in own), sum(g.energy[1] * n for g, n in own)),
            any(g.searched for g, _ in own),
            own[0][0].reason if all(g.reason for g, _ in own) else "",
            sum(bool(g.reason) for g, _ in own),
            next((g.note for g, _ in own if g.note), ""),
        )
        for (kind, what), own in sums.items()
    ]


def advice(gains: Sequence[Gain], unit: str, most: int = 8) -> list[str]:
    """What would move most, a sentence each, largest first; then what would move nothing, in one."""
    done = [gain for gain in gains if not gain.reason]
    moving = [gain for gain in done if max(abs(gain.faster), abs(gain.cheaper)) >= MATTERS]
    moving.sort(key=lambda gain: (-max(abs(gain.faster), abs(gain.cheaper)), gain.name))
    lines = [_capital(gain.sentence(unit)) for gain in moving[:most]]
    idle = [gain.name for gain in done if gain not in moving]
    if idle:
        lines.append(_capital(f"{'; '.join(idle)}: less than {percent(MATTERS)} % of either."))
    reasons: dict[str, list[str]] = {}
    for gain in gains:
        if gain.reason:
            reasons.setdefault(gain.reason, []).append(gain.name)
    return lines + [_capital(f"{'; '.join(names)}: not evaluated: {why}") for why, names in reasons.items()]


def _saved(before: float, after: float) -> float:
    return (before - after) / before if before else 0.0


def _changed(saved: float, less: str, what: str, by: str) -> str:
    return f"{percent(abs(saved))} % {less if saved >= 0 else 'more'} {what} ({by})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
