"""Does LLMServingSim's own loader take a table that is written here?

    python benchmarks/llmservingsim.py PATH_OF_LLMSERVINGSIM

PATH is a checkout of https://github.com/casys-kaist/LLMServingSim with `serving/core/trace_generator.py`, at 007f472 or
another commit; it takes pandas and PyYAML. Without one, nothing is done. Its look-ups are then compared with ours.
"""

from __future__ import annotations

import inspect
import os
import random
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from accelsim.serving.bundle import Bundle
from accelsim.serving.costing import along, costs_of
from accelsim.serving.kernels.lookup import attention
from accelsim.serving.layers import Grid, simulated
from accelsim.serving.writing import write_bundle

MACHINE = Path(__file__).parent.parent / "docs" / "examples" / "npu.yaml"
GRID = Grid.up_to(64, 16, 256)
MOST_NS = 2
"""They cut off and round, and so do files."""


def main(checkout: str) -> None:
    """Write a table, read it with theirs, look up a thousand batches and all layers with both."""
    root = Path(checkout).resolve()
    if not (root / "serving" / "core" / "trace_generator.py").is_file():
        print(f"{root}: no LLMServingSim; skipped")
        return
    sys.path.insert(0, str(root))
    from serving.core import trace_generator

    bundle = simulated(MACHINE, "llama3_8b", grid=GRID)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "astra-sim").mkdir()
        perf = Path(folder) / "profiler"
        perf.mkdir()
        (perf / "models").symlink_to(root / "profiler" / "models")
        write_bundle(bundle, perf / "perf", "npu")
        os.chdir(Path(folder) / "astra-sim")  # it looks for ../profiler
        loaded = trace_generator._load_perf_db("npu", bundle.model.names[0], bundle.variant, {1}, "llama")
        worst = max(attentions(trace_generator, loaded, bundle), layers(trace_generator, loaded, bundle))
    print(f"1,000 batches and all layers, at most {worst:.2f} ns apart")
    assert worst <= MOST_NS


def attentions(theirs: ModuleType, loaded: Any, bundle: Bundle) -> float:
    """Farthest apart, ns, where both mean the same (docs/serving.md, "In LLMServingSim").

    Later commits look a prompt up by what lies before it and half of it, which is the same at chunks of the table.
    """
    keyed = "prefill_key" in inspect.signature(theirs._lookup_attention).parameters
    tree, worst, rng = costs_of(bundle).attention, 0.0, random.Random(0)
    for _ in range(1000):
        new = rng.choice(GRID.chunks) if keyed else rng.randint(16, 64)
        past, count, context = rng.choice((0, 100)), rng.randint(1, 16), rng.randint(16, 250)
        other = theirs._lookup_attention(loaded, 1, new, past + new / 2 if keyed else past, count, context)
        own, _ = attention(tree, float(new), float(past), float(count), float(context))
        worst = max(worst, abs(own - other))
    return worst


def layers(theirs: ModuleType, loaded: Any, bundle: Bundle) -> float:
    """The same of layers by tokens and by requests, at sizes between those of the table too."""
    worst = 0.0
    for look_up, found in (
        (theirs._lookup_dense, bundle.times.dense),
        (theirs._lookup_per_sequence, bundle.times.sequences),
    ):
        for name, points in found.items():
            places = sorted(points)
            sizes = list(range(1, places[-1] + 1))
            own = along(*(_floats(one) for one in (places, [points[at] * 1000 for at in places], sizes)))
            worst = max(worst, *(abs(a - look_up(loaded, name, 1, at)) for a, at in zip(own, sizes, strict=True)))
    return worst


def _floats(values: list[Any]) -> Any:
    import numpy as np

    return np.array(values, np.float64)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
