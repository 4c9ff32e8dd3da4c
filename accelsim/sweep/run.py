"""Running a plan into a store: points in, layers out to workers, what is finished written at once."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

from accelsim.canonical import sha256
from accelsim.errors import AccelsimError
from accelsim.jobs import Job, Plan, jobs
from accelsim.sweep.identity import inputs_of, layer_keys, point_key, sources
from accelsim.sweep.plan import Fields, SweepPlan
from accelsim.sweep.pools import Pool
from accelsim.sweep.record import Point, Record, point_of
from accelsim.sweep.resolve import shown
from accelsim.sweep.store import Done, Store, StoredPlan
from accelsim.sweep.work import Broke, Task

RECORDS = 4096
"""Records of layers that are kept in memory, for points that share them."""
TRIES = 2
"""Times that a task may end its worker when it is alone, before its points are given up."""


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    points, of : points looked at, of all; found : done before; evaluated : done now; failed : of those that are done;
    forbidden : by constraints. layers : evaluated now. seconds : since it began.
    """

    points: int = 0
    of: int = 0
    found: int = 0
    evaluated: int = 0
    failed: int = 0
    crashed: int = 0
    forbidden: int = 0
    layers: int = 0
    seconds: float = 0.0

    @property
    def points_per_second(self) -> float:
        """Of those that were done now."""
        return self.evaluated / self.seconds if self.seconds else 0.0

    @property
    def layers_per_second(self) -> float:
        """Layers that were evaluated now, over time."""
        return self.layers / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before there is one."""
        new = self.points - self.found
        return (self.of - self.points) * self.seconds / new if new > 0 else None


Tell = Callable[[Progress], None]


@dataclass(eq=False)
class _Waiting:
    """A point of which some layers are not there yet."""

    ordinal: int
    fields: Fields
    plan: Plan
    multiplying: list[Job]
    keys: list[str]
    missing: set[str]
    key: str
    made: dict[str, Any]
    documents: dict[str, tuple[str, dict[str, Any]]]


@dataclass
class Run:
    """One run of a plan into a store on a pool."""

    plan: SweepPlan
    store: Store
    pool: Pool
    tell: Tell = lambda state: None
    state: Progress = field(default_factory=Progress)
    rejected: dict[str, int] = field(default_factory=dict)
    number: int = 0
    _waiting: int = 0
    _begun: float = field(default_factory=time.monotonic)
    _running: dict[Future[Any], Task] = field(default_factory=dict)
    _suspects: deque[tuple[Task, int]] = field(default_factory=deque)
    _asked: dict[str, list[_Waiting]] = field(default_factory=dict)
    _records: OrderedDict[str, Record] = field(default_factory=OrderedDict)
    _ready: list[_Waiting] = field(default_factory=list)
    _new: list[tuple[str, Record]] = field(default_factory=list)
    _crashed: list[tuple[_Waiting, str]] = field(default_factory=list)

    def whole(self) -> Progress:
        """Run every point that is not done yet.

        Raises AccelsimError where the store takes no more, or no point meets the constraints; what is finished is kept
        whatever ends it.
        """
        try:
            self.begin(self.plan.size)
            done = self.store.done(self.number)
            self.points(self.plan.points(), done)
            if self.rejected and sum(self.rejected.values()) == self.plan.size:
                raise self.plan.nothing_left()
            return self.state
        except KeyboardInterrupt:
            self.last()
            raise
        finally:
            self.pool.close()

    def last(self) -> None:
        """Keep what workers have finished by now."""
        for future in [one for one in self._running if one.done() and not one.cancelled() and not one.exception()]:
            del self._running[future]
            self._answered(future.result())
        self._write()

    def begin(self, size: int) -> None:
        """Note the plan in the store."""
        plan = self.plan
        self.number = self.store.add_plan(
            StoredPlan(0, plan.identity, plan.name, size, plan.fields, plan.objectives, plan.data)
        )
        self.state = Progress(of=size)

    def points(self, points: Iterable[tuple[int, Fields]], done: Iterator[int]) -> None:
        """Run points, in order, but for those that are done, whose ordinals come in order too."""
        next_done = next(done, None)
        for ordinal, fields in points:
            while next_done is not None and next_done < ordinal:
                next_done = next(done, None)
            self.count(points=1)
            if ordinal == next_done:
                self.count(found=1)
                continue
            self._add(ordinal, fields)
            self._write()
            while self._enough():
                self._collect()
        while self._running or self._suspects:
            self._collect()
        self._write()

    def _enough(self) -> bool:
        """Whether something is finished, or so much is asked for that no worker will idle: memory stays flat."""
        most = self.pool.workers
        running = self._running
        return (
            bool(self._suspects)
            or any(map(Future.done, running))
            or (bool(running) and (len(running) >= 2 * most or self._waiting >= 64 * most))
        )

    def count(self, **more: int) -> None:
        """Move the progress on, and tell it."""
        changed = {name: getattr(self.state, name) + number for name, number in more.items()}
        self.state = replace(self.state, **changed, seconds=time.monotonic() - self._begun)
        self.tell(self.state)

    def _add(self, ordinal: int, fields: Fields) -> None:
        """Ask for what a point needs; one that cannot be built is done already, with its error."""
        try:
            unmet = self.plan.unmet(fields)
            if unmet:
                self.rejected[unmet.text] = self.rejected.get(unmet.text, 0) + 1
                self.count(forbidden=1)
                return
            plan = self.plan.resolver.plan(fields)
            made, documents = inputs_of(plan)
            multiplying = jobs(plan)
            keys = layer_keys(multiplying, plan)
        except AccelsimError as error:
            self._refused(ordinal, fields, error)
            return
        key = point_key(made)
        if self.store.has_point(key):
            with self.store.writing():
                self.store.add_entry(self.number, ordinal, _named(fields), key)
            self.count(found=1)
            return
        missing = {one for one in keys if self._record(one) is None}
        waiting = _Waiting(ordinal, fields, plan, multiplying, keys, missing, key, made, documents)
        wanted = []
        for one, job in zip(keys, multiplying, strict=True):
            if one in missing and one not in self._asked:
                self._asked[one] = []
                wanted.append((one, job))
        for one in missing:
            self._asked[one].append(waiting)
        if wanted:
            self._submit(Task(plan, tuple(wanted)))
        if missing:
            self._waiting += 1
        else:
            self._ready.append(waiting)

    def _refused(self, ordinal: int, fields: Fields, error: AccelsimError) -> None:
        key = sha256([sources(), "refused", self.plan.identity, ordinal])
        with self.store.writing():
            self.store.add_point(Done(key, {}, {}, (), Point({}, str(error))))
            self.store.add_entry(self.number, ordinal, _named(fields), key)
        self.count(evaluated=1, failed=1)

    def _record(self, key: str) -> Record | None:
        """A layer that is done: from memory, or from the store."""
        found = self._records.get(key)
        if found is None:
            found = self.store.layer(key)
            if found is not None:
                self._keep(key, found)
        else:
            self._records.move_to_end(key)
        return found

    def _keep(self, key: str, record: Record) -> None:
        self._records[key] = record
        while len(self._records) > RECORDS:
            self._records.popitem(last=False)

    def _submit(self, task: Task) -> None:
        self._running[self.pool.submit(task)] = task

    def _collect(self) -> None:
        """Wait for something to be finished, and write it."""
        if not self._running and self._suspects:
            self._alone(*self._suspects.popleft())
            self._write()
            return
        finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
        lost = []
        for future in finished:
            task = self._running.pop(future)
            try:
                self._answered(future.result())
            except BrokenExecutor:
                lost.append(task)
            except CancelledError:
                raise AccelsimError("the workers are gone; what is finished is kept") from None
            except Exception as error:
                self._broke(task, f"{type(error).__name__}: {error}".split("\n")[0])
        if lost:
            self.pool.again()
            if not self.pool.begins():
                raise AccelsimError(
                    "workers end as soon as they begin: a script that sweeps needs 'if __name__ == \"__main__\":' "
                    "around it, or workers=1"
                )
            # who ended the worker is not known: each runs alone, once what is whole has been written
            lost += self._running.values()
            self._running.clear()
            self._suspects.extend((task, 0) for task in lost)
        self._write()

    def _alone(self, task: Task, tries: int) -> None:
        """Run a task that was there when a worker was lost, with no other beside it."""
        try:
            self._answered(self.pool.submit(task).result())
        except BrokenExecutor:
            self.pool.again()
            if tries + 1 < TRIES:
                self._suspects.appendleft((task, tries + 1))
            else:
                self._broke(task, f"its worker ended {TRIES} times, without an error (memory?)")
        except Exception as error:
            self._broke(task, f"{type(error).__name__}: {error}".split("\n")[0])

    def _answered(self, answers: Iterable[tuple[str, Record | Broke]]) -> None:
        for key, answer in answers:
            if isinstance(answer, Broke):
                self._lost(key, answer.error)
                continue
            self._new.append((key, answer))
            self._keep(key, answer)
            self.count(layers=1)
            for waiting in self._asked.pop(key, ()):
                waiting.missing.discard(key)
                if not waiting.missing:
                    self._waiting -= 1
                    self._ready.append(waiting)

    def _broke(self, task: Task, error: str) -> None:
        for key, job in task.jobs:
            self._lost(key, f"{job.layer.name}: {error}")

    def _lost(self, key: str, error: str) -> None:
        """Give up the points that wait for a layer."""
        for waiting in self._asked.pop(key, ()):
            if waiting.missing:
                waiting.missing = set()
                self._waiting -= 1
                self._crashed.append((waiting, error))
                for others in self._asked.values():
                    if waiting in others:
                        others.remove(waiting)

    def _write(self) -> None:
        """Keep what is finished: layers and the points they end, in one transaction."""
        if not (self._new or self._ready or self._crashed):
            return
        done = [(waiting, self._done(waiting)) for waiting in self._ready]
        with self.store.writing():
            self.store.add_layers(self._new)
            for waiting, point in done:
                self.store.add_point(point)
                self.store.add_entry(self.number, waiting.ordinal, _named(waiting.fields), point.key)
            for waiting, error in self._crashed:
                self.store.add_crash(self.number, waiting.ordinal, _named(waiting.fields), error)
        failed = sum(bool(point.point.error) for _, point in done)
        crashed = len(self._crashed)
        self._new, self._ready, self._crashed = [], [], []
        self.count(evaluated=len(done), failed=failed, crashed=crashed)

    def _done(self, waiting: _Waiting) -> Done:
        records = [self._record(key) or self._fresh(key) for key in waiting.keys]
        point = point_of(waiting.plan, waiting.multiplying, records)
        parameters = dict(waiting.plan.ran.parameters)
        return Done(waiting.key, waiting.made, parameters, waiting.keys, point, waiting.documents)

    def _fresh(self, key: str) -> Record:
        """A record that is not written yet, and that memory has let go of."""
        return next(record for name, record in self._new if name == key)


def _named(fields: Fields) -> Fields:
    """Fields as a store has them: objects by their name."""
    return {name: shown(value) for name, value in fields.items()}
