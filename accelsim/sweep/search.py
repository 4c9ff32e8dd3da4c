"""A search for good designs instead of a grid: Optuna proposes, workers evaluate, the store keeps.

Designs are asked for in rounds of `at_once`, and told in the order they were asked for, so what is found depends on the
seed and not on the workers. A search that was cut short is begun anew: it asks for the same designs, and those that the
store has take no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accelsim.errors import AccelsimError
from accelsim.sweep.axes import Axis
from accelsim.sweep.plan import Fields, SweepPlan
from accelsim.sweep.run import Progress, Run
from accelsim.sweep.yaml import Sampler, SearchSpec

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial


def searched(run: Run) -> Progress:
    """Run a plan's search. Raises AccelsimError, one line, without Optuna or for a storage that cannot be used."""
    plan = run.plan
    assert plan.search is not None
    study = _study(plan, plan.search)
    try:
        run.begin(plan.search.trials)
        done = set(run.store.done(run.number))
        ordinal, rejected = 0, 0
        while ordinal < plan.search.trials:
            size = min(plan.search.at_once, plan.search.trials - ordinal)
            trials = [study.ask() for _ in range(size)]
            asked = [(ordinal + index, _fields(plan, trial)) for index, trial in enumerate(trials)]
            allowed = [(number, fields) for number, fields in asked if not _forbidden(plan, fields)]
            forbidden = size - len(allowed)
            rejected += forbidden
            if forbidden:
                run.count(points=forbidden, forbidden=forbidden)
            run.points(allowed, iter(sorted(done & {number for number, _ in allowed})))
            rows = run.store.rows_of(run.number, ordinal, ordinal + size)
            for (number, _), trial in zip(asked, trials, strict=True):
                _tell(study, trial, [rows.get(number, {}).get(name) for name in plan.objectives])
            ordinal += size
        if rejected == plan.search.trials:
            raise plan.nothing_left()
        return run.state
    except KeyboardInterrupt:
        run.last()
        raise
    finally:
        run.pool.close()


def _study(plan: SweepPlan, search: SearchSpec) -> Study:
    try:
        import optuna
    except ImportError:
        raise AccelsimError("a search needs Optuna: pip install 'accelsim[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            storage=search.storage,
            # a study of its own for each run: the store, not the study, knows what is done
            study_name=None if search.storage is None else _free(plan.name, search.storage),
            sampler=_sampler(search, len(plan.objectives)),
            directions=["minimize"] * len(plan.objectives),
        )
    except Exception as error:
        # its storages raise whatever their drivers do
        raise AccelsimError(f"search.storage: '{search.storage}': {str(error).splitlines()[0]}") from None


def _free(name: str, storage: str) -> str:
    """A name that no study in a storage has."""
    import optuna

    taken, found, number = set(optuna.get_all_study_names(storage)), name, 2
    while found in taken:
        found, number = f"{name} {number}", number + 1
    return found


def _sampler(search: SearchSpec, objectives: int) -> BaseSampler:
    from optuna.samplers import NSGAIISampler, TPESampler

    if search.sampler is Sampler.NSGA2:
        return NSGAIISampler(population_size=search.at_once, seed=search.seed)
    # without a constant liar the trials of one round would be the same few
    return TPESampler(seed=search.seed, n_startup_trials=max(10, search.at_once), constant_liar=True)


def _fields(plan: SweepPlan, trial: Trial) -> Fields:
    """A design: the step of each axis. Where an axis is a range of numbers its steps are in order, so they are near."""
    found: Fields = {}
    for axis in plan.grid.axes:
        name = ", ".join(axis.names)
        if len(axis) == 1:
            step = 0
        elif _ordered(axis):
            step = trial.suggest_int(name, 0, len(axis) - 1)
        else:
            step = trial.suggest_categorical(name, list(range(len(axis))))
        found |= axis.at(step)
    return found


def _ordered(axis: Axis) -> bool:
    from accelsim.sweep.where import number

    column = [number(values[0]) for values in axis.values]
    kinds = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
    return kinds and column == sorted(column)


def _forbidden(plan: SweepPlan, fields: Fields) -> bool:
    try:
        return plan.unmet(fields) is not None
    except AccelsimError:
        return False  # it is recorded with its error


def _tell(study: Study, trial: Trial, values: list[Any]) -> None:
    from optuna.trial import TrialState

    if any(value is None for value in values):
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, values)
