"""How far off predictors are: three machines, both kinds, networks never fitted; prints the tables of docs/predict.md.

python benchmarks/predict.py [--samples 1000] [--save DIR] [MACHINE...]   (some 10 to 20 minutes a machine, two cores)
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import fmean

from accelsim.codesign.predict.fitting import fitted, sampled
from accelsim.codesign.predict.model import Model

MACHINES = ("eyeriss", "tpu_v1", "nvdla_full")
NETWORKS = (
    "alexnet", "vgg16", "googlenet", "resnet50", "squeezenet_v1_1", "densenet121", "resnext50", "mobilenet_v1",
    "mobilenet_v2", "bert_base", "squeezebert", "vit_b16",
)  # fmt: skip
TYPES = ("convolution", "fully_connected", "product", "grouped")
QUANTITIES = ("runtime", "power", "energy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("machines", nargs="*", default=MACHINES)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--save", type=Path)
    asked = parser.parse_args()
    for machine in asked.machines:
        begun = time.perf_counter()
        found = sampled(machine, asked.samples, checks=NETWORKS)
        print(f"\n## {machine}: {asked.samples} layers of each type and {len(NETWORKS)} networks "
              f"simulated in {time.perf_counter() - begun:.0f} s", flush=True)  # fmt: skip
        macs = {network.name: network.macs for network, _ in found.checks}
        for kind in ("polynomial", "table"):
            begun = time.perf_counter()
            model = fitted(found, kind)
            print(f"\n{kind}, fitted in {time.perf_counter() - begun:.0f} s", flush=True)
            show(model, macs)
            if asked.save:
                model.save(asked.save / f"{machine}_{kind}.json")


def show(model: Model, macs: dict[str, int]) -> None:
    print("| type | runtime | power | energy | idle | busy | MACs: runtime | MACs: energy |\n|---|" + "---:|" * 7)
    for name in TYPES:
        if name in model.types:
            errors = model.types[name].errors
            parts = [errors[what] for what in QUANTITIES]
            parts += [errors[key]["runtime"] if key in errors else float("nan") for key in ("idle", "busy")]
            parts += [errors["macs_alone"][what] for what in ("runtime", "energy")]
            print(f"| {name} | " + " | ".join(f"{100 * part:.1f}" for part in parts) + " |")
    print("| network | runtime | power | energy | MACs: runtime | MACs: energy |\n|---|" + "---:|" * 5)
    alone = {what: by_macs(model, macs, what) for what in ("ms", "energy")}
    for index, one in enumerate(model.networks):
        parts = [*(one["errors"][what] for what in QUANTITIES), alone["ms"][index], alone["energy"][index]]
        print(f"| {one['name']} | " + " | ".join(f"{100 * part:+.1f}" for part in parts) + " |")
    means = [fmean(abs(one["errors"][what]) for one in model.networks) for what in QUANTITIES]
    means += [fmean(map(abs, alone[what])) for what in ("ms", "energy")]
    print("| mean | " + " | ".join(f"{100 * mean:.1f}" for mean in means) + " |", flush=True)


def by_macs(model: Model, macs: dict[str, int], what: str) -> list[float]:
    """Errors of a constant times MACs, of all constants the one that is best on these very networks."""
    ratios = [macs[one["name"]] / one[what] for one in model.networks]
    found = [[ratio / constant - 1 for ratio in ratios] for constant in ratios]
    return min(found, key=lambda errors: fmean(map(abs, errors)))


if __name__ == "__main__":
    main()
