"""Attention on devices one can buy, prefill and decode: as a fused group in time, as three layers, and a roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from accelsim.architecture.yaml import load_architecture
from accelsim.energy.load import table_for
from accelsim.engine.fused.attention import Attention, Blocks
from accelsim.engine.fused.attention_passes import Walk
from accelsim.mapping.dataflows import load
from accelsim.mapping.mapping import LoopNest
from accelsim.reproduce.devices import (
    A100,
    LARGE,
    RTX4090,
    V3,
    WORD,
    Device,
    Measured,
    mean,
    measured,
    percent,
    rows,
)
from accelsim.reproduce.markdown import bullets, error, table
from accelsim.search.plan.attended import Attended
from accelsim.search.plan.costs import Wanted
from accelsim.search.proof import NONE
from accelsim.simulate import simulate
from accelsim.workload.network import Network

ROWS, COLUMNS = 1024, (1024, 512, 256)
"""Rows of a block of scores at most, and columns: the fastest are taken, for a library has kernels of several sizes."""
FEW = 8
"""Heads that are run to find out which."""
OF_A_SCORE = 5
"""Vector operations of a softmax by itself (docs/layers.md)."""
PREFILL, DECODE, FULL = "attention_prefill", "attention_decode", "attention_full"


@dataclass(frozen=True)
class Kernel:
    """How a device runs an attention.

    machine : one of `cores` alike that share the heads. home : where blocks of keys and values come.
    lanes : of a vector unit that the machine's file leaves out, operations per core cycle.
    """

    device: Device
    machine: str
    home: str
    cores: int = 1
    lanes: int = 0

    @property
    def whole(self) -> Mapping[str, object]:
        """Parameters of the machine at its peak."""
        return {"vector.lanes": self.lanes} if self.lanes else {}

    @property
    def reached(self) -> Mapping[str, object]:
        """Parameters with what the device takes to start, and the share of its memory's rate that it reaches."""
        return {**self.whole, **self.device.reached}


ON_A100 = Kernel(A100, "a100_like", "L2")
ON_RTX4090 = Kernel(RTX4090, "rtx4090_like", "L2")
ON_V3 = Kernel(V3, "tpu_v3_mxu", "VMEM", cores=2, lanes=1024)
"""Vector unit of a core: 128 lanes of 8 sublanes, two operations a cycle each; half of it a matrix unit (T. Norrie
et al., "The design process for Google's training chips", IEEE Micro 41(2), 2021)."""


@dataclass(frozen=True)
class Case:
    """One measured attention. heads : of keys and values, of all requests."""

    what: str
    attention: Attention
    heads: int
    theirs: float
    sizes: Mapping[str, int] = field(hash=False)


def cases(device: Device, op: str) -> tuple[Case, ...]:
    """All of a device."""
    found = []
    for size, theirs in rows(device, op):
        queries = size.get("Q", size.get("S", 1))
        heads = size.get("Hkv", size.get("H", 0))
        shared = size.get("Hq", heads) // heads
        keys = size.get("KV", queries)
        attention = Attention(queries, keys, size["D"], size["D"], shared, causal=op == PREFILL)
        images = size.get("B", 1)
        what = f"{images} x {keys:,}, {size.get('Hq', heads)} heads"
        found.append(Case(what, attention, images * heads, theirs, size))
    return tuple(found)


# ---- as a fused group ------------------------------------------------------------------------------------------------


def fused(kernel: Kernel, case: Case, parameters: Mapping[str, object]) -> float:
    """Microseconds of a core with its share of the heads."""
    blocks, nests = chosen(kernel, case.attention)
    found = _attended(kernel, case.attention, blocks, -(-case.heads // kernel.cores), parameters, nests)
    return 1e6 * found.cycles / float(found.machine.clock_hz)


@cache
def chosen(kernel: Kernel, attention: Attention) -> tuple[Blocks, tuple[LoopNest, ...]]:
    """The fastest blocks of `COLUMNS`, and the mappings of their products, which nothing outside the buffer changes.

    Rows outside with a running softmax, as FlashAttention-2 has it.
    """
    found: tuple[int, Blocks, tuple[LoopNest, ...]] | None = None
    for columns in dict.fromkeys(min(columns, attention.keys) for columns in COLUMNS):
        blocks = Blocks(min(ROWS, attention.rows), columns)
        one = _attended(kernel, attention, blocks, FEW, kernel.whole, None)
        if found is None or one.cycles < found[0]:
            found = one.cycles, blocks, tuple(done.nest for done in one.done if done)
    assert found is not None
    return found[1:]


def _attended(
    kernel: Kernel,
    attention: Attention,
    blocks: Blocks,
    heads: int,
    parameters: Mapping[str, object],
    nests: Sequence[LoopNest] | None,
) -> Attended:
    machine = load_architecture(kernel.machine, dict(parameters))
    flow, prices = load(machine.dataflow), table_for(machine)
    wanted = Wanted(machine, prices, kernel.home, flow, machine.dataflow, "cycles", NONE)
    return Attended(Walk(attention, blocks), heads, machine, wanted, "cycle", True, nests)


# ---- as three layers -------------------------------------------------------------------------------------------------


def unfused(kernel: Kernel, case: Case, parameters: Mapping[str, object]) -> float:
    """Microseconds of a core with its share of the heads, scores going through memory: masked ones too."""
    heads, attention = -(-case.heads // kernel.cores), case.attention
    found = simulate(kernel.machine, three_layers(attention, heads), objective="cycles", parameters=dict(parameters))
    cycles = found.total.cycles + found.vector.cycles
    return 1e6 * cycles / float(found.architecture.clock_hz)


def three_layers(attention: Attention, heads: int) -> Network:
    """Scores, softmax, values of some heads of keys and values."""
    scores = heads * attention.rows * attention.keys

    def product(m: int, c: int) -> dict[str, object]:
        sizes = {"N": 1, "G": heads, "M": m, "C": c, "P": 1, "Q": attention.rows, "R": 1, "S": 1}
        shape = {"C": heads * m, "W": attention.rows}
        return {"op": "problem", "inputs": [], "problem": sizes, "shape": shape, "dynamic": True}

    layers = {
        "scores": product(attention.keys, attention.width),
        "softmax": {"op": "vector", "inputs": "input", "reads": scores, "writes": scores, "ops": OF_A_SCORE * scores},
        "values": product(attention.value_width, attention.keys),
    }
    return Network.of("attention", layers, {"C": 1})


# ---- all of them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A measured attention. whole : at the device's peak rates and started in no time. reached : with what others
    measured of both.
    """

    whole: Measured
    reached: Measured


@cache
def attentions(kernel: Kernel, op: str) -> tuple[Row, ...]:
    """All of a device."""
    found = []
    for case in cases(kernel.device, op):
        attention, heads = case.attention, case.heads
        seen = sum(attention.seen(row) for row in range(0, attention.rows, attention.heads_on_one))
        flop = 2.0 * heads * attention.heads_on_one * seen * (attention.width + attention.value_width)
        work = flop, float(WORD * heads * attention.least)
        whole = fused(kernel, case, kernel.whole)
        reached = fused(kernel, case, kernel.reached) if kernel.device.reached else whole
        found.append(
            Row(
                measured(kernel.device, case.what, case.theirs, whole, work),
                measured(kernel.device, case.what, case.theirs, reached, work, reached=True),
            )
        )
    return tuple(found)


@cache
def apart(kernel: Kernel, op: str) -> tuple[Measured, ...]:
    """All of a device as three layers, as reached."""
    each = zip(cases(kernel.device, op), attentions(kernel, op), strict=True)
    return tuple(replace(row.reached, ours=unfused(kernel, case, kernel.reached)) for case, row in each)


def start(found: Sequence[Row]) -> float:
    """Microseconds that the shortest of them takes longer than as reached: what software takes to start."""
    shortest = min(found, key=lambda row: row.whole.theirs)
    return shortest.reached.theirs - shortest.reached.ours


def started(found: Sequence[Row]) -> float:
    """Mean absolute miss with that start, of rows that are longer than the shortest."""
    shortest = min(row.whole.theirs for row in found)
    return mean([row.reached for row in found if row.whole.theirs > shortest], start(found))


# ---- the report ------------------------------------------------------------------------------------------------------

EVERY = (
    ("A100, decode", ON_A100, DECODE),
    ("A100, prefill", ON_A100, PREFILL),
    ("RTX 4090, decode", ON_RTX4090, DECODE),
    ("RTX 4090, prefill", ON_RTX4090, PREFILL),
    ("TPU v3 core, not causal", ON_V3, FULL),
)


def section() -> str:
    """All devices as Markdown."""
    parts = [_HEAD, _means()]
    for name, kernel, op in EVERY:
        found = attentions(kernel, op)
        parts += [f"#### {name}\n", _rows(kernel, op), bullets(reasons(kernel, found))]
    return "\n".join(parts)


def _means() -> str:
    """Mean absolute errors; with a start, of all but the shortest, which it is read off."""
    lines = []
    for name, kernel, op in EVERY:
        found = attentions(kernel, op)
        whole, reached = [row.whole for row in found], [row.reached for row in found]
        shares = (
            mean(whole), mean(reached), started(found), mean(apart(kernel, op)), mean(whole, roofline=True),
            mean(reached, roofline=True),
        )  # fmt: skip
        cells = [percent(share) for share in shares]
        if not kernel.device.share:
            cells[1] = cells[2] = cells[5] = ""
        lines.append([name, str(len(found)), *cells])
    header = ["mean absolute error", "rows", "fused", "as reached", "with start", "three layers", "roofline"]
    return table([*header, "as reached"], lines)


def _rows(kernel: Kernel, op: str) -> str:
    found, known = attentions(kernel, op), bool(kernel.device.share)
    header = ["", "theirs [us]", "fused", "error", *(["as reached", "error", "with start"] if known else [])]
    begun, lines = start(found), []
    for row, three in zip(found, apart(kernel, op), strict=True):
        theirs, whole, reached = row.whole.theirs, row.whole.ours, row.reached.ours
        cells = [row.whole.what, f"{theirs:,.1f}", f"{whole:,.1f}", error(whole, theirs)]
        if known:
            cells += [f"{reached:,.1f}", error(reached, theirs), error(reached + begun, theirs)]
        lines.append([*cells, error(three.ours, theirs), error(row.reached.roofline, theirs)])
    return table([*header, "three layers", "roofline"], lines)


def reasons(kernel: Kernel, found: Sequence[Row]) -> list[str]:
    """Why rows are missed by more than a quarter as reached; those alike in a line."""
    begun = start(found)
    why: dict[str, list[str]] = {}
    for row in found:
        if abs(row.reached.miss()) > LARGE:
            why.setdefault(_reason(kernel, row.reached, begun), []).append(row.whole.what)
    return [f"{'; '.join(names)}: {reason}." for reason, names in why.items()]


def _reason(kernel: Kernel, row: Measured, begun: float) -> str:
    if row.moved > kernel.device.rate * row.theirs / 1e6:
        return (
            f"the device is faster than its memory, {row.moved / 1e6:.0f} MB at "
            f"{row.moved / row.theirs / 1e3:,.0f} GB/s: its L2 of 72 MiB may have held them from the run before"
        )
    if kernel is ON_V3:
        return (
            "three layers one by one come nearer, but not near, and the rest grows with the heads: a softmax of more "
            "operations than five, or slower ones; how it was run is not published"
        )
    if row.miss() > 0:
        return "blocks of scores fill and empty the array one after another here, which a kernel overlaps"
    if abs(row.miss(begun)) <= LARGE:
        return (
            f"what vLLM takes to start an attention, {begun:.1f} us by the shortest row, is missing; with it none of "
            "these is missed by more than a quarter"
        )
    if row.flop / kernel.device.flops > row.moved / kernel.device.rate:
        return "too few rows to fill a kernel's blocks of 128 on every core; here all cores share one head's"
    return "a request's heads fill part of the cores of a kernel, or a second wave of it; here all share one head's"


_HEAD = """\
### Attention

Prefill, causal, and decode, one query a request; heads share keys and values where there are fewer of those. *Fused*: a
fused group in time (docs/attention.md), rows outside with a running softmax, blocks of 1,024 rows and 256, 512 or 1,024
columns, whatever is fastest, the next block's keys and values coming meanwhile, mappings of the least time; heads run
one after another on all cores of a GPU, side by side on the two halves of a TPU. *As reached*: with `launch` and
`dram_efficiency` as above. *With start*: what the shortest row takes longer than that is added to all, for it is
software's; the mean leaves that row out. On the A100 six products were timed in one graph of kernels, but an attention
in a graph of its own (ai-dynamo/aiconfigurator, collector/vllm), whose start nobody tells. *Three layers*: as reached,
but not fused: scores, softmax and values one by one, through memory, masked scores too. The roofline has queries, keys,
values and outputs once, and the MACs that a mask leaves.
"""
