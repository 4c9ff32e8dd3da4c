"""A PyTorch module as a network: exported to an ONNX graph, which is read. Nothing else imports PyTorch."""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

from accelsim.errors import AccelsimError
from accelsim.onnx.graph.read import model_of
from accelsim.onnx.network import network
from accelsim.workload.network import Network


def from_torch(module: Any, inputs: Any, batch: int = 1) -> Network:
    """The network that a module is when it runs on `inputs`, a tensor or a tuple of them; no weight is kept.

    Raises AccelsimError, one line, where PyTorch is not installed, and for a module that it cannot export.
    """
    try:
        import torch
    except ImportError:
        raise AccelsimError("reading a module needs PyTorch: pip install torch onnxscript 'accelsim[onnx]'") from None
    if not isinstance(module, torch.nn.Module):
        raise AccelsimError(f"workload: wanted a torch.nn.Module to run on the inputs, got a {type(module).__name__}")
    given = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    training = module.training
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            data = _exported(torch, module, given)
    except AccelsimError:
        raise
    except Exception as error:  # whatever the exporter raises, it is about the module
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AccelsimError(f"PyTorch cannot export {type(module).__name__} to ONNX: {line}") from None
    finally:
        module.train(training)
    return network(model_of(data, f"{type(module).__name__}.onnx"), batch)


def _exported(torch: Any, module: Any, inputs: tuple[Any, ...]) -> bytes:
    """The graph as a file would hold it."""
    file, log = io.BytesIO(), logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        program = torch.onnx.export(module, inputs, dynamo=True, verbose=False)
    except ImportError:
        raise AccelsimError("PyTorch's exporter needs the package onnxscript: pip install onnxscript") from None
    finally:
        log.setLevel(level)
    program.save(file)
    return file.getvalue()
