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


@dataclass(frozen=True)
class Ways:
    """Of inputs, filters and outputs, between the outermost level and their homes."""

    ifmap: Way
    filter: Way
    psum: Way

    @staticmethod
    def of(machine: Architecture) -> Ways:
        """Of a machine whose tensors have homes on the chip (`Architecture.homes`).

        Banks of a DRAM are left out: words stream at its peak rate. Raises AccelsimError for a tensor without a home.
        """
        return Ways(*(way_of(machine, tensor) for tensor in (Tensor.IFMAP, Tensor.FILTER, Tensor.PSUM)))

    @cached_property
    def ports(self) -> tuple[str, ...]:
        """All that any of them holds, each once."""
        found = dict.fromkeys(port.name for way in (self.ifmap, self.filter, self.psum) for port in way.ports)
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


def way_of(machine: Architecture, tensor: Tensor) -> Way:
    """Of one tensor, between the outermost level and its home. Raises AccelsimError for a tensor without one."""
    home, out = machine.home(tensor), tensor is Tensor.PSUM
    if not home:
        raise AccelsimError(f"architecture '{machine.name}': a fused group needs a home of {tensor} on the chip")
    outermost, buffer = machine.levels[0], machine.levels[home]
    networks = [level.fanout.network(tensor) for level in machine.levels[:home]]
    ends = (buffer.read_port, outermost.write_port) if out else (outermost.read_port, buffer.write_port)
    ports = (*(network.up if out else network.down for network in networks), *ends)
    width = Width.OFMAP if out else Width(tensor.value)
    latency = sum(network.latency for network in networks)
    return Way(tuple(port for port in ports if port), machine.widths[width], latency)
