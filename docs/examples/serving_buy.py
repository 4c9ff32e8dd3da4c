"""Which to buy for Llama 3 8B at 20 requests a second, a bigger batch, a second core or more HBM: a sweep of all eight.

Layers of one core and of a package of two are simulated first, where their tables are not there yet (some minutes);
every server after that takes a second. Prompts of 256 tokens and answers of 128, with deviations of half of that.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import NamedTuple

import accelsim
from accelsim.report.framing import PAGE, furnish, sized_axes
from accelsim.report.palette import COLOURS
from accelsim.serving.bundle import read_bundle
from accelsim.serving.layers import Grid, simulated
from accelsim.serving.writing import write_bundle

HERE = Path(__file__).parent
MACHINES = {1: HERE / "npu.yaml", 2: HERE / "npus.yaml"}
MODEL, RATE, LIMITS = "llama3_8b", 20, "ttft=1s,tpot=50ms"
RATES = (4, 8, 12, 16, 20, 24)
GIGABYTES, MORE = 20, 40
SEQUENCES, BIGGER = 32, 128


class Choice(NamedTuple):
    """What is bought, and how well 20 requests a second are then served."""

    batch: bool
    core: bool
    hbm: bool
    served: accelsim.Served

    @property
    def name(self) -> str:
        """In words."""
        found = [word for word, bought in (("batch", self.batch), ("core", self.core), ("HBM", self.hbm)) if bought]
        return " + ".join(found) or "nothing"


def table(folder: Path, cores: int) -> Path:
    """Layer times of one core, or of a package of two that share every layer, and the HBM."""
    name = f"npu_{cores}"
    place = folder / name
    if not place.exists():
        write_bundle(simulated(MACHINES[cores], MODEL, grid=Grid.up_to(2048, 256, 1024)), folder, name)
    return place


def serve(folder: Path, batch: bool, core: bool, hbm: bool, rate: float = RATE) -> accelsim.Served:
    """2,000 requests."""
    return accelsim.serve(
        read_bundle(table(folder, 1 + core)), rate=rate, prompt=256, output=128, count=2000, spread=0.5,
        memory=f"{MORE if hbm else GIGABYTES} GB", max_seqs=BIGGER if batch else SEQUENCES, budget=512, slo=LIMITS,
    )  # fmt: skip


def choices(folder: Path) -> list[Choice]:
    """All eight, the best served last."""
    found = [Choice(*bought, serve(folder, *bought)) for bought in product((False, True), repeat=3)]
    return sorted(found, key=lambda one: one.served.goodput)


def draw(found: list[Choice], picture: str) -> None:
    """Goodput of each."""
    axes = sized_axes(PAGE)
    bars = axes.barh([one.name for one in found], [one.served.goodput for one in found], color=COLOURS[0])
    axes.bar_label(bars, [f"{one.served.goodput:.1f}" for one in found], padding=3, fontsize=PAGE.text)
    axes.axvline(RATE, color="#555555", linewidth=0.8, linestyle="--")
    axes.set_xlabel("requests/s served within 1 s to the first token and 50 ms a token", fontsize=PAGE.text)
    axes.set_xlim(0, RATE * 1.08)
    title = [
        "What to buy for Llama 3 8B at 20 requests a second",
        f"batch: {BIGGER} requests, not {SEQUENCES}; core: two that share the HBM; HBM: {MORE} GB, not {GIGABYTES}",
    ]
    furnish(axes, PAGE, title, caption="Dashed: all that are asked for.")
    axes.figure.savefig(picture, dpi=PAGE.dots)


def draw_load(folder: Path, found: list[Choice], picture: str) -> None:
    """How long the slowest of a hundred wait for a first token, as load grows, for four of them."""
    axes = sized_axes(PAGE)
    handles = []
    chosen = [one for one in found if one.name in ("nothing", "batch", "batch + HBM", "batch + core")]
    for colour, style, one in zip(COLOURS, ("-", "-", "--", "-"), chosen, strict=False):
        waits = [serve(folder, one.batch, one.core, one.hbm, rate).ttft.p99 for rate in RATES]
        (line,) = axes.plot(RATES, waits, style, marker="o", markersize=3, color=colour)
        handles.append((line, one.name))
    axes.set_yscale("log")
    axes.set_xticks(RATES)
    axes.axhline(1000, color="#555555", linewidth=0.8, linestyle="--")
    axes.set_xlabel("requests/s asked for", fontsize=PAGE.text)
    axes.set_ylabel("first token, p99 [ms]", fontsize=PAGE.text)
    furnish(axes, PAGE, ["Waits against load"], handles, "Dashed: the limit of 1 s.")
    axes.figure.savefig(picture, dpi=PAGE.dots)


def main(picture: str = "serving_buy.png", folder: str = "perf", load: str = "serving_load.png") -> list[Choice]:
    """Serve all eight, say and draw it."""
    found = choices(Path(folder))
    for one in found:
        run, served = one.served.run, one.served
        print(
            f"{one.name:>18}: goodput {served.goodput:5.2f}/s, TTFT p99 {served.ttft.p99:8,.0f} ms, TPOT "
            f"{served.tpot.mean:.1f} ms, {run.puts.sum():,} preemptions, {served.token_mj:.1f} mJ a token"
        )
    draw(found, picture)
    draw_load(Path(folder), found, load)
    return found


if __name__ == "__main__":
    main()
