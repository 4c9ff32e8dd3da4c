"""The lines around the tables of a run: the answer, what ran on what, and what to know beside the numbers."""

from __future__ import annotations

from accelsim.energy.table import energy_unit
from accelsim.engine.counts import why_no_time
from accelsim.outcome import GIVEN, SEARCH, SHIPPED, Outcome, Outcomes, reasons
from accelsim.report.text import energy_text, many, milliseconds, number, percent, shown, visible
from accelsim.report.training import kept_note
from accelsim.workload.network import RECURRENT

LEAST = 0.005
"""Share of the outermost level's words below which nothing is said of what would be saved."""
KINDS = {"cycle": "cycle-level", "analytical": "closed form (cycles are a lower bound)"}


def answer(result: Outcome) -> str:
    """One line: latency and which one it is, rate, throughput and share of the peak, energy, and what binds."""
    sums = result.total
    if not sums.cycles:
        return "no layer took any time"
    seconds = result.milliseconds(sums.cycles) / 1e3
    least = "" if all(layer.timing.exact for layer in result.multiplied) else "at least "
    problems = [layer.problem for layer in result.layers]
    problems += [one.problem for group in result.groups for one in group.passes]
    image = "image" if any(max(problem["R"], problem["S"]) > 1 for problem in problems) else "inference"
    batch = f" for {many(result.batch, image)}" if result.batch > 1 else ""
    energy, unit = sums.energy, result.energy_unit
    parts = [
        f"{least}{milliseconds(result.milliseconds(sums.cycles))} ms total latency{batch}"
        f" (processing {milliseconds(result.milliseconds(sums.processing_cycles))} ms)",
        f"{number(result.batch / seconds)} {image}s/s",
        throughput(result, seconds),
        f"{energy_text(energy / result.batch, unit)} per {image}",
        f"{number(energy / sums.macs)} {energy_unit(unit)} per MAC",
        binds(sums.compute_cycles, sums.stall_cycles, sums.cycles),
    ]
    parts += [f"without {many(len(result.failures), 'layer')} that did not run"] if result.failures else []
    return "; ".join(parts)


def throughput(result: Outcome, seconds: float) -> str:
    """Operations a second (two a MAC) and their share of the peak; skipped MACs are counted apart."""
    sums, machine = result.total, result.architecture
    rate = 2e-12 / seconds
    peak = 2e-12 * result.macs_at_once() * float(machine.clock_hz)
    share = percent(sums.utilization)
    text = f"{rate * result.visited_macs:.3g} TOPS, {share} % of the peak of {peak:.3g}"
    if result.slots > sums.macs:
        text = f"{rate * sums.macs:.3g} TOPS ({rate * result.visited_macs:.3g} with every slice, "
        text += f"{share} % of the peak of {peak:.3g})"
    if result.visited_macs < result.slots:
        times = result.dense_equivalent(result.slots, sums.cycles)
        text += f" ({rate * result.slots:.3g} with the MACs that were skipped, {times:.2f} x the peak)"
    return text


def binds(compute: int, stalls: dict[str, int], cycles: int) -> str:
    """What most cycles went to, and what came next."""
    spent = sorted({"compute": compute, **stalls}.items(), key=lambda part: (-part[1], part[0]))
    (most, first), *others = [(visible(name), number) for name, number in spent if number] or [("compute", 0)]
    text = f"{most} binds ({percent(first / cycles)} % of the cycles)"
    return text + (f", then {others[0][0]} ({percent(others[0][1] / cycles)} %)" if others else "")


def heading(result: Outcome) -> str:
    """One line: what ran on what."""
    machine = result.architecture
    batch = f", batch {result.batch}" if result.batch > 1 else ""
    return (
        f"{shown(result.workload)}{batch} on {shown(machine.name)}: {machine.pes:,} PEs at "
        f"{number(machine.clock_hz / 1e6)} MHz, {how_mapped(result)}, {KINDS.get(result.evaluator, result.evaluator)}"
    )


def free(result: Outcome) -> list[str]:
    """What costs nothing on this machine, and so is in none of the numbers, a line each; none where nothing is."""
    return [f"{' ' * 11 if at else 'free here: '}{visible(line)}" for at, line in enumerate(result.free)]


def how_mapped(result: Outcome) -> str:
    """Whose mappings ran: those given, those of a dataflow, or some of both."""
    if result.layers and all(layer.mapping_source == SHIPPED for layer in result.layers):
        return "mapping that ships"
    given = [layer.mapping_source != SEARCH for layer in result.layers]
    if not result.dataflow or (given and all(given)):
        return "mapping given"
    return f"mapping given in part, else {result.dataflow}" if any(given) else result.dataflow


def partly_given(result: Outcome) -> bool:
    """Whether some layers, not all, ran in a mapping that was given."""
    return len({layer.mapping_source == GIVEN for layer in result.layers}) > 1


def between_notes(result: Outcome) -> list[str]:
    """What happened between layers, in a line; none where nothing did."""
    plan = result.ran.plan if result.ran else None
    if not plan:
        return []
    stay, groups = len(plan.resident), len(plan.groups)
    home = next((home.level for home in plan.resident.values()), "")
    what = [f"{stay} tensor{'s' * (stay != 1)} live{'s' * (stay == 1)} in {visible(home)}"] if stay else []
    what += [f"{groups} group{'s' * (groups != 1)} of layers run together"] if groups else []
    priced = "looked for with dense operands: " if result.operands else ""
    found = f" ({priced}{plan.source})" if "against every layer alone" in plan.source else ""
    parts = not all(home.whole for home in plan.resident.values())
    spans = len(plan.spans)
    what += [f"{spans} span{'s' * (spans != 1)} of layers run{'s' * (spans == 1)} in rounds"] if spans else []
    run_dense = ["groups"] * bool(result.groups) + ["spans"] * bool(spans) + ["layers of parts of tensors"] * parts
    dense = f"; {' and '.join(run_dense)} are run dense, whatever is zero" if run_dense and result.operands else ""
    return [f"between layers: {', '.join(what)}{found}{dense}"]


def would_save(result: Outcome) -> list[str]:
    """What tensors that stay would save of a run without a plan, and how to get it; no line if next to nothing."""
    from accelsim.report.would_stay import would_stay

    found = would_stay(result)
    if found is None or found.saved < LEAST * found.words:
        return []
    outermost = visible(result.architecture.levels[0].name)
    stay = f"{many(len(found.resident), 'tensor')} could stay in {visible(found.home)} between layers"
    share = f"{percent(found.saved / found.words)} % of the words of {outermost} ({found.saved:,} of {found.words:,})"
    return [f"not used: {stay}, and save at least {share}: --between resident looks for them, best for more"]


def notes(result: Outcome) -> list[str]:
    """What a reader must know beside the numbers."""
    table = result.energy_table
    lines = []
    if partly_given(result):
        lines.append(f"* not in the mapping given: the best {result.dataflow} mapping found")
    if any(layer.repeat > 1 for layer in result.layers):
        lines.append("x2, x3, ...: a layer that runs so often; its row is one run, the total counts every run")
    if result.ran and any(layer.mapping_source == SHIPPED for layer in result.layers):
        lines.append(f"mapping: {visible(result.ran.mapping)}, which ships for this machine and fits")
    lines += between_notes(result)
    lines += idle_notes(result)
    if result.vector_layers:
        lines.append(vector_note(result))
    lines += kept_note(result)
    if result.coverage:
        lines += [visible(line) for line in result.coverage.lines()]
    if result.operands:
        lines.append(f"zeros: {visible(result.operands)}")
    elif result.ran and result.ran.operand_files:
        lines.append(
            f"arrays in {visible(str(result.ran.data))}: read and checked; this machine makes nothing of zeros"
        )
    if result.architecture.lowers_to:
        lines.append(f"layers and mappings are lowered: {result.architecture.lowers_to}")
    way = f", accounting {table.accounting}" if table.accounting else ""
    unit = "multiples of the energy of one MAC" if energy_unit(table.unit) != table.unit else table.unit
    source = f"energy in {unit} from {table.name}{way}: {table.source}" + (f"; {table.note}" if table.note else "")
    return [*lines, visible(source)]


def idle_notes(result: Outcome) -> list[str]:
    """Which layers take no cycles, and why: a line for each reason."""
    names: dict[str, list[str]] = {}
    for layer in result.layers:
        names.setdefault(why_no_time(layer.counts, layer.timing), []).append(shown(layer.name))
    for other in result.vector_layers:
        names.setdefault(other.why_no_time, []).append(shown(other.name))
    return [f"{', '.join(layers)}: no cycles: {visible(reason)}" for reason, layers in names.items() if reason]


def not_run(result: Outcome) -> list[str]:
    """A line for each reason, with all layers it holds for."""
    return [f"not run: {visible(reason)}" for reason in reasons(result.failures)]


def comparison_failures(comparison: Outcomes) -> list[str]:
    """A line for each reason, with every dataflow and layer it holds for."""
    places: dict[str, dict[str, list[str]]] = {}
    for label, layer, reason in comparison.failures:
        places.setdefault(reason, {}).setdefault(shown(label), []).append(shown(layer))
    return [
        "; ".join(f"{label}: {', '.join(layers)}" for label, layers in where.items()) + f": {visible(reason)}"
        for reason, where in places.items()
    ]


def vector_note(result: Outcome) -> str:
    """One line: what layers do without MACs, and what of it is left out."""
    sums = result.vector
    energy = energy_text(sums.energy, result.energy_table.unit)
    gates = any(layer.op in RECURRENT for layer in result.vector_layers)
    missing = [] if result.architecture.lanes else ["timed (the machine declares no vector unit)"]
    missing += [] if result.energy_table.vector_op else ["priced (the energy table has no vector_op)"]
    beside = f"; the operations are not {' or '.join(missing)}" if missing and sums.vector_ops else ""
    at_home = sum((one.reads_at_home + one.writes_at_home) * one.repeat for one in result.vector_layers)
    inside = f", {at_home:,} more where they stay on the chip" if at_home else ""
    return (
        f"not in the totals: {many(sums.layers, 'layer')} without MACs{' or gates' if gates else ''}: "
        f"{sums.reads + sums.writes:,} words read and written{inside}, "
        f"{sums.vector_ops:,} vector operations, {sums.cycles:,} cycles "
        f"({milliseconds(result.milliseconds(sums.cycles))} ms), {energy}{beside}"
    )
