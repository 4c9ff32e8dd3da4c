"""What commands share that run something: with a bar, and with what could not be run told at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from accelsim.errors import AccelsimError

if TYPE_CHECKING:
    from accelsim.result import Result

WRITES = ("architecture", "out", "report_to", "carbon", "as_json", "check", "store")
"""Options that say what is written of a run, not what is run."""


def simulated(architecture: str, workload: str, **options: Any) -> Result:
    """A run; layers that could not be mapped are in it, unless it is all of them."""
    from accelsim.report.progress import progress
    from accelsim.simulate import simulate

    with progress() as step:
        result = simulate(architecture, workload, progress=step, tolerant=True, **options)
    if not result.layers:
        tell_failures(result)
    return result


def run_again(context: typer.Context, file: str, store: Path | None) -> Result:
    """Run a result, or a point of a store, again: what it ran is there, so only what is written may be chosen."""
    if not (store or file.endswith(".json")):
        raise AccelsimError("run takes an ARCH and a WORKLOAD, or a result.json alone")
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        given = source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")
        if given and option.name not in WRITES:
            raise AccelsimError(f"{option.opts[0]}: {file} says what is run; leave the option out")
    from accelsim.report.progress import progress
    from accelsim.simulate import rerun

    with progress() as step:
        if store:
            from accelsim.sweep.again import again

            result = again(store, file, step)
        else:
            result = rerun(file, progress=step)
    if not result.layers:
        tell_failures(result)
    return result


def tell_failures(result: Result) -> None:
    """End with all reasons where a layer could not be mapped; what could be is printed and written by then."""
    if result.failures:
        from accelsim.outcome import reasons

        raise AccelsimError("\n".join(f"not run: {reason}" for reason in reasons(result.failures)))
