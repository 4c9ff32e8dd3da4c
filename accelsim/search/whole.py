"""The best of all mappings of a machine: the optimum of its mapspace, else the best that its dataflows find."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from accelsim.architecture.model import Architecture
from accelsim.energy.account import account
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError
from accelsim.mapping.dataflows.dataflow import BEST, NAMES
from accelsim.mapping.mapping import LoopNest
from accelsim.search.best import find
from accelsim.search.found import OBJECTIVES, Certificate, Found, objective_of
from accelsim.search.optimum.optimum import optimum, why_not
from accelsim.workload.problem import Problem


def find_whole(
    architecture: Architecture,
    problem: Problem,
    objective: str,
    table: EnergyTable | None,
    accounting: str | None,
    evaluator: str,
    budget: float | None,
) -> Found:
    """The optimum of the whole mapspace; parameters and errors as of `best.find`.

    The certificate is of the closed form, with the cycles of the MACs. Where cycles count, the evaluator chooses
    between the optima of all objectives: ports and stalls are no part of what is proved.
    """
    table = table or table_for(architecture, None)
    if accounting:
        table = replace(table, accounting=accounting)
    reason = why_not(architecture, table)
    if reason:
        return _best_dataflow(architecture, problem, objective, table, evaluator, reason)
    best = optimum(architecture, problem, objective, table, budget)
    found = Found(
        best.nest, objective, f"{BEST}: every chain of perfect factors, order and placement", best.tried, (),
        best.score, certificate=Certificate(best.size, best.nodes, best.bound, best.gap),
    )  # fmt: skip
    if objective == "energy":
        return found

    @cache
    def score(nest: LoopNest) -> float:
        return _score(architecture, problem, table, objective, evaluator, nest)

    others = [optimum(architecture, problem, other, table, budget).nest for other in OBJECTIVES if other != objective]
    nests = list(dict.fromkeys([best.nest, *others]))
    return replace(found, nest=min(nests, key=score), simulated=len(nests))


def _score(
    machine: Architecture, problem: Problem, table: EnergyTable, objective: str, evaluator: str, nest: LoopNest
) -> float:
    from accelsim.engine import evaluate

    counts, timing = evaluate(machine, nest, problem, evaluator)
    rows = account(machine, counts, table, timing.cycles, BEST, nest)
    return objective_of(objective, float(sum(row.energy for row in rows)), timing.cycles)


def _best_dataflow(
    machine: Architecture, problem: Problem, objective: str, table: EnergyTable, evaluator: str, reason: str
) -> Found:
    """The best that any built-in dataflow finds, where the whole mapspace has no bound; it says so."""
    finds: list[tuple[float, str, Found]] = []
    failures = []
    for name in NAMES:
        try:
            found = find(machine, problem, name, objective, table, table.accounting or None, evaluator)
            finds.append((_score(machine, problem, table, objective, evaluator, found.nest), name, found))
        except MappingError as error:
            failures.append(str(error))
        except AccelsimError:
            continue
    if not finds:
        raise MappingError(failures[0] if failures else f"no dataflow maps this layer on '{machine.name}'")
    _, name, found = min(finds, key=lambda one: one[:2])
    space = f"{BEST} of {len(finds)} dataflows, not of the whole mapspace: {reason}; {found.space}"
    return replace(found, space=space)
