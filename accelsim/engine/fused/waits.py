"""What the passes and transfers of a fused group waited for: read back out of when they ran (docs/model.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.engine.fused.schedule import Clock

Ints = npt.NDArray[np.int64]
PORT, PASS, TRANSFER, DRAIN = range(4)


class Wait(NamedTuple):
    """Who let an activity begin no earlier. at : number of a port, a pass, a transfer, or the tile of a drain.

    rule : of docs/model.md.
    """

    kind: int
    at: int
    rule: str


@dataclass(frozen=True, eq=False)
class Waits:
    """Of a group that has run."""

    clock: Clock

    @cached_property
    def free(self) -> Ints:
        """int64[transfers and then drains, port]: when each lets go of a port; -1: it does not use it."""
        clock = self.clock
        transfers, drains = clock.schedule.transfers, clock.schedule.drains
        streamed = np.zeros(len(clock.came), np.int64)
        beside = np.flatnonzero((transfers.beside >= 0) & (transfers.work.max(axis=1, initial=0) > 1))
        streamed[beside] = clock.ends[transfers.beside[beside]] + 1
        come = np.maximum(clock.came[:, None] + transfers.work, streamed[:, None])
        found = np.concatenate([come, clock.left[:, None] + drains])
        found[np.concatenate([transfers.work, drains]) <= 0] = -1
        return found

    @cached_property
    def _before(self) -> Ints:
        """The same of whoever held each port before; -1: nobody did."""
        schedule = self.clock.schedule
        tiles, many = len(schedule.closes), len(self.clock.came)
        keys = np.concatenate([schedule.transfers.kappa, schedule.closes])
        kind = np.repeat([1, 0], [many, tiles])
        order = np.lexsort((np.concatenate([np.arange(many), np.arange(tiles)]), kind, keys))
        found = np.full_like(self.free, -1)
        for port in range(self.free.shape[1]):
            holders = order[self.free[order, port] >= 0]
            found[holders[1:], port] = self.free[holders[:-1], port]
        return found

    def _port(self, activity: int, begins: int) -> Wait | None:
        ports = np.flatnonzero((self._before[activity] == begins) & (self.free[activity] >= 0))
        return Wait(PORT, int(ports[0]), "T9") if len(ports) and begins else None

    def of_transfer(self, at: int) -> Wait | None:
        """Of what comes in; None: it began with the group."""
        clock, begins = self.clock, int(self.clock.came[at])
        schedule = clock.schedule
        transfers = schedule.transfers
        after, beside = int(transfers.after[at]), int(transfers.beside[at])
        if not begins:
            return None
        if after >= 0 and clock.ends[after] == begins:
            return Wait(PASS, after, "T6")
        if beside >= 0 and begins == self._streams_from(at, beside):
            return Wait(PASS, beside, "T6")
        for tile, behind, rule in (
            (int(transfers.freed[at]), 0, "T6"),
            (int(transfers.back[at]), schedule.latency[2], "T5"),
        ):
            if tile >= 0 and schedule.drains[tile, 0] >= 0 and clock.gone[tile] + behind == begins:
                return Wait(DRAIN, tile, rule)
        return self._port(at, begins)

    def _streams_from(self, at: int, beside: int) -> int:
        """When a filter may follow the one before it through the ring: behind the first unit of that one's pass."""
        clock = self.clock
        many = clock.schedule.cycles[beside] > 1 and clock.schedule.transfers.work[at].max() > 1
        return int(clock.begins[beside] + 1 if many else clock.ends[beside])

    def of_drain(self, tile: int) -> Wait | None:
        """Of what leaves."""
        clock, closes = self.clock, int(self.clock.schedule.closes[tile])
        begins = int(clock.left[tile])
        if begins == clock.ends[closes]:
            return Wait(PASS, closes, "T7")
        return self._port(len(clock.came) + tile, begins)

    def of_pass(self, k: int) -> Wait | None:
        """Of a pass that did not follow the one before at once; the first in the order of T9, as T15 has it."""
        clock, begins = self.clock, int(self.clock.begins[k])
        if not clock.gap[k]:
            return None
        schedule = clock.schedule
        own = self._needed_by(k)
        found = [((int(schedule.transfers.kappa[at]), 1, at), Wait(TRANSFER, at, "T5")) for at in own.tolist()]
        found = [one for one in found if self._there(one[1].at, k) == begins]
        for tile in np.flatnonzero(schedule.opened == k).tolist():
            if schedule.drains[tile, 0] >= 0 and clock.gone[tile] == begins:
                found.append(((int(schedule.closes[tile]), 0, tile), Wait(DRAIN, tile, "T6")))
        return min(found)[1] if found else None

    @cached_property
    def _by_pass(self) -> tuple[Ints, Ints]:
        needed = self.clock.schedule.transfers.needed
        order = np.argsort(needed, kind="stable")
        return order, needed[order]

    def _needed_by(self, k: int) -> Ints:
        order, needed = self._by_pass
        first, last = np.searchsorted(needed, [k, k + 1])
        return order[first:last]

    def _there(self, at: int, k: int) -> int:
        """When pass k may begin for what comes."""
        clock, transfers = self.clock, self.clock.schedule.transfers
        when, units = int(clock.come[at]), int(transfers.slice[at])
        if units >= 0 and clock.schedule.cycles[k] > 1 and units < transfers.work[at].max():
            when = int(clock.came[at]) + units
        return when + int(transfers.latency[at])
