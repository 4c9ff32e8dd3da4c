"""Gradients of convolutions and products, carried out as they are lowered, against loops and differences in numpy."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from math import prod
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden
from accelsim.engine.outputs.functional import outputs
from accelsim.engine.program import build
from accelsim.sparsity.convolution import convolution
from accelsim.sparsity.operands import Operands
from accelsim.sparsity.spread import own_shape, spread_out
from accelsim.workload.network import Layer, Network
from accelsim.workload.problem import Problem, Tensor
from accelsim.workload.training.phases import PHASES
from accelsim.workload.training.slid import slid
from drawn_layers import AXES, WAYS, Drawn, carry_out, network
from strategies import case_of, draw_compression, draw_sparsity
from test_agreement import agree, agree_on_zeros

GRADIENT_WAYS = ("insert", "split", "scatter")


def drawn(rng: Random, way: str, most: int = 250) -> Drawn:
    """A convolution of few MACs, some of whose outputs meet words."""
    while True:
        found = Drawn(rng, rng.choice((2, 2, 3)), bool(way))
        if way and min(found.output()) < 1:
            continue
        if not np.array(gradients(found, way, np.ones_like(found.definition(bool(way))))[2]).any():
            continue
        if found.lowered(way).macs <= most:
            return found


def gradients(one: Drawn, way: str, arriving: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(of the words, of the filters, products of each) by loops over every product of the forward pass."""
    words, filters = np.zeros_like(one.words), np.zeros_like(one.filters)
    m, c, products = one.m // one.groups, one.c // one.groups, 0
    moving, fixed = (one.size, arriving.shape[2:]) if way else (arriving.shape[2:], one.size)
    for at in product(*map(range, moving)):
        for tap in product(*map(range, one.kernel)):
            place = tuple(
                o * s + t * d - before
                for o, s, t, d, before in zip(at, one.stride, tap, one.dilation, one.before, strict=True)
            )
            if any(not 0 <= where < size for where, size in zip(place, fixed, strict=True)):
                continue
            there, out = (at, place) if way else (place, at)
            for group in range(one.groups):
                mine, read = slice(group * m, group * m + m), slice(group * c, group * c + c)
                g, x = arriving[(slice(None), mine, *out)], one.words[(slice(None), read, *there)]
                words[(slice(None), read, *there)] += g @ one.filters[(mine, slice(None), *tap)]
                filters[(mine, slice(None), *tap)] += g.T @ x
                products += g.shape[0] * m * c
    return words, filters, products


def training(one: Drawn, way: str, back: str) -> Network:
    """Its training step behind a layer that is trained, so that its input needs a gradient."""
    layer = (
        f"op: {'conv' if one.axes == 2 else 'conv3d'}, M: {one.m}, groups: {one.groups}, kernel: {one.kernel}, "
        f"stride: {one.stride}, dilation: {one.dilation}, pad: {[*one.before, *one.after]}"
    )
    layer += f", output_padding: {one.extra}, transposed: {way}" if way else ""
    shape = dict(zip(AXES[-one.axes :], one.size, strict=True))
    found = network(f"op: norm}}\n  B: {{{layer}", {"C": one.c, **shape}, one.batch)
    return found.training_step({"transposed": back})


class Carried:
    """A drawn convolution's gradients, as its training step lowers them, carried out by `run`."""

    def __init__(self, one: Drawn, way: str, back: str, arriving: np.ndarray, run):
        self.one, self.way, self.run, self.arriving = one, way, run, arriving
        self.network = training(one, way, back)
        self.layers = {layer.name: layer for layer in self.network.layers}

    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """(of the words, of the filters), shaped as they are."""
        one = self.one
        grouped = one.filters.reshape(one.groups, one.m // one.groups, -1, *one.kernel)
        if self.way == "split":
            words, filters = np.zeros_like(one.words), np.zeros_like(grouped)
            for part in (layer for layer in self.network.layers if layer.whole == "B"):
                self._phase(part, grouped, words, filters)
            return words, filters.reshape(one.filters.shape)
        if self.way == "scatter":
            sums = self._gathered()
            flat = grouped.reshape(*grouped.shape[:3], -1).transpose(0, 1, 3, 2)
            flat = flat.reshape(one.groups, -1, grouped.shape[2], 1, 1)
            sums, read = (x.reshape(*x.shape[:2], -1, x.shape[-1]) for x in (sums, one.words))
            words, filters = self._input("B", sums, flat, read.shape), self._weights("B", read, sums, flat.shape)
            taps = filters.reshape(*grouped.shape[:2], prod(one.kernel), -1).swapaxes(2, 3)
            return words.reshape(one.words.shape), taps.reshape(one.filters.shape)
        words = self._input("B", self.arriving, grouped, one.words.shape)
        filters = self._weights("B", one.words, self.arriving, grouped.shape, bool(self.way))
        return words, filters.reshape(one.filters.shape)

    def _gathered(self) -> np.ndarray:
        """The gradient of every sum: that of the output where it falls, none where that is left out."""
        one = self.one
        found = np.zeros((one.batch, one.m, *one.kernel, *one.size), np.int64)
        for tap in product(*map(range, one.kernel)):
            for at in product(*map(range, one.size)):
                place = tuple(
                    o * s + t * d - b
                    for o, s, t, d, b in zip(at, one.stride, tap, one.dilation, one.before, strict=True)
                )
                if all(0 <= where < size for where, size in zip(place, self.arriving.shape[2:], strict=True)):
                    found[(slice(None), slice(None), *tap, *at)] = self.arriving[(slice(None), slice(None), *place)]
        return found.reshape(one.batch, -1, *one.size)

    def _phase(self, part: Layer, grouped: np.ndarray, words: np.ndarray, filters: np.ndarray) -> None:
        """A phase reads words from some on, and has some of the taps."""
        axes = self.one.axes
        spread, first = part.spread, [int(at) for at in re.findall(r"\d+", part.name)]
        phase = tuple(slice(at, None, step) for at, step in zip(first, self.one.stride, strict=True))
        crop, taps = ((0,) * axes, [slice(None)] * axes)
        if spread:
            crop = spread.crop[-axes:]
            taps = [
                slice(start, None, every)
                for start, every in zip(spread.first[-axes:], spread.every[-axes:], strict=True)
            ]
        read = (..., *(slice(left, None) for left in crop))
        mine = grouped[(..., *taps)]
        arriving = self.arriving[(..., *phase)]
        words[read] += self._input(part.name, arriving, mine, words[read].shape)
        filters[(..., *taps)] += self._weights(part.name, self.one.words[read], arriving, mine.shape)

    def _input(self, name: str, arriving: np.ndarray, grouped: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The gradient of what a layer reads; grouped : its filter [G, M, C, taps]."""
        turned = grouped.swapaxes(1, 2)
        turned = turned.reshape(-1, *turned.shape[2:])
        if f"{name}.ifmap_grad" not in self.layers:
            # its outputs meet padding alone
            return np.zeros(shape, np.int64)
        layer = self.layers[f"{name}.ifmap_grad"]
        if layer.problem is None:
            found = np.zeros(shape, np.int64)
            for part in layer.inputs:
                first = [int(at) for at in re.findall(r"\d+", part.rpartition(".")[2])]
                places = tuple(slice(at, None, step) for at, step in zip(first, self.one.stride, strict=True))
                found[(..., *places)] = carry_out(self.layers[part], arriving, turned, self.run)
            return found
        if not (layer.spread and layer.spread.scattered):
            return carry_out(layer, arriving, turned, self.run)
        sums = carry_out(layer, arriving, turned, self.run)
        sums = sums.reshape(shape[0], shape[1], *grouped.shape[3:], *arriving.shape[2:])
        return self._fallen(self.layers[name], sums, shape)

    def _fallen(self, layer: Layer, sums: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Every sum added where its product is from, by the steps of the layer, which may be a phase."""
        found, axes = np.zeros(shape, np.int64), len(shape) - 2
        steps = [(axis.stride, axis.dilation, axis.before) for axis in slid(layer).axes]
        taps, plane = sums.shape[2 : 2 + axes], sums.shape[2 + axes :]
        for tap in product(*map(range, taps)):
            for at in product(*map(range, plane)):
                place = tuple(o * s + t * d - b for o, t, (s, d, b) in zip(at, tap, steps, strict=True))
                if all(0 <= where < size for where, size in zip(place, shape[2:], strict=True)):
                    found[(slice(None), slice(None), *place)] += sums[(slice(None), slice(None), *tap, *at)]
        return found

    def _weights(
        self, name: str, read: np.ndarray, arriving: np.ndarray, shape: tuple[int, ...], turned: bool = False
    ) -> np.ndarray:
        """The gradient of a filter [G, M, C, taps]; read : words [N, C, axes]."""
        g, m, c = shape[:3]
        layer = self.layers[f"{name}.filter_grad"]
        split = [x.reshape(x.shape[0], g, -1, *x.shape[2:]) for x in (read, arriving)]
        slides, stays = split[::-1] if turned else split
        # channels of what slides lie on N, images are summed over
        slides, stays = slides.swapaxes(0, 2), np.moveaxis(stays, 0, 2)
        axes = slid(self.layers[name]).axes
        ends = [(n - 1) * axis.stride + 1 for n, axis in zip(stays.shape[3:], axes, strict=True)]
        fits = all(end <= size for end, size in zip(ends, slides.shape[3:], strict=True))
        if fits and all(axis.taps == 1 and axis.before == 0 for axis in axes):
            # no windows: words that are read are summed over like images
            read = (..., *(slice(0, end, axis.stride) for end, axis in zip(ends, axes, strict=True)))
            slides, stays = (x.reshape(*x.shape[:2], -1, 1, 1) for x in (slides[read], stays))
        found = carry_out(layer, slides, stays, self.run)
        others = c if turned else m
        found = found.reshape(m if turned else c, g, others, *shape[3:])
        return np.moveaxis(found, 0, 1) if turned else np.moveaxis(found, 0, 2)


def same_gradients(rng: Random, way: str, back: str, run=convolution) -> None:
    one = drawn(rng, way)
    arriving = np.random.default_rng(rng.randrange(2**32)).integers(-8, 8, one.definition(bool(way)).shape)
    words, filters, _ = gradients(one, way, arriving)
    mine = Carried(one, way, back, arriving, run).both()
    assert np.array_equal(mine[0], words)
    assert np.array_equal(mine[1], filters)


@given(st.randoms(use_true_random=False), st.sampled_from(WAYS), st.sampled_from(GRADIENT_WAYS))
@settings(max_examples=80, deadline=None)
def test_gradients_are_those_of_loops(rng, way, back):
    same_gradients(rng, way, back)


@pytest.mark.nightly
@given(st.randoms(use_true_random=False), st.sampled_from(WAYS), st.sampled_from(GRADIENT_WAYS))
@settings(max_examples=5_000, deadline=None)
def test_gradients_are_those_of_loops_at_length(rng, way, back):
    same_gradients(rng, way, back)


@given(st.randoms(use_true_random=False), st.sampled_from(WAYS), st.sampled_from(GRADIENT_WAYS))
@settings(max_examples=25, deadline=None)
def test_gradients_of_drawn_machines(rng, way, back):
    """The golden model and the nest carry out each gradient."""

    def golden_model(problem: Problem, ifmap: np.ndarray, weights: np.ndarray) -> np.ndarray:
        machine, nest, _ = case_of(rng, problem)
        told = golden.run(machine, nest, problem, ifmap.astype(np.int64), weights.astype(np.int64))
        assert np.array_equal(told.outputs, outputs(build(machine, nest, problem), ifmap, weights))
        return told.outputs

    same_gradients(rng, way, back, golden_model)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_the_loops_are_differences(way, seed):
    """A step of one in each word changes what comes out by its gradient: sums of products are linear in each."""
    one = drawn(Random(seed), way, 120)
    arriving = np.random.default_rng(seed).integers(-8, 8, one.definition(bool(way)).shape)
    words, filters, _ = gradients(one, way, arriving)
    before = (one.definition(bool(way)) * arriving).sum()
    for operand, gradient in ((one.words, words), (one.filters, filters)):
        for at in np.ndindex(*operand.shape):
            operand[at] += 1
            assert (one.definition(bool(way)) * arriving).sum() - before == gradient[at]
            operand[at] -= 1


def products(layer: Layer) -> int:
    """Products of two words that are neither padding nor inserted: a convolution of ones."""
    ones = [
        spread_out(layer, tensor, np.ones(own_shape(layer, tensor), np.int64))
        for tensor in (Tensor.IFMAP, Tensor.FILTER)
    ]
    return int(convolution(layer.problem, *ones).sum())


@given(st.randoms(use_true_random=False), st.sampled_from(("", "insert")), st.sampled_from(GRADIENT_WAYS))
@settings(max_examples=60, deadline=None)
def test_each_gradient_has_the_products_of_the_forward_pass(rng, way, back):
    """Counted by loops: every product of a word and a tap comes back once in each gradient, and no other."""
    one = drawn(rng, way)
    counted = gradients(one, way, np.ones_like(one.definition(bool(way))))[2]
    layers = {layer.name: layer for layer in training(one, way, back).mac_layers}
    assert products(layers["B"]) == counted
    assert products(layers["B.filter_grad"]) == counted
    back_layers = [layer for name, layer in layers.items() if name.startswith("B.ifmap_grad")]
    if not (way == "" and back == "scatter"):  # what falls beside the plane is computed, and dropped
        assert sum(map(products, back_layers)) == counted
    # the slots: words of the plane, or of the gradient, times taps
    taps, channels = prod(one.kernel), one.c * one.m // one.groups * one.batch
    outputs_ = prod(one.definition(bool(way)).shape[2:])
    plain = way == "" and not (back == "split" and prod(one.stride) > 1)
    if plain:
        positions = outputs_ if back == "scatter" and (taps > 1 or prod(one.stride) > 1) else prod(one.size)
        assert sum(layer.macs for layer in back_layers) == channels * positions * taps
    assert layers["B.filter_grad"].macs == channels * taps * (prod(one.size) if way else outputs_)


def same_counts(rng: Random, way: str, back: str) -> None:
    """Closed form, cycles and golden model; two of them on the zeros that gradients insert."""
    found = training(drawn(rng, way, 120), way, back)
    gradient = [layer for layer in found.mac_layers if layer.op in PHASES and layer.macs <= 250]
    for layer in gradient[:3]:
        agree(*case_of(rng, layer.problem))
    for layer in gradient[-2:]:
        masks = Operands(found).masks(layer)
        machine, nest, problem = case_of(rng, layer.problem)
        levels = tuple(replace(level, compression=draw_compression(rng, level)) for level in machine.levels)
        machine = replace(machine, levels=levels, sparsity=draw_sparsity(rng))
        agree_on_zeros(machine, nest, problem, masks)


@given(st.randoms(use_true_random=False), st.sampled_from(WAYS), st.sampled_from(GRADIENT_WAYS))
@settings(max_examples=20, deadline=None)
def test_evaluators_agree_on_gradients(rng, way, back):
    same_counts(rng, way, back)


@pytest.mark.nightly
@given(st.randoms(use_true_random=False), st.sampled_from(WAYS), st.sampled_from(GRADIENT_WAYS))
@settings(max_examples=3_000, deadline=None)
def test_evaluators_agree_on_gradients_at_length(rng, way, back):
    same_counts(rng, way, back)
