"""A machine as the plain data of a file: written from the object, so that what code changed is in it too."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, fields, replace
from fractions import Fraction
from typing import Any

from accelsim.architecture.dram.model import Dram
from accelsim.architecture.dram.spec import NONE, spelled
from accelsim.architecture.model import (
    MAY_REDUCE,
    Architecture,
    Cartesian,
    Fanout,
    Level,
    Network,
    NetworkKind,
    Port,
)
from accelsim.architecture.modes import data_of
from accelsim.architecture.physical import written as physical_data
from accelsim.architecture.yaml import architecture_of
from accelsim.errors import AccelsimError, SpecError
from accelsim.parameters import substitute
from accelsim.quantities import exact as decimal
from accelsim.quantities import written
from accelsim.workload.problem import LOOP_DIMS, REDUCTION_DIMS, TENSORS, Tensor, Width
from accelsim.yamlfile import Document

Data = dict[str, Any]
_FAST = 1e12  # Hz; what is given as time is most cycles there


def document_of(architecture: Architecture) -> Data:
    """What a file would say of this machine, parameters put in; `architecture_of` makes an equal machine of it.

    A machine read from a file gives that file's own words, as far as code has not changed the machine since.

    Raises AccelsimError for a machine built in code that no file can describe.
    """
    data: Data = {}
    for data in _candidates(architecture):
        if _means(data, architecture):
            return data
    raise AccelsimError(
        f"architecture '{architecture.name}' was built in code, and no file can describe it: "
        f"{_reason(data, architecture)}"
    )


def source_of(machine: Architecture) -> Data | None:
    """The file's own words, its parameters not put in yet; None if code has built or changed the machine."""
    if machine.document is None or not _means(machine.document, machine):
        return None
    return deepcopy(dict(machine.document))


def _candidates(machine: Architecture) -> list[Data]:
    """The file's own words, these with what stands at the top of a file as it is now, and all of it written anew."""
    anew = _written(machine)
    if machine.document is None:
        return [anew]
    found = Document("document", deepcopy(dict(machine.document)))
    substitute(found)
    kept: Data = {key: value for key, value in found.data.items() if key != "parameters"}
    top = (
        "name",
        "source",
        "clock",
        "word",
        "narrow",
        "padding",
        "lowering",
        "runs",
        "bias",
        "dataflow",
        "energy",
        "pe",
        "layer",
        "vector",
        "physical",
    )
    # what a package of models has priced is written down: a document holds wherever it is read
    parts = (kept.get("physical") or {}).get("parts") or {}
    own = [] if any("model" in part for part in parts.values()) else [kept]
    patched = {key: value for key, value in {**kept, **{k: anew.get(k) for k in top}}.items() if value is not None}
    return [*own, patched, anew]


def _means(data: Mapping[str, Any], machine: Architecture) -> bool:
    try:
        found = architecture_of(Document("document", deepcopy(dict(data))))
    except SpecError:
        return False
    # equal at another clock too: what is given per second, or as time, is still given so
    other = _FAST if machine.clock_hz != _FAST else _FAST / 10
    return found == machine and replace(found, clock_hz=other) == replace(machine, clock_hz=other)


def _reason(data: Data, machine: Architecture) -> str:
    try:
        other = architecture_of(Document("document", deepcopy(data)))
    except SpecError as error:
        return str(error.issues[0])
    differ = [f.name for f in fields(machine) if f.compare and getattr(machine, f.name) != getattr(other, f.name)]
    return f"its {', '.join(differ)}"


def _written(machine: Architecture) -> Data:
    """The whole machine from its fields. What is as by default is left out."""
    data: Data = {
        "name": machine.name,
        "source": machine.source or NONE,
        "clock": written(Fraction(repr(float(machine.clock_hz))), "Hz"),
        "word": {tensor.value: f"{bits} b" for tensor, bits in machine.word_bits.items()},
        "narrow": machine.narrow,
        "padding": machine.padding.value,
        "lowering": machine.lowering.value,
        "dataflow": machine.dataflow,
        "energy": machine.energy,
        "levels": [_level(level) for level in machine.levels],
        "pe": _pe(machine),
    }
    if machine.ofmap_bits:
        data["word"][Width.OFMAP.value] = f"{machine.ofmap_bits} b"
    arrays = [level["array"] for level in data["levels"] if "array" in level]
    if machine.skew and arrays:
        arrays[-1]["skew"] = True
    if machine.serial:
        passes: Data = {"serial": machine.serial.value, "lead": machine.lead}
        if machine.wave is not None:
            passes["wave"] = machine.wave
        if machine.stream:
            passes["stream"] = True
        (arrays[-1] if arrays else data)["passes"] = passes
    if machine.runs:
        data["runs"] = asdict(machine.runs)
    if machine.bias:
        width = {"word": f"{machine.bias.bits} b"} if machine.bias.bits else {}
        data["bias"] = {"level": machine.bias.level, **width}
    if machine.between:
        data["between"] = machine.between
    if machine.before or machine.after or machine.overlap:
        data["layer"] = {"before": machine.before - machine.launch, "after": machine.after}
    if machine.launch:
        data["layer"]["launch"] = machine.launch
    if machine.overlap:
        data["layer"]["overlap"] = asdict(machine.overlap)
    if machine.physical:
        data["physical"] = physical_data(machine.physical)
    if machine.lanes:
        data["vector"] = {"lanes": machine.lanes}
    return data


def _pe(machine: Architecture) -> Data:
    found: Data = {}
    sparsity = machine.sparsity
    if machine.cartesian:
        found["cartesian"] = {f.name: getattr(machine.cartesian, f.name) for f in fields(Cartesian)}
    else:
        found["macs"] = machine.macs_per_cycle
    found["pipeline"] = machine.pipeline
    if machine.behind_macs:
        found["cycles"] = {"mac": machine.mac_cycles, "psum_in": machine.psum_in, "window": machine.window}
    elif machine.mac_cycles > 1:
        found["cycles"] = machine.mac_cycles
    if machine.lock:
        compute = ["compute"] if machine.lock.compute else []
        dims = [dim for dim in LOOP_DIMS if dim in machine.lock.dims]
        found["lock"] = {"dims": dims, "of": [*compute, *_names(machine.lock.of)]}
    if machine.least:
        found["least"] = machine.least
    if machine.slices:
        found["slices"] = {tensor.value: f"{bits} b" for tensor, bits in machine.slices.items()}
    if machine.modes:
        found["modes"] = data_of(machine.modes)
    if machine.multiplier > 1:
        found["multiplier"] = f"{machine.multiplier} b"
    for key in ("gate", "skip"):
        if getattr(sparsity, key):
            found[key] = _names(getattr(sparsity, key))
    if sparsity.matters:
        found |= {"pairing": sparsity.pairing.value, "drift": sparsity.drift, "queue": sparsity.queue}
    return found


def _names(tensors: frozenset[Tensor]) -> list[str]:
    return [tensor.value for tensor in TENSORS if tensor in tensors]


def _by_tensor(values: Mapping[Tensor, Any]) -> Data:
    return {tensor.value: values[tensor].value for tensor in TENSORS if tensor in values}


def _level(level: Level) -> Data:
    data: Data = {"name": level.name, "keeps": _names(level.keeps) or NONE}
    if level.component:
        data["component"] = level.component
    if level.capacity:
        data["capacity"] = {
            " + ".join(_names(part.tensors)): written(Fraction(part.bits), "b") for part in level.capacity
        }
    for key in ("buffer", "compression"):
        if getattr(level, key):
            data[key] = _by_tensor(getattr(level, key))
    if level.tiles:
        data["tiles"] = {tensor.value: level.tiles[tensor] for tensor in TENSORS if tensor in level.tiles}
    if not level.halo_reuse:
        data["halo_reuse"] = False
    if level.refetch:
        data["refetch"] = _names(level.refetch)
    if level.atoms:
        data["atoms"] = {tensor.value: words for tensor, words in level.atoms.items()}
    if level.outstanding:
        data["outstanding"] = {tensor.value: most for tensor, most in level.outstanding.items()}
    if level.turns:
        data["turns"] = [tensor.value for tensor in level.turns]
    if level.delivery:
        data["delivery"] = asdict(level.delivery)
    if level.fixed:
        ways = {"tile": level.fixed.tile, "fill": level.fixed.fill}
        data["fixed"] = {name: {t.value: c for t, c in given.items()} for name, given in ways.items()}
        data["fixed"]["drain"] = level.fixed.drain
    if level.dram:
        data["dram"] = _dram(level.dram)
    elif level.read_port or level.write_port:
        data["ports"] = _memory_ports(level)
    networks = {
        tensor.value: _network(level.name, tensor, level.fanout.networks[tensor])
        for tensor in TENSORS
        if tensor in level.fanout.networks
    }
    if level.fanout.declared:
        data["array"] = _array(level.fanout, networks)
    elif networks:
        data["networks"] = networks
    return data


def _array(fanout: Fanout, networks: Data) -> Data:
    size = {"y": fanout.y, "x": fanout.x}
    return {"size": size, "networks": networks} if networks else {"size": size}


def _memory_ports(level: Level) -> Data:
    read, write = level.read_port, level.write_port
    if read and read == write:
        return {"shared": _port(read, f"{level.name} port")}
    named = {"read": read, "write": write}
    return {key: _port(port, f"{level.name} {key}") for key, port in named.items() if port}


def _port(port: Port, usual: str) -> str | Data:
    """Its width alone, where its name is the one that its place gives it."""
    unit = "words" if port.in_words else "b"
    own = port.per_second
    width = f"{decimal(port.rate)} {unit}" if own is None else written(own, f"{unit}/s")
    return width if port.name == usual else {"port": port.name, "width": width}


def _latency(cycles: int, seconds: Fraction | None) -> int | str:
    return cycles if seconds is None else written(seconds * 10**9, "ns")


def _network(level: str, tensor: Tensor, network: Network) -> Data:
    psum = tensor is Tensor.PSUM
    data: Data = {"kind": network.kind.value}
    ways = {"in" if psum else "width": (network.down, "down"), "out": (network.up, "up")}
    for key, (port, way) in ways.items():
        if port:
            data[key] = _port(port, f"{level} {tensor} {way}")
    if network.latency or network.latency_s is not None:
        data["latency"] = _latency(network.latency, network.latency_s)
    if psum and network.accumulate_on_drain:
        data["accumulate"] = "on-drain"
    if psum and (network.reduce or network.kind in MAY_REDUCE):
        data["reduce"] = [dim for dim in REDUCTION_DIMS if dim in network.reduce]
    if network.slots > 1:
        data["slots"] = network.slots
    if network.every > 1:
        data["every"] = network.every
    if network.tags:
        data["tags"] = True
    child = f"{level} {tensor} child"
    for key, port, way in (("port_width", network.child_down, "down"), ("port_out", network.child_up, "up")):
        if port:
            data[key] = _port(port, f"{child} {way}")
    if network.kind is NetworkKind.MESH:
        data["ports"] = network.injection.value
        data["hop_latency"] = _latency(network.hop_latency, network.hop_latency_s)
    return data


def _dram(dram: Dram) -> Data:
    clock = written(dram.hertz, "Hz") if dram.hertz is not None else written(dram.clock, "per cycle")
    data: Data = {
        "clock": clock,
        "width": f"{dram.width} b",
        "row": f"{dram.row} b",
        "page": dram.page.value,
        "map": dram.order,
    }
    whole = [f.name for f in fields(Dram) if f.name not in ("clock", "hertz", "width", "row", "page", "order")]
    return data | {spelled(name): getattr(dram, name) for name in whole}
