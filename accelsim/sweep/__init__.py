"""Many designs: what is varied, evaluated on any number of workers, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from accelsim.sweep.run import Progress
    from accelsim.sweep.swept import Sweep


def sweep(
    what: str | Path | Mapping[str, Any] | None = None,
    *,
    store: str | Path | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    **fields: Any,
) -> Sweep:
    """Run every point of a sweep that its store does not have yet.

    Parameters
    ----------
    what, fields : a sweep file, or its keys (docs/sweeps.md): ``sweep(arch="eyeriss", workload=["alexnet", "vgg16"])``;
        machines and networks may be objects. Keys given go before those of the file.
    store : the file that keeps what is done, and that another call goes on from; default: ``NAME.sweep`` of the sweep's
        name, in the working directory.
    workers : processes; default: as many as there are cores. 1 is this process.
    executor : any `concurrent.futures.Executor` instead. scheduler : the address of a Dask cluster instead.
    progress : called with how far it is.

    Raises
    ------
    AccelsimError : what is asked for is wrong; the store takes no more. What is finished is kept.
    """
    # numba and the models load only when something is swept
    from accelsim.sweep.swept import sweep as run

    return run(what, fields, store, workers, executor, scheduler, progress)
