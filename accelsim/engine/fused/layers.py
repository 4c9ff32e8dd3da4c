"""A fused group out of a network's layers; what is not legal is refused in one line.

Views between the layers are looked through where they only name channels: concatenations (each part has its own maker),
splits, slices, shuffles, folded norms. A source is a layer outside the group, under its name, or the network's input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.group import Group, Op, Read, Source
from accelsim.errors import MappingError, nearest
from accelsim.workload.network import INPUT, PARTS, VIEWS, Layer, Network, Slide

KIND_OF = {
    "conv": "conv",
    "conv1d": "conv",
    "depthwise": "depthwise",
    "matmul": "matmul",
    "fc": "matmul",
    "maxpool": "pool",
    "avgpool": "pool",
    "add": "add",
    "elementwise": "elementwise",
    "gate": "elementwise",
    "batchnorm": "elementwise",
    "rotary": "elementwise",
    "norm": "norm",
    "rmsnorm": "norm",
    "softmax": "softmax",
}
"""Ops that compute position by position, or window by window, and what they are in a group."""

Ints = npt.NDArray[np.int64]
Named = tuple[tuple[str, ...], Ints, Ints]
"""Makers, and for every channel in order: which maker, and which of its channels."""


def is_view(layer: Layer) -> bool:
    """Whether nothing moves for it: a name of words, or a norm that is part of the filters before it."""
    return layer.op != "constant" and (layer.op in VIEWS or (layer.op == "batchnorm" and layer.moves == (0, 0)))


def group_of(network: Network, names: Iterable[str], joined: bool = False) -> Group:
    """The group of these layers; views between them may be named or left out.

    joined : several layers may be its sink if all make channels of one concatenation; else only one may.

    Raises
    ------
    MappingError : a name that is no layer, layers that do not follow one another in run order, an op that does not
    compute position by position, a tensor inside that is read outside, two sinks, a second operand made inside.
    """
    return Wiring(network).group(tuple(names), joined)


class Wiring:
    """Who makes and who reads which channels of a network, views looked through. Groups by the hundred come of one."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.layers = {layer.name: layer for layer in network.layers}
        self.order = [layer.name for layer in network.layers if not is_view(layer)]
        self._place = {name: place for place, name in enumerate(self.order)}
        self._channels: dict[str, Named | None] = {}
        self._bases: dict[str, frozenset[str]] = {}
        self._read: dict[str, tuple[Read, ...]] = {}
        self._readers: dict[str, set[str]] = {name: set() for name in (*self.layers, INPUT)}
        for layer in network.layers:
            if not is_view(layer):
                for base in self.bases_of(layer):
                    self._readers[base].add(layer.name)
        read = {name for layer in network.layers for name in layer.inputs}
        self._outputs = frozenset(base for name in self.layers if name not in read for base in self.bases(name))

    def bases(self, name: str) -> frozenset[str]:
        """The layers (or the input) that made the words of a tensor."""
        if name not in self._bases:
            layer = self.layers.get(name)
            if layer is None or not is_view(layer):
                self._bases[name] = frozenset({name})
            else:
                self._bases[name] = frozenset().union(*(self.bases(one) for one in layer.inputs))
        return self._bases[name]

    def bases_of(self, layer: Layer) -> frozenset[str]:
        """The layers that made what a layer reads."""
        return frozenset[str]().union(*(self.bases(name) for name in layer.inputs))

    def channels(self, name: str) -> Named | None:
        """Makers of a tensor's channels; None: a view that names more than channels."""
        if name not in self._channels:
            layer = self.layers.get(name)
            if layer is not None and is_view(layer):
                self._channels[name] = self._through(layer)
            else:
                count = self.network.shape(name).C
                self._channels[name] = ((name,), np.zeros(count, np.int64), np.arange(count))
        return self._channels[name]

    def _through(self, layer: Layer) -> Named | None:
        """Channels of a view."""
        parts = [self.channels(name) for name in layer.inputs]
        shapes = [self.network.shape(name) for name in layer.inputs]
        plane = [(shape.D, shape.H, shape.W) for shape in shapes]
        own = (layer.shape.D, layer.shape.H, layer.shape.W)
        known = [part for part in parts if part is not None]
        if len(known) < len(parts) or any(one != own for one in plane):
            return None
        if layer.op == "concat":
            return _joined(known) if sum(shape.C for shape in shapes) == layer.shape.C else None
        if len(known) != 1:
            return None
        makers, which, channel = known[0]
        if layer.picked is not None:
            if layer.picked.axis != "C":
                return known[0] if layer.shape == shapes[0] else None
            groups, step = layer.picked.groups, layer.picked.step
            if groups > 1:
                order = np.arange(len(which)).reshape(groups, -1).T.reshape(-1)
            else:
                order = layer.picked.first + step * np.arange(layer.shape.C)
            return makers, which[order], channel[order]
        if layer.op in ("reshape", "flatten", "batchnorm", "extend", "crop") and layer.shape == shapes[0]:
            return known[0]
        return None

    def group(self, names: tuple[str, ...], joined: bool = False) -> Group:
        """See `group_of`."""
        for name in names:
            if name not in self.layers:
                raise MappingError(f"'{self.network.name}' has no layer '{name}'{nearest(name, self.layers)}")
        inside = sorted({self._place[name] for name in names if not is_view(self.layers[name])})
        if not inside:
            raise MappingError(f"a fused group of {', '.join(names) or 'no layers'}: none of them computes")
        for before, after in pairwise(inside):
            if after != before + 1:
                raise MappingError(
                    f"a fused group's layers follow one another; '{self.order[before + 1]}' runs between "
                    f"'{self.order[before]}' and '{self.order[after]}'"
                )
        members = [self.layers[self.order[place]] for place in inside]
        made = {layer.name for layer in members}
        for layer in members:
            _refuse(layer, self.network.batch)
            if layer.op == "fc":
                self._refuse_plane(layer, made)
            self._refuse_reader(layer, made)
        ops = tuple(self._op(layer, made) for layer in members)
        return Group(self._sources(ops, made), ops, self.network.batch, joined and self._joined(ops))

    def _joined(self, ops: Sequence[Op]) -> bool:
        """Whether all that nobody inside reads are channels of one concatenation."""
        read = {one.tensor for op in ops for one in op.reads}
        sinks = {op.name for op in ops} - read
        if len(sinks) == 1:
            return False
        makers = (self.channels(name) for name, layer in self.layers.items() if layer.op == "concat")
        return any(found is not None and sinks <= set(found[0]) for found in makers)

    def _refuse_plane(self, layer: Layer, made: set[str]) -> None:
        """A matrix that multiplies a whole plane needs all of it at once."""
        read = {*layer.inputs, *(self.bases_of(layer) & made)}
        plane = max((self.network.shape(name) for name in read), key=lambda shape: shape.positions)
        if plane.positions > 1:
            raise MappingError(f"'{layer.name}' (fc) reads a whole plane of {plane} at once: it cannot be fused")

    def _refuse_reader(self, layer: Layer, made: set[str]) -> None:
        """A tensor that a layer inside reads is read inside only."""
        readers = self._readers[layer.name]
        if not readers & made:
            return
        outside = sorted(readers - made, key=self._place.__getitem__)
        if outside:
            raise MappingError(
                f"'{layer.name}' is read by '{outside[0]}', which is not in the fused group: only its sink may be read "
                "outside"
            )
        if layer.name in self._outputs:
            raise MappingError(f"'{layer.name}' is an output of '{self.network.name}': only a group's sink may be")

    def _op(self, layer: Layer, made: set[str]) -> Op:
        problem, shape = layer.problem, layer.shape
        inputs = layer.inputs
        dynamic = ""
        if problem is not None and problem.dynamic_filter:
            dynamic = inputs[1]
            if self.bases(dynamic) & made:
                raise MappingError(
                    f"'{layer.name}' multiplies by '{dynamic}', which is made inside the fused group: every position "
                    "reads all of it"
                )
            inputs = inputs[:1]
        reads = tuple(read for name in inputs for read in self._reads(layer, name, made))
        common = (layer.name, KIND_OF[layer.op], reads, shape.C, (shape.H, shape.W))
        if problem is None:
            each = -(-layer.vector_ops // shape.positions)
            slide = layer.slide or Slide((1, 1))
            return Op(*common, 1, 1, slide.kernel, slide.stride, slide.dilation, slide.pad, "", each)
        n, g, _, _, _, _, r, s = problem.sizes
        batch = self.network.batch
        groups, shared = (g // batch, n) if dynamic else (g, n // batch)
        return Op(
            *common, groups, shared, (r, s), problem.stride, problem.dilation, problem.pad, dynamic, bias=problem.bias
        )  # fmt: skip

    def _reads(self, layer: Layer, name: str, made: set[str]) -> tuple[Read, ...]:
        """What of which tensors a layer reads under one name."""
        found = self.channels(name)
        if found is None:
            inner = sorted(self.bases(name) & made)
            if inner:
                raise MappingError(
                    f"'{layer.name}' reads '{inner[0]}' through '{name}', a view that names more than channels: a "
                    "fused group cannot look through it"
                )
            return (Read(name, range(self.network.shape(name).C)),)
        if name not in self._read:
            self._read[name] = _as_ranges(found)
        return self._read[name]

    def _sources(self, ops: Sequence[Op], made: set[str]) -> tuple[Source, ...]:
        """What is read of outside, each with the channels that are read of it."""
        wanted: dict[str, set[int]] = {}
        for op in ops:
            for read in op.reads:
                if read.tensor not in made:
                    wanted.setdefault(read.tensor, set()).update(read.channels)
        found = []
        for name, channels in wanted.items():
            shape = self.network.shape(name)
            if shape.D > 1:
                raise MappingError(f"a fused group reads '{name}', which has {shape.D} planes of depth")
            found.append(Source(name, len(channels), (shape.H, shape.W)))
        return tuple(found)


def _refuse(layer: Layer, batch: int) -> None:
    """What no tile of a plane can be computed of alone."""
    where, problem = f"'{layer.name}'", layer.problem
    if layer.op == PARTS or layer.whole or (problem is not None and layer.spread is not None):
        raise MappingError(
            f"{where} is carried out in parts or with zeros inserted (transposed, 3-D): it cannot be fused"
        )
    if layer.op not in KIND_OF:
        raise MappingError(f"{where} ({layer.op}) cannot be in a fused group ({', '.join(sorted(KIND_OF))} can)")
    if layer.shape.D > 1:
        raise MappingError(f"{where} makes {layer.shape.D} planes of depth: a fused group has rows and columns")
    if layer.repeat > 1:
        raise MappingError(f"{where} runs {layer.repeat} times: it cannot be in a fused group")
    if layer.once and batch > 1:
        raise MappingError(f"{where} runs once for all images: it cannot be in a fused group")
    if problem is not None and problem.added:
        raise MappingError(f"{where} begins its sums with words of the outermost level: it cannot be in a fused group")


def _joined(parts: Sequence[Named]) -> Named:
    """Channels one after another."""
    makers = tuple(dict.fromkeys(name for part in parts for name in part[0]))
    number = {name: place for place, name in enumerate(makers)}
    which = [np.array([number[name] for name in names], np.int64)[of] for names, of, _ in parts]
    return makers, np.concatenate(which), np.concatenate([channel for _, _, channel in parts])


def _as_ranges(named: Named) -> tuple[Read, ...]:
    """Which channels of which makers, each as often as it is named; their order is of no account to counts."""
    makers, which, channel = named
    reads: list[Read] = []
    for number in dict.fromkeys(which.tolist()):
        found, often = np.unique(channel[which == number], return_counts=True)
        for times in range(often.max()):
            reads += [Read(makers[number], one) for one in _ranges(found[often > times])]
    return tuple(reads)


def _ranges(channels: Ints) -> list[range]:
    """Increasing numbers as few ranges: whole runs of one step."""
    if len(channels) == 1:
        return [range(int(channels[0]), int(channels[0]) + 1)]
    steps = np.diff(channels)
    if (steps == steps[0]).all():
        return [range(int(channels[0]), int(channels[-1]) + 1, int(steps[0]))]
    cuts = np.flatnonzero(steps != 1) + 1
    return [range(int(run[0]), int(run[-1]) + 1) for run in np.split(channels, cuts)]
