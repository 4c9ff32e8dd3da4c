"""Products and convolutions on devices one can buy, beside a roofline: TPU v3 and v6e, A100, RTX 4090, AMD AIE2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from accelsim.package.running import simulate_package
from accelsim.reproduce import source
from accelsim.reproduce.markdown import bullets, error, paragraph, table
from accelsim.simulate import simulate
from accelsim.workload.network import Layer, Network, Shape
from accelsim.workload.problem import Problem

LAUNCH = 1.5
"""Microseconds of TPU v6e, read off the smallest measured product."""
LARGE = 0.25
"""Misses above it are explained."""
SHORT = 20.0
"""Microseconds: what is shorter is mostly the start of a kernel on a GPU."""
WORD = 2
"""Bytes."""
TILES = ((256, 128), (128, 128))
"""Of products in GPU libraries, the most efficient first, each an SM's (NVIDIA, "Matrix multiplication background",
user's guide DU-09799-001, 2023, sections 2.3 and 3)."""


@dataclass(frozen=True)
class Device:
    """name : in the rows. flops, rate : peak operations and bytes per second. launch : microseconds, told beside.

    share : of its memory's rate that it reaches, where others measured that and its launch; 0: nobody did. sms : of a
    GPU.
    """

    name: str
    flops: float
    rate: float
    launch: float = 0.0
    share: float = 0.0
    sms: int = 0

    @property
    def reached(self) -> dict[str, object]:
        """Parameters of its machine that say so; none where nobody measured them."""
        return {"launch": f"{self.launch} us", "dram_efficiency": self.share} if self.share else {}


V6E = Device("TPUv6e (1 chip)", 918e12, 1640e9, LAUNCH)
A100 = Device("A100", 312e12, 2039e9, 1.34, 0.85, 108)
RTX4090 = Device("RTX4090", 165.2e12, 1008e9, 0.94, 0.915, 128)
"""Of both the last two were measured by others, see `_REACHED`."""
GPUS = {A100.name: "a100_like", RTX4090.name: "rtx4090_like"}
V3 = Device("TPUv3 (1 core)", 61.6e12, 450e9)


@dataclass(frozen=True)
class Measured:
    """One row. times in microseconds; ours and the roofline without a launch, but for those of `measured(reached=)`."""

    what: str
    theirs: float
    ours: float
    roofline: float
    flop: float = 0.0
    moved: float = 0.0

    def miss(self, launch: float = 0.0) -> float:
        """Ours against theirs, a share."""
        return (self.ours + launch) / self.theirs - 1


def one(problem: Problem) -> Network:
    """A network of one layer."""
    return Network("measured", (Layer("layer", "problem", (), Shape(1), problem),))


def rows(device: Device, op: str) -> list[tuple[dict[str, int], float]]:
    """Sizes and microseconds of a device's rows."""
    found = [row for row in source.rows("devices_measured") if (row["device"], row["op"]) == (device.name, op)]
    return [
        (
            {key: int(value) for key, value in (pair.split("=") for pair in row["dims"].split(";"))},
            float(row["measured_us"]),
        )
        for row in found
    ]


def measured(
    device: Device, what: str, theirs: float, ours: float, work: tuple[float, float], reached: bool = False
) -> Measured:
    """A row. work : operations, and bytes each once. reached : the roofline starts, and reaches its memory's rate, as
    the device was measured to.
    """
    flop, moved = work
    rate, start = (device.rate * device.share, device.launch) if reached and device.share else (device.rate, 0.0)
    return Measured(what, theirs, ours, start + 1e6 * max(flop / device.flops, moved / rate), flop, moved)


def products(device: Device, run: Callable[[Problem], float], reached: bool = False) -> tuple[Measured, ...]:
    """All products of a device. run : microseconds of ours. reached : of `measured`."""
    found = []
    for size, theirs in rows(device, "gemm"):
        m, k, n = size["M"], size["K"], size["N"]
        problem = Problem.of({"Q": m, "C": k, "M": n})
        work = 2.0 * m * k * n, float(WORD * (m * k + k * n + m * n))
        found.append(measured(device, f"{m} x {k} x {n}", theirs, run(problem), work, reached))
    return tuple(found)


def on_machine(name: str, **options: Any) -> Callable[[Problem], float]:
    """Microseconds on a machine."""
    return lambda problem: 1e3 * simulate(name, one(problem), **options).total.ms


def on_package(name: str, **options: Any) -> Callable[[Problem], float]:
    """Microseconds on a package, the best of the splits."""
    return lambda problem: 1e3 * simulate_package(name, one(problem), **options).ms


@cache
def v6e() -> tuple[Measured, ...]:
    """TPU v6e: four matrix units."""
    return products(V6E, on_package("tpu_v6e"))


@cache
def gpu(device: Device, reached: bool = False) -> tuple[Measured, ...]:
    """A GPU at its peak rates, in mappings that a run finds by default; or as reached: with the launch and the share of
    its memory's rate that others measured, in mappings of the least time, as a library picks them.
    """
    options: dict[str, Any] = {"parameters": device.reached, "objective": "cycles"} if reached else {}
    return products(device, on_machine(GPUS[device.name], **options), reached)


@cache
def v3_products() -> tuple[Measured, ...]:
    """TPU v3, one core: two matrix units."""
    return products(V3, on_package("tpu_v3_core"))


@cache
def v3_convolutions() -> tuple[Measured, ...]:
    """TPU v3, one core, 3 x 3 at batch 64: the better of convolving directly and of im2col."""
    found = []
    for size, theirs in rows(V3, "conv"):
        n, p, c, m, r = (size[key] for key in ("N", "P", "C", "M", "R"))
        problem = Problem.of({"N": n, "C": c, "M": m, "P": p, "Q": p, "R": r, "S": r}, pad=(1, 1), height=p, width=p)
        ours = min(
            on_package("tpu_v3_core", parameters={"lowering": lowering})(problem) for lowering in ("none", "im2col")
        )
        words = n * c * p * p + m * c * r * r + n * m * p * p
        found.append(measured(V3, f"{p} x {p} x {c}", theirs, ours, (2.0 * problem.macs, float(WORD * words))))
    return tuple(found)


@cache
def aie(cores: int) -> tuple[Measured, ...]:
    """AMD AIE2: cycles of the slowest core; the roofline is kernels alone."""
    found = []
    for row in source.rows("aie_gemm"):
        if int(row["cores"]) != cores:
            continue
        m, k, n = (int(row[key]) for key in "MKN")
        problem = Problem.of({"Q": m, "C": k, "M": n})
        run = simulate_package("aie2_array", one(problem), parameters={"cores": cores})
        found.append(
            Measured(f"{m} x {k} x {n}", float(row["cycles"]), float(run.cycles), 1150.0 * int(row["kernels"]))
        )
    return tuple(found)


def mean(found: Iterable[Measured], launch: float = 0.0, least: float = 0.0, roofline: bool = False) -> float:
    """Mean of absolute misses, of ours or of the roofline, over rows of at least so many microseconds."""
    misses = [
        abs(((one.roofline if roofline else one.ours) + launch) / one.theirs - 1)
        for one in found
        if one.theirs >= least
    ]
    return sum(misses) / len(misses)


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """All devices as Markdown."""
    return "\n".join([_HEAD, _means(), *_v6e(), *_gpu("A100", A100), *_gpu("RTX 4090", RTX4090), *_v3(), *_aie()])


def percent(share: float) -> str:
    """A mean error as a cell has it."""
    return f"{100 * share:.1f} %"


def _means() -> str:
    """Mean absolute errors."""
    lines: list[list[str]] = []

    def add(what: str, found: Sequence[Measured], launch: float = 0.0, least: float = 0.0) -> None:
        count = sum(one.theirs >= least for one in found)
        lines.append([what, str(count), percent(mean(found, launch, least)), percent(mean(found, launch, least, True))])

    add("TPU v6e, products", v6e())
    add("with a launch of 1.5 us", v6e(), LAUNCH)
    add("100 us and more", v6e(), 0.0, 100.0)
    for name, device in (("A100", A100), ("RTX 4090", RTX4090)):
        add(f"{name}, products", gpu(device))
        add("20 us and more", gpu(device), 0.0, SHORT)
        add(f"launch {device.launch} us, {device.share} of the rate", gpu(device, reached=True))
        add("20 us and more", gpu(device, reached=True), 0.0, SHORT)
    add("TPU v3 core, 3 x 3 but 56 x 56 x 64", v3_convolutions()[1:])
    add("TPU v3 core, products", v3_products())
    add("AIE2, products on one core", aie(1))
    add("AIE2, products on two cores", aie(2))
    return table(["mean absolute error", "rows", "ours", "roofline"], lines)


def _rows(found: Sequence[Measured], unit: str, launch: float = 0.0) -> str:
    header = ["", f"theirs [{unit}]", "ours", "error", "roofline", "error"]
    more = ["with launch"] if launch else []
    return table(
        [*header, *more],
        [
            [one.what, f"{one.theirs:,.1f}", f"{one.ours:,.1f}", error(one.ours, one.theirs), f"{one.roofline:,.1f}",
             error(one.roofline, one.theirs), *([error(one.ours + launch, one.theirs)] if launch else [])]
            for one in found
        ],
    )  # fmt: skip


def reason(device: Device, one: Measured) -> str:
    """Why a row is missed by more than a quarter: what of the device's peaks the measured time comes to."""
    seconds = one.theirs / 1e6
    macs, memory = one.flop / seconds / device.flops, one.moved / seconds / device.rate
    shares = f"the device reaches {macs:.0%} of its MACs and {memory:.0%} of its memory's rate"
    if one.theirs < SHORT:
        own = ", longer than a small kernel's" if device.share else ", which no default here has"
        return f"{one.what}: {shares}; so short a product is mostly its start{own}"
    if one.moved / device.rate > one.flop / device.flops:
        return f"{one.what}: {shares}; bound by memory, which is given more than it reaches here"
    if one.miss() > 0:
        return f"{one.what}: {shares}; the mapping of the least energy found here is not that of the least time"
    return f"{one.what}: {shares}; {_waves(device, one.what, macs)}"


def _waves(device: Device, what: str, macs: float) -> str:
    """What tiles of a library come to that is no less than the share of MACs reached: the larger of two sizes."""
    m, _, n = (int(size) for size in what.split(" x "))
    for high, wide in TILES:
        tiles = -(-m // high) * -(-n // wide)
        waves = -(-tiles // device.sms)
        busy = tiles / (waves * device.sms)
        if busy >= macs:
            times = f"{waves} waves" if waves > 1 else "a wave"
            return (
                f"{tiles} tiles of {high} x {wide}, as libraries have, are {times} with {busy:.0%} of all SMs at work"
            )
    return "tiles of a library fill its cores in whole waves, those found here fit the product"


def _misses(device: Device, found: Sequence[Measured], launch: float = 0.0) -> str:
    large = [one for one in found if abs(one.miss(launch)) > LARGE]
    return bullets(reason(device, one) + "." for one in large) if large else ""


def _v6e() -> list[str]:
    return ["### TPU v6e\n", _rows(v6e(), "us", LAUNCH), _misses(V6E, v6e(), LAUNCH)]


def _gpu(name: str, device: Device) -> list[str]:
    whole, reached = gpu(device), gpu(device, reached=True)
    header = ["", "theirs [us]", "ours", "error", "roofline", "error", "as reached", "error", "roofline", "error"]
    cells = [
        [one.what, f"{one.theirs:,.1f}"]
        + [
            cell
            for us in (one.ours, one.roofline, two.ours, two.roofline)
            for cell in (f"{us:,.1f}", error(us, one.theirs))
        ]
        for one, two in zip(whole, reached, strict=True)
    ]
    large = [(one, two) for one, two in zip(whole, reached, strict=True) if abs(one.miss()) > LARGE]
    near = [one.what for one, two in large if abs(two.miss()) <= LARGE]
    far = [two for two in reached if abs(two.miss()) > LARGE]
    told = paragraph(
        f"Missed by more than a quarter at the peak rates, but not as reached: {'; '.join(near) or 'none'}. "
        f"Missed as reached{':' if far else ': none.'}"
    )
    more = bullets(reason(device, one) + "." for one in far)
    return [f"### {name}\n", table(header, cells), paragraph(_REACHED[device.name]), told, *([more] if more else [])]


def _v3() -> list[str]:
    return ["### TPU v3, one core\n", _rows(v3_convolutions(), "us"), _V3, _rows(v3_products(), "us"), _V3_PRODUCTS]


def _aie() -> list[str]:
    return ["### AMD AIE2\n", _AIE, _rows(aie(1), "cycles, one core"), _rows(aie(2), "cycles, two cores"), _periods()]


def _periods() -> str:
    worst = [one for cores in (1, 2) for one in aie(cores) if abs(one.miss()) > LARGE]
    names: Mapping[bool, str] = {
        True: "No row is missed by more than a quarter.",
        False: "Missed by more than a quarter: ",
    }
    more = (
        "" if not worst else ", ".join(one.what for one in worst) + ", where the traced core waited longer for locks."
    )
    return paragraph(names[not worst] + more)


_HEAD = """\
## Devices one can buy

Times measured on real devices beside those of machines that ship (`tpu_v3_core` and `tpu_v6e` are packages of cores,
docs/cores.md; `a100_like`, `rtx4090_like`, `aie2_core`). Nothing was fitted to these rows: every number of a machine is
published or a declared knob. *Roofline* is the larger of operations over the peak and of bytes, each word once, over
memory's rate. A real device takes time to start a layer, and reaches a share of its memory's rate: `launch` and
`dram_efficiency` of a machine, which are 0 and 1 unless a run says otherwise. The launch of TPU v6e was read off the
smallest of these rows, so both numbers are told. Those of the GPUs were measured by others, with kernels of their own:
*as reached* has them, the roofline too. Mappings are those that a run searches for by default, of the least energy; as
reached, of the least time, for a library picks the fastest of its own.
"""

_REACHED = {
    A100.name: (
        "As reached: a kernel in a graph of small ones takes 1.34 us (64 KiB at 49 GB/s), reads of 1 GB and more come "
        "at 1,730 of 2,039 GB/s: te42kyfo/gpu-benches on an A100 of 80 GB, gpu-small-kernels/a100_80_graph.txt and "
        "gpu-l2-cache/a100_80.txt."
    ),
    RTX4090.name: (
        "As reached: a kernel in a graph of small ones takes 0.94 us on an L40, the same die (64 KiB at 70 GB/s: "
        "te42kyfo/gpu-benches, gpu-small-kernels/l40_graph.txt), and reads come at 922 of 1,008 GB/s (xytpai/nvbench, "
        "global_memory_bandwidth)."
    ),
}

_V3 = """\
Two arrays side by side are not one array twice as wide: with 128 output channels half of one would be idle.
56 x 56 x 64 is far off, as it is in SCALE-Sim v3 (-59 %): 64 channels fill half of the rows and columns here, and the
device takes longer still, for reasons that are not published.
"""

_V3_PRODUCTS = """\
Small products are too fast: they have the same few microseconds of a start that every short run has. The width of words
is not recorded; 16 b is assumed.
"""

_AIE = """\
Kernels of 1,150 cycles and streams of 4 B a cycle are given; tiles are loaded between kernels, for a core has one
buffer for each operand: 1,662 cycles a kernel. The roofline is kernels alone.
"""
