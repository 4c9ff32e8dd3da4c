"""What a machine may not be at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelsim.architecture.analog import unreadable
from accelsim.architecture.pe import PLAIN
from accelsim.architecture.physical import stepping
from accelsim.errors import AccelsimError, nearest
from accelsim.workload.lowering import Lowering
from accelsim.workload.problem import TENSORS, Tensor

if TYPE_CHECKING:
    from accelsim.architecture.level import Part
    from accelsim.architecture.model import Architecture


def refuse(machine: Architecture) -> None:
    """Raise AccelsimError where rules of time do not go together."""
    if machine.wave is not None and machine.serial in (None, Tensor.PSUM):
        raise AccelsimError(
            f"architecture '{machine.name}': wave: only a stationary ifmap or filter is followed by the next"
        )
    if machine.mac_cycles > 1 and machine.sparsity.skip:
        raise AccelsimError(
            f"architecture '{machine.name}': PEs that skip zeros take one cycle a MAC; leave out cycles or skip"
        )
    _refuse_cartesian(machine)
    _refuse_banks(machine)
    _refuse_lock(machine)
    _refuse_stream(machine)
    _refuse_behind_macs(machine)
    _refuse_runs(machine)
    _refuse_turns(machine)
    _refuse_atoms(machine)
    _refuse_outstanding(machine)
    _refuse_bias(machine)
    _refuse_every(machine)
    _refuse_analog(machine)
    _refuse_homes(machine)
    for level in machine.levels:
        if level.delivery and Tensor.PSUM not in level.keeps:
            raise AccelsimError(f"architecture '{machine.name}': level '{level.name}': delivery: it keeps no psums")


def _refuse_homes(machine: Architecture) -> None:
    """What may hold a tensor between layers: one memory outside the array."""
    homes = {**dict.fromkeys((Tensor.IFMAP, Tensor.PSUM) if machine.between else (), machine.between), **machine.homes}
    homes |= {tensor: part.level for tensor, part in machine.parts.items()}
    for tensor, name in homes.items():
        where, home = f"architecture '{machine.name}': '{name}' is no home of {tensor}", machine.level_index(name)
        names = [level.name for level in machine.levels]
        if home < 0:
            raise AccelsimError(f"{where}: there is no such level{nearest(name, names)}")
        if tensor not in machine.levels[home].keeps:
            raise AccelsimError(f"{where}: it does not keep it")
        if any(level.fanout.y * level.fanout.x > 1 for level in machine.levels[:home]) or home >= machine.pe_level > 0:
            raise AccelsimError(f"{where}: there are several of it; a tensor lives in one memory outside the array")
    if (machine.homes or machine.parts) and (machine.cartesian or machine.bias):
        what = "Cartesian PEs" if machine.cartesian else "a bias out of memory"
        raise AccelsimError(f"architecture '{machine.name}': tensors live between layers on no machine with {what}")
    for tensor, part in machine.parts.items():
        if why := _why_whole(machine, tensor, part):
            raise AccelsimError(f"architecture '{machine.name}': {tensor} lives in '{part.level}' whole or not: {why}")


def _why_whole(machine: Architecture, tensor: Tensor, part: Part) -> str:
    """Why some channels of a tensor cannot live in a level while others do not; empty: they can."""
    home = machine.level_index(part.level)
    if tensor in machine.homes:
        return "it does so whole"
    if machine.levels[0].dram:
        return f"what is left of it has no addresses in the banks of '{machine.levels[0].name}'"
    for level in machine.levels[:home]:
        if level.fanout.network(tensor).has_links:
            return f"the network below '{level.name}' has links"
    if tensor is Tensor.PSUM and any(machine.accumulates(above, home) for above in range(home)):
        return f"psums that leave '{part.level}' are added up on their way"
    if tensor is Tensor.PSUM and any(level.fixed.drain for level in machine.levels[1 : home + 1]):
        return "a drain takes cycles of its own, of whatever words"
    return ""


def _refuse_cartesian(machine: Architecture) -> None:
    if not machine.cartesian:
        return
    where = f"architecture '{machine.name}': a Cartesian PE"
    if machine.paced:
        raise AccelsimError(f"{where} has a pace of its own; it takes no fixed cycles, wave or least")
    if machine.sparsity != PLAIN or any(level.compression for level in machine.levels):
        raise AccelsimError(
            f"{where} skips and encodes in its own way; it takes no gate, skip, pairing, drift, queue or compression"
        )
    if machine.slices:
        raise AccelsimError(f"{where} multiplies whole words; it takes no slices")
    if stepping(machine.physical):
        raise AccelsimError(f"{where} runs no nest; no part acts on its steps")
    if machine.lowering is not Lowering.NONE:
        raise AccelsimError(f"{where} convolves; it takes no lowering: {machine.lowering}")


def _refuse_banks(machine: Architecture) -> None:
    where, outer = f"architecture '{machine.name}'", machine.levels[0]
    if any(level.dram for level in machine.levels[1:]):
        raise AccelsimError(f"{where}: only the outermost level has the banks and rows of a DRAM")
    if outer.dram and (machine.cartesian or outer.compression):
        why = "Cartesian PEs move encoded words" if machine.cartesian else "it stores tensors encoded"
        raise AccelsimError(
            f"{where}: level '{outer.name}': {why}, which have no addresses in the banks of a DRAM; use a link"
        )


def _refuse_lock(machine: Architecture) -> None:
    if machine.lock is None:
        return
    where = f"architecture '{machine.name}': lock"
    if not machine.pe_level:
        raise AccelsimError(f"{where}: it is of the PEs of an array, and there is none")
    if machine.sees_zeros:
        raise AccelsimError(f"{where}: PEs that see zeros are in no lock step")
    if machine.lock.of and machine.levels[0].dram:
        raise AccelsimError(f"{where}: words that are not there have no address in the banks of a DRAM")


def _refuse_atoms(machine: Architecture) -> None:
    where = f"architecture '{machine.name}': atoms"
    if any(level.atoms for level in machine.levels[1:]):
        raise AccelsimError(f"{where}: only words of the outermost level lie in them")
    outer = machine.levels[0]
    if not outer.atoms:
        return
    if Tensor.PSUM in outer.atoms:
        raise AccelsimError(f"{where}: of an ifmap or a filter")
    if outer.fanout.y * outer.fanout.x > 1 or outer.dram or machine.sees_zeros or machine.cartesian:
        raise AccelsimError(f"{where}: not to an array, out of DRAM banks, or where zeros are seen")
    for tensor in outer.atoms:
        if not (outer.read_port or outer.fanout.network(tensor).down):
            raise AccelsimError(
                f"{where}: the {tensor} leaves {outer.name} by no port with a width, so they take no time"
            )


def _refuse_outstanding(machine: Architecture) -> None:
    where = f"architecture '{machine.name}': outstanding"
    if any(level.outstanding for level in machine.levels[1:]):
        raise AccelsimError(f"{where}: only transfers out of the outermost level are so few")
    if machine.levels[0].outstanding and machine.levels[0].turns:
        raise AccelsimError(f"{where}: not where inputs take a port in turn, for what is in turn waits for nothing")


def _refuse_behind_macs(machine: Architecture) -> None:
    where = f"architecture '{machine.name}': cycles"
    for tensor, name in ((Tensor.PSUM, "psum_in"), (Tensor.IFMAP, "window")):
        if tensor in machine.behind_macs and not any(
            tensor in level.keeps for level in machine.levels[machine.pe_level :]
        ):
            raise AccelsimError(f"{where}: {name}: no level inside the PE keeps {tensor}")
    if machine.behind_macs and machine.sees_zeros:
        raise AccelsimError(f"{where}: psum_in and window are of PEs that see no zeros")


def _refuse_stream(machine: Architecture) -> None:
    where = f"architecture '{machine.name}': stream"
    if machine.stream and machine.serial in (None, Tensor.PSUM):
        raise AccelsimError(f"{where}: passes of a stationary ifmap or filter stream in")
    if machine.stream and machine.wave is not None:
        raise AccelsimError(f"{where}: passes that follow a wave overlap, and do not stream in")


def _refuse_turns(machine: Architecture) -> None:
    where = f"architecture '{machine.name}': turns"
    if any(level.turns for level in machine.levels[1:]):
        raise AccelsimError(f"{where}: only the outermost level has them")
    if not machine.levels[0].turns:
        return
    if sorted(machine.levels[0].turns) != [Tensor.FILTER, Tensor.IFMAP]:
        raise AccelsimError(f"{where}: of ifmap and filter, each once")
    if not machine.levels[0].shared_port:
        raise AccelsimError(f"{where}: {machine.levels[0].name} has no port that its inputs share")
    if machine.serial or machine.skew or machine.levels[0].dram or machine.cartesian or machine.sees_zeros:
        raise AccelsimError(f"{where}: not with serial or skewed passes, DRAM banks, or what sees zeros")
    inner = machine.levels[1:]
    if any(
        level.fixed or any(level.buffering(t).value == "stream" for t in (Tensor.IFMAP, Tensor.FILTER))
        for level in inner
    ):
        raise AccelsimError(f"{where}: not with fixed cycles, or into streamed buffers")


def _refuse_bias(machine: Architecture) -> None:
    if machine.bias is None:
        return
    where, keepers = f"architecture '{machine.name}': bias", [one for one in machine.levels if Tensor.PSUM in one.keeps]
    if machine.bias.level not in [level.name for level in keepers[1:]]:
        names = ", ".join(level.name for level in keepers[1:])
        raise AccelsimError(
            f"{where}: '{machine.bias.level}' is no level inside the outermost that keeps psums ({names})"
        )
    to = machine.level_index(machine.bias.level)
    if machine.sees_zeros or machine.cartesian or machine.levels[0].dram:
        raise AccelsimError(f"{where}: not where zeros are seen, or out of a DRAM of banks")
    if any(level.fanout.network(Tensor.PSUM).has_links for level in machine.levels[:to]):
        raise AccelsimError(f"{where}: not over a mesh or a crossbar")


def _refuse_every(machine: Architecture) -> None:
    for index, level in enumerate(machine.levels):
        for tensor, network in level.fanout.networks.items():
            if network.every == 1:
                continue
            where = f"architecture '{machine.name}': level '{level.name}': {tensor}: every"
            if network.has_links:
                raise AccelsimError(f"{where}: not of a mesh, a crossbar or tagged buses")
            if index == 0 and (level.dram or level.turns):
                raise AccelsimError(f"{where}: not out of a DRAM of banks, or where inputs take a port in turn")
            if machine.sees_zeros or machine.cartesian:
                raise AccelsimError(f"{where}: not on a machine that sees zeros")


def _refuse_runs(machine: Architecture) -> None:
    if machine.runs is None:
        return
    where, names = f"architecture '{machine.name}': runs", [level.name for level in machine.levels]
    if machine.runs.level not in names[1:]:
        raise AccelsimError(
            f"{where}: '{machine.runs.level}' is no level inside the outermost ({', '.join(names[1:])})"
        )
    if Tensor.IFMAP not in machine.levels[names.index(machine.runs.level)].keeps:
        raise AccelsimError(f"{where}: '{machine.runs.level}' keeps no ifmap")
    if machine.lowering is not Lowering.NONE or machine.sees_zeros or machine.levels[0].dram:
        raise AccelsimError(f"{where}: not with a lowering, PEs or memories that see zeros, or a DRAM of banks")
    if machine.lock and machine.lock.dims & {"P", "Q"}:
        raise AccelsimError(f"{where}: not with a lock of P or Q, for a run has as many pixels as are left")
    if any(level.fanout.network(t).has_links for level in machine.levels for t in TENSORS):
        raise AccelsimError(f"{where}: not over a mesh, a crossbar or tagged buses")


def refuse_levels(machine: Architecture) -> None:
    """Raise AccelsimError where levels do not go together."""
    where, names = f"architecture '{machine.name}'", [level.name for level in machine.levels]
    for name in names:
        if names.count(name) > 1:
            raise AccelsimError(f"{where}: two levels are called '{name}'")
    missing = set(TENSORS) - machine.levels[0].keeps
    if missing:
        raise AccelsimError(
            f"{where}: the outermost level '{names[0]}' must keep every tensor; it lacks {', '.join(sorted(missing))}"
        )
    if machine.narrow and machine.narrow not in names[1:]:
        raise AccelsimError(
            f"{where}: narrow: '{machine.narrow}' is no level that sums can leave ({', '.join(names[1:])})"
        )
    for index, level in enumerate(machine.levels):
        if Tensor.PSUM in level.compression and level.fanout.y * level.fanout.x > 1:
            raise AccelsimError(
                f"{where}: level '{level.name}' compresses psums, but partial sums arrive from the array below it"
            )
        for tensor in level.keeps:
            inner = any(tensor in one.keeps for one in machine.levels[index + 1 :])
            if level.buffering(tensor).value == "stream" and (index == 0 or inner):
                raise AccelsimError(
                    f"{where}: level '{level.name}': {tensor} is 'stream', which only the innermost level that keeps a "
                    "tensor may be"
                )


def _refuse_analog(machine: Architecture) -> None:
    analog = machine.physical.analog if machine.physical else None
    if analog is None:
        return
    where, names = f"architecture '{machine.name}': analog", [level.name for level in machine.levels]
    if analog.level not in names:
        raise AccelsimError(f"{where}: '{analog.level}' is no level ({', '.join(names)})")
    if why := unreadable(analog, machine.levels):
        raise AccelsimError(f"{where}: {why}")
    if machine.cartesian or machine.runs:
        raise AccelsimError(f"{where}: not of a Cartesian PE, or of runs of pixels")
