"""Small layers on small machines of SCNN's kind."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from accelsim.architecture.model import Architecture, Cartesian, Fanout, Port
from accelsim.architecture.yaml import load_architecture
from accelsim.sparsity.masks import shape_of
from accelsim.workload.problem import TENSORS, Problem, Tensor


def machine(grid=(2, 3), link: Port | None = None, capacity=True, **pe) -> Architecture:
    """arch/scnn.yaml with another array, PE and link."""
    found = load_architecture("scnn")
    networks = {tensor: replace(found.levels[0].fanout.network(tensor), down=link, up=link) for tensor in TENSORS}
    top = replace(found.levels[0], fanout=Fanout(*grid, networks, declared=True))
    inner = found.levels[1:] if capacity else tuple(replace(level, capacity=()) for level in found.levels[1:])
    return replace(found, levels=(top, *inner), cartesian=Cartesian(**pe))


def draw(rng: Random) -> tuple[Architecture, Problem, np.ndarray, np.ndarray]:
    """A small layer on a small machine: strides, dilation, padding, groups, odd sizes, all densities."""
    stride, dilation, pad = (tuple(rng.choice(pick) for _ in "yx") for pick in ((1, 1, 2, 3), (1, 1, 1, 2), (0, 1, 2)))
    taps, plane = [rng.choice((1, 2, 3, 5)) for _ in "yx"], [rng.randint(1, 13) for _ in "yx"]
    outputs = [
        max(1, (plane[a] + 2 * pad[a] - dilation[a] * (taps[a] - 1) - 1) // stride[a] + 1 - rng.choice((0, 0, 1)))
        for a in range(2)
    ]
    sizes = (rng.choice((1, 1, 2)), rng.choice((1, 1, 2)), rng.randint(1, 9), rng.randint(1, 3), *outputs, *taps)
    problem = Problem(sizes, stride, dilation, pad, *plane)
    values = np.random.default_rng(rng.randrange(2**32))

    def words(tensor: Tensor) -> np.ndarray:
        shape = shape_of(problem, tensor)
        return values.integers(1, 99, shape) * (values.random(shape) < rng.choice((0, 0.1, 0.4, 0.7, 1)))

    banks = rng.choice((4, 8, 9, 16, 32))
    found = machine(
        (rng.randint(1, 3), rng.randint(1, 3)),
        ifmaps=rng.choice((1, 2, 4, 4, 5)),
        filters=rng.choice((1, 3, 4, 4, 8)),
        banks=banks,
        entries=rng.choice((8, 16, 64)) * 32 // banks,
        fifo=rng.choice((0, 1, 2, 4, 9)),
        group=rng.choice((1, 2, 4, 8)),
        weights=rng.choice((1, 2, 5, 50)),
    )
    return found, problem, words(Tensor.IFMAP), words(Tensor.FILTER)
