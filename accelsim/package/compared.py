"""A package at several values of one thing that is set: how much faster each is, and what binds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from accelsim.arguments import settings
from accelsim.errors import AccelsimError
from accelsim.package.outcome import Packaged
from accelsim.package.running import LAYERS, Progress, simulate_package


@dataclass(frozen=True)
class Point:
    """One value. speedup : over the first one, in time. work : share of all cores' time that is work.

    binds : the largest bound and the largest cause of idle time.
    """

    label: str
    cores: int
    cycles: int
    ms: float
    speedup: float
    work: float
    binds: str

    def to_dict(self) -> dict[str, Any]:
        """A document."""
        return asdict(self)


def values_of(given: Sequence[str]) -> tuple[str, list[str], dict[str, Any]]:
    """What is set to several values, ``cores=1,2,4``, these, and the rest. AccelsimError without exactly one."""
    several = [one for one in given if "," in one.partition("=")[2] and not one.partition("=")[2].startswith("[")]
    if len(several) != 1:
        raise AccelsimError("compare of a package: set one thing to several values, --set cores=1,2,4,8")
    name, _, values = several[0].partition("=")
    rest = [one for one in given if one is not several[0]]
    return name.strip(), [value.strip() for value in values.split(",")], settings("--set", rest)


def _binding(found: Packaged) -> str:
    """The bound that binds; of one that adds up layer by layer, what binds most by itself."""
    single = [one for one in found.bounds if one.what != LAYERS]
    if found.bound.what != LAYERS or not single:
        return found.bound.what
    return f"{LAYERS}, most by {max(single, key=lambda one: one.cycles).what}"


def compared(
    package: str, workload: str, given: Sequence[str], batch: int = 1, progress: Progress | None = None, **options: Any
) -> list[Point]:
    """Run all points, in the order they are given."""
    name, values, rest = values_of(given)
    points: list[Point] = []
    for value in values:
        setting = f"{name}={value}"
        label = (
            (lambda done, of, layer, setting=setting: progress(done, of, f"{setting} {layer}")) if progress else None
        )
        parameters = {**rest, **settings("--set", [setting])}
        found = simulate_package(package, workload, batch=batch, parameters=parameters, progress=label, **options)
        idle = found.idle_total
        most = max(idle, key=lambda cause: idle[cause]) if idle else ""
        total = found.makespan * len(found.work)
        points.append(
            Point(
                setting,
                len(found.work),
                found.cycles,
                found.ms,
                points[0].ms / found.ms if points and found.ms else 1.0,
                float(sum(found.work) / total) if total else 1.0,
                f"{_binding(found)} ({float(found.gap):.1%} above)" + (f"; idle: {most}" if most else ""),
            )
        )
    return points
