"""Does LLMServingSim's own loader take a table that is written here?

    python benchmarks/llmservingsim.py PATH_OF_LLMSERVINGSIM

PATH is a checkout of https://github.com/casys-kaist/LLMServingSim with `serving/core/trace_generator.py`. Without one,
nothing is done. Its look-ups are then compared with ours.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

from accelsim.serving.costing import Batch, costs_of
from accelsim.serving.kernels.lookup import attention
from accelsim.serving.layers import Grid, simulated
from accelsim.serving.writing import write_bundle

MACHINE = Path(__file__).parent.parent / "docs" / "examples" / "npu.yaml"
MOST_NS = 2
"""They round, and so do files."""


def main(checkout: str) -> None:
    """Write a table, read it with theirs, look up a thousand batches with both."""
    root = Path(checkout).resolve()
    if not (root / "serving" / "core" / "trace_generator.py").is_file():
        print(f"{root}: no LLMServingSim; skipped")
        return
    sys.path.insert(0, str(root))
    from serving.core import trace_generator

    bundle = simulated(MACHINE, "llama3_8b", grid=Grid.up_to(64, 16, 256))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "astra-sim").mkdir()
        perf = Path(folder) / "profiler"
        perf.mkdir()
        (perf / "models").symlink_to(root / "profiler" / "models")
        write_bundle(bundle, perf / "perf", "npu")
        os.chdir(Path(folder) / "astra-sim")
        loaded = trace_generator._load_perf_db("npu", bundle.model.names[0], bundle.variant, {1}, "llama")
    ours, worst = costs_of(bundle).attention, 0.0
    rng = random.Random(0)
    for _ in range(1000):
        new, past, count, context = rng.randint(16, 64), rng.choice((0, 100)), rng.randint(1, 16), rng.randint(16, 250)
        batch = Batch.of([(new, past), *[(1, context)] * count])
        theirs = trace_generator._lookup_attention(loaded, 1, new, past, count, context)
        own, _ = attention(ours, batch.chunk, batch.past, batch.decodes, batch.mean)
        worst = max(worst, abs(own - theirs))
    print(f"1,000 look-ups, at most {worst:.2f} ns apart")
    assert worst <= MOST_NS


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
