"""Pictures of the machines that are read from RTL: the array and its levels, and what overlaps in a small layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.engine import evaluate
from accelsim.mapping.mapping import LoopNest
from accelsim.report.framing import save
from accelsim.report.plot_machine import Bar, Page, draw
from accelsim.reproduce import nvdla_networks
from accelsim.reproduce.activities import COMPUTE, Activity, activities
from accelsim.workload.problem import Problem

FOLDER = Path("docs/figures")


@dataclass(frozen=True)
class Scene:
    """A machine at work on a layer so small that each transfer can be seen.

    about : the layer, in words. steps : of the MAC array that make one bar.
    """

    about: str
    nest: str
    sizes: Mapping[str, int]
    steps: int = 1
    parameters: Mapping[str, object] = field(default_factory=dict)
    added: bool = False

    @property
    def problem(self) -> Problem:
        """The layer."""
        return replace(Problem.of(self.sizes), added=self.added)


SCENES = {
    "axis_sa": Scene(
        "three tiles of 8 x 8 sums, 24 MACs each",
        "DRAM: | SRAM: M3 y Q8 x M8 | RF: C24",
        {"M": 24, "C": 24, "Q": 8},
        24,
    ),
    "opentpu": Scene(
        "four tiles of 16 x 16 weights, 40 vectors each",
        "DRAM: | UNIFIED: | ACCUMULATORS: M4 Q40 y C16 x M16 | RF:",
        {"M": 64, "C": 16, "Q": 40},
        40,
    ),
    "ne16": Scene(
        "3 x 3 pixels, 48 channels in, 16 out, weights of 4 bits",
        "L1: M1 C3 y P3 x Q3 | COLUMN: M32 C16 R3 S3",
        {"M": 16, "C": 48, "P": 3, "Q": 3, "R": 3, "S": 3},
        parameters={"bits": 4, "filter_word": "4 b"},
    ),
    "redmule": Scene(
        "36 x 16 by 16 x 16, three tiles of 12 x 16",
        "L1: Q3 C4 y Q12 x C4 | FMA: M16",
        {"Q": 36, "C": 16, "M": 16},
        4,
        added=True,
    ),
    "eyeriss_v1_rtl": Scene(
        "3 x 3, 4 x 5 outputs, 2 channels in, 8 out",
        "GLB: Q5 y R3 x P4 | SPAD: C2 S3 M8",
        {"M": 8, "C": 2, "P": 4, "Q": 5, "R": 3, "S": 3},
        parameters={"sums": 8, "window": 2, "after": 30},
    ),
    "nv_small": Scene(
        "9 x 9 outputs in six runs, 16 channels in, 16 out",
        "DRAM: M2 | CBUF: P6 x M8 | ACC: C2 y C8",
        {"M": 16, "C": 16, "P": 9, "Q": 9},
        2,
    ),
    "gemmini16": Scene(
        "128 vectors in four blocks, 64 channels in, 32 out",
        "DRAM: Q4 | SPAD: | ACC: M2 C4 Q32 y C16 x M16 | RF:",
        {"M": 32, "C": 64, "Q": 128},
        32,
    ),
}


def bars(machine: Architecture, scene: Scene) -> list[Bar]:
    """Activities of a scene, those of the MAC array put together by `steps`; lanes as `draw` has them."""
    found = activities(machine, LoopNest.parse(scene.nest), machine.lower(scene.problem))
    moved = [each for each in found if each.lane != COMPUTE]
    steps = [each for each in found if each.lane == COMPUTE]
    names = [level.name for level in machine.levels] + ["PE"]

    def place(each: Activity) -> tuple[int, int]:
        """Words on their way down first, outermost first; then those on their way up, innermost first."""
        start, end = (names.index(name) for name in each.lane.split(" → "))
        return (0, start) if start < end else (2, -start)

    down = sorted((each for each in moved if place(each)[0] == 0), key=place)
    up = sorted((each for each in moved if place(each)[0] == 2), key=place)
    return [*_listed(down), *_together(steps, scene.steps), *_listed(up)]


def _listed(some: Sequence[Activity]) -> list[Bar]:
    return [Bar(each.lane, each.begin, each.end, each.tensor) for each in some]


def _together(steps: Sequence[Activity], many: int) -> list[Bar]:
    """So many steps as one bar, but for gaps between them."""
    found: list[Bar] = []
    for at, step in enumerate(steps):
        bar = Bar(COMPUTE, step.begin, step.end, None, step.waits > 0)
        if at % many and found[-1].end == bar.begin and found[-1].waits == bar.waits:
            bar = bar._replace(begin=found.pop().begin)
        found.append(bar)
    return found


def plot(folder: str | Path = FOLDER, kind: str = "svg") -> list[Path]:
    """Draw every machine, and networks on NVDLA, into a folder; returns the files. kind : svg, png or pdf."""
    written = []
    for name, scene in SCENES.items():
        machine = load_architecture(name, dict(scene.parameters))
        _, timing = evaluate(machine, LoopNest.parse(scene.nest), machine.lower(scene.problem))
        shown = bars(machine, scene)
        idle = ", ".join(f"{cause} {cycles:,}" for cause, cycles in timing.stalls.items())
        slow = " or light" if any(bar.waits for bar in shown) else ""
        caption = f"{scene.about}: {timing.cycles:,} cycles, MACs {timing.compute:,}; idle (hatched{slow}): {idle}"
        words = ", ".join(f"{tensor.value} {bits} b" for tensor, bits in machine.word_bits.items())
        page = Page(f"{name}: {words}", caption, timing.cycles, scene.added)
        written.append(Path(folder) / f"rtl_{name}.{kind}")
        save(draw(machine, shown, page), str(written[-1]))
    return [*written, nvdla_networks.plot(folder, kind)]
