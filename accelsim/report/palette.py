"""Colours and hatches, the same in every picture: one for each level, tensor and cause of a stall.

The colours are those of M. Okabe, K. Ito, "Color Universal Design", 2008, which people with any colour vision can tell
apart. In grey some of them look alike, so that what is drawn for print has a hatch of its own for each (`printed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from accelsim.energy.rows import MAC
from accelsim.workload.problem import TENSORS, Tensor

Paint = tuple[str, str]
"""A colour and a hatch, one of `HATCHES`."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
OUTERMOST, NETWORK, INNERMOST = COLOURS[0], COLOURS[3], COLOURS[2]
BETWEEN = (COLOURS[1], COLOURS[4], COLOURS[5], COLOURS[6])
MAC_COLOUR = "#999999"
UNIT_COLOUR = "#000000"  # any other unit, such as the one for vector operations
GREY = "#555555"
# where a role has more members than colours
HATCHES = ("", "//", "..", "xx", "++", "--", "||", "oo", "**", "\\\\", "OO")
PAINT = dict(zip(TENSORS, (COLOURS[0], COLOURS[1], COLOURS[2]), strict=True))
TEXTS = {Tensor.IFMAP: "#005A8E", Tensor.FILTER: "#8F6000", Tensor.PSUM: "#00694C"}
"""The colours of tensors, dark enough for letters."""
COMPUTE = "compute"
OTHERS = (COLOURS[3], COLOURS[5], COLOURS[4], COLOURS[6])
CAUSES = ("fill", "drain", "pipeline", "fixed", "least", "room", "pe")
"""Of stalls that no one tensor causes, as `engine.timing.streams` names them; each has its place among `OTHERS`."""
_PRINTED = {COLOURS[at]: turn for at, turn in ((1, 1), (2, 2), (3, 3), (4, 9), (5, 5), (6, 4))}
"""Where the hatches of a colour begin, in `HATCHES`; at the first, none, where nothing is said."""


def colours(components: Sequence[str], levels: Sequence[str]) -> dict[str, Paint]:
    """Colour and hatch of each component by its role: outermost and innermost level, those between, networks."""
    found: dict[str, Paint] = {}
    others = 0
    between = [name for name in levels[1:-1] if name in components]
    networks = [name for name in components if name not in levels and name.endswith("network")]
    for name in components:
        if name == MAC:
            found[name] = (MAC_COLOUR, "")
        elif name == levels[0]:
            found[name] = (OUTERMOST, "")
        elif name == levels[-1]:
            found[name] = (INNERMOST, "")
        elif name in between:
            turn, index = divmod(between.index(name), len(BETWEEN))
            found[name] = (BETWEEN[index], HATCHES[turn % len(HATCHES)])
        elif name in networks:
            found[name] = (NETWORK, HATCHES[networks.index(name) % len(HATCHES)])
        else:
            found[name] = (UNIT_COLOUR, HATCHES[others % len(HATCHES)])
            others += 1
    return found


def of_causes(causes: Iterable[str]) -> dict[str, Paint]:
    """By cause of a stall, after 'compute': the tensor's colour, a hatch for each way that it takes."""
    split = {cause: cause.rpartition(" ") for cause in causes}
    ways = sorted({way for way, _, name in split.values() if way and name in set(Tensor)})
    known = [*CAUSES, *(cause for cause in split if cause not in CAUSES)]
    found: dict[str, Paint] = {COMPUTE: (MAC_COLOUR, "")}
    for cause, (way, _, name) in split.items():
        if way in ways:
            found[cause] = (PAINT[Tensor(name)], HATCHES[ways.index(way) % len(HATCHES)])
        else:
            turn, at = divmod(known.index(cause), len(OTHERS))
            found[cause] = (OTHERS[at], HATCHES[turn % len(HATCHES)])
    return found


def printed(paint: Paint) -> Paint:
    """The same colour with a hatch that tells it apart in grey, too; different paints stay different."""
    colour, hatch = paint
    return colour, HATCHES[(HATCHES.index(hatch) + _PRINTED.get(colour, 0)) % len(HATCHES)]


def look(paint: Paint) -> Mapping[str, Any]:
    """How matplotlib fills a bar, for screen and print."""
    colour, hatch = printed(paint)
    return {"facecolor": colour, "hatch": hatch or None, "edgecolor": "white", "lw": 0.4}
