"""A search space: which operations may stand where, and the network that a choice of them is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from accelsim.codesign.spaces.drawn import JOIN, Drawn
from accelsim.codesign.spaces.places import ALL, At, Copy, Stands, check_names, places_of
from accelsim.codesign.spaces.spec import SpaceSpec, Where
from accelsim.errors import AccelsimError, nearest
from accelsim.parameters import declared, mentioned
from accelsim.specs import validate
from accelsim.workload.network import INPUT, Layer, Network, Shape
from accelsim.workload.problem import Tensor
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import Document, bare, read, resolve

Choice = str | int


class Position(NamedTuple):
    """Where one operation is chosen. uses : names of what is there in the network, of a cell one in every copy."""

    name: str
    operations: tuple[str, ...]
    uses: tuple[str, ...]


class Counted(NamedTuple):
    """A network as the space's source counts it: operations, and parameters."""

    operations: int
    parameters: int


@dataclass(frozen=True, repr=False)
class Space:
    """A search space; `load_space` reads one.

    document, spec : its file. parameters : values of those it declares. places : what stands in the network, in order:
    (name, plain layer), positions and copies of cells.
    """

    document: Document
    spec: SpaceSpec
    parameters: Mapping[str, Any]
    places: tuple[Stands, ...]

    def __repr__(self) -> str:
        number = f"{self.size:,}" if self.size < 10**9 else f"{float(self.size):.3g}"
        return f"Space({self.name}: {len(self.positions)} positions, {number} networks)"

    @property
    def name(self) -> str:
        """As its file says."""
        return self.spec.name

    @property
    def operations(self) -> tuple[str, ...]:
        """Everything that may be chosen anywhere, in the file's order."""
        return tuple(self.spec.operations)

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """Where something is chosen, in the order of a choice."""
        found: dict[str, Position] = {}
        for place in self.places:
            if isinstance(place, At):
                own = tuple(name for name in place.choose if self._may(name, place))
                found[place.name] = Position(place.name, own, (place.name,))
            elif isinstance(place, Copy):
                choose = self.operations if place.cell.choose == (ALL,) else place.cell.choose
                for _, _, position, use in place.edges():
                    known = found.get(position, Position(position, choose, ()))
                    found[position] = known._replace(uses=(*known.uses, use))
        return tuple(found.values())

    @property
    def size(self) -> int:
        """Networks in the space."""
        return prod(len(one.operations) for one in self.positions)

    def choice(self, chosen: str | Sequence[Choice]) -> tuple[str, ...]:
        """One operation's name for each position.

        chosen : names, or their places in `operations`, as a list or with blanks or commas between them; or text in
        which names stand before ``~`` (``|nor_conv_3x3~0|+...``).

        Raises
        ------
        AccelsimError : too many, too few, or one that may not stand there.
        """
        if isinstance(chosen, str):
            chosen = re.findall(r"(\w+)~", chosen) or [text for text in re.split(r"[\s,]+", chosen) if text]
        if len(chosen) != len(self.positions):
            raise AccelsimError(f"{self.name}: a choice has {len(self.positions)} operations, got {len(chosen)}")
        found = []
        for position, one in zip(self.positions, chosen, strict=True):
            text = str(one)
            name = self.operations[int(text)] if text.isdigit() and int(text) < len(self.operations) else text
            if name not in position.operations:
                known = f"may not stand at '{position.name}'" if name in self.operations else "is no operation"
                raise AccelsimError(f"{self.name}: '{name}' {known}{nearest(name, position.operations)}")
            found.append(name)
        return tuple(found)

    def network(self, chosen: str | Sequence[Choice], batch: int = 1) -> Network:
        """The network of a choice. Raises AccelsimError as `choice`, SpecError for what is wrong in the file."""
        return self._network(dict(zip((one.name for one in self.positions), self.choice(chosen), strict=True)), batch)

    def each(self, batch: int = 1) -> Iterator[tuple[tuple[str, ...], Network]]:
        """Networks that have, together, every operation at every position where it may stand."""
        for operation in self.operations:
            chosen = tuple(operation if operation in one.operations else one.operations[0] for one in self.positions)
            yield chosen, self.network(chosen, batch)

    def layers(self, batch: int = 1) -> list[Layer]:
        """Every layer of any of its networks that multiplies, each problem once: shapes do not depend on choices."""
        found: dict[object, Layer] = {}
        for _, network in self.each(batch):
            for layer in network.mac_layers:
                found.setdefault((layer.problem, tuple(layer.bits.items()), layer.density), layer)
        return list(found.values())

    def layers_at(self, position: Position, network: Network) -> tuple[Layer, ...]:
        """The layers of a network that are there because of what is chosen at a position."""
        heads = tuple(f"{use}{JOIN}" for use in position.uses)
        return tuple(one for one in network.layers if one.name in position.uses or one.name.startswith(heads))

    def count(self, network: Network) -> Counted:
        """Operations and parameters of one of its networks, of one image, as the space's source counts them."""
        own, shapes = self.spec.counting, {INPUT: network.input, **{one.name: one.shape for one in network.layers}}

        def of(globs: Iterable[str]) -> list[Layer]:
            return [one for one in network.layers if any(fnmatchcase(one.name, glob) for glob in globs)]

        operations = network.macs // network.batch
        operations += sum(one.shape.words for one in of(own.operations_of_outputs))
        operations += sum(
            shape.words for one in of(own.operations_of_inputs) for name in one.inputs if (shape := shapes[name])
        )
        weights = sum(one.problem.words(Tensor.FILTER) for one in network.layers if one.problem)
        parameters = weights + sum(one.shape.C for one in of(own.biases)) + own.more_parameters
        return Counted(operations, parameters + 2 * sum(one.shape.C for one in of(own.norms) if one.problem))

    def _may(self, name: str, at: At) -> bool:
        """Whether an operation may stand where it would be."""
        own = self.spec.operations[name]
        return at.same or not (own.same == Where.REQUIRED or (own.block is None and own.same is None))

    def _network(self, chosen: Mapping[str, str], batch: int) -> Network:
        """Chosen : the operation of each position."""
        drawn = Drawn(self.document, self.spec, chosen)
        for place in self.places:
            if isinstance(place, At):
                drawn.choose(place, chosen[place.name])
            elif isinstance(place, Copy):
                drawn.copy(place, self._shape)
            else:
                drawn.plain(*place)
        document = drawn.document(self.parameters)
        return network_of(document, batch)

    def _shape(self, copy: str) -> Shape:
        """What the nodes of a copy of a cell are like."""
        return next(one.shape for one in self.reference.layers if one.name.startswith(f"{copy}{JOIN}"))

    @cached_property
    def reference(self) -> Network:
        """A network in which every position has something, as far as it may."""
        chosen = {}
        for one in self.positions:
            made = [name for name in one.operations if self.spec.operations[name].block is not None]
            chosen[one.name] = (made or one.operations)[0]
        return self._network(chosen, 1)


def load_space(name: str | Path, parameters: Mapping[str, Any] | None = None) -> Space:
    """Read a space file, or a built-in one by name. Raises SpecError with every error in it."""
    return space_of(read(resolve("space", name)), parameters)


def space_of(document: Document | Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> Space:
    """A space of a document, or of its keys."""
    if not isinstance(document, Document):
        document = Document(str(document.get("name", "space")), bare(document))
    values = declared(document, parameters)
    values.fill(("blocks", "operations"))
    if isinstance(document.data, dict) and isinstance(document.data.get("operations"), dict):
        document.data["operations"] = values.replaced(document.data["operations"], ("operations",))
    blocks = document.data.get("blocks") if isinstance(document.data, dict) else None
    values.used |= mentioned(blocks) if isinstance(blocks, dict) else set()
    values.refuse_unused()
    spec = validate(document, SpaceSpec)
    check_names(document, spec)
    places = places_of(document, spec)
    document.check()
    space = Space(document, spec, values.known, places)
    if not space.positions:
        document.refuse(("layers",), "nothing is chosen: no layer has `choose` or `cell`", key=True)
    for one in space.positions:
        if not one.operations:
            document.refuse(("layers",), f"nothing may stand at '{one.name}'", key=True)
    document.check()
    # what is wrong in its layers is told now
    space.reference  # noqa: B018
    return space
