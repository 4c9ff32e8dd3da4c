"""The words of tensors that follow from stored ones, read when they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from accelsim.errors import WorkloadError
from accelsim.onnx.graph.fold import computed
from accelsim.onnx.graph.records import Program, Value

Words = np.ndarray[Any, Any]


def words_of(program: Program, value: Value) -> Words:
    """The words of a tensor that follows from stored ones; of quantised ones the integers, less their zero point.

    Raises WorkloadError, one line, where the words are not in the file, nor beside it.
    """
    if value.data is not None and value.step < 0:
        return value.data
    if value.step < 0:
        return _read(program, value)
    step = program.steps[value.step]
    if step.node.op == "Constant" and not step.node.domain:
        return _constant(program, value, step.node.attributes.get("value"))
    given = [None if one is None else words_of(program, one) for one in step.inputs]
    if step.node.op == "DequantizeLinear":
        words = np.asarray(given[0])
        zero = given[2] if len(given) > 2 else None
        return words if zero is None or not np.any(zero) else words.astype(np.int64) - _along(zero, words, step.node)
    found = computed(step.node, given)
    if found is None:
        raise WorkloadError(f"{program.model.file}: {step.node}: its words cannot be worked out")
    return np.asarray(found[next(at for at, one in enumerate(step.outputs) if one is value)])


def _along(zero: Words, words: Words, node: Any) -> Words:
    """Zero points of each slice along an axis."""
    zero = zero.astype(np.int64)
    if zero.size == 1:
        return zero.reshape(())
    axis = node.whole("axis", 1) % words.ndim
    return zero.reshape([-1 if at == axis else 1 for at in range(words.ndim)])


def _constant(program: Program, value: Value, tensor: Any) -> Words:
    if value.data is not None:
        return value.data
    return _array(program, value, tensor)


def _read(program: Program, value: Value) -> Words:
    tensor = value.source
    if tensor is None or not hasattr(tensor, "data_type"):
        raise WorkloadError(f"{program.model.file}: stored tensor {value}: its words cannot be read")
    return _array(program, value, tensor)


def _array(program: Program, value: Value, tensor: Any) -> Words:
    from onnx import numpy_helper

    location = location_of(tensor)
    if location:
        _check_external(program, value, location)
    try:
        found: Words = numpy_helper.to_array(tensor, program.model.folder)
    except Exception as error:  # of several types; all mean that the words are not what the file says
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WorkloadError(f"{program.model.file}: stored tensor {value} is damaged: {line}") from None
    return found


def _check_external(program: Program, value: Value, location: str) -> None:
    path = Path(program.model.folder) / location
    inside = not Path(location).is_absolute() and ".." not in Path(location).parts
    if not inside or not path.is_file():
        raise WorkloadError(
            f"{program.model.file}: the words of {value} lie in '{location}', which is not beside it; "
            "without --data weights, shapes are enough"
        )


def location_of(tensor: Any) -> str:
    """The file beside the graph that a tensor's words lie in; nothing where they are in the graph."""
    if getattr(tensor, "data_location", 0) != 1:
        return ""
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
