"""What the layer types share: their keys, and how sizes follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import AliasChoices

from accelsim.errors import WorkloadError
from accelsim.specs import key
from accelsim.workload.network import Shape

OP = "What the layer does."
CHANNELS = "channels"
ROWS_COLUMNS = ": one number, or [rows, columns]"


def m_key(text: str, default: Any = ..., left_out: str = "") -> Any:
    """The key of output channels, also called K."""
    return key(text, default, left_out, CHANNELS, validation_alias=AliasChoices("M", "K"))


def c_key() -> Any:
    """The key that checks input channels."""
    return key("Channels that should arrive; checked.", None, "whatever arrives", CHANNELS)


def stride_key() -> Any:
    """The key of a window's step."""
    return key(f"Step of the window{ROWS_COLUMNS}.", (1, 1), unit="words")


def dilation_key() -> Any:
    """The key of how far taps lie apart."""
    return key(f"Distance of neighbouring taps{ROWS_COLUMNS}.", (1, 1), unit="words")


def outputs(
    shape: Shape,
    kernel: tuple[int, int],
    pad: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    ceil: bool = False,
) -> tuple[int, int]:
    """Rows and columns a window gives as it slides over a padded plane."""
    found = []
    for size, taps, zeros, step, gap in zip((shape.H, shape.W), kernel, pad, stride, dilation, strict=True):
        room = size + 2 * zeros - (gap * (taps - 1) + 1)
        if room < 0:
            window = f"a window of {kernel[0]}x{kernel[1]}"
            raise WorkloadError(
                f"shape mismatch: {window} does not fit an input of {shape} with pad {pad[0]}, {pad[1]}"
            )
        count = (room + step - 1 if ceil else room) // step + 1
        # a window that would begin in the padding after the plane is not taken
        found.append(count - 1 if ceil and (count - 1) * step >= size + zeros else count)
    return found[0], found[1]


def per_group(channels: int, groups: int, what: str) -> int:
    """Channels of a group; WorkloadError if they cannot be split evenly."""
    if channels % groups:
        raise WorkloadError(f"shape mismatch: {channels} {what} channels cannot be split into {groups} groups")
    return channels // groups


def alike(shapes: Sequence[Shape], verb: str) -> Shape:
    """The one shape of all inputs; WorkloadError if they differ."""
    if len(set(shapes)) > 1:
        raise WorkloadError(f"shape mismatch: {verb} inputs of different shapes: {', '.join(map(str, shapes))}")
    return shapes[0]


def expect_channels(expected: int | None, shape: Shape) -> None:
    """WorkloadError if other channels arrive than a file says."""
    if expected not in (None, shape.C):
        raise WorkloadError(f"shape mismatch: expects {expected} channels, but its input is {shape}")
