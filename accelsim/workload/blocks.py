"""Blocks of a workload file: layers written once and used several times, put in place of each use before all else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter

from accelsim.errors import listing, nearest, unshowable
from accelsim.parameters import Values, mentioned
from accelsim.specs import Count, Names, Natural, Spec, key, part
from accelsim.workload.layer import Switch
from accelsim.workload.network import INPUT
from accelsim.workload.ops import AnyLayer
from accelsim.yamlfile import Document, Place, unknown

OUTPUT = "output"
"""The layer of a block that has the name of the use."""
INDEX = "$i"
"""In the name of a use, and in what it sets: which of its times it is."""
MOST_LAYERS = 10_000
"""That a file may have once its blocks are in place."""
MOST_DEPTH = 16
"""Of blocks that are used in blocks."""


class BlockUse(Spec):
    """Layers of a block in its place: `l$i: {block: encoder, times: 12}` is `l0` to `l11`."""

    block: str = key("Name of the block.")
    inputs: Names = key(
        "What the block reads, in the order of its own `inputs`; each further time reads the time before it first.",
        (),
        "the layer written before it, the first one `input`",
    )
    times: Count = key(
        "How often it is used, one after another; more than once needs `$i` in its name.", 1, unit="uses"
    )
    first: Natural = key("What `$i` begins with, in its name and in what it sets.", 0)
    set: dict[str, Any] = key("Values of the block's parameters.", {}, "as the block says", names="PARAMETER")
    when: Switch = key("`0` leaves it out, as if it were not written: a place for a parameter.", 1)


class _Entry:
    """The schema of a layer or the use of a block, for what is read as something else."""

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        either: TypeAdapter[Any] = TypeAdapter(AnyLayer | BlockUse)
        return handler(either.core_schema)


OR_USE = _Entry()


class BlockSpec(Spec):
    """Layers that are written once: `b1: {block: NAME}` makes its layer `conv` the network's `b1.conv`.

    They name each other, the block's inputs and nothing else; what the block gives is its last layer, which `b1` names.
    """

    parameters: dict[str, Any] = key(
        "Names that its layers use as `$M`, with what they are unless a use sets them; without a value, each has to.",
        {},
        "there is nothing to set; parameters of the file may be used in any case",
        names="PARAMETER",
    )
    inputs: Annotated[Names, Field(min_length=1)] = key("What its layers call what it reads.", (INPUT,))
    join: str = key("What stands between the names of a use and of a layer; layer `output` has the use's alone.", ".")
    layers: dict[str, Annotated[Any, OR_USE]] = key(
        "Its layers by name, one after another, and uses of other blocks.", min_length=1, names="LAYER"
    )


@dataclass(frozen=True)
class _Scope:
    """Names that the layers of one use of a block have for each other.

    inputs : what they call what the block reads. names : what each stands for: a layer of the network, or a name of
    the scope around. own, join : what the names of its layers in the network begin with; no text of the file itself.
    """

    inputs: tuple[str, ...]
    names: dict[str, str | tuple[_Scope, str]]
    own: str = ""
    join: str = ""

    def name(self, layer: str) -> str:
        """What the network calls a layer."""
        return layer if not self.own else self.own if layer == OUTPUT else f"{self.own}{self.join}{layer}"


_Source = str | tuple[_Scope, str]


def expand(document: Document, values: Values) -> dict[str, str]:
    """Put layers in place of uses, in the document's data; what each reads that does not say so, by name.

    Parameters below ``layers`` are replaced. Raises SpecError with every error in the blocks and their uses.
    """
    data = document.data
    layers = data.get("layers") if isinstance(data, dict) else None
    if not isinstance(layers, dict):
        return {}
    if "blocks" not in data and not any(_is_use(layer) for layer in layers.values()):
        return {}
    blocks = _blocks(document, data.pop("blocks", {}), layers)
    document.check()
    own = (mentioned(block.layers) - block.parameters.keys() for block in blocks.values())
    values.used.update(mentioned(layers), *own)
    found = _Expansion(document, blocks)
    found.walk(layers, ("layers",), _Scope((INPUT,), {INPUT: INPUT}), values, INPUT)
    follows = found.settle()
    document.check()
    data["layers"] = found.layers
    return follows


def _is_use(layer: object) -> bool:
    """Whether what stands in a layer's place is the use of a block; layers have an op, or are `problem` alone."""
    return isinstance(layer, dict) and "block" in layer and not {"op", "problem"} & layer.keys()


def _blocks(document: Document, given: object, layers: Mapping[str, Any]) -> dict[str, BlockSpec]:
    """The blocks by name; an error for each that nothing uses, and each parameter that its layers do not."""
    if not isinstance(given, dict):
        document.refuse(("blocks",), "should be a mapping of blocks by name")
        return {}
    found = {}
    written = [*layers.values()]
    for name, raw in given.items():
        place = ("blocks", name)
        block = part(document, place, raw, BlockSpec)
        if not block:
            continue
        found[name] = block
        written += block.layers.values()
        used = mentioned(block.layers)
        for parameter in block.parameters:
            if parameter not in used:
                document.refuse((*place, "parameters", parameter), f"nothing uses ${parameter}", key=True)
    uses = {str(layer["block"]) for layer in written if _is_use(layer)}
    for name in found:
        if name not in uses:
            document.refuse(("blocks", name), f"nothing uses block '{name}'{nearest(name, uses)}", key=True)
    return found


@dataclass
class _Expansion:
    """The layers so far; who reads what is settled once all are there, since a layer may read one written below it.

    before : what a layer reads if it says nothing. read : what uses say they read, each with its scope and place.
    """

    document: Document
    blocks: Mapping[str, BlockSpec]
    layers: dict[str, Any] = field(default_factory=dict)
    scopes: dict[str, _Scope] = field(default_factory=dict)
    before: dict[str, _Source] = field(default_factory=dict)
    read: list[tuple[_Scope, str, Place]] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)
    count: int = 0

    def walk(self, entries: Mapping[str, Any], place: Place, scope: _Scope, values: Values, before: _Source) -> _Source:
        """Add the layers of the file or of one use of a block; the last of them."""
        for name, raw in entries.items():
            at = (*place, name)
            self.tally(at)
            if _is_use(raw):
                before = self.use(name, raw, at, scope, values, before)
                continue
            layer = values.replaced(raw, at)
            whole = scope.name(name)
            self.claim(scope, name, whole, at)
            self.layers[whole], self.scopes[whole], self.before[whole] = layer, scope, before
            self.document.origins["layers", whole] = at
            if not isinstance(layer, dict) or layer.get("when", 1) != 0:
                before = whole
        return before

    def use(self, name: str, raw: dict[str, Any], at: Place, scope: _Scope, values: Values, before: _Source) -> _Source:
        """Add the layers of a block, as often as it is used; the last of them."""
        said = {
            key: value if key in ("set", "block") else values.replaced(value, (*at, key)) for key, value in raw.items()
        }
        use = part(self.document, at, said, BlockUse)
        if not use or not use.when or not self.may_use(use, name, at):
            return before
        block = self.blocks[use.block]
        sources: list[_Source] = [(scope, source) for source in use.inputs] or [before]
        if len(sources) != len(block.inputs):
            wanted = f"block '{use.block}' takes {len(block.inputs)} inputs ({listing(block.inputs)})"
            self.document.refuse((*at, "inputs"), f"{wanted}, got {len(sources)}")
            return before
        self.read += [(scope, source, (*at, "inputs", i)) for i, source in enumerate(use.inputs)]
        self.stack.append(use.block)
        for index in range(use.first, use.first + use.times):
            called = name.replace(INDEX, str(index))
            inner = _Scope(block.inputs, dict(zip(block.inputs, sources, strict=True)), scope.name(called), block.join)
            own = self.parameters(use, block, at, values.inside({INDEX[1:]: index}))
            last = self.walk(block.layers, ("blocks", use.block, "layers"), inner, values.inside(own), sources[0])
            if last is sources[0]:
                if not self.document.issues:
                    message = "all layers of the block are left out; leave the use out with 'when'"
                    self.document.refuse(at, message, key=True)
                last = inner.own
            self.claim(scope, called, last, at)
            before = sources[0] = last
        self.stack.pop()
        return before

    def may_use(self, use: BlockUse, name: str, at: Place) -> bool:
        """Whether there is such a block, and a use of it can stand here."""
        place, message = (*at, "block"), ""
        if use.block not in self.blocks:
            message = unknown("block", use.block, self.blocks)
        elif use.block in self.stack:
            message = f"a block uses itself: {' -> '.join([*self.stack[self.stack.index(use.block) :], use.block])}"
        elif len(self.stack) == MOST_DEPTH:
            message = f"blocks in blocks, more than {MOST_DEPTH} deep"
        elif use.times > 1 and INDEX not in name:
            place, message = at, f"is used {use.times} times: its name needs '{INDEX}', such as '{name}{INDEX}'"
        if message:
            self.document.refuse(place, message, key=place is at)
        return not message

    def parameters(self, use: BlockUse, block: BlockSpec, at: Place, values: Values) -> dict[str, Any]:
        """What the block's parameters are in one use of it."""
        given = values.replaced(use.set, (*at, "set"))
        for name in given:
            if name not in block.parameters:
                self.document.refuse((*at, "set", name), unknown("parameter", name, block.parameters), key=True)
        found = {**block.parameters, **given}
        if missing := [name for name in block.parameters if found[name] is None]:
            self.document.refuse((*at, "set"), f"block '{use.block}' needs a value of {listing(missing)}")
        return found

    def claim(self, scope: _Scope, name: str, whole: _Source, at: Place) -> None:
        """Let the layers of a scope call one of them by a name."""
        called = scope.name(name)
        # a use may have the name that its own layer `output` has
        other = called in self.layers and self.scopes[called].own != called
        if name in scope.inputs:
            message = f"'{name}' is what {'the block' if scope.own else 'the network'} reads; call the layer otherwise"
        elif name in scope.names or other:
            message = f"another layer is called '{called}' too"
        else:
            wrong = unshowable(called)
            message = f"a name {wrong}" if wrong else ""
        if message:
            self.document.refuse(at, message, key=True)
        scope.names[name] = whole

    def tally(self, at: Place) -> None:
        """Refuse a network of too many layers before there are so many."""
        self.count += 1
        if self.count > MOST_LAYERS:
            self.document.refuse(at, f"the blocks make more than {MOST_LAYERS:,} layers", key=True)
            self.document.check()

    def settle(self) -> dict[str, str]:
        """Write what each layer reads as the network calls it; what it reads without saying so."""
        for scope, name, at in self.read:
            self.known(scope, name, at)
        for name, layer in self.layers.items():
            said = layer.get("inputs") if isinstance(layer, dict) else None
            listed = [said] if isinstance(said, str) else said
            if isinstance(listed, list) and all(isinstance(source, str) for source in listed):
                at, scope = (*self.document.written(("layers", name)), "inputs"), self.scopes[name]
                # of a layer outside of blocks, who builds the network says so
                named = [
                    self.known(scope, one, (*at, i)) if scope.own else self.resolved((scope, one)) or one
                    for i, one in enumerate(listed)
                ]
                self.layers[name] = {**layer, "inputs": named}
        return {name: found for name, before in self.before.items() if (found := self.resolved(before))}

    def known(self, scope: _Scope, name: str, at: Place) -> str:
        """What is meant by a name; an error if nothing is."""
        found = self.resolved((scope, name))
        if found is None:
            noun = "layer or input of the block" if scope.own else "layer"
            place = at if at in self.document.values else at[:-1]
            self.document.refuse(place, unknown(noun, name, scope.names))
        return found or name

    def resolved(self, source: _Source) -> str | None:
        """The network's name of what is meant; None: nothing is."""
        while not isinstance(source, str):
            scope, name = source
            whole = scope.name(name)
            found = scope.names.get(name, whole if whole in self.layers else None)
            if found is None:
                return None
            source = found
        return source
