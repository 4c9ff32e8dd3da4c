"""The user's first minute: what compiles from an empty kernel cache, here and in other checkouts, in one run.

`python benchmarks/cold.py [CHECKOUT ...]`; each runs `accelsim run eyeriss alexnet --batch 4` in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parents[1]
CODE = """
import json, sys, time
from numba.core import event
class Timed(event.Listener):
    def __init__(self):
        self.buffer = []
    def on_start(self, found):
        self.buffer.append((time.process_time(), found))
    on_end = on_start
recorded = Timed()
event.register("numba:compile", recorded)
begun = time.process_time()
from accelsim.cli import app
sys.argv = ["accelsim", "run", "eyeriss", "alexnet", "--batch", "4"]
try:
    app()
except SystemExit:
    pass
depth = spent = number = 0
for at, found in recorded.buffer:
    if found.is_start:
        since = at if not depth else since
        depth, number = depth + 1, number + 1
    else:
        depth -= 1
        spent += 0 if depth else at - since
print(json.dumps([spent, number, time.process_time() - begun]), file=sys.stderr)
"""


def main(checkouts: Sequence[str]) -> None:
    """A line for each: CPU seconds in numba's compile events, how many there were, and CPU seconds of the process."""
    table = Table("checkout", "compiling, CPU [s]", "compile events", "process, CPU [s]", title="cold start")
    for root in (str(HERE), *checkouts):
        with tempfile.TemporaryDirectory() as cache:
            # A checkout older than accelsim's own cache folder keeps kernels where numba is told to.
            caches = {"ACCELSIM_CACHE_DIR": cache, "NUMBA_CACHE_DIR": cache}
            environment = os.environ | caches | {"PYTHONPATH": root, "NUMBA_NUM_THREADS": "1"}
            done = subprocess.run(
                [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True, cwd=root
            )
        spent, number, cpu = json.loads(done.stderr.splitlines()[-1])
        table.add_row(root, f"{spent:.1f}", str(number), f"{cpu:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
