"""The ports of networks with links in the cycle evaluator: how long each version of a stream holds them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelsim.engine.networks.links import Crossing, crossings
from accelsim.engine.program import DRAIN_ACTIVITY, OLD_ACTIVITY, PSUM, Ints, PortUse, Program
from accelsim.mapping.finals import WIDE

Labels = list[list[tuple[str, bool]]]


def cross(
    program: Program, held: list[PortUse], uses: Ints, rates: Ints, start: Ints, number: Ints, begin: Ints, back: Ints,
    final: npt.NDArray[np.uint8], work: Ints,
) -> tuple[tuple[Crossing, Ints, Ints], ...]:  # fmt: skip
    """Every crossing, its words per link over the layer and those narrowed; writes cycles at its ports into `work`.

    held : one for each row of `uses`. final : uint8[version], a tile's last. The
    other arrays are those of `kernels.versions.generate`.
    """
    found = []
    timed = [e for e, edge in enumerate(program.edges) if not edge[3] or edge[1] < program.architecture.pe_level]
    for crossing in crossings(program):
        x = timed.index(crossing.edge)
        rows = slice(int(start[x]), int(start[x] + number[x]))
        keys, index = crossing.of_versions(begin[rows])
        loads = [crossing.loads(key) for key in keys]
        last = final[rows].astype(bool)
        finals = program.finals.get((int(program.edges[crossing.edge, 1]), int(program.edges[crossing.edge, 2])), WIDE)
        narrow = last if crossing.tensor == PSUM and crossing.fanout in finals.fanouts else np.zeros_like(last)
        totals = [
            np.sum([n * load.total for n, load in zip(times, loads, strict=True)], axis=0)
            for times in (np.bincount(of, minlength=len(keys)) for of in (index, index[narrow]))
        ]
        found.append((crossing, *totals))
        for u, use in enumerate(held):
            if uses[u, 0] != x or use.fanout != crossing.fanout or use.root < 0:
                continue
            old = uses[u, 3] == OLD_ACTIVITY
            words = np.array([(load.entered if old else load.busiest)[use.root] for load in loads], np.int64)
            wide, narrower = ((words * rates[u, i] + rates[u, 1] - 1) // rates[u, 1] for i in (0, 2))
            drain = uses[u, 3] == DRAIN_ACTIVITY
            cycles = np.where(last & drain, narrower[index], wide[index])
            # an old psum, or a refill, that does not exist takes no time
            work[rows, u - uses[u, 2]] = np.where((back[rows] == -2) & (not drain), 0, cycles)
    return tuple(found)


def drop_dominated(
    held: list[PortUse], uses: Ints, rates: Ints, labels: Labels, uses_at: Ints, start: Ints, work: Ints
) -> tuple[Ints, Ints, Labels, Ints, Ints]:
    """Leave out ports of a mesh that another one always outlasts: what uses them also uses that one, for as long.

    Returns (uses, rates, labels, uses_at, work) without them.
    """
    kept = _binding(held, uses, start, work)
    first = np.searchsorted(uses[kept, 0], np.arange(len(labels) + 1))
    slots = max(1, *np.diff(first).tolist())
    shorter = np.zeros((len(work), slots), np.int64)
    spans = np.zeros_like(uses_at)
    renamed: Labels = []
    for x in range(len(labels)):
        mine = kept[first[x] : first[x + 1]]
        rows = slice(int(start[x]), int(start[x + 1]))
        shorter[rows, : len(mine)] = work[rows][:, mine - uses[mine, 2]]
        renamed.append([labels[x][u - uses[u, 2]] for u in mine])
        drains = int((uses[mine, 3] == DRAIN_ACTIVITY).sum())
        spans[x] = (0, len(mine) - drains), (len(mine) - drains, drains)
    left = uses[kept].copy()
    left[:, 2] = first[left[:, 0]]
    return left, rates[kept], renamed, spans, shorter


def _binding(held: list[PortUse], uses: Ints, start: Ints, work: Ints) -> Ints:
    """int64[kept], rows of `uses` that are not dominated."""
    users: dict[str, dict[tuple[int, bool], int]] = {}
    for u, use in enumerate(held):
        if use.fanout >= 0:
            users.setdefault(use.port.name, {})[int(uses[u, 0]), bool(uses[u, 3] == DRAIN_ACTIVITY)] = u

    def cycles(u: int) -> Ints:
        rows = slice(int(start[uses[u, 0]]), int(start[uses[u, 0] + 1]))
        column: Ints = work[rows, u - uses[u, 2]]
        return column

    def outlasts(long: str, short: str) -> bool:
        for who, u in users[short].items():
            other = users[long].get(who)
            if other is None or held[other].outermost > held[u].outermost:
                return False
            if (cycles(u) > cycles(other)).any():
                return False
        return True

    gone: set[str] = set()
    for name in [name for name, by in users.items() if any(held[u].root >= 0 for u in by.values())][::-1]:
        if any(outlasts(other, name) for other in users if other != name and other not in gone):
            gone.add(name)
    return np.array([u for u, use in enumerate(held) if use.port.name not in gone or use.fanout < 0], np.int64)
