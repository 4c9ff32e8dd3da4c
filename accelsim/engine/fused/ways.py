"""The ways of words between the outermost level and the buffer of a fused group: ports, cycles, latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from accelsim.architecture.model import Architecture, Port
from accelsim.errors import AccelsimError
from accelsim.workload.problem import Tensor, Width

Ints = npt.NDArray[np.int64]


class Way(NamedTuple):
    """ports : held by a transfer. bits : of a word. latency : cycles behind a transfer."""

    ports: tuple[Port, ...]
    bits: int
    latency: int


NOWHERE = Way((), 1, 0)


@dataclass(frozen=True)
class Ways:
    """Between the outermost level and the homes of tensors.

    ifmap, filter : of what comes in. psum : of final outputs on their way out.
    spill, refill : of outputs in progress, out and in again, at the width of psums; default: they take no time.
    """

    ifmap: Way
    filter: Way
    psum: Way
    spill: Way = NOWHERE
    refill: Way = NOWHERE

    @staticmethod
    def of(machine: Architecture, filters: Way | None = None) -> Ways:
        """Of a machine whose tensors have homes on the chip (`Architecture.homes`). filters : theirs, if not by a home.

        Banks of a DRAM are left out: words stream at its peak rate. Raises AccelsimError for a tensor without a home.
        """
        return Ways(
            way_of(machine, Tensor.IFMAP),
            filters or way_of(machine, Tensor.FILTER),
            way_of(machine, Tensor.PSUM),
            way_of(machine, Tensor.PSUM, in_progress=True),
            way_of(machine, Tensor.PSUM, in_progress=True, back=True),
        )

    @property
    def all(self) -> tuple[Way, ...]:
        """Every one."""
        return self.ifmap, self.filter, self.psum, self.spill, self.refill

    @cached_property
    def ports(self) -> tuple[str, ...]:
        """All that any of them holds, each once."""
        found = dict.fromkeys(port.name for way in self.all for port in way.ports)
        return tuple(found) or ("none",)

    def work(self, way: Way, words: Ints | Sequence[int]) -> Ints:
        """int64[any, port]: cycles that transfers of so many words hold each port; rounded up once a transfer."""
        sizes = np.asarray(words, np.int64)
        found = np.zeros((len(sizes), len(self.ports)), np.int64)
        for port in way.ports:
            at = self.ports.index(port.name)
            # a time, not a bound: rounded up
            found[:, at] = np.maximum(found[:, at], replace(port, peak=False).cycles(sizes, way.bits))
        return found


def way_of(machine: Architecture, tensor: Tensor, in_progress: bool = False, back: bool = False) -> Way:
    """Of one tensor, between the outermost level and its home.

    in_progress : psums that are no outputs yet. back : in again. Raises AccelsimError for a tensor without a home.
    """
    home, out = machine.home(tensor), tensor is Tensor.PSUM and not back
    if not home:
        raise AccelsimError(f"architecture '{machine.name}': a fused group needs a home of {tensor} on the chip")
    outermost, buffer = machine.levels[0], machine.levels[home]
    networks = [level.fanout.network(tensor) for level in machine.levels[:home]]
    ends = (buffer.read_port, outermost.write_port) if out else (outermost.read_port, buffer.write_port)
    ports = (*(network.up if out else network.down for network in networks), *ends)
    latency = sum(network.latency for network in networks)
    width = Width.OFMAP if tensor is Tensor.PSUM and not in_progress else Width(tensor.value)
    return Way(tuple(port for port in ports if port), machine.widths[width], latency)
