"""What the layer types share: their keys, and how sizes follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import AliasChoices

from accelsim.errors import WorkloadError
from accelsim.specs import key
from accelsim.workload.network import Shape
from accelsim.workload.windows import reach, same

OP = "What the layer does."
CHANNELS = "channels"
AXES = ("C", "H", "W", "D")
ROWS_COLUMNS = ": one number, or [rows, columns]"


def m_key(text: str, default: Any = ..., left_out: str = "") -> Any:
    """The key of output channels, also called K."""
    return key(text, default, left_out, CHANNELS, validation_alias=AliasChoices("M", "K"))


def c_key() -> Any:
    """The key that checks input channels."""
    return key("Channels that should arrive; checked.", None, "whatever arrives", CHANNELS)


def causal_key() -> Any:
    """The key of what hides later positions."""
    return key(
        "Whether scores of an attention are hidden from positions that come later (a causal mask). A fused attention "
        "leaves blocks out that are hidden altogether; a layer alone computes all.",
        False,
    )


def stride_key() -> Any:
    """The key of a window's step."""
    return key(f"Step of the window{ROWS_COLUMNS}.", (1, 1), unit="words")


def dilation_key() -> Any:
    """The key of how far taps lie apart."""
    return key(f"Distance of neighbouring taps{ROWS_COLUMNS}.", (1, 1), unit="words")


def sides(
    pad: tuple[int, ...] | str,
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> list[tuple[int, int]]:
    """(before, after) of every axis, of what a file says of padding."""
    if isinstance(pad, str):
        each = zip(sizes, kernel, stride, dilation, strict=True)
        return [same(*axis, lower=pad == "same-lower") for axis in each]
    axes = len(sizes)
    return list(zip(pad[:axes], pad[-axes:], strict=True))


def outputs(
    shape: Shape,
    kernel: Sequence[int],
    pad: tuple[int, ...] | str,
    stride: Sequence[int],
    dilation: Sequence[int],
    ceil: bool = False,
) -> tuple[int, ...]:
    """Rows and columns (three axes: planes of depth before them) a window gives as it slides over a padded plane."""
    sizes = axes_of(shape, len(kernel))
    zeros = sides(pad, sizes, kernel, stride, dilation)
    found = []
    for size, taps, (before, after), step, gap in zip(sizes, kernel, zeros, stride, dilation, strict=True):
        room = size + before + after - reach(taps, gap)
        if room < 0:
            raise misfit(shape, kernel, zeros)
        count = (room + step - 1 if ceil else room) // step + 1
        # a window that would begin in the padding after the plane is not taken
        found.append(count - 1 if ceil and (count - 1) * step >= size + before else count)
    return tuple(found)


def axes_of(shape: Shape, axes: int) -> tuple[int, ...]:
    """Sizes of the axes that a window of so many slides over; WorkloadError if the shape has others too."""
    if axes < 3 and shape.D > 1:
        raise WorkloadError(f"shape mismatch: its input is {shape}, {shape.D} planes of depth: an op of three axes")
    return (shape.D, shape.H, shape.W) if axes == 3 else (shape.H, shape.W)


def misfit(shape: Shape, kernel: Sequence[int], pad: Sequence[tuple[int, int]]) -> WorkloadError:
    """What to raise where no window fits."""
    even = all(before == after for before, after in pad)
    told = ", ".join(f"{one[0]}" if even else f"{one[0]}+{one[1]}" for one in pad)
    window = "x".join(map(str, kernel))
    return WorkloadError(f"shape mismatch: a window of {window} does not fit an input of {shape} with pad {told}")


def per_group(channels: int, groups: int, what: str) -> int:
    """Channels of a group; WorkloadError if they cannot be split evenly."""
    if channels % groups:
        raise WorkloadError(f"shape mismatch: {channels} {what} channels cannot be split into {groups} groups")
    return channels // groups


def broadcast(shapes: Sequence[Shape], verb: str) -> Shape:
    """The shape of all inputs, where one that has a single word along an axis has it for the whole axis."""
    found = Shape(*(max(getattr(shape, axis) for shape in shapes) for axis in AXES))
    for shape in shapes:
        if any(getattr(shape, axis) not in (1, getattr(found, axis)) for axis in AXES):
            raise WorkloadError(f"shape mismatch: {verb} inputs of different shapes: {', '.join(map(str, shapes))}")
    return found


def expect_channels(expected: int | None, shape: Shape) -> None:
    """WorkloadError if other channels arrive than a file says."""
    if expected not in (None, shape.C):
        raise WorkloadError(f"shape mismatch: expects {expected} channels, but its input is {shape}")
