"""Power and area from the tables of processes, beside chips and the energies of the ISCA 2016 analysis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from accelsim.architecture.physical import Memory, MemoryKind
from accelsim.architecture.yaml import load_architecture
from accelsim.energy.account import account
from accelsim.energy.floor import floor_of
from accelsim.energy.load import load_table
from accelsim.energy.rows import total
from accelsim.energy.standing import CLOCK
from accelsim.reproduce import chip
from accelsim.reproduce.isca16 import KINDS
from accelsim.reproduce.markdown import error, table, triple
from accelsim.simulate import simulate
from accelsim.workload.problem import TENSORS

KIB = 8192


@dataclass(frozen=True)
class Area:
    """mm2 of some components, published and ours, by floor or by cells alone."""

    chip: str
    what: str
    machine: str
    table: str
    components: tuple[str, ...]
    theirs: float
    cells: bool = False

    @property
    def ours(self) -> float:
        """The sum of these components."""
        parts = floor_of(load_architecture(self.machine), load_table(self.table)).parts
        chosen = [part for part in parts if part.component in self.components]
        return float(sum(part.instances * part.cells if self.cells else part.floor for part in chosen))


SCNN = 64
"""PEs of the chip, published one at a time."""
NVDLA = ("CBUF", "ACC", "RF", "registers", "MAC")
AREAS = (
    Area("Eyeriss", "spads, floor", "eyeriss", "cmos_65nm", ("RF",), 5.84),
    Area("Eyeriss", "global buffer, floor", "eyeriss", "cmos_65nm", ("GLB", "FILTER_BANK"), 2.33),
    Area("Eyeriss", "multipliers and adders, floor", "eyeriss", "cmos_65nm", ("MAC",), 0.91),
    Area("TPU v1", "accumulators, floor", "tpu_v1", "cmos_28nm", ("ACC",), 19.9),
    Area("TPU v1", "matrix unit, floor", "tpu_v1", "cmos_28nm", ("MAC", "RF", "registers"), 79.4),
    Area("NVDLA", "2048 MACs, 28 nm, floor", "nvdla_full", "cmos_28nm", NVDLA, 5.5),
    Area("NVDLA", "2048 MACs, 16 nm, floor", "nvdla_full", "cmos_16nm", NVDLA, 3.3),
    Area("SCNN", "input and output RAM, floor", "scnn", "cmos_16nm", ("IARAM", "OARAM"), SCNN * 0.031),
    Area("SCNN", "multipliers, floor", "scnn", "cmos_16nm", ("MAC",), SCNN * 0.008),
    Area("SCNN", "accumulators, floor", "scnn", "cmos_16nm", ("ACC",), SCNN * 0.036),
    Area(
        "SCNN", "these and the FIFO, floor", "scnn", "cmos_16nm", ("IARAM", "OARAM", "MAC", "ACC", "FIFO"), SCNN * 0.079
    ),
    Area("DianNao", "memories, cells", "diannao", "cmos_65nm", ("BUFFERS",), 1.158, True),
    Area("DianNao", "combinational, cells", "diannao", "cmos_65nm", ("MAC",), 0.609, True),
)
"""JSSC 2017: shares of a core of 12.25 mm2; ISCA 2017: shares of a die of at most 331 mm2; NVDLA Primer, nvdla.org;
SCNN, ISCA 2017, Table III, recalled (its parts add up within rounding); ASPLOS 2014: a layout."""


def energies() -> dict[str, tuple[float, float]]:
    """(theirs, ours) over a 16-bit MAC at 65 nm, as in Table IV of ISCA 2016."""
    found = load_table("cmos_65nm")
    assert found.technology is not None
    mac = found.mac(dict.fromkeys(TENSORS, 16))
    file = found.technology.memory(Memory(MemoryKind.SRAM), 512 * 8, 16, "register file")
    buffer = found.technology.memory(Memory(port=64), 108 * KIB, 16, "buffer")
    dram = 16 * found.components["DRAM"].read.at(0, "DRAM")
    return {
        "register file of 512 B, a read": (1, float(file.read / mac)),
        "register file of 512 B, a write": (1, float(file.write / mac)),
        "buffer of 108 KiB, a read": (6, float(buffer.access(False, 16, False) / mac)),
        "DRAM (DDR3-1600, column accesses), a read": (200, float(dram / mac)),
    }


@cache
def powers() -> dict[str, tuple[float, float, float]]:
    """(theirs, ours, of it the clock) in mW of each layer on the Eyeriss chip and of all, over its processing time."""
    result = simulate(
        "eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", batch=4, layers="CONV*", energy="cmos_65nm"
    )
    machine, found = result.architecture, dict[str, tuple[float, float, float]]()
    spent, clocks, cycles = 0.0, 0.0, 0
    for layer in result.layers:
        taken = layer.processing_cycles
        rows = account(machine, layer.counts, result.energy_table, taken, "", layer.nest)
        on_chip = [row for row in rows if row.component != machine.levels[0].name]
        here, clock = float(total(on_chip)), float(total(row for row in on_chip if row.action == CLOCK))
        measured = chip.measured()[layer.name]["power_mW"]
        found[layer.name] = measured, result.milliwatts(here, taken), result.milliwatts(clock, taken)
        spent, clocks, cycles = spent + here, clocks + clock, cycles + taken
    everything = chip.measured()[chip.TOTAL]["power_mW"]
    found[chip.TOTAL] = everything, result.milliwatts(spent, cycles), result.milliwatts(clocks, cycles)
    return found


@cache
def one_area() -> dict[str, dict[str, float]]:
    """mm2 of floor by component of the six machines of ISCA 2016, which its analysis takes to have one area."""
    found = load_table("cmos_65nm")
    machines = {kind: load_architecture(f"eyeriss_isca16_{kind}") for kind in KINDS}
    return {
        kind: {part.component: float(part.floor) for part in floor_of(machine, found).parts}
        for kind, machine in machines.items()
    }


def section() -> str:
    """Energies of components, the chip's power by layer, areas, as Markdown."""
    parts = [_HEAD, _energies(), _POWER, _powers(), _AREA, _areas(), _ONE, _one_area()]
    return "\n".join(parts)


def _energies() -> str:
    rows = [[name, *triple(ours, theirs, ".2f")] for name, (theirs, ours) in energies().items()]
    return table(["over a 16-bit MAC at 65 nm", "theirs", "ours", "error"], rows)


def _powers() -> str:
    rows = [
        [name, f"{theirs:.0f}", f"{ours:.0f}", error(ours, theirs), f"{clock:.0f}"]
        for name, (theirs, ours, clock) in powers().items()
    ]
    return table(["mW", "chip", "ours", "error", "of it clock"], rows)


def _areas() -> str:
    return table(["chip", "what", "theirs [mm2]", "ours", "error"], _area_rows())


def _one_area() -> str:
    rows, mean = [], sum(sum(parts.values()) for parts in one_area().values()) / len(KINDS)
    for kind, parts in one_area().items():
        buffer, whole = parts["GLB"], sum(parts.values())
        files = parts.get("RF", 0) + parts.get("WINDOW", 0)
        cells = [f"{number:.2f}" for number in (buffer, files, whole - buffer - files, whole)]
        rows.append([kind.upper(), *cells, error(whole, mean)])
    return table(["mm2", "buffer", "register files, window", "MACs, registers", "all", "over the mean"], rows)


def _area_rows() -> Iterable[list[str]]:
    for area in AREAS:
        yield [area.chip, area.what, *triple(area.ours, area.theirs, ".3f")]


_HEAD = """\
## Power and area from components

What the tables of processes (`cmos_65nm` and others, docs/energy.md) make of machines whose power or area is published.
No number is fitted to the chip it stands beside; the floorplan of 3.17 is what the unified buffer of TPU v1 takes on
its die over its cells. Theirs, here: Table IV of Chen, Emer and Sze, ISCA 2016.
"""

_POWER = """\
The Eyeriss chip on AlexNet, batch 4, over the processing time (JSSC 2017, Table V), from components alone: a read of a
spad pays for its row, flip-flops for their clock. Control, FIFOs, the run-length coders and I/O are in no row, and a
clock that is the same for every layer flattens the ratios between them.
"""

_AREA = """\
Areas: floor is 3.17 times cells; a layout's memories and logic are larger than the cells of the data. NVDLA's published
ones have its other engines too, which have no cells here. SCNN's accumulators are 32 small banks a PE, each with ports
and an adder of its own: the data has a register file of the same words.
"""

_ONE = """\
The six machines of ISCA 2016 are taken to have one area: what a dataflow leaves of register files is buffer. Sizes are
the analysis's, 256 PEs; what its memories are made of is not told, so that kinds are ours (SRAM for 512 B, flip-flops
for a few bytes), at 65 nm.
"""
