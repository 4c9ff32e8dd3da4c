"""A graph as it runs: every node in turn, with the shapes of all tensors and the values that shapes follow from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from accelsim.errors import WorkloadError, listing, nearest
from accelsim.onnx.graph.fold import MOST_WORDS, folded
from accelsim.onnx.graph.read import MOST_NODES, graph_of
from accelsim.onnx.graph.records import (
    KINDS,
    Graph,
    Input,
    Model,
    Node,
    Program,
    Sizes,
    Step,
    Value,
    refused,
    shown,
    telling,
)
from accelsim.onnx.graph.shapes import inferred
from accelsim.yamlfile import meant

BATCH = re.compile(r"(batch|batch_?size|bs|n|b)", re.IGNORECASE)
"""Symbols that mean images at a time: 1 unless something else is said."""
MOST_DEPTH = 16
"""Subgraphs inside each other."""
MOST_RUNS = 1024
"""Rounds of a Loop or Scan that are laid out."""

Scope = dict[str, Value]


def follow(model: Model, dims: Mapping[str, int | str] | None = None) -> Program:
    """Run a graph on shapes. dims : sizes of symbols, whole shapes (`1x3x8x8`) and values of scalar inputs, by name.

    Raises WorkloadError, one line: sizes that are missing, nodes whose inputs do not fit, names that are not there.
    """
    try:
        return _Follower(model, dims or {}).run()
    except WorkloadError as error:
        raise refused(model.file, error) from None


class _Follower:
    """The steps taken so far. One is made for one run of a graph."""

    def __init__(self, model: Model, dims: Mapping[str, int | str]) -> None:
        self.model, self.dims = model, dims
        self.steps: list[Step] = []
        self.opsets = dict(model.opsets)
        self.subgraphs: dict[int, Graph] = {}

    def run(self) -> Program:
        graph = self.model.graph
        inputs = _inputs(graph, self.dims)
        scope = self._stored(graph) | {value.name: value for value in inputs}
        outputs = self._graph(graph, scope, 0)
        chosen = {key: size for key, size in self.dims.items() if isinstance(size, int)}
        return Program(self.model, tuple(self.steps), inputs, outputs, chosen)

    def _stored(self, graph: Graph) -> Scope:
        return {name: _stored(name, tensor) for name, tensor in graph.stored.items()}

    def _graph(self, graph: Graph, scope: Scope, depth: int) -> tuple[Value, ...]:
        """Run the nodes of a graph; the values of its outputs."""
        if depth > MOST_DEPTH:
            raise WorkloadError(f"its subgraphs lie more than {MOST_DEPTH} deep")
        for node in graph.nodes:
            given = tuple(self._read(node, name, scope) if name else None for name in node.inputs)
            if len(self.steps) >= MOST_NODES:
                raise WorkloadError(f"{node}: more than {MOST_NODES:,} nodes run")
            with telling(Step(node, given, ())):
                results = self._subgraphs(node, given, scope, depth)
                if results is None:
                    results = self._step(graph, node, given)
            for name, value in zip(node.outputs, results, strict=False):
                if not name:
                    continue
                if (
                    name in scope
                    and scope[name].step >= 0
                    and any(name in other.outputs for other in graph.nodes[: node.index])
                ):
                    raise WorkloadError(f"{node}: writes '{name}', which another node wrote before")
                scope[name] = value
        return tuple(_output(graph, output, scope) for output in graph.outputs)

    def _read(self, node: Node, name: str, scope: Scope) -> Value:
        if name not in scope:
            raise WorkloadError(
                f"{node}: reads '{name}', which no node before it writes, no input is and no tensor stored"
            )
        return scope[name]

    def _step(self, graph: Graph, node: Node, given: tuple[Value | None, ...]) -> tuple[Value, ...]:
        """Run one node."""
        outputs = tuple(Value(name or "", step=len(self.steps)) for name in node.outputs)
        step, why = Step(node, given, outputs), ""
        if node.op == "Constant" and not node.domain:
            _constant(node, outputs)
        else:
            found = inferred(step, self.opsets)
            for value, (kind, shape) in zip(outputs, found, strict=False):
                value.kind, value.shape = kind, shape
            for value, data in zip(outputs, folded(step) or (), strict=False):
                value.data, value.shape = data, data.shape
                value.kind = value.kind or _kind_of(data)
            for value in outputs:
                _declared(node, value, graph.declared.get(value.name), self.dims)
        stored = _from_stored(step)
        for value in outputs:
            value.stored, value.source = stored, _source(step)
            if value.shape is None:
                value.lost = next((one.lost for one in given if one is not None and one.lost), str(node))
        self.steps.append(Step(node, given, outputs, why))
        return outputs

    def _subgraphs(self, node: Node, given: tuple[Value | None, ...], scope: Scope, depth: int) -> Any:
        """The outputs of an If, Loop or Scan whose way is known; None for any other node."""
        if node.domain:
            return None
        if node.op == "If":
            condition = given[0].data if given and given[0] is not None else None
            if condition is None or condition.size != 1:
                return None
            branch = "then_branch" if condition.reshape(-1)[0] else "else_branch"
            graph = self._subgraph(node, branch)
            return self._graph(graph, {**scope, **self._stored(graph)}, depth + 1)
        if node.op == "Loop":
            return self._loop(node, given, scope, depth)
        return self._scan(node, given, scope, depth) if node.op == "Scan" else None

    def _subgraph(self, node: Node, name: str) -> Graph:
        proto = node.attributes.get(name)
        if not hasattr(proto, "node"):
            raise WorkloadError(f"{node}: attribute '{name}' should be a graph")
        if id(proto) not in self.subgraphs:
            self.subgraphs[id(proto)] = graph_of(
                proto, "/".join(filter(None, (node.place, node.name or node.op, name)))
            )
        return self.subgraphs[id(proto)]

    def _loop(self, node: Node, given: tuple[Value | None, ...], scope: Scope, depth: int) -> Any:
        """Round after round, while the condition is known; None where it, or how often, is not."""
        first, condition, *carried = given
        most = None if first is None else first.data
        if (first is not None and most is None) or (condition is not None and condition.data is None):
            return None
        rounds = None if most is None else int(most.reshape(-1)[0])
        graph, begun = self._subgraph(node, "body"), len(self.steps)
        carrying, collected = list(carried), list[list[Value]]()
        go, done = condition is None or bool(condition.data.reshape(-1)[0]), 0  # type: ignore[union-attr]
        while go and (rounds is None or done < rounds):
            if done >= MOST_RUNS:
                raise WorkloadError(f"{node}: runs more than {MOST_RUNS:,} times")
            inner = {**scope, **self._stored(graph)}
            arriving = [_scalar(np.array(done, np.int64)), _scalar(np.array(True)), *carrying]
            inner |= {one.name: value for one, value in zip(graph.inputs, arriving, strict=False) if value is not None}
            after, *results = self._graph(graph, inner, depth + 1)
            if after.data is None and rounds is None:
                # how often it runs follows from what is computed
                del self.steps[begun:]
                return None
            go = after.data is None or bool(after.data.reshape(-1)[0])
            carrying, scanned = list(results[: len(carried)]), results[len(carried) :]
            collected.append(scanned)
            done += 1
        return (*carrying, *(_stacked(one, done) for one in zip(*collected, strict=True)))

    def _scan(self, node: Node, given: tuple[Value | None, ...], scope: Scope, depth: int) -> Any:
        """Round after round over the first axis of what is scanned."""
        scanned = node.whole("num_scan_inputs")
        graph = self._subgraph(node, "body")
        carrying, sequences = list(given[: len(given) - scanned]), given[len(given) - scanned :]
        if not sequences or any(one is None or not one.shape for one in sequences):
            return None
        axes = node.wholes("scan_input_axes", scanned, 0)
        rounds = sequences[0].shape[axes[0]]  # type: ignore[union-attr, index]
        if rounds > MOST_RUNS:
            raise WorkloadError(f"{node}: runs more than {MOST_RUNS:,} times")
        collected = list[list[Value]]()
        for _ in range(rounds):
            slices = [_slice(one, axis) for one, axis in zip(sequences, axes, strict=True)]
            inner = {**scope, **self._stored(graph)}
            inner |= {
                one.name: value
                for one, value in zip(graph.inputs, [*carrying, *slices], strict=False)
                if value is not None
            }
            results = list(self._graph(graph, inner, depth + 1))
            collected.append(results[len(carrying) :])
            carrying = list(results[: len(carrying)])
        return (*carrying, *(_stacked(one, rounds) for one in zip(*collected, strict=True)))


def _scalar(data: np.ndarray[Any, Any]) -> Value:
    return Value("", 9 if data.dtype == np.bool_ else 7, (), data, {})


def _slice(value: Any, axis: int) -> Value:
    shape = value.shape[:axis] + value.shape[axis + 1 :]
    return Value(value.name, value.kind, shape, None, value.stored, value.step, value.source)


def _stacked(values: tuple[Value, ...], rounds: int) -> Value:
    last = values[-1]
    shape = None if last.shape is None else (rounds, *last.shape)
    return Value(last.name, last.kind, shape, None, last.stored, last.step, last.source)


def _output(graph: Graph, output: Input, scope: Scope) -> Value:
    if output.name not in scope:
        raise WorkloadError(f"its output '{output.name}' is written by no node{meant(output.name, scope)}")
    return scope[output.name]


def _inputs(graph: Graph, dims: Mapping[str, int | str]) -> tuple[Value, ...]:
    """The graph's inputs with their sizes; every size that is missing is asked for at once."""
    used, missing, values = set[str](), list[str](), list[Value]()
    for one in graph.inputs:
        value = Value(one.name, one.kind, source=one)
        whole = dims.get(one.name)
        rank = None if one.dims is None else len(one.dims)
        if whole is not None:
            used.add(one.name)
            if rank == 0:
                value.shape, value.data = (), np.array(_whole(one.name, whole))
            else:
                value.shape = _sizes(one, whole)
        elif one.dims is None:
            missing.append(one.name)
        else:
            value.shape = tuple(_size(one, axis, dims, used, missing) for axis in range(len(one.dims)))
        values.append(value)
    left = [key for key in dims if key not in used]
    known = sorted({name for one in graph.inputs for name in _names(one)})
    if left:
        raise WorkloadError(f"--dim {left[0]}: no input has such a size{nearest(left[0], known)}")
    if missing:
        told = "; ".join(f"'{one.name}' is {_told(one)}" for one in graph.inputs if _asks(one, missing))
        usual = [name for one in graph.inputs for name in _names(one) if BATCH.fullmatch(name) and name not in dims]
        told += f"; {usual[0]} is 1 unless --dim {usual[0]}=SIZE says otherwise" if usual else ""
        asked = " ".join(
            f"--dim {name}={'1x3x224x224' if name in {one.name for one in graph.inputs} else 'SIZE'}"
            for name in dict.fromkeys(missing)
        )
        raise WorkloadError(f"sizes of its inputs are missing: {asked} ({told})")
    return tuple(values)


def _asks(one: Input, missing: list[str]) -> bool:
    return bool(set(_names(one)) & set(missing))


def _told(one: Input) -> str:
    if one.dims is None:
        return "of any shape"
    sizes = (str(dim) if isinstance(dim, int) and dim else _axis(one, axis) for axis, dim in enumerate(one.dims))
    return f"[{', '.join(sizes)}]"


def _axis(one: Input, axis: int) -> str:
    """What a size that is no number is called: its symbol, or its place in the input."""
    assert one.dims is not None
    dim = one.dims[axis]
    return dim if isinstance(dim, str) else f"{one.name}.{axis}"


def _names(one: Input) -> Iterator[str]:
    yield one.name
    for axis, dim in enumerate(one.dims or ()):
        if not isinstance(dim, int) or dim == 0:
            yield _axis(one, axis)


def _size(one: Input, axis: int, dims: Mapping[str, int | str], used: set[str], missing: list[str]) -> int:
    assert one.dims is not None
    dim = one.dims[axis]
    if isinstance(dim, int) and dim > 0:
        return dim
    name = _axis(one, axis)
    for key in (name, f"{one.name}.{axis}"):
        if key in dims:
            used.add(key)
            return _whole(key, dims[key], 1)
    if BATCH.fullmatch(name):
        return 1
    missing.append(name)
    return 1


def _whole(name: str, size: int | str, least: int | None = None) -> int:
    try:
        found = int(size)
    except (TypeError, ValueError, OverflowError):
        raise WorkloadError(f"--dim {name}: should be a whole number, got '{size}'") from None
    if isinstance(size, bool) or (found != size and not isinstance(size, str)):
        raise WorkloadError(f"--dim {name}: should be a whole number, got '{size}'")
    if (least is not None and found < least) or abs(found) > 2**40:
        raise WorkloadError(f"--dim {name}: should be from {least or -(2**40)} to 2^40, got {found}")
    return found


def _sizes(one: Input, whole: int | str) -> Sizes:
    parts = str(whole).split("x")
    sizes = tuple(_whole(one.name, part, 1) for part in parts)
    if one.dims is not None and len(sizes) != len(one.dims):
        raise WorkloadError(f"--dim {one.name}={whole}: the input has {len(one.dims)} dims ({_told(one)})")
    return sizes


def _stored(name: str, tensor: Any) -> Value:
    """A stored tensor; its words are read if they are few."""
    if hasattr(tensor, "values"):
        # a sparse tensor says its shape itself
        shape, kind = tuple(tensor.dims), tensor.values.data_type
    else:
        shape, kind = tuple(tensor.dims), tensor.data_type
    if kind not in KINDS or min(shape, default=1) < 0 or prod(shape) > 2**48:
        raise WorkloadError(f"stored tensor '{name}': type {kind} and shape {shown(shape)} are none")
    value = Value(name, kind, shape, stored={name: prod(shape)}, source=tensor)
    if not hasattr(tensor, "values") and prod(shape) <= MOST_WORDS and tensor.data_location != 1:
        value.data = _array(name, tensor)
    return value


def _array(name: str, tensor: Any) -> np.ndarray[Any, Any]:
    from onnx import numpy_helper

    try:
        found: np.ndarray[Any, Any] = numpy_helper.to_array(tensor)
    except Exception as error:  # of several types; all mean that it is damaged
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WorkloadError(f"stored tensor '{name}' of shape {shown(tuple(tensor.dims))} is damaged: {line}") from None
    return found


_NUMBERS = {"value_float": 1, "value_floats": 1, "value_int": 7, "value_ints": 7, "value_string": 8, "value_strings": 8}


def _constant(node: Node, outputs: tuple[Value, ...]) -> None:
    """What a Constant node holds."""
    if len(outputs) != 1:
        raise WorkloadError(f"{node}: should have one output, has {len(outputs)}")
    (value,) = outputs
    tensor = node.attributes.get("value", node.attributes.get("sparse_value"))
    if tensor is not None and hasattr(tensor, "dims"):
        found = _stored(value.name, tensor)
        value.kind, value.shape, value.data = found.kind, found.shape, found.data
        return
    for name, kind in _NUMBERS.items():
        if name in node.attributes:
            given = node.attributes[name]
            value.kind, value.data = kind, np.array(given, {1: np.float32, 7: np.int64, 8: object}[kind])
            value.shape = value.data.shape
            return
    raise WorkloadError(f"{node}: holds no value ({', '.join(('value', *_NUMBERS))})")


def _kind_of(data: np.ndarray[Any, Any]) -> int:
    """The element type of words that were worked out."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(data.dtype)) if data.dtype != object else 8


def _declared(node: Node, value: Value, declared: Input | None, dims: Mapping[str, int | str]) -> None:
    """Take what the file says of a tensor where nothing else tells; refuse what contradicts what follows."""
    if declared is None or declared.dims is None:
        return
    said = tuple(dims.get(dim, dim) if isinstance(dim, str) else dim for dim in declared.dims)
    if value.shape is None:
        if all(isinstance(dim, int) and dim > 0 for dim in said):
            value.shape = tuple(int(dim) for dim in said if dim is not None)
            value.kind = value.kind or declared.kind
        return
    fits = len(said) == len(value.shape) and all(
        not isinstance(dim, int) or dim in (0, size) for dim, size in zip(said, value.shape, strict=False)
    )
    if not fits:
        told = listing([str(dim) for dim in declared.dims])
        raise WorkloadError(f"{node}: gives '{value.name}' of {shown(value.shape)}, but the file says [{told}]")


FIRST = {
    *("Cast", "DequantizeLinear", "Expand", "Flatten", "Gather", "Identity", "Pad", "QuantizeLinear", "Reshape"),
    *("Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
}
"""Operators whose words are those of their first input; the others say which, or how."""


def _from_stored(step: Step) -> dict[str, int] | None:
    """The stored tensors that a step's outputs follow from, if from nothing else."""
    node = step.node
    if node.op in ("Constant", "ConstantOfShape") and step.outputs[0].shape is not None:
        return {step.outputs[0].name: step.outputs[0].words}
    if node.op in ("Shape", "Size"):
        return {}
    found: dict[str, int] = {}
    for value in step.inputs:
        if value is None:
            continue
        if value.stored is None:
            return None
        found |= value.stored
    first = step.inputs[0] if step.inputs else None
    return first.stored if node.op in FIRST and first is not None else found


def _source(step: Step) -> Any:
    first = step.inputs[0] if step.inputs else None
    return first.source if first is not None and len([one for one in step.inputs if one is not None]) == 1 else None
