"""A neural network: a directed acyclic graph of layers, in an order they can run in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from accelsim.drawn import Tabled
from accelsim.errors import WorkloadError
from accelsim.workload.coverage import Coverage
from accelsim.workload.density import DENSE, Densities
from accelsim.workload.problem import COUNT_LIMIT, Padding, Problem, Tensor, Width
from accelsim.workload.windows import Spread
from accelsim.yamlfile import meant

if TYPE_CHECKING:
    from networkx import DiGraph

INPUT = "input"
"""What layers call the network's own input."""

RECURRENT = frozenset({"lstm", "gru", "rnn"})
"""Ops whose repeats are time steps: they share one filter, and have a state of a word per unit beside the output."""

PARTS = "parts"
"""The op of a layer that is carried out as several: it only names what they wrote."""

VIEWS = frozenset(
    {
        "concat", "extend", "crop", "slice", "split", "reshape", "flatten", "transpose", "depth_to_space",
        "space_to_depth", "channel_shuffle", "constant", PARTS,
    }
)  # fmt: skip
"""Ops that only name words where they lie; nothing moves."""


@dataclass(frozen=True)
class Shape:
    """The feature map between two layers, of one image: channels, rows, columns, and planes of depth, if there are."""

    C: int
    H: int = 1
    W: int = 1
    D: int = 1

    def __post_init__(self) -> None:
        if min(self.C, self.H, self.W, self.D) < 1:
            raise WorkloadError(f"a feature map of {self} has no words")
        if self.words * 8 >= COUNT_LIMIT:
            raise WorkloadError(f"a feature map of {self}: its counts would pass 2^63")

    def __str__(self) -> str:
        return f"{self.C}x{f'{self.D}x' if self.D != 1 else ''}{self.H}x{self.W}"

    @property
    def positions(self) -> int:
        """Words of a channel."""
        return self.D * self.H * self.W

    @property
    def words(self) -> int:
        """Words of one image."""
        return self.C * self.positions


@dataclass(frozen=True)
class Slide:
    """Windows of a layer without a problem: words, steps and distances of (rows, columns), room at (top, left)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Picked:
    """Words along one axis (C, H, W or D) that a view names: from the first on, a step apart.

    groups : its words are as many parts, and taken from each in turn.
    """

    axis: str
    first: int = 0
    step: int = 1
    groups: int = 1


@dataclass(frozen=True)
class Layer:
    """One layer. Only layers that multiply have a `problem`.

    inputs : names of the layers (or "input") it reads, in order.
    shape : its output, of one image.
    repeat : how many times it runs; simulated once, multiplied.
    density : how many words of its operands are not zero.
    vector_ops : operations of one run on one image that are no MACs.
    bits : of the words of a tensor or the ofmap; those left out are the machine's.
    moves : (read, written) words of its vector operations, of one run and image; None: as its op says.
    stored : filter words that are stored for it, repeats included; None: those of its problem, for each repeat.
    spread : how the problem's ifmap is made of what the layer reads; None: it is what the layer reads.
    whole : the layer it is a part of.
    function : of an op that has one; empty: none is named.
    once : `vector_ops` and `moves` are of the whole batch, not of an image.
    slide : windows of a pool along rows and columns. picked : what a view that names some of the words names.
    causal : later positions are hidden from its words, scores of an attention; alone it computes them all the same.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: Shape
    problem: Problem | None = None
    repeat: int = 1
    density: Densities = DENSE
    vector_ops: int = 0
    bits: Mapping[Width, int] = field(default_factory=dict, hash=False)
    moves: tuple[int, int] | None = None
    stored: int | None = None
    spread: Spread | None = None
    whole: str = ""
    function: str = ""
    once: bool = False
    slide: Slide | None = field(default=None, compare=False)
    picked: Picked | None = field(default=None, compare=False)
    causal: bool = False

    @property
    def macs(self) -> int:
        """Multiply-accumulates, repeats included."""
        return self.problem.macs * self.repeat if self.problem else 0

    @property
    def weights(self) -> int:
        """Filter words, repeats included unless they share them; an activation that plays the filter is none."""
        if self.problem is None or self.problem.dynamic_filter:
            return 0
        if self.stored is not None:
            return self.stored
        return self.problem.words(Tensor.FILTER) * (1 if self.op in RECURRENT else self.repeat)


@dataclass(frozen=True, repr=False)
class Network(Tabled):
    """Layers in an order they can run in: each reads the network's input or layers before it.

    batch : images; already in each problem's N. padding : overrides the architecture's, if given.
    coverage : what of a graph the layers stand for, if they were read from one.
    """

    name: str
    layers: tuple[Layer, ...]
    input: Shape | None = None
    batch: int = 1
    padding: Padding | None = None
    source: str = ""
    coverage: Coverage | None = None

    def __post_init__(self) -> None:
        known = {INPUT} if self.input else set()
        for layer in self.layers:
            for name in layer.inputs:
                if name not in known:
                    where = f"network '{self.name}': layer '{layer.name}'"
                    raise WorkloadError(f"{where} reads '{name}', which is not a layer before it")
            if layer.name in known:
                raise WorkloadError(f"network '{self.name}': two layers are called '{layer.name}'")
            known.add(layer.name)
        beside = sum(
            (sum(self.traffic(layer)) + layer.vector_ops) * layer.repeat * self.images(layer) for layer in self.layers
        )
        for number, what in ((self.macs, "MACs"), (beside, "words and vector operations")):
            if number * 8 >= COUNT_LIMIT:
                raise WorkloadError(
                    f"network '{self.name}': {number} {what}: the counts would pass 2^63; it is refused"
                )

    @staticmethod
    def of(
        name: str,
        layers: Mapping[str, Mapping[str, Any]],
        input: Mapping[str, int] | Sequence[int] | None = None,  # noqa: A002  (a file's key)
        batch: int = 1,
        set: Mapping[str, Any] | None = None,  # noqa: A002
        **keys: Any,
    ) -> Network:
        """A network by the keys of its file (docs/keys.md), without one.

        ``Network.of("tiny", {"C1": {"op": "conv", "M": 8, "kernel": 3}, "F": {"op": "fc", "M": 9}}, (3, 32, 32))``

        layers : by name, as a file has them. input : C, H, W, D of one image, or those keys. keys : `bits`,
        `blocks` and so on. set : values for what `parameters` declares. Raises SpecError as the file would.
        """
        from accelsim.workload.yaml import network_of
        from accelsim.yamlfile import Document, bare

        data = {"name": name, "source": "none", **keys, "layers": layers}
        if input is not None:
            data["input"] = input if isinstance(input, Mapping) else dict(zip("CHWD", input, strict=False))
        return network_of(Document(name, bare(data)), batch, set)

    def with_(self, density: Any = None, **bits: int) -> Network:
        """The network with other densities in every layer that multiplies, or other widths of words.

        density : a share for ifmap and filter, or a table as of a layer's `density:`. bits : by tensor: ``ifmap=8``.
        Raises SpecError or AccelsimError for what is neither.
        """
        from accelsim.workload.edit import with_bits, with_density

        found = self if density is None else with_density(self, density)
        return with_bits(found, bits) if bits else found

    def training_step(self, training: object = True) -> Network:
        """The network with its backward pass and the update of its weights (docs/training.md).

        training : True, an optimizer's name (`sgd`, `momentum`, `adam`), or a dict of `optimizer`, `master_bits` and
        `transposed`. Raises WorkloadError for a network without weights, with gradients already, or with an op that has
        none; AccelsimError for an optimizer that is unknown.
        """
        from accelsim.workload.training.step import training_step

        return training_step(self, training)

    def __repr__(self) -> str:
        return f"Network({self.name}, batch {self.batch}: {len(self.layers)} layers, {self.macs:,} MACs)"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch, padding included."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Filter words of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def mac_layers(self) -> tuple[Layer, ...]:
        """The layers that have a problem to simulate."""
        return tuple(layer for layer in self.layers if layer.problem)

    def traffic(self, layer: Layer) -> tuple[int, int]:
        """(read, written): words the vector operations of one run on one image move; each input word is read once.

        Those of a recurrent layer read what its MACs wrote and the state, and write the output and the state.
        """
        if layer.moves is not None:
            return layer.moves
        if layer.op in RECURRENT and layer.problem:
            sums = layer.problem.words(Tensor.PSUM) // self.batch
            return sums + layer.shape.words, 2 * layer.shape.words
        if layer.problem or layer.op in VIEWS:
            return 0, 0
        arriving = [self._shapes[name] for name in layer.inputs]
        return sum(shape.words for shape in arriving if shape), layer.shape.words

    def images(self, layer: Layer) -> int:
        """What the words and vector operations of a layer are multiplied by, to be those of the batch."""
        return 1 if layer.once else self.batch

    def shape(self, name: str) -> Shape:
        """What a layer gives, or the network's input. Raises KeyError for neither."""
        found = self._shapes[name]
        assert found is not None
        return found

    @cached_property
    def _shapes(self) -> dict[str, Shape | None]:
        """What each layer gives."""
        return {INPUT: self.input, **{layer.name: layer.shape for layer in self.layers}}

    @cached_property
    def graph(self) -> DiGraph[str]:
        """The layers by name as a networkx graph; node attribute ``layer``. An edge runs where the data flows."""
        import networkx

        graph: DiGraph[str] = networkx.DiGraph()
        graph.add_nodes_from((layer.name, {"layer": layer}) for layer in self.layers)
        graph.add_edges_from((name, layer.name) for layer in self.layers for name in layer.inputs)
        return graph

    def needs(self, name: str, other: str) -> bool:
        """Whether a layer reads what another gives, as it is or as what later layers made of it."""
        from networkx import has_path

        return bool(has_path(self.graph, other, name))

    def groups(self) -> dict[Problem, tuple[Layer, ...]]:
        """The layers that are the same problem, in order of first appearance; their zeros may differ."""
        found: dict[Problem, tuple[Layer, ...]] = {}
        for layer in self.mac_layers:
            if layer.problem:
                found[layer.problem] = (*found.get(layer.problem, ()), layer)
        return found

    def select(self, pattern: str = "*") -> tuple[Layer, ...]:
        """The layers whose name fits one of the comma-separated globs: ``"CONV*,FC6"``; each must fit one at least.

        A layer that is carried out in parts is chosen with them.
        """
        names = [layer.name for layer in self.layers]
        globs = [glob.strip() for glob in pattern.split(",") if glob.strip()]
        lost = [glob for glob in globs if not any(fnmatchcase(name, glob) for name in names)]
        if lost or not globs:
            near = "".join(dict.fromkeys(meant(glob, names) for glob in lost))
            raise WorkloadError(
                f"no layer of '{self.name}' fits '{', '.join(lost) or pattern}'{near} ({', '.join(names)})"
            )
        return tuple(
            layer
            for layer in self.layers
            if any(fnmatchcase(name, glob) for glob in globs for name in (layer.name, layer.whole))
        )
