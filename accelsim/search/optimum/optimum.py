"""The optimum of a layer's whole mapspace, with a certificate or a proven gap."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from math import inf

from accelsim.architecture.model import Architecture
from accelsim.energy.load import table_for
from accelsim.energy.table import EnergyTable
from accelsim.errors import AccelsimError, MappingError, nearest
from accelsim.mapping.dataflows.dataflow import load
from accelsim.search.bound import WORDS
from accelsim.search.found import OBJECTIVES, Candidate
from accelsim.search.glance import glance
from accelsim.search.narrowed import is_bounded, most_saved
from accelsim.search.optimum.case import Case, as_counted
from accelsim.search.optimum.clock import Clock, OutOfTimeError
from accelsim.search.optimum.constraints import FREE, NoBoundError, NothingFitsError
from accelsim.search.optimum.deepening import Deepening
from accelsim.search.optimum.floor import floor_of
from accelsim.search.optimum.mapspace import Mapspace
from accelsim.search.optimum.placements import Toll
from accelsim.search.optimum.proved import ROUNDING, Optimum, Step
from accelsim.search.optimum.scope import ALL, Scope
from accelsim.search.optimum.standing import Standing, price_of_cycle
from accelsim.search.optimum.traded import Traded
from accelsim.workload.problem import Problem

__all__ = ["ROUNDING", "Optimum", "Step", "optimum", "why_not"]

MEMORIES = 3
"""Most memories between the outermost and the PE."""
NEAR = 1e-6
"""How far above a mapping that is known the search begins, so that it is found again."""


def optimum(
    architecture: Architecture,
    problem: Problem,
    objective: str = "energy",
    table: EnergyTable | None = None,
    budget: float | Clock | None = None,
    scope: Scope = ALL,
    steps: list[Step] | None = None,
    known: float | None = None,
) -> Optimum:
    """The best of all mappings of a layer in a scope: every chain of factors, order that differs and placement.

    Energy is that of the closed form, dense; cycles are those of the MACs, whatever the ports. Between equals the other
    one decides, though groups lie on the array for cycles alone. Under `ceilings` of the scope the best of those that
    keep them all. The objective may be 'words' too: those that the outermost level reads and writes.

    Parameters
    ----------
    budget : seconds after which the best so far is taken, with its gap; or the clock that several searches go by.
    scope : which mappings are looked at. steps : filled with how far the search was, each time that it came further.
    known : an objective that some mapping has, whichever; None: a first look finds one (`glance`). It saves time alone.

    Raises
    ------
    NothingFitsError : nothing fits, or keeps all ceilings. MappingError : a machine whose mapspace there is no bound
    for. AccelsimError : unknown objective. OutOfTimeError : a firm clock was up before anything was found.
    """
    if objective not in (*OBJECTIVES, WORDS):
        raise AccelsimError(f"unknown objective '{objective}'{nearest(objective, OBJECTIVES)}")
    table = table or table_for(architecture, None)
    timed = objective not in ("energy", WORDS) or scope.ceilings.timed
    reason = why_not(architecture, table, timed)
    if reason:
        raise MappingError(f"no whole mapspace of '{architecture.name}': {reason}; give a dataflow instead")
    lanes = architecture.macs_per_cycle
    if lanes > 1 and timed and (scope.imperfect or scope.flow):
        raise NoBoundError(f"a PE of '{architecture.name}' takes {lanes} MACs in a cycle, fewer at the end of a dim")
    clock = budget if isinstance(budget, Clock) else Clock(budget)
    case = Case(architecture, problem, table)
    if objective == WORDS or scope.ceilings.words < inf:

        def searching(name: str, clock: Clock, scope: Scope, known: float | None) -> Optimum:
            return _searched(case, name, clock, scope, steps, known)

        found = Traded(searching, case, objective, scope, clock).run()
    elif objective != "cycles" and not scope.ceilings.given and price_of_cycle(architecture, table, scope):
        return _with_standing(case, objective, clock, scope, steps, known)
    else:
        found = _searched(case, objective, clock, scope, steps, known)
    # tolls are no energy, and ceilings are of the energy that a search goes by: evaluators decide there
    return found if scope.toll or scope.ceilings.given else as_counted(found, case)


def _searched(
    case: Case, objective: str, clock: Clock, scope: Scope, steps: list[Step] | None, known: float | None,
    standing: float = 0.0,
) -> Optimum:  # fmt: skip
    """`optimum`, with the energy that a search goes by (`as_counted`). standing : what every cycle costs by itself."""
    begun, seed = time.monotonic(), None
    if scope.imperfect and scope.flow is None:
        # factors that divide are among all: the best of them leaves most others out
        with suppress(NothingFitsError):
            divided: list[Step] = []
            seed = _searched(case, objective, clock, replace(scope, imperfect=False), divided, None, standing)
            if steps is not None:
                # what is proved of some mappings is not of all
                steps += [step._replace(bound=0.0) for step in divided]
            # the time is that of both, and one of them is there
            clock = replace(clock, firm=True)
    timed = objective != "energy" or scope.ceilings.timed or bool(standing)
    if known is None:
        known = inf if standing else _known(case, objective, scope)
    space, number = Mapspace(*case, scope, timed, clock), OBJECTIVES.index(objective)
    known = seed.score if seed else known * (1 + NEAR)
    try:
        return Deepening(space, number, begun, seed, steps, known, standing).run()
    except OutOfTimeError:
        if seed is None:
            raise OutOfTimeError(space.size) from None
        bound = floor_of(*case, seed.nest, number, standing)
        return replace(seed, bound=min(bound, seed.bound), size=space.size, seconds=time.monotonic() - begun)


def _with_standing(
    case: Case, objective: str, clock: Clock, scope: Scope, steps: list[Step] | None, known: float | None
) -> Optimum:
    """`optimum` where every cycle costs something by itself."""
    price = price_of_cycle(case.machine, case.table, scope)

    def search(toll: Toll | None, known: float, steps: list[Step] | None) -> Optimum:
        found = _searched(case, objective, clock, replace(scope, toll=toll), steps, known, price)
        return as_counted(found, case, priced=True)

    glanced = _glanced(case, objective, scope)
    return Standing(case, objective, price, clock, search).run(glanced.nest if glanced else None, known, steps)


def _glanced(case: Case, objective: str, scope: Scope) -> Candidate | None:
    """Some mapping of a scope, before any search: under constraints, ceilings or a toll none is known."""
    own = case.machine.dataflow
    flow = scope.flow.dataflow if scope.flow else load(own) if own else None
    if flow is None or scope.constraints != FREE or scope.ceilings.given or scope.toll or scope.trade:
        return None
    return glance(case.machine, case.problem, flow, objective, case.table)


def _known(case: Case, objective: str, scope: Scope) -> float:
    """What it costs."""
    found = _glanced(case, objective, scope)
    saved = most_saved(*case) if objective == "energy" else 0.0
    return found.score - saved if found else inf


def why_not(machine: Architecture, table: EnergyTable, timed: bool = False) -> str:
    """Why a machine's mapspace cannot be searched whole; empty: it can. timed : whether cycles count."""
    arrays = [spec.name for spec in machine.levels if spec.fanout.y * spec.fanout.x > 1]
    array = max(machine.pe_level - 1, 0)
    if table.accounting:
        return f"accounting '{table.accounting}' takes what a dataflow keeps"
    if machine.cartesian or machine.cuts or machine.bias or machine.parts:
        return "its counts depend on more than tiles and orders"
    if machine.lock:
        return "its PEs are in lock step, and not every mapping can be"
    if timed and (machine.paced or machine.narrows):
        return "its cycles depend on more than MACs and words"
    if len(arrays) > 1 or (arrays and arrays[0] != machine.levels[array].name):
        return f"it has arrays below {' and '.join(arrays)}, and one right above the PE is searched whole"
    if array > MEMORIES:
        return f"it has {array} memories between the outermost and the PE, and up to {MEMORIES} are searched whole"
    if not is_bounded(machine):
        return "how far sums travel after they are narrowed depends on the mapping"
    return ""
