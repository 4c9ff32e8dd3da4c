"""Carbon of published training runs and parts: what energy, power, hours, areas and capacities make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from accelsim.codesign.carbon.embodied import Die, Embodied
from accelsim.codesign.carbon.footprint import footprint
from accelsim.codesign.carbon.tables import Fab, Factor, constant, fab, region
from accelsim.codesign.carbon.units import POUND
from accelsim.reproduce import source
from accelsim.reproduce.markdown import error, paragraph, table, triple

PUE, LB_PER_KWH = "1.58", "0.954 lb/kWh"
"""Of Strubell et al. 2019."""
LIFETIME = "5 years"
"""Of LLMCarbon."""
XLM_DAYS, XLM_TONNES = "20.4 days", 0.66


@dataclass(frozen=True)
class Run:
    """A published training: kWh with PUE and g CO2e, theirs and ours."""

    name: str
    kwh: float
    grams: float
    our_kwh: float
    our_grams: float


def strubell(hours: str = "hours_exact") -> list[Run]:
    """Table 3 of Strubell et al.: theirs as printed, ours not rounded. hours : the column they are taken from."""
    return [
        _run(row["model"], row["kWh_PUE"], float(row["CO2e_lb"]) * float(POUND), power=f"{row['power_W']} W",
             time=f"{row[hours]} h", pue=PUE, grid=LB_PER_KWH)
        for row in source.rows("strubell2019_table3")
    ]  # fmt: skip


def trainings() -> list[Run]:
    """Runs of Patterson et al., and LLMCarbon's XLM."""
    return [
        _run(row["model"], float(row["MWh"]) * 1e3, float(row["t"]) * 1e6, power=f"{row['W']} W",
             time=f"{row['days']} days", devices=row["chips"], pue=row["pue"], grid=f"{row['kg_per_kWh']} kg/kWh")
        for row in source.rows("training_runs")
    ]  # fmt: skip


def _run(name: str, kwh: str | float, grams: float, **keys: str) -> Run:
    ours = footprint(None, None, **keys).costs[0]
    return Run(name, float(kwh), grams, float(ours.kwh), float(ours.grams))


def part_grams(row: dict[str, str]) -> Fraction:
    """What making a part of LLMCarbon's table emits: its size x what a unit of it takes, all dies good, no package."""
    one, nothing = Factor("yield", Fraction(1), "", "theirs"), Factor("none", Fraction(0), "", "theirs")
    each = Fraction(row["kg_per_unit"]) * 1000
    if row["unit"] == "GB":
        return Embodied(None, {f"{float(each):g} g/GB": Fraction(row["size"])}, one, nothing, nothing).grams
    material = Factor("all", each, "g/cm2", "theirs")
    die = Die(Factor("area", Fraction(row["size"]), "cm2", "theirs"), Fab(nothing, nothing, material), nothing)
    return Embodied(die, {}, one, nothing, nothing).grams


def xlm_tonnes() -> float:
    """The share of a training in the making of its machines, as LLMCarbon has it."""
    from accelsim.codesign.carbon.units import span

    made = sum((part_grams(row) * int(row["of_xlm"]) for row in source.rows("llmcarbon_parts")), Fraction(0))
    return float(made * span(XLM_DAYS) / span(LIFETIME)) / 1e6


def lca_kilograms(row: dict[str, str]) -> float:
    """What ACT's model makes of a part of a product, kg CO2e."""
    die = None
    if row["logic_cm2"]:
        die = Die(Factor("area", Fraction(row["logic_cm2"]), "cm2", "LCA"), fab(28, 95), region("coal"))
    memories = {name: Fraction(size) for name, size in (one.split() for one in row["memory"].split(" + ") if one)}
    packages = Factor("packages", Fraction(row["packages"]), "", "ACT's example")
    made = Embodied(die, memories, constant("yield"), packages, constant("package"))
    return float(made.grams * int(row["count"])) / 1000


def fab_kilograms(node: int, grid: str = "taiwan", abatement: int = 97) -> float:
    """Electricity and gases of a cm2 of logic, before yield and without materials, kg CO2e."""
    made = fab(node, abatement)
    return float(region(grid).value * made.energy.value + made.gas.value) / 1000


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Footprints as Markdown."""
    header = ["training", "kWh x PUE", "ours", "error", "lb CO2e", "ours", "error"]
    parts = [_HEAD, table(header, _strubell_rows()), _RUNS]
    parts.append(table(["training", "MWh", "ours", "error", "t CO2e", "ours", "error"], _training_rows()))
    parts += [_LCA, table(["product", "part", "LCA, kg", "ACT's model", "error"], _lca_rows())]
    parts += [_IMEC, table(["nm", "imec.netzero, kg/cm2", "ACT's tables", "error"], _imec_rows())]
    parts += [_PARTS, table(["part", "size", "kg per unit", "kg, printed", "product", "error"], _part_rows())]
    return "\n".join([*parts, _xlm()])


def _strubell_rows() -> Iterator[list[str]]:
    for run in strubell():
        pound = float(POUND)
        yield [
            run.name,
            *triple(run.our_kwh, run.kwh, ",.0f"),
            *triple(run.our_grams / pound, run.grams / pound, ",.0f"),
        ]


def _training_rows() -> Iterator[list[str]]:
    for run in trainings():
        energy = triple(run.our_kwh / 1e3, run.kwh / 1e3, ",.1f")
        yield [run.name, *energy, *triple(run.our_grams / 1e6, run.grams / 1e6, ",.1f")]


def _lca_rows() -> Iterator[list[str]]:
    for row in source.rows("act_lca"):
        yield [row["product"], row["part"], *triple(lca_kilograms(row), float(row["lca_kg"]), ",.2f")]


def _imec_rows() -> Iterator[list[str]]:
    for row in source.rows("imec_netzero"):
        yield [row["node"], *triple(fab_kilograms(int(row["node"])), float(row["kg_per_cm2"]), ".2f")]


def _part_rows() -> Iterator[list[str]]:
    for row in source.rows("llmcarbon_parts"):
        ours, theirs = float(part_grams(row)) / 1000, float(row["kg"])
        size = f"{float(row['size']):,g} {row['unit']}"
        yield [row["part"], size, row["kg_per_unit"], row["kg"], f"{ours:,.2f}", error(ours, theirs)]


def _xlm() -> str:
    ours = xlm_tonnes()
    return paragraph(
        f"Spread over {LIFETIME}, XLM's {XLM_DAYS} take {ours:.3f} t of what its machines took to make, by the "
        f"products; theirs is {XLM_TONNES} t ({error(ours, XLM_TONNES)})."
    )


_HEAD = """\
## Carbon

Trainings of NLP networks: Strubell, Ganesh and McCallum, ACL 2019, Table 3. From their power (CPU, DRAM and all GPUs),
hours, PUE of 1.58 and 0.954 lb/kWh; ours is rounded as theirs, the error is of what is not rounded. BERT's printed 79 h
are 79.2 (3.3 days): with 79 its row would be 1,503 kWh.
"""

_RUNS = """\
Trainings from chips, days, W of a chip, PUE and net intensity: Patterson et al. 2021 (T5 to GPT-3), LLMCarbon (XLM).
Days are printed to two or three digits (20 may be 19.5 to 20.5, 2.5 %), so 3 % are allowed. Patterson's Meena and
Evolved Transformer are known to us from memory only, so they are no check.
"""

_LCA = """\
Parts of two products by ACT's model (Gupta et al., ISCA 2022), as its examples have them, beside the makers' life cycle
analyses: logic of 28 nm made with coal's electricity, 50 nm DRAM, 30 nm flash, yield 0.875. The *error* is the model's:
the tests hold our numbers to its rule, worked out apart. All but the other ICs come out low, by up to 56 %, so a
footprint of this kind is good to a factor of two or so.
"""

_IMEC = """\
Electricity and gases of a fab by node, without materials and before yield: ACT's tables on its grid of Taiwan, 583
g/kWh, gases 97 % abated, beside imec.netzero's public figures, whose grid is not said. ACT's rise more steeply towards
small nodes.
"""

_PARTS = """\
What parts take to make, as LLMCarbon lists them. Two rows do not add up in the source: the SSD's product is that of
32,000 GB, and 111.6 cm2 x 1.2 kg are 133.9, where 148.2 is printed.
"""
