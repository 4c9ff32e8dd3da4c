"""A workload file in the making: layers as YAML has them, each tried on the shapes that arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from accelsim.errors import WorkloadError
from accelsim.workload.network import INPUT, Layer, Shape
from accelsim.workload.ops import AnyLayer

Keys = dict[str, Any]
Accept = Callable[[tuple[Layer, ...]], bool]


class Feature(NamedTuple):
    """Where an activation lies: the layer that wrote it, and its shape there, of one image.

    repeat : how often the activation has each of its words, one after another: heads that share one.
    """

    layer: str
    shape: Shape
    repeat: int = 1

    @property
    def words(self) -> int:
        """Words of the activation."""
        return self.shape.words * self.repeat


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(AnyLayer)


class Draft:
    """The layers so far.

    batch : images at a time. views : layers that only name words; those that nothing reads are left out in the end.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.layers: dict[str, Keys] = {}
        self.reads: dict[str, tuple[str, ...]] = {}
        self.found: dict[str, tuple[Layer, ...]] = {}
        self.views: set[str] = set()
        self.input: Shape | None = None

    def add(
        self, name: str, sources: Sequence[Feature], candidates: Sequence[Keys], accept: Accept | None = None
    ) -> Feature | None:
        """The first of several ways to say a layer that fits its inputs and is accepted; None if none is."""
        shapes, names = [one.shape for one in sources], tuple(one.layer for one in sources)
        for keys in candidates:
            try:
                spec = _adapter().validate_python({**keys, **({"inputs": names} if names else {})})
                least, most = spec.fan_in
                if not least <= len(names) <= (most or len(names)):
                    continue
                found = spec.layers(name, names, shapes, self.batch)
            except (WorkloadError, ValidationError):
                continue
            if accept is None or accept(found):
                self.layers[name], self.reads[name], self.found[name] = keys, names, found
                return Feature(name, found[-1].shape)
        return None

    def view(self, name: str, sources: Sequence[Feature], shape: Shape, candidates: Sequence[Keys] = ()) -> Feature:
        """The words of some features, or some of them, named anew; of none: words that lie in the outermost level.

        The latter are told as a layer that reads nothing of the network's input.

        candidates : ways to say it that are tried first, as long as they give this shape.
        """
        if len(sources) == 1 and sources[0].shape == shape:
            return Feature(sources[0].layer, shape)
        anew = (
            [{"op": "reshape", **sizes(shape)}] if len(sources) == 1 and sources[0].shape.words == shape.words else []
        )
        plain = {"op": "vector", "shape": sizes(shape), "reads": 0, "writes": 0}
        sources = sources or [Feature(INPUT, self.input or Shape(1))]
        found = self.add(
            name, sources, [*candidates, *anew, plain], lambda layers: layers[-1].shape.words == shape.words
        )
        if found is None:
            raise WorkloadError(f"layer '{name}': a view of {shape} cannot be told")
        self.views.add(name)
        return found

    def origin(self, name: str) -> str:
        """The layer whose words a view of one layer names."""
        while name in self.views and len(self.reads[name]) == 1 and self.reads[name] != (INPUT,):
            (name,) = self.reads[name]
        return name

    def pruned(self, outputs: set[str]) -> None:
        """Leave out views that nothing reads."""
        readers = Counter(name for reads in self.reads.values() for name in reads) + Counter(outputs)
        for name in reversed(list(self.layers)):
            if name in self.views and not readers[name]:
                readers.subtract(self.reads.pop(name))
                del self.layers[name], self.found[name]

    def written(self) -> dict[str, Keys]:
        """The layers as a file has them: `inputs` only where they are not what a file means without."""
        found, before = {}, INPUT
        for name, keys in self.layers.items():
            reads = self.reads[name]
            default = () if keys["op"] == "problem" else (before,)
            told: Keys = {} if reads == default else {"inputs": reads[0] if len(reads) == 1 else list(reads)}
            found[name] = {"op": keys["op"], **told, **{key: value for key, value in keys.items() if key != "op"}}
            before = name
        return found


def sizes(shape: Shape) -> Mapping[str, int]:
    """A shape as keys; those that are 1 are left out, but for the channels."""
    return {"C": shape.C, **{axis: size for axis in "HWD" if (size := getattr(shape, axis, 1)) > 1}}


def one_or_all(values: Sequence[int]) -> Any:
    """A list of sizes that are alike is one number."""
    return values[0] if len(set(values)) == 1 else list(values)
