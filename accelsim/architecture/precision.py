"""A machine that runs words of other widths than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from accelsim.architecture.model import Architecture, Level, Network, Port
from accelsim.errors import AccelsimError
from accelsim.workload.problem import TENSORS, Tensor, Width


def with_bits(machine: Architecture, bits: Mapping[Width, int]) -> Architecture:
    """The machine with words of these bits; memories, ports and links stay as wide as they are.

    What the machine's file declares in words is so many words of its own width: a port of 4 words of 16 b is 64 b wide
    and carries 8 words of 8 b. (Capacities are in bits already.)

    Sums of no more bits than the machine's ofmap words are narrowed no more.

    Raises AccelsimError for a port in words that tensors of different widths share: how wide it is, is not known.
    """
    words = {tensor: bits.get(Width(tensor), machine.word_bits[tensor]) for tensor in TENSORS}
    ofmap = bits.get(Width.OFMAP, machine.ofmap_bits)
    if Width.OFMAP in bits and ofmap > words[Tensor.PSUM]:
        raise AccelsimError(f"bits: an ofmap of {ofmap} b is wider than its psum of {words[Tensor.PSUM]} b")
    ofmap = min(ofmap, words[Tensor.PSUM])
    if words == machine.word_bits:
        return machine if ofmap == machine.ofmap_bits else replace(machine, ofmap_bits=ofmap)
    widths: dict[str, set[int]] = {}
    for port, tensor in _uses(machine):
        if port.in_words:
            widths.setdefault(port.name, set()).add(machine.word_bits[tensor])
    for name, found in widths.items():
        if len(found) > 1:
            sizes = " and ".join(str(size) for size in sorted(found))
            raise AccelsimError(
                f"bits: port '{name}' of '{machine.name}' is declared in words, which are of {sizes} b; "
                "declare it in bits to run words of other widths"
            )
    fixed = {name: found.pop() for name, found in widths.items()}
    return replace(
        machine, word_bits=words, ofmap_bits=ofmap, levels=tuple(_fixed(level, fixed) for level in machine.levels)
    )


def _uses(machine: Architecture) -> Iterator[tuple[Port, Tensor]]:
    """Every port with each tensor that it may carry."""
    for level in machine.levels:
        for port in (level.read_port, level.write_port):
            if port:
                yield from ((port, tensor) for tensor in TENSORS if tensor in level.keeps)
        for tensor, network in level.fanout.networks.items():
            yield from ((port, tensor) for port in _ports(network) if port)


def _ports(network: Network) -> tuple[Port | None, ...]:
    return network.down, network.up, network.child_down, network.child_up


def _fixed(level: Level, widths: Mapping[str, int]) -> Level:
    """The level with its ports in bits."""

    def port(found: Port | None) -> Port | None:
        # a port that nothing passes is left as it is
        if found is None or found.name not in widths:
            return found
        bits = widths[found.name]
        second = None if found.per_second is None else found.per_second * bits
        return replace(found, rate=found.rate * bits, in_words=False, per_second=second)

    def network(found: Network) -> Network:
        down, up, child_down, child_up = (port(each) for each in _ports(found))
        return replace(found, down=down, up=up, child_down=child_down, child_up=child_up)

    networks = {tensor: network(found) for tensor, found in level.fanout.networks.items()}
    return replace(
        level,
        read_port=port(level.read_port),
        write_port=port(level.write_port),
        fanout=replace(level.fanout, networks=networks),
    )
