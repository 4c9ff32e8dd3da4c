"""How much slower a run with a plan is than one without: `python benchmarks/planned.py`, the ratio within one process.

Plans are those that `map --between WAY` writes, read back from their files, with mappings of passes of groups; those of
layers are searched for in both, as `run` does. Every time is that of a process: three turns each, the least counts. The
bound asked for is 1.3.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from accelsim.report.files import plan_text
from accelsim.simulate import simulate

MACHINES = (("eyeriss_isca16_rs", {"levels.GLB.capacity": "512 KiB"}), ("tpu_v1", {}))
NETWORKS = ("resnet50", "mobilenet_v2")
TURNS, MOST = 3, 1.3


def seconds(machine: str, network: str, evaluator: str, keys: dict[str, str], plan: Path | None) -> float:
    """Processor seconds of one run."""
    begun = time.process_time()
    simulate(machine, network, evaluator=evaluator, parameters=keys, plan=plan, data="dense")
    return time.process_time() - begun


def main(ways: list[str]) -> None:
    """Print a line for each machine, network, evaluator and way."""
    print(f"{'machine':18} {'network':13} {'way':9} {'evaluator':11} {'without':>9} {'with':>9} ratio")
    with tempfile.TemporaryDirectory() as folder:
        for machine, keys in MACHINES:
            for network in NETWORKS:
                for way in ways:
                    name, _, budget = way.partition(":")
                    found = simulate(
                        machine, network, evaluator="analytical", parameters=keys, between=name,
                        budget=float(budget) if budget else None,
                    )  # fmt: skip
                    file = Path(folder, "plan.yaml")
                    file.write_text(plan_text(found, name, "energy"))
                    for evaluator in ("analytical", "cycle"):
                        plans = (None, file)
                        times = [
                            [seconds(machine, network, evaluator, keys, one) for one in plans] for _ in range(TURNS)
                        ]
                        without, planned = (min(each) for each in zip(*times, strict=True))
                        row = f"{machine:18} {network:13} {name:9} {evaluator:11} {without:8.2f}s {planned:8.2f}s"
                        print(
                            f"{row} {planned / without:5.2f}{'' if planned <= MOST * without else ' above'}", flush=True
                        )


if __name__ == "__main__":
    main(sys.argv[1:] or ["resident", "best"])
