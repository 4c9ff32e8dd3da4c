"""Whether a fused group fits its buffer, and where it does not, what would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from accelsim.engine.fused.filters import choices, room
from accelsim.engine.fused.storage import MODES, NONE, Measure, Measured, Tiling
from accelsim.errors import Overflow


def sizes(plane: int) -> list[int]:
    """Sizes of tiles along an axis that differ in how many tiles they make: the smallest for each number, growing."""
    return sorted({-(-plane // count) for count in range(1, plane + 1)})


def fitting(measured: Measured, capacity: int, slices: Mapping[str, int] = NONE) -> Tiling | None:
    """The tiling that fits with the fewest tiles, of those the least room; modes are kept. None: none does.

    Filters may be resident or streamed. All sizes of tiles that differ in their number are tried.
    """
    measure, tiling = Measure(measured.group, measured.widths), measured.tiling
    rows, columns = (sizes(size) for size in measured.group.sink.plane)
    found: tuple[int, int, Tiling] | None = None
    for high in rows:
        for wide in columns:
            one = measure(replace(tiling, tile=(high, wide)))
            tiles = len(one.rows.made) * len(one.columns.made)
            if (found is not None and tiles > found[0]) or one.room > capacity:
                continue
            listed = choices(one, slices, capacity)
            if listed and (found is None or (tiles, listed[0].room) < found[:2]):
                found = tiles, listed[0].room, one.tiling
    return found[2] if found else None


def overflow(
    measured: Measured, capacity: int, level: str, resident: Iterable[str] = (), slices: Mapping[str, int] = NONE
) -> Overflow | None:
    """What does not fit, and what would: other filters, another tile, other modes. None: all of it fits.

    capacity : in units of the group's widths: bits, where they are. level : the buffer's name.
    """
    needs = room(measured, resident, slices)
    if needs <= capacity:
        return None
    ops, found = measured.group.ops, []
    streamed = choices(measured, slices, capacity)
    if streamed:
        stay = ", ".join(sorted(streamed[-1].resident)) or "none"
        found.append(f"let filters stay: {stay}")
    tiling = fitting(measured, capacity, slices)
    if tiling is not None and tiling.tile != measured.tiling.tile:
        found.append(f"a tile of {tiling.tile[0]} rows and {tiling.tile[1]} columns fits")
    elif tiling is None and measured.tiling.keep != MODES["none"]:
        none = replace(measured.tiling, keep=MODES["none"], own={})
        other = fitting(replace(measured, tiling=none), capacity, slices)
        if other is not None:
            found.append(f"keep none: then a tile of {other.tile[0]} rows and {other.tile[1]} columns fits")
    if not found:
        found.append("fuse fewer layers, or enlarge the buffer")
    what = f"fused group '{ops[0].name}' to '{ops[-1].name}'"
    return Overflow(level, what, needs, capacity, tuple(found))
