"""Where the operands of a network's layers come from: densities of the workload, or arrays in files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.sparsity.arrays import Given, Store, source_of
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.draw import draw_bits, generator
from accelsim.sparsity.masks import Mask, Masks, Packed, refuse_words, words_of
from accelsim.sparsity.spread import own_shape, spread_out
from accelsim.workload.network import Layer, Network
from accelsim.workload.precision import span
from accelsim.workload.problem import TENSORS, Problem, Tensor
from accelsim.workload.slices import CHANNELS, Cut


class Arrays(Protocol):
    """Arrays of a network's layers, as `Store` has them. described : where they are from."""

    described: str

    def array(self, layer: Layer, tensor: Tensor) -> Given | None:
        """One array, or None."""

    def files(self, layer: Layer) -> list[Path]:
        """The files that hold a layer's arrays."""


class Operands:
    """Masks and values of each layer, made when asked for.

    Parameters
    ----------
    network : its densities are the source, unless there are `data`.
    data : a directory, or a .npz file, of arrays (docs/data.md); then densities are not used, and a tensor
        without an array has no zeros.
    seed : of what is drawn.
    store : arrays from elsewhere, instead of `data`.
    derive : an ofmap that is not given is the ReLU of the convolution of ifmap and filter, if both are.

    Raises
    ------
    AccelsimError : here and in every method, one line: a file that is missing or wrong (SpecError), a seed below 0.
    """

    def __init__(
        self,
        network: Network,
        data: str | Path | None = None,
        seed: int = 0,
        derive: bool = False,
        store: Arrays | None = None,
    ) -> None:
        if seed < 0:
            raise AccelsimError(f"seed is {seed}; it must be at least 0")
        self.network, self.seed, self.derive = network, seed, derive
        names = dict.fromkeys(map(source_of, network.mac_layers))
        self.store: Arrays | None = store or (None if data is None else Store(data, names))

    def masks(self, layer: Layer, tensors: Iterable[Tensor] = TENSORS) -> Masks:
        """Masks of the tensors asked for; the others, and those without zeros, are None."""
        packed = self.packed(layer, tensors)
        found = [None if mask is None else words_of(mask) for mask in map(packed.of, TENSORS)]
        return Masks(found[0], found[1], found[2])

    def packed(
        self, layer: Layer, tensors: Iterable[Tensor] = TENSORS, cuts: Mapping[Tensor, Cut] | None = None
    ) -> Masks:
        """The same as bits; cuts : how words are cut into slices, which may be zero though the word is not.

        Slices of words that come from a density are those of words drawn from all that are not zero.
        """
        if layer.problem is None:
            return Masks()
        wanted, found = set(tensors), list[Packed | None]()
        for tensor in TENSORS:
            cut = cuts.get(tensor) if cuts else None
            mask = self._mask(layer, layer.problem, tensor, cut) if tensor in wanted else None
            found.append(mask)
        return Masks(found[0], found[1], found[2])

    def values(
        self, layer: Layer, bits: Mapping[Tensor, int]
    ) -> tuple[npt.NDArray[np.int8 | np.int64], npt.NDArray[np.int8 | np.int64]]:
        """(ifmap [N, G, C, height, width], filter [G, M, C, R, S]): integers, zero exactly where the masks are.

        Both are int8 if all values fit, else int64. From files they must be integers of `bits`, signed or unsigned;
        what has no array, or comes from a density, is drawn.
        """
        assert layer.problem is not None
        ifmap, weights = (self._integers(layer, layer.problem, t, bits[t]) for t in (Tensor.IFMAP, Tensor.FILTER))
        small = all(x.min() >= -128 and x.max() <= 127 for x in (ifmap, weights))
        kind: Any = np.int8 if small else np.int64
        return ifmap.astype(kind, copy=False), weights.astype(kind, copy=False)

    def digests(self, layers: Iterable[Layer]) -> dict[str, str]:
        """The sha256 of each file of the layers' arrays, by path, once every array in it has been read and checked."""
        found: dict[str, str] = {}
        for layer in layers if self.store else ():
            assert self.store is not None
            for tensor in TENSORS:
                self.store.array(layer, tensor)
            for file in self.store.files(layer):
                if str(file) not in found:
                    with file.open("rb") as opened:
                        found[str(file)] = hashlib.file_digest(opened, "sha256").hexdigest()
        return found

    def of(self, layer: Layer) -> Operands | None:
        """These, or None for a layer without zeros in a network that gives no others."""
        given = self.store or inserts(layer) or any(other.density for other in self.network.layers)
        return self if given else None

    def identity(self, layer: Layer) -> str:
        """Layers of one problem and one identity have the same masks: "" has no zeros, others are their own."""
        return layer.name if self.store or layer.density or inserts(layer) else ""

    def describe(self) -> str:
        """For a report: ``densities of workload 'alexnet', seed 0``."""
        if self.store:
            derived = "; ofmaps not given: ReLU of the convolution" if self.derive else ""
            return f"{self.store.described}{derived}"
        if any(layer.density for layer in self.network.layers):
            return f"densities of workload '{self.network.name}', seed {self.seed}"
        if any(map(inserts, self.network.layers)):
            return f"zeros that layers of workload '{self.network.name}' insert"
        return f"no zeros: workload '{self.network.name}' gives no density"

    def _mask(self, layer: Layer, problem: Problem, tensor: Tensor, cut: Cut | None = None) -> Packed | None:
        if cut:
            slices = self._slices(layer, tensor, cut)
            if slices is not None:
                refuse_words(replace(problem, slices=(cut.count, cut.count)), (tensor,))
                return Packed.of(np.concatenate([spread_out(layer, tensor, one) for one in slices], axis=CHANNELS))
            mask = self._mask(layer, problem, tensor)
            return None if mask is None else Packed.of(np.concatenate([mask.words()] * cut.count, axis=CHANNELS))
        derived = self._derived(layer, problem) if tensor is Tensor.PSUM else None
        if derived is not None:
            return derived
        mask = self._own_mask(layer, problem, tensor)
        if layer.spread is None:
            return mask
        # padding is zero like that of the other axes: where zeros are looked at at all
        known = layer.spread.inserts or (layer.spread.pads and bool(self.store or layer.density))
        if mask is None and not (tensor is Tensor.IFMAP and known):
            return mask
        refuse_words(problem, (tensor,))
        words = np.ones(own_shape(layer, tensor), np.uint8) if mask is None else mask.words()
        return Packed.of(spread_out(layer, tensor, words.reshape(own_shape(layer, tensor))))

    def _slices(self, layer: Layer, tensor: Tensor, cut: Cut) -> Iterator[Mask] | None:
        """Masks of each slice of the layer's own operand; None where nothing is known of its words."""
        given = self.store.array(layer, tensor) if self.store else None
        if given is not None:
            return cut.nonzero(given.integers(cut.bits).astype(np.int64).reshape(own_shape(layer, tensor)))
        assert layer.problem is not None
        mask = self._own_mask(layer, layer.problem, tensor)
        if mask is None:
            return None
        # a stream of its own beside that of the mask and that of values
        rng = generator(self.seed, _name(layer, tensor), tensor).spawn(2)[1]
        words = rng.integers(1, (1 << cut.bits) - 1, _drawn(layer, tensor), np.uint64, endpoint=True).view(np.int64)
        words *= mask.words().reshape(words.shape)
        return cut.nonzero(words.reshape(own_shape(layer, tensor)))

    def _own_mask(self, layer: Layer, problem: Problem, tensor: Tensor) -> Packed | None:
        """Of the layer's own operand, whatever its problem makes of it."""
        if tensor is Tensor.PSUM and layer.spread and layer.spread.scattered:
            return None  # sums that are not final
        if self.store is None:
            density = layer.density.of(tensor)
            if density is None or density.dense:
                return None
            refuse_words(problem, (tensor,))
            return draw_bits(density, _drawn(layer, tensor), tensor, self.seed, _name(layer, tensor))
        given = self.store.array(layer, tensor)
        if given is not None:
            return Packed.of((given.words != 0).astype(np.uint8))
        return None

    def _derived(self, layer: Layer, problem: Problem) -> Packed | None:
        """The ReLU of the convolution of arrays, where the ofmap is not given."""
        final = not (layer.spread and layer.spread.scattered)
        if not (self.store and self.derive and final) or self.store.array(layer, Tensor.PSUM) is not None:
            return None
        ifmap, weights = (self.store.array(layer, t) for t in (Tensor.IFMAP, Tensor.FILTER))
        if ifmap is None or weights is None:
            return None
        planes = spread_out(layer, Tensor.IFMAP, ifmap.words)
        outputs = convolution(problem, planes, spread_out(layer, Tensor.FILTER, weights.words))
        return Packed.of((outputs > 0).astype(np.uint8))

    def _integers(self, layer: Layer, problem: Problem, tensor: Tensor, bits: int) -> npt.NDArray[Any]:
        if layer.spread:
            refuse_words(problem, (tensor,))
        given = self.store.array(layer, tensor) if self.store else None
        if given is not None:
            return spread_out(layer, tensor, given.integers(bits))
        # a stream of its own, so that the mask is the same with and without values
        rng = generator(self.seed, _name(layer, tensor), tensor).spawn(1)[0]
        found = rng.integers(*span(bits), _drawn(layer, tensor), np.int8)
        # none is zero of itself
        found += found >= 0
        mask = self._own_mask(layer, problem, tensor)
        own = (found if mask is None else found * mask.words().reshape(found.shape).view(np.int8)).reshape(
            own_shape(layer, tensor)
        )
        return spread_out(layer, tensor, own)


def inserts(layer: Layer) -> bool:
    """Whether a layer has zeros whatever its densities: those between the words of a transposed convolution."""
    return layer.spread is not None and layer.spread.inserts


def _name(layer: Layer, tensor: Tensor) -> str:
    """Whose stream a tensor is drawn from: phases of a transposed convolution have one ifmap and one filter."""
    return source_of(layer) if tensor is not Tensor.PSUM else layer.name


def _drawn(layer: Layer, tensor: Tensor) -> tuple[int, ...]:
    """Axes of what is drawn: the layer's own operand, planes of depth one after another on its rows."""
    *dims, rows, columns = own_shape(layer, tensor)
    return (*dims[:3], prod(dims[3:]) * rows, columns)
