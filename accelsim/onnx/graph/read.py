"""An ONNX file as plain records: no weight is loaded, local functions are laid out where they are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, WorkloadError, reason
from accelsim.onnx.graph.records import Graph, Input, Model, Node, refused
from accelsim.yamlfile import shown

LEAST_OPSET = 7
MOST_NODES = 100_000
MOST_BYTES = 2**31
"""A message of protobuf is no larger; whatever is keeps its weights beside it."""
SUFFIX = ".onnx"
Dims = Mapping[str, int | str]
"""Sizes that a graph leaves open, by name."""


def is_onnx(name: object) -> bool:
    """Whether a workload is named by a file of this kind."""
    return isinstance(name, str | Path) and Path(name).suffix.lower() == SUFFIX


def library() -> Any:
    """The package onnx. AccelsimError, one line, where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise AccelsimError("reading ONNX needs the package onnx: pip install 'accelsim[onnx]'") from None
    return onnx


def read(path: str | Path) -> Model:
    """The model in a file. WorkloadError, one line, for one that is damaged or of a version that is not read."""
    file = shown(path)
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise WorkloadError(f"{file}: too large for a protobuf message; save its weights as external data")
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{file}: {reason(error)}") from None
    try:
        return model_of(data, file, str(Path(path).parent))
    except WorkloadError as error:
        raise refused(file, error) from None


def model_of(data: bytes, file: str = "<graph>", folder: str = "") -> Model:
    """The model that a serialised ModelProto holds."""
    onnx = library()
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.ModelProto.FromString(data)
    except (DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        raise WorkloadError("is no ONNX file, or a damaged one: its protobuf cannot be read") from None
    opsets = {"" if opset.domain == "ai.onnx" else opset.domain: opset.version for opset in proto.opset_import}
    _check_version(onnx, proto, opsets)
    if proto.functions:
        proto = _inlined(onnx, proto)
        for opset in proto.opset_import:
            opsets.setdefault("" if opset.domain == "ai.onnx" else opset.domain, opset.version)
    graph = graph_of(proto.graph, "")
    if not graph.nodes:
        raise WorkloadError("its graph has no nodes")
    return Model(file, folder, graph, opsets, f"{proto.producer_name} {proto.producer_version}".strip())


def _check_version(onnx: Any, proto: Any, opsets: dict[str, int]) -> None:
    if not proto.HasField("graph"):
        raise WorkloadError("is no ONNX file, or a damaged one: it holds no graph")
    version = opsets.get("", 0 if not proto.opset_import else LEAST_OPSET)
    if version < LEAST_OPSET:
        raise WorkloadError(
            f"opset_import: version {version} of ONNX's operators is not read, {LEAST_OPSET} and up are; "
            "onnx.version_converter makes a newer one of it"
        )
    newest = onnx.defs.onnx_opset_version()
    if version > newest:
        raise WorkloadError(
            f"opset_import: version {version} of ONNX's operators is newer than {newest}, the last that the installed "
            f"onnx {onnx.__version__} knows; install a newer onnx"
        )


def _inlined(onnx: Any, proto: Any) -> Any:
    """The model without functions of its own."""
    try:
        from onnx import inliner

        return inliner.inline_local_functions(proto)
    except Exception as error:  # whatever the library raises is about the file
        line = str(error).strip().splitlines() or [type(error).__name__]
        raise WorkloadError(f"its local functions cannot be laid out: {line[0]}") from None


def graph_of(proto: Any, place: str) -> Graph:
    """A graph's records. place : the subgraph it is, ``node/attribute``."""
    if len(proto.node) > MOST_NODES:
        raise WorkloadError(f"has {len(proto.node):,} nodes; up to {MOST_NODES:,} are read")
    _check_names(proto)
    stored = {tensor.name: tensor for tensor in proto.initializer}
    stored |= {tensor.values.name: tensor for tensor in proto.sparse_initializer}
    inputs = tuple(_input(value) for value in proto.input)
    return Graph(
        tuple(_node(index, node, place) for index, node in enumerate(proto.node)),
        tuple(one for one in inputs if one.name not in stored),
        tuple(_input(value) for value in proto.output),
        stored,
        {value.name: _input(value) for value in (*proto.value_info, *proto.output)},
    )


def _check_names(proto: Any) -> None:
    """Refuse names that are no text: the library gives them as bytes."""
    values = (*proto.input, *proto.output, *proto.value_info, *proto.initializer)
    names = [value.name for value in values]
    for node in proto.node:
        names += (node.name, node.op_type, node.domain, *node.input, *node.output)
        names += (attribute.name for attribute in node.attribute)
    if wrong := next((name for name in names if not isinstance(name, str)), None):
        raise WorkloadError(f"a name that is not UTF-8: {wrong!r}")


def _input(value: Any) -> Input:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return Input(value.name, 0, None)
    if not tensor.HasField("shape"):
        return Input(value.name, tensor.elem_type, None)
    dims = tuple(_dim(dim) for dim in tensor.shape.dim)
    return Input(value.name, tensor.elem_type, dims)


def _dim(dim: Any) -> int | str | None:
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    # a symbol without a letter or digit, such as '?', names nothing
    symbol = dim.dim_param
    return symbol if isinstance(symbol, str) and any(letter.isalnum() for letter in symbol) else None


def _node(index: int, proto: Any, place: str) -> Node:
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    attributes: dict[str, Any] = {}
    node = Node(
        index, proto.name, proto.op_type, domain, tuple(proto.input), tuple(proto.output), attributes, place, proto
    )
    for attribute in proto.attribute:
        found = _attribute(attribute)
        if found is not None:
            attributes[attribute.name] = found
    return node


# numbers are those of AttributeProto.AttributeType
_FIELDS = {1: "f", 2: "i", 4: "t", 5: "g"}
_LISTS = {6: "floats", 7: "ints", 9: "tensors", 10: "graphs"}


def _attribute(proto: Any) -> Any:
    """A number, a text, a list of them, or the message of a tensor or graph; None of any other type."""
    if proto.type == 3:
        return proto.s.decode("utf-8", "replace")
    if proto.type == 8:
        return [one.decode("utf-8", "replace") for one in proto.strings]
    if proto.type in _FIELDS:
        return getattr(proto, _FIELDS[proto.type])
    return list(getattr(proto, _LISTS[proto.type])) if proto.type in _LISTS else None


def checked(dims: object) -> Dims:
    """Sizes by name, as a caller gives them. AccelsimError, one line, for what is none."""
    if dims is None:
        return {}
    if not isinstance(dims, Mapping):
        raise AccelsimError(f"dims: wanted sizes by name, got a {type(dims).__name__}")
    for name, size in dims.items():
        if isinstance(size, bool) or not isinstance(size, int | str):
            raise AccelsimError(
                f"dims: {name}: should be a whole number, or a shape such as '1x3x224x224'; got {size!r}"
            )
    return {str(name): size for name, size in dims.items()}
