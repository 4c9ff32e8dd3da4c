"""Which of a run's parameters are the network's, and which the machine's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.errors import AccelsimError
from accelsim.onnx.graph.read import is_onnx


def split_parameters(
    architecture: object, workload: object, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters for the workload's file and for the architecture's; a name both declare goes to both.

    A name that neither declares may be a path into the architecture's file.
    Raises AccelsimError for a name that neither declares: with what each of them does.
    """
    if not given:
        return {}, {}
    from accelsim.architecture.edit import KEYS, is_path, is_short
    from accelsim.yamlfile import meant

    ours, theirs = _declared("workload", workload), _declared("arch", architecture)
    theirs += tuple(name for name in given if is_path(name, ours + theirs))
    data = _data("arch", architecture) if set(given) - {*ours, *theirs} else None
    theirs += tuple(name for name in given if name not in ours + theirs and is_short(name, data))
    for name in given:
        if name not in ours + theirs:
            known = "; ".join(
                f"{kind} '{getattr(source, 'name', source)}' declares {', '.join(names) or 'none'}"
                for kind, source, names in (("architecture", architecture, theirs), ("workload", workload, ours))
            )
            near = meant(name.partition(".")[0], ours + theirs + (KEYS if "." in name else ()))
            raise AccelsimError(f"unknown parameter '{name}'{near or ';'} {known}")
    first, second = ({name: value for name, value in given.items() if name in names} for names in (ours, theirs))
    return first, second


def workload_parameters(workload: object) -> tuple[str, ...]:
    """Names of the parameters that a network's file declares; none of an ONNX graph and of an object."""
    return _declared("workload", workload)


def _declared(kind: str, source: object) -> tuple[str, ...]:
    """Names of the parameters that a file declares, or the file that a machine is from."""
    data = _data(kind, source)
    declared = data.get("parameters") if isinstance(data, dict) else None
    return tuple(declared) if isinstance(declared, dict) else ()


def _data(kind: str, source: object) -> Any:
    """What a file says, or the file that a machine is from."""
    from accelsim.yamlfile import read, resolve

    if is_onnx(source):
        return None
    if isinstance(source, str | Path):
        return read(resolve(kind, source)).data
    if not isinstance(source, Architecture):
        return None
    from accelsim.architecture.document import document_of

    return source.document if source.document is not None else document_of(source)
