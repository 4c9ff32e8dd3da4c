"""Real operands: a small network trained on scikit-learn's digits, quantized, and written layer by layer."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.sparsity.digits import BODY, Scales, digits, pictures

HEAD = """\
# A small CNN for 8 x 8 pictures of digits, as `accelsim trace` trained it: seed {seed}, {epochs} epochs{pruned}.
# Of the {tested} pictures it was not trained on it knows {accuracy:.1%} (before quantizing {exact:.1%}).
name: digits
source: >-
  trained on the digits of scikit-learn (E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits",
  UCI Machine Learning Repository, 1998)
input: {{C: 1, H: 8, W: 8}}
# Words are 8-bit integers. One unit of each stands for:
{scales}
# Densities are those of the arrays beside this file: run it with batch {batch}.
"""


@dataclass(frozen=True)
class Trace:
    """What was written. accuracy : of the integers, on pictures not trained on; float_accuracy : before quantizing."""

    workload: Path
    batch: int
    accuracy: float
    float_accuracy: float
    scales: Mapping[str, Scales]
    densities: dict[str, dict[str, float]]


def trace(directory: str | Path, seed: int = 0, epochs: int = 15, batch: int = 4, prune: float = 0.0) -> Trace:
    """Train, quantize and write ``digits.yaml`` and ``LAYER.npz`` (``ifmap``, ``filter``, ``ofmap``, int8).

    Integers are symmetric: one scale per tensor, the largest of a layer's weights, or of its activations over the
    training pictures, becomes 127; pixels stay as they are. ofmap = min(127, round(ReLU(sums) * `requantize`)), where
    sums are those of the integers' convolution; the last layer has no ReLU. The next ifmap is the ofmap's maximum over
    2 x 2.

    Parameters
    ----------
    epochs : through the training pictures. batch : pictures written, of those not trained on.
    prune : share of each layer's weights to set to zero, the smallest; the others are trained on for a while.

    Raises
    ------
    AccelsimError : scikit-learn is missing, a parameter is out of range, the directory cannot be written.
    """
    _, labels, held = pictures(seed)
    tests = len(labels) - held
    if not 1 <= batch <= tests:
        raise AccelsimError(f"batch is {batch}; there are {tests} pictures not trained on, so 1 to {tests}")
    found = digits(seed, epochs, prune)
    results = found.run()
    accuracy, exact, scales = found.accuracy(results), found.float_accuracy, found.scales
    arrays = {
        name: {key: (a if key == "filter" else a[:batch]).astype(np.int8) for key, a in layer.items()}
        for name, layer in results.items()
    }
    densities = {name: {key: float(np.mean(a != 0)) for key, a in layer.items()} for name, layer in arrays.items()}
    told = [f"#   {n}: ifmap {s.ifmap:.6g}, filter {s.filter:.6g}, ofmap {s.ofmap:.6g}" for n, s in scales.items()]
    text = HEAD.format(
        seed=seed,
        epochs=epochs,
        pruned=f", then {prune:g} of the weights pruned" if prune else "",
        tested=tests,
        accuracy=accuracy,
        exact=exact,
        scales="\n".join(told),
        batch=batch,
    ) + BODY.format_map({name: _density(found) for name, found in densities.items()})
    folder = Path(directory)
    for name, layer in arrays.items():
        _write(folder / f"{name}.npz", _packed(layer))
    _write(folder / "digits.yaml", text.encode())
    return Trace(folder / "digits.yaml", batch, accuracy, exact, scales, densities)


def _density(found: dict[str, float]) -> str:
    return f", density: {{{', '.join(f'{tensor}: {share:.6g}' for tensor, share in found.items())}}}"


def _packed(arrays: dict[str, npt.NDArray[np.int8]]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    return packed.getvalue()


def _write(path: Path, content: bytes) -> None:
    """A file written whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise AccelsimError(f"{path}: {error.strerror}") from None
    finally:
        if temporary.exists():
            temporary.unlink()
