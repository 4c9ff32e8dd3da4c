"""ISAAC from its parts: power, peak and area, and VGG-16 as a pipeline (Shafiee et al., ISCA 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.floor import floor_of
from accelsim.energy.load import load_table
from accelsim.energy.rows import grouped
from accelsim.engine import evaluate
from accelsim.mapping.dataflows.dataflow import load
from accelsim.mapping.mapping import LoopNest
from accelsim.pipeline import Pipelined, pipelined
from accelsim.pipeline.resident import resident
from accelsim.reproduce.markdown import error, table, triple
from accelsim.workload.problem import Problem
from accelsim.workload.yaml import load_network

MACHINE, NETWORK = "isaac", "vgg16"
THEIRS = {"power [W]": 65.8, "peak [TOPS]": 41.3, "area [mm2]": 85.4}
"""A chip of Table I; the peak is that of its cells, two operations a MAC."""
KNOWN = {
    "peak [TOPS/W]": 0.6275,
    "peak [TOPS/mm2]": 0.47895,
    "ADCs, share of a tile's power": 0.58,
    "ADCs, share of a tile's area": 0.31,
}
"""Table IV and section VIII of the paper, second hand: from a public transcription of it."""
DADIANNAO = {"TOPS": 63.46e-3 * 88, "TOPS/W": 0.2864}
"""A chip at its peak, scaled to 32 nm, from the same tables: TOPS/mm2 x mm2."""
OVER_DADIANNAO = 14.8
"""Throughput of 16 chips over as many of DaDianNao, mean of the paper's networks (its abstract)."""
VECTORS = 100
UNIT, BITS = 8, 16
"""Crossbars of an in-situ unit; reads of an input word."""
RUNS = {"convolutions, 1 chip": (1, "CONV*"), "all layers, 16 chips": (16, "*")}
"""Chips and layers of each run."""


@dataclass(frozen=True)
class Full:
    """Every row, column and cell at work. watts : by part. area : mm2."""

    watts: Mapping[str, float]
    tops: float
    area: float

    @property
    def power(self) -> float:
        """W of a chip."""
        return sum(self.watts.values())


@cache
def machine() -> Architecture:
    """The machine as it ships."""
    return load_architecture(MACHINE)


def filling(vectors: int = VECTORS) -> tuple[Problem, LoopNest]:
    """A layer that fills the chip with weights, 336 crossbars of inputs by 48 of outputs, and its mapping."""
    problem = machine().lower(Problem.of({"N": vectors, "C": 128 * 336, "M": 16 * 48}))
    return problem, LoopNest.parse(f"EDRAM: N{vectors} IB16 x C336 M48 | REGISTERS: y C128 x M16 WB8 | CELL:")


@cache
def full() -> Full:
    """What the counts of that layer come to."""
    problem, nest = filling()
    counts, timing = evaluate(machine(), nest, problem, "analytical")
    prices, seconds = load_table(machine().energy), timing.cycles / float(machine().clock_hz)
    spent = grouped(account(machine(), counts, prices, timing.cycles), "component")
    watts = {part: float(energy) * 1e-12 / seconds for part, energy in spent.items()}
    return Full(watts, 2e-12 * problem.macs / seconds, float(floor_of(machine(), prices).area))


@cache
def pipeline(run: str) -> Pipelined:
    """VGG-16 on so many chips."""
    chips, layers = RUNS[run]
    return pipelined(MACHINE, NETWORK, layers=layers, parameters={"chips": chips})


@dataclass(frozen=True)
class Balanced:
    """VGG-16 shared out by the recalled rule. copies : of each layer. units : in-situ units that all take together."""

    copies: Mapping[str, int]
    units: int
    reads: int

    @property
    def images_per_second(self) -> float:
        """Once the pipeline is full."""
        return float(machine().clock_hz) / self.reads


def balanced(run: str) -> Balanced:
    """The paper's rule for a balanced pipeline (section IV) as we recall it, worked out anew.

    Back from the last convolution, each layer has as many times the copies of the next as pooling skips outputs, in
    whole in-situ units; as many copies of the last as there is room for. Where there is none for one of each, copies
    are halved, of layers that have any. Classifiers have their weights once.
    """
    chips, pattern = RUNS[run]
    own = load_architecture(MACHINE, {"chips": chips})
    flow = load(own.dataflow)
    layers = load_network(NETWORK).select(pattern)
    problems = {layer.name: own.lower(layer.problem) for layer in layers if layer.problem}
    sizes = {name: resident(own, problem, flow).size for name, problem in problems.items()}
    outputs = {name: problem["P"] * problem["Q"] for name, problem in problems.items()}
    last = min(count for count in outputs.values() if count > 1)
    room, found = own.levels[1].fanout.x // UNIT, None
    halves = [Fraction(1, 2**power) for power in range(max(outputs.values()).bit_length(), 0, -1)]
    for count in (*halves, *map(Fraction, range(1, last + 1))):
        copies = {name: max(1, int(count * outputs[name] / last)) for name in sizes}
        units = sum(-(-copies[name] * sizes[name] // UNIT) for name in sizes)
        if units > room:
            break
        found = Balanced(copies, units, BITS * max(-(-outputs[name] // copies[name]) for name in sizes))
    assert found is not None
    return found


@cache
def known() -> Mapping[str, float]:
    """Ours of `KNOWN`: everything at work; a tile is a chip without its links."""
    of, physical = full(), machine().physical
    assert physical is not None
    parts = physical.parts
    tile = of.area - float(parts["LINKS"].area)
    return dict(
        zip(
            KNOWN,
            (
                of.tops / of.power,
                of.tops / of.area,
                of.watts["ADC"] / (of.power - of.watts["LINKS"]),
                parts["ADC"].count * float(parts["ADC"].area) / tile,
            ),
            strict=True,
        )
    )


def busy_copies() -> int:
    """Copies of VGG-16's first layer that keep its last one, a single pixel, busy in every read."""
    problems = [layer.problem for layer in load_network(NETWORK).select("*") if layer.problem]
    first, last = problems[0], problems[-1]
    return first["P"] * first["Q"] // (last["P"] * last["Q"])


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Everything about ISAAC as Markdown."""
    return "\n".join(
        [_HEAD, _chip(), _shares(), _KNOWN, _known(), _PIPELINE, _runs(), _beside(), _RULE, _rules(), _WHY]
    )


def _chip() -> str:
    ours = dict(zip(THEIRS, (full().power, full().tops, full().area), strict=True))
    return table(
        ["a chip", "theirs", "ours", "error"],
        [[name, *triple(ours[name], theirs, ".1f")] for name, theirs in THEIRS.items()],
    )


def _known() -> str:
    return table(
        ["a chip or a tile", "theirs", "ours", "error"],
        [[name, *triple(known()[name], theirs, ".3f")] for name, theirs in KNOWN.items()],
    )


def _beside() -> str:
    of, chips = pipeline("all layers, 16 chips").efficiency, RUNS["all layers, 16 chips"][0]
    assert of is not None
    assert of.tops is not None
    peak, at_work = full().tops / DADIANNAO["TOPS"], of.tops / (chips * DADIANNAO["TOPS"])
    rows = [
        ["16 chips over 16 of DaDianNao, mean of its networks", f"{OVER_DADIANNAO}", ""],
        ["VGG-16, over the peak of 16 of DaDianNao", "", f"{at_work:.1f}"],
        [
            "both at their peak",
            f"{KNOWN['peak [TOPS/mm2]'] * THEIRS['area [mm2]'] / DADIANNAO['TOPS']:.1f}",
            f"{peak:.1f}",
        ],
        ["copies of a first layer that keep the last one busy in every read", "over 50,000", f"{busy_copies():,}"],
    ]
    return "\n".join([table(["networks", "theirs", "ours"], rows), _PAPER])


def _shares() -> str:
    power = full().power
    parts = [f"{name} {watts / power:.0%}" for name, watts in full().watts.items() if watts / power > 0.005]
    return f"Of the power: {', '.join(parts)}.\n"


def _runs() -> str:
    lines = []
    for name in RUNS:
        found = pipeline(name)
        of = found.efficiency
        assert of is not None
        assert of.tops
        assert of.power_mw
        share = of.tops / (full().tops * RUNS[name][0])
        most = max(found.stages, key=lambda stage: stage.copies)
        lines.append(
            [name, f"{found.used / found.units:.0%}", f"{most.copies:,} ({most.layer.name})", f"{found.interval:,}",
             f"{found.images_per_second:,.0f}", f"{of.tops:.1f}", f"{share:.0%}", f"{of.power_mw / 1e3:.1f}",
             f"{1e3 * of.tops / of.power_mw:.2f}"]
        )  # fmt: skip
    return table(
        ["VGG-16", "crossbars used", "most copies", "reads between images", "images a second", "TOPS", "of peak", "W",
         "TOPS/W"],
        lines,
    )  # fmt: skip


def _rules() -> str:
    lines = []
    for name, (chips, _) in RUNS.items():
        theirs, ours = balanced(name), pipeline(name)
        most = {stage.layer.name: stage.copies for stage in ours.stages}
        room = machine().levels[1].fanout.x * chips // UNIT
        lines.append(
            [name, f"{theirs.copies['CONV1-1']:,}", f"{theirs.units / room:.0%}", f"{theirs.reads:,}",
             f"{theirs.images_per_second:,.0f}", f"{most['CONV1-1']:,}", f"{ours.interval:,}",
             f"{ours.images_per_second:,.0f}", error(ours.images_per_second, theirs.images_per_second)]
        )  # fmt: skip
    return table(
        ["VGG-16", "copies of CONV1-1, rule", "units used", "reads", "images a second", "copies, ours", "reads",
         "images a second", "ours over the rule's"],
        lines,
    )  # fmt: skip


_HEAD = """\
## ISAAC

In-memory crossbars: Shafiee et al., ISCA 2016, Table I. Ours counts a layer that fills all 16,128 crossbars, 100 input
vectors, on `isaac`: converters, cells and adders are paid for what the nest counts, the other parts as long as the
chip is on. Their prices are the table's mW over what a part does in 100 ns, so the sum checks counts, not prices.
"""

_KNOWN = """\
Table IV and section VIII of the paper are second hand, out of a public transcription. Their peak per area is 40.9 TOPS
over 85.4 mm2, 0.9 % below what the cells of Table I come to.
"""

_PIPELINE = """\
VGG-16 with all layers at work at a time, crossbars shared so that the slowest layer is as fast as it can be.
"""

_PAPER = """\
Images a second of a network are not among our sources: the abstract has throughput beside DaDianNao alone, as a mean of
networks, some of them VGG's. A chip of DaDianNao has a peak of 5.58 TOPS (Tables I and IV, second hand), which is all
we know of it, so ours stand beside that. 14.8 is the peaks' 7.3 times two: DaDianNao then is at half of the share of
its peak that ISAAC reaches, 35 % where ours reaches 70 %. Copies are section VIII's, second hand as well: its networks
have no room for as many, and the last layers wait. So here: VGG-16's first layer would need one for each pixel.
"""

_RULE = """\
A rule for a balanced pipeline, as we recall the paper's, worked out anew: back from the last convolution, each layer
has as many times the copies of the next as pooling skips outputs, in whole in-situ units of 8 crossbars. Only that it
works back from the last layer could be checked. All numbers are worked out here; none is printed in the paper.
"""

_WHY = """\
In both the slowest layer sets the pace, and on one chip both come to the same copies: of the layers that bind there is
no room for twice as many. On 16 chips the rule gives every convolution as many copies more at once, 256 of CONV1-1 for
one of CONV5-1, and what is too little for the next step stays idle. Ours gives any number of copies, crossbar by
crossbar; rectangles of outputs that do not divide evenly take some of that back.
"""
