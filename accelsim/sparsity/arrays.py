"""Arrays of a network's operands, read from .npz and .npy files: each file checked, each error one line."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

from accelsim.errors import Issue, SpecError
from accelsim.sparsity.spread import own_shape
from accelsim.workload.density import OPERANDS
from accelsim.workload.network import Layer
from accelsim.workload.problem import TENSORS, Tensor
from accelsim.yamlfile import hint, unknown

MOST_HEADER = 12_000
"""Bytes; numpy itself parses a header of at most 10,000."""

Numbers = npt.NDArray[Any]
Found = TypeVar("Found")

NAMES = dict(zip(TENSORS, OPERANDS, strict=True))
"""What each tensor's array is called in files."""


@dataclass(frozen=True, eq=False)
class Given:
    """An array as a file holds it, of finite numbers, in one of the accepted shapes."""

    file: str
    name: str
    array: Numbers
    shape: tuple[int, ...]

    @property
    def words(self) -> Numbers:
        """The same with the axes of `masks.shape_of`."""
        return self.array.reshape(self.shape)

    def integers(self, bits: int) -> npt.NDArray[np.int64]:
        """The words as integers of so many bits, two's complement or all of them unsigned; SpecError if they are not.

        Words that take more than 63 bits are refused.
        """
        bits = min(bits, 64)
        lowest = self.array.min()
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if lowest < 0 else (0, min(2**bits, 2**63) - 1)
        if self.array.dtype.kind == "f":
            self.refuse(self.array != np.floor(self.array), "is no integer; values are carried out as integers")
        # a float64 knows no 2^63 - 1: compare with the next integer
        outside = (self.array < low) | (self.array >= high + 1)
        self.refuse(outside, f"does not fit in {bits} b ({-(2 ** (bits - 1))} to {2 ** (bits - 1) - 1}, or unsigned)")
        return self.words.astype(np.int64)

    def refuse(self, wrong: npt.NDArray[np.bool_], message: str) -> None:
        """Raise SpecError at the first word that is wrong, if there is one."""
        if wrong.any():
            at = np.unravel_index(int(wrong.argmax()), wrong.shape)
            place = f"{self.name}[{', '.join(str(int(i)) for i in at)}]"
            raise refusal(self.file, place, f"{self.array[at]} {message}")


class Store:
    """The arrays of a network; nothing is read before it is asked for.

    source : a directory with ``LAYER.npz`` (arrays ``ifmap``, ``filter``, ``ofmap``) or ``LAYER.ifmap.npy`` and so on;
        or one ``.npz`` with arrays ``LAYER.ifmap``.
    """

    def __init__(self, source: str | Path, layers: Iterable[str]) -> None:
        self.path = Path(source)
        self.layers = tuple(layers)
        self.described = f"arrays in {self.path}"
        # a name no file can have is no file's: os.path says so, pathlib raises
        if not os.path.exists(self.path):  # noqa: PTH110
            raise refusal(source, "", "no such file or directory")
        if self.path.is_dir():
            return
        if self.path.suffix != ".npz":
            raise refusal(source, "", "wanted a directory of arrays, or one .npz file")
        known = [f"{layer}.{name}" for layer in self.layers for name in OPERANDS]
        self._members = _members(self.path, known)

    def array(self, layer: Layer, tensor: Tensor) -> Given | None:
        """One array, checked; None if the layer has others but not this one. SpecError if it has none at all."""
        if layer.problem is None or (tensor is Tensor.PSUM and layer.spread and layer.name != source_of(layer)):
            return None
        name, own = NAMES[tensor], source_of(layer)
        if self.path.is_file():
            mine = [member for member in self._members if member.rpartition(".")[0] == own]
            if not mine:
                wanted = ", ".join(f"'{own}.{name}'" for name in OPERANDS)
                raise refusal(self.path, "", f"no arrays of layer '{own}'; wanted {wanted}")
            member = f"{own}.{name}"
            return _checked(self.path, member, layer, tensor) if member in mine else None
        whole = self.path / f"{own}.npz"
        single = {t: self.path / f"{own}.{NAMES[t]}.npy" for t in TENSORS}
        found = [path for path in single.values() if os.path.exists(path)]  # noqa: PTH110
        if os.path.exists(whole):  # noqa: PTH110
            if found:
                raise refusal(whole, "", f"there is {found[0].name} too; leave one of them out")
            return _checked(whole, name, layer, tensor) if name in _members(whole, OPERANDS) else None
        if not found:
            self._missing(own, [whole, *single.values()])
        return _checked(single[tensor], "", layer, tensor) if single[tensor] in found else None

    def files(self, layer: Layer) -> list[Path]:
        """The files that hold a layer's arrays."""
        if self.path.is_file():
            return [self.path]
        own = source_of(layer)
        singles = (self.path / f"{own}.{name}.npy" for name in OPERANDS)
        return [path for path in (self.path / f"{own}.npz", *singles) if path.exists()]

    def _missing(self, layer: str, wanted: Iterable[Path]) -> None:
        names = [path.name for path in wanted]
        beside = sorted(path.name for suffix in ("npz", "npy") for path in self.path.glob(f"*.{suffix}"))
        # what belongs to other layers is not meant
        others = tuple(f"{other}." for other in self.layers if other != layer)
        meant = hint(names[0], [name for name in beside if not name.startswith(others)]).partition(" (")[0]
        raise refusal(
            self.path, "", f"no arrays of layer '{layer}'; wanted {names[0]}, or {', '.join(names[1:])}{meant}"
        )


def source_of(layer: Layer) -> str:
    """The layer whose arrays are its own: phases of a transposed convolution have those of the whole."""
    return layer.whole if layer.whole and layer.spread else layer.name


def refusal(file: str | Path, field: str, message: str) -> SpecError:
    """An error of one line."""
    return SpecError([Issue(str(file), field, " ".join(message.split()))])


def accepted(layer: Layer, tensor: Tensor) -> list[tuple[int, ...]]:
    """The shapes an array may have; the first is the usual one, groups and channels together."""
    first, *rest = shape = own_shape(layer, tensor)
    if tensor is Tensor.FILTER:
        together = (first * rest[0], *rest[1:])
        return [together, shape, *([together[:2]] if together[2:] == (1, 1) else [])]
    together = (first, rest[0] * rest[1], *rest[2:])
    return [
        together,
        shape,
        *([together[1:]] if first == 1 else []),
        *([together[:2]] if together[2:] == (1, 1) else []),
    ]


def _checked(file: Path, member: str, layer: Layer, tensor: Tensor) -> Given:
    """An array whose header says what is wanted; of any other, the header alone is read."""
    shape, dtype = _guarded(file, member, lambda: _opened(file, member, _header))
    name = member or NAMES[tensor]
    if dtype.hasobject:
        raise refusal(file, member, "holds pickled Python objects, which are not read; wanted numbers")
    if dtype.kind not in "biuf":
        raise refusal(file, name, f"dtype {dtype}; wanted integers or floats")
    wanted = accepted(layer, tensor)
    if shape not in wanted:
        raise refusal(file, name, f"shape {_shape(shape)}; wanted {_either(wanted)}{_batch(shape, wanted)}")
    array = _guarded(file, member, lambda: _opened(file, member, _numbers))
    given = Given(str(file), name, array, own_shape(layer, tensor))
    if array.dtype.kind == "f":
        given.refuse(~np.isfinite(array), "is no number")
    return given


def _opened(file: Path, member: str, read: Callable[[IO[bytes]], Found]) -> Found:
    """What `read` makes of a .npy file, or of one in a .npz."""
    with file.open("rb") as opened:
        if not member:
            return read(opened)
        with zipfile.ZipFile(opened) as archive:
            inside = f"{member}.npy" if f"{member}.npy" in archive.namelist() else member
            with archive.open(inside) as packed:
                return read(packed)


def _header(opened: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype, from the first bytes alone: a damaged header may promise gigabytes of itself."""
    first = io.BytesIO(opened.read(MOST_HEADER))
    if first.read(6) != b"\x93NUMPY":
        raise ValueError("not a .npy file")
    first.seek(0)
    version = npy.read_magic(first)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of .npy; wanted 1.0 or 2.0")
    try:
        shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(first)
    except Exception:
        # numpy parses it as Python and tells of that
        raise ValueError("its header is cut short or damaged") from None
    return shape, dtype


def _numbers(opened: IO[bytes]) -> Numbers:
    return np.asarray(npy.read_array(opened, allow_pickle=False))


def _members(file: Path, known: Iterable[str]) -> list[str]:
    """The arrays in a .npz; one of an unknown name is refused."""

    def names() -> list[str]:
        if not zipfile.is_zipfile(file):
            raise ValueError("not a .npz file, or cut short")
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            return list(found.files)

    members = _guarded(file, "", names)
    known = list(known)
    for member in members:
        if member not in known:
            raise refusal(file, "", unknown("array", member, known))
    return members


def _guarded(file: Path, name: str, read: Callable[[], Found]) -> Found:
    try:
        return read()
    except OSError as error:
        raise refusal(file, name, error.strerror or f"cannot be read: {error}") from None
    except Exception as error:
        # a damaged header is parsed as Python, a damaged archive as anything: there is no end to what they raise
        raise refusal(file, name, f"cannot be read: {str(error) or type(error).__name__}") from None


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"


def _either(shapes: Iterable[tuple[int, ...]]) -> str:
    *most, last = dict.fromkeys(map(_shape, shapes))
    return f"{', '.join(most)} or {last}" if most else last


def _batch(shape: tuple[int, ...], wanted: Iterable[tuple[int, ...]]) -> str:
    images = next((w[0] for w in wanted if len(w) == len(shape) and w[1:] == shape[1:]), None)
    return f": it holds {shape[0]} images, the batch is {images}" if images else ""
