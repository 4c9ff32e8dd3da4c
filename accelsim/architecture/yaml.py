"""Architecture YAML to Architecture: units become rates and bits, names become ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from accelsim.architecture.choices import Accumulate
from accelsim.architecture.dram.spec import dram_of
from accelsim.architecture.edit import edited
from accelsim.architecture.model import (
    MAY_REDUCE,
    REDUCING,
    Architecture,
    Buffer,
    Cartesian,
    Fanout,
    Fixed,
    Injection,
    Level,
    Network,
    NetworkKind,
    Partition,
    Port,
    exact,
)
from accelsim.architecture.pace import Delivery, Overlap, PassesSpec, launch_of
from accelsim.architecture.pe_yaml import bias_of, check_words, lock_of, macs_of, runs_of, slices_of, sparsity_of
from accelsim.architecture.physical import physical_of
from accelsim.architecture.spec import (
    ALL,
    ArchitectureSpec,
    ArraySpec,
    LevelSpec,
    LinkSpec,
    NetworkSpec,
    PortsSpec,
    Rate,
)
from accelsim.errors import AccelsimError
from accelsim.parameters import substitute
from accelsim.quantities import Quantity
from accelsim.specs import validate
from accelsim.workload.lowering import Lowering
from accelsim.workload.problem import ADDED_DIMS, TENSORS, Tensor, Width
from accelsim.yamlfile import Document, Place, hint, is_file, read, resolve, unknown


def load_architecture(name: str | Path, parameters: Mapping[str, object] | None = None) -> Architecture:
    """Read an architecture from a file or a built-in name; `parameters` override the file's own, or, named by
    a path such as ``levels.GLB.capacity``, any key of it.

    Raises SpecError with every error in the file, each with its line and column.
    """
    return architecture_of(read(resolve("arch", name)), parameters)


def beside(file: str, name: str) -> str:
    """A file that another names: a path is relative to the file it stands in, if it is there, else to where we are."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and not path.is_absolute():
        found = Path(file).parent / path
        if is_file(found):
            return str(found)
    return name


def architecture_of(document: Document, parameters: Mapping[str, object] | None = None) -> Architecture:
    """Build an architecture from a document already read; `parameters` may name keys of the file by their paths too."""
    document, given = edited(document, parameters or {})
    origin = _origin(document, given)
    substitute(document, given)
    spec = validate(document, ArchitectureSpec)
    check_words(document, spec)
    words = {tensor: spec.word[Width(tensor)] for tensor in TENSORS if Width(tensor) in spec.word}
    builder = _Builder(document, exact(float(spec.clock)), words)
    levels = tuple(builder.level(i, level) for i, level in enumerate(spec.levels))
    passes = _passes(document, spec)
    skew = _once(document, spec, "skew")
    if spec.pe.cartesian and spec.lowering is not Lowering.NONE:
        document.refuse(("lowering",), "a Cartesian PE convolves by itself; leave it out", key=True)
    sparsity, macs = sparsity_of(document, spec.pe), macs_of(document, spec.pe)
    bias = bias_of(document, spec.bias, levels)
    slices = slices_of(document, spec.pe)
    runs = runs_of(document, spec.runs, [level.name for level in spec.levels])
    physical = physical_of(document, spec.physical, levels)
    launch = launch_of(spec.layer, exact(float(spec.clock)))
    document.check()
    try:
        return Architecture(
            name=spec.name,
            levels=levels,
            clock_hz=float(spec.clock),
            word_bits=words,
            ofmap_bits=spec.word.get(Width.OFMAP, 0),
            narrow=spec.narrow,
            between=spec.between,
            padding=spec.padding,
            macs_per_cycle=macs,
            pipeline=spec.pe.pipeline,
            serial=passes.serial if passes else None,
            lead=passes.lead if passes else True,
            wave=passes.wave if passes else None,
            stream=passes.stream if passes else False,
            least=spec.pe.least,
            mac_cycles=spec.pe.cycles.mac,
            psum_in=spec.pe.cycles.psum_in,
            window=spec.pe.cycles.window,
            lock=lock_of(spec.pe),
            before=spec.layer.before + launch,
            launch=launch,
            after=spec.layer.after,
            overlap=Overlap(**spec.layer.overlap.model_dump()) if spec.layer.overlap else None,
            skew=skew is not None,
            energy=beside(document.file, spec.energy),
            dataflow=beside(document.file, spec.dataflow),
            source=spec.source,
            sparsity=sparsity,
            cartesian=Cartesian(**spec.pe.cartesian.model_dump()) if spec.pe.cartesian else None,
            lanes=spec.vector.lanes if spec.vector else 0,
            lowering=spec.lowering,
            runs=runs,
            bias=bias,
            physical=physical,
            slices=slices,
            modes=tuple(mode.mode for mode in spec.pe.modes),
            multiplier=spec.pe.multiplier or 1,
            document=origin,
        )
    except AccelsimError as error:
        place: Place = ("pe", "modes") if spec.pe.modes and ": modes: " in str(error) else ("levels",)
        document.refuse(place, str(error), key=True)
        document.check()
        raise


def _origin(document: Document, parameters: Mapping[str, object]) -> dict[str, Any]:
    """The document before parameters are put in, its parameters those in force."""
    data = dict(document.data) if isinstance(document.data, dict) else {}
    # a path holds wherever the data is read again
    data |= {key: beside(document.file, data[key]) for key in ("dataflow", "energy") if isinstance(data.get(key), str)}
    if isinstance(data.get("parameters"), dict):
        data["parameters"] = {**data["parameters"], **parameters}
    return data


def _passes(document: Document, spec: ArchitectureSpec) -> PassesSpec | None:
    """What the array says of passes, or the machine where there is none."""
    array = _once(document, spec, "passes")
    if spec.passes and any(level.array for level in spec.levels):
        document.refuse(("passes",), "the passes of an array belong in the array", key=True)
    return array.passes if array else spec.passes


def _once(document: Document, spec: ArchitectureSpec, key: str) -> ArraySpec | None:
    """The one array that declares `passes` or `skew`; a second one is an error."""
    found = [(i, level.array) for i, level in enumerate(spec.levels) if level.array and getattr(level.array, key)]
    for index, _ in found[1:]:
        document.refuse(("levels", index, "array", key), f"only one array may declare {key}")
    return found[0][1] if found else None


@dataclass
class _Builder:
    """Levels and fan-outs of one document, with the ports named so far."""

    document: Document
    clock: Fraction
    word: Mapping[Tensor, int]
    named: dict[str, tuple[Port, Place]] = field(default_factory=dict)
    meshes: dict[str, str] = field(default_factory=dict)

    def level(self, index: int, spec: LevelSpec) -> Level:
        place: Place = ("levels", index)
        keeps = frozenset(spec.keeps)
        explicit = isinstance(self.document.data["levels"][index].get("buffer"), dict)
        for tensor in spec.buffer:
            if explicit and tensor not in keeps:
                self.document.refuse((*place, "buffer", tensor.value), _foreign(spec, tensor), key=True)
        for tensor in spec.compression:
            if tensor not in keeps:
                self.document.refuse((*place, "compression", tensor.value), _foreign(spec, tensor), key=True)
        for key in ("link", "ports") if spec.dram else ():
            if getattr(spec, key):
                self.document.refuse(
                    (*place, key), f"a level with a DRAM has no {key}; leave one of them out", key=True
                )
        dram = dram_of(self.document, (*place, "dram"), spec.dram, self.clock) if spec.dram else None
        read_port, write_port = (None, None) if dram else self.memory_ports(place, spec)
        return Level(
            name=spec.name,
            keeps=keeps,
            capacity=tuple(self.partitions(place, spec)),
            buffer={t: b for t, b in spec.buffer.items() if t in keeps and b is not Buffer.SINGLE},
            halo_reuse=spec.halo_reuse,
            read_port=read_port,
            write_port=write_port,
            fanout=self.fanout(place, spec),
            component=spec.component or "",
            compression=spec.compression,
            dram=dram,
            fixed=self.fixed(place, spec),
            turns=tuple(spec.turns),
            atoms=spec.atoms,
            outstanding=spec.outstanding,
            delivery=Delivery(spec.delivery.room, spec.delivery.back) if spec.delivery else None,
            refetch=self.refetch(place, spec),
            tiles=self.tiles(place, spec),
        )

    def tiles(self, place: Place, spec: LevelSpec) -> dict[Tensor, int]:
        """Two or more, of what is buffered double."""
        found: dict[Tensor, int] = {}
        for tensor, tiles in spec.tiles.items():
            at = (*place, "tiles", tensor.value)
            if tensor not in spec.keeps:
                self.document.refuse(at, _foreign(spec, tensor), key=True)
            elif spec.buffer.get(tensor) is not Buffer.DOUBLE:
                self.document.refuse(at, f"{tensor} is not buffered double here", key=True)
            elif tiles < 2:
                self.document.refuse(at, "must be at least 2; one is `buffer: single`")
            else:
                found[tensor] = tiles
        return found

    def refetch(self, place: Place, spec: LevelSpec) -> frozenset[Tensor]:
        for index, tensor in enumerate(spec.refetch):
            if tensor is Tensor.PSUM or tensor not in spec.keeps:
                why = "psums are not fetched; allowed are ifmap and filter" if tensor in spec.keeps else None
                self.document.refuse((*place, "refetch", index), why or _foreign(spec, tensor))
        return frozenset(spec.refetch) & frozenset(spec.keeps) - {Tensor.PSUM}

    def fixed(self, place: Place, spec: LevelSpec) -> Fixed:
        given = Fixed(spec.fixed.tile, spec.fixed.fill, spec.fixed.drain)
        for name, tensor in [("tile", t) for t in given.tile] + [("fill", t) for t in given.fill]:
            if tensor not in spec.keeps:
                self.document.refuse((*place, "fixed", name, tensor.value), _foreign(spec, tensor), key=True)
        if given and place[-1] == 0:
            self.document.refuse((*place, "fixed"), "no tile comes into the outermost level", key=True)
        return given

    def partitions(self, place: Place, spec: LevelSpec) -> Iterator[Partition]:
        """Capacity in bits; a key such as ``ifmap + psum`` names the tensors that share it."""
        taken: set[Tensor] = set()
        for key, size in spec.capacity.items():
            at = (*place, "capacity", key) if key != ALL else (*place, "capacity")
            tensors = set(spec.keeps) if key == ALL else self.tensors(at, spec, key)
            for tensor in sorted(tensors & taken):
                self.document.refuse(at, f"{tensor} already has a capacity", key=True)
            taken |= tensors
            if tensors:
                yield Partition(frozenset(tensors), self.bits(at, size, tensors))

    def tensors(self, at: Place, spec: LevelSpec, key: str) -> set[Tensor]:
        found = set()
        for name in key.split("+"):
            if name.strip() not in TENSORS:
                self.document.refuse(at, unknown("tensor", name.strip(), TENSORS), key=True)
            elif name.strip() not in spec.keeps:
                self.document.refuse(at, _foreign(spec, Tensor(name.strip())), key=True)
            else:
                found.add(Tensor(name.strip()))
        return found

    def bits(self, at: Place, size: Quantity, tensors: set[Tensor]) -> int:
        if size.unit == "b":
            return int(size.value)
        widths = {self.word[t] for t in tensors if t in self.word}
        if len(widths) > 1:
            self.document.refuse(at, "the tensors that share this have words of different widths; give it in bytes")
        return int(size.value) * max(widths, default=1)

    def memory_ports(self, place: Place, spec: LevelSpec) -> tuple[Port | None, Port | None]:
        ports = spec.ports or PortsSpec()
        if ports.shared:
            for name in ("read", "write"):
                if getattr(ports, name):
                    self.document.refuse((*place, "ports", name), "a shared port is the only one", key=True)
            shared = self.port((*place, "ports", "shared"), f"{spec.name} port", ports.shared, None)
            return shared, shared
        read, write = (
            self.port((*place, "ports", way), f"{spec.name} {way}", width, None) if width else None
            for way, width in (("read", ports.read), ("write", ports.write))
        )
        return read, write

    def port(self, at: Place, name: str, width: Rate, clock: Fraction | None) -> Port:
        """A rate is width * f_link / f_core, exactly; a width in bits per second needs no clock of the link."""
        if width.port:
            return self.shared_port(at, width.port, width, clock)
        per_second = width.value if width.unit.endswith("/s") else clock and width.value * clock
        rate = width.value if per_second is None else per_second / self.clock
        return self.made(at, name, rate, width.unit.startswith("words"), per_second)

    def made(self, at: Place, name: str, rate: Fraction, in_words: bool, per_second: Fraction | None) -> Port:
        try:
            return Port(name, rate, in_words=in_words, per_second=per_second)
        except AccelsimError as error:
            self.document.refuse(at, str(error))
            return Port(name, Fraction(1), in_words=in_words)

    def shared_port(self, at: Place, name: str, width: Rate, clock: Fraction | None) -> Port:
        port = self.port(at, name, replace(width, port=""), clock)
        first, level = self.named.setdefault(name, (port, at[:2]))
        # the tensors below one level may each have a width of their own on the port that they share
        if level != at[:2] and (first.rate, first.in_words) != (port.rate, port.in_words):
            self.document.refuse(at, f"port '{name}' had another width before: {_rate(first)}, here {_rate(port)}")
        return port

    def cycles(self, time: Quantity | None, key: str) -> dict[str, Any]:
        """A latency in core cycles, rounded up, and in seconds where it is given as time."""
        if time is None:
            return {}
        if time.unit == "cycles":
            return {key: int(time.value)}
        return {key: -(-time.value * self.clock // 1), f"{key}_s": time.value}

    def fanout(self, place: Place, spec: LevelSpec) -> Fanout:
        networks, at = spec.networks, (*place, "networks")
        if spec.array:
            if spec.networks:
                self.document.refuse(at, "the networks of an array belong in the array", key=True)
            networks, at = spec.array.networks, (*place, "array", "networks")
        link, plain = self.link(place, spec), NetworkSpec.model_construct()
        found = {
            tensor: self.network((*at, tensor.value), spec.name, tensor, networks.get(tensor, plain), link)
            for tensor in TENSORS
            if tensor in networks or link
        }
        size = spec.array.size if spec.array else None
        return Fanout(size.y if size else 1, size.x if size else 1, found, declared=size is not None)

    def link(self, place: Place, spec: LevelSpec) -> tuple[Port, Quantity | None] | None:
        if spec.link is None:
            return None
        at = (*place, "link")
        self.one_clock(at, spec.link, spec.link.width)
        width = replace(spec.link.width, value=spec.link.width.value * spec.link.efficiency)
        return self.port((*at, "width"), f"{spec.name} link", width, spec.link.clock), spec.link.latency

    def one_clock(self, at: Place, spec: LinkSpec | NetworkSpec, *widths: Quantity | None) -> None:
        if spec.clock and any(width and width.unit.endswith("/s") for width in widths):
            self.document.refuse((*at, "clock"), "a width per second needs no clock", key=True)

    def network(
        self, at: Place, level: str, tensor: Tensor, spec: NetworkSpec, link: tuple[Port, Quantity | None] | None
    ) -> Network:
        psum = tensor is Tensor.PSUM
        kind = spec.kind or (NetworkKind.TREE if psum else NetworkKind.MULTICAST)
        self.check_network(at, level, tensor, spec, kind)
        if link and kind is NetworkKind.MESH and not (spec.width or spec.in_ or spec.out):
            self.document.refuse((*at, "kind"), "a mesh has links of its own: give it a width")
        down, up = spec.in_ or spec.width, (spec.out or spec.width) if psum else None
        ports: list[Port | None] = []
        for width, way in ((down, "down"), (up, "up")):
            if width is None:
                ports.append(link[0] if link and (psum or way == "down") else None)
            elif spec.port and not width.port:
                ports.append(self.shared_port((*at, "port"), spec.port, width, spec.clock))
            else:
                ports.append(self.port(at, f"{level} {tensor} {way}", width, spec.clock))
        reduce = ADDED_DIMS if psum and kind in REDUCING and spec.reduce is None else spec.reduce or ()
        mesh = kind is NetworkKind.MESH
        child = f"{spec.port or f'{level} {tensor}'} child"
        return Network(
            kind=kind,
            down=ports[0],
            up=ports[1],
            **self.cycles(spec.latency or (link[1] if link else None), "latency"),
            # what a mesh brings up meets the old psums at its port
            accumulate_on_drain=spec.accumulate is Accumulate.ON_DRAIN or (mesh and psum),
            reduce=frozenset(map(str, reduce)),
            tags=spec.tags,
            slots=spec.slots,
            every=spec.every,
            child_down=self.child_port((*at, "port_width"), f"{child} down", spec.port_width, spec.clock),
            child_up=self.child_port((*at, "port_out"), f"{child} up", spec.port_out or spec.port_width, spec.clock)
            if psum
            else None,
            injection=spec.ports or Injection.CORNER,
            **self.cycles(spec.hop_latency, "hop_latency"),
        )

    def check_network(self, at: Place, level: str, tensor: Tensor, spec: NetworkSpec, kind: NetworkKind) -> None:
        refuse = self.document.refuse
        widths = (spec.width, spec.in_, spec.out, spec.port_width, spec.port_out)
        self.one_clock(at, spec, *widths)
        if spec.slots > 1 and spec.accumulate is not Accumulate.ON_DRAIN:
            refuse((*at, "slots"), "only psums accumulated on drain go down into a reduction", key=True)
        if tensor is not Tensor.PSUM:
            own: dict[str, object] = {"in": spec.in_, "out": spec.out, "port_out": spec.port_out}
            own |= {"accumulate": spec.accumulate, "reduce": spec.reduce}
            for key, value in own.items():
                if value is not None:
                    refuse((*at, key), "only the network of psum has this", key=True)
            if kind in (NetworkKind.CHAIN, NetworkKind.TREE):
                allowed = [k for k in NetworkKind if k not in (NetworkKind.CHAIN, NetworkKind.TREE)]
                refuse((*at, "kind"), f"a {kind} adds psums; {tensor} cannot use it{hint(kind, allowed)}")
        elif spec.reduce and kind not in MAY_REDUCE:
            refuse((*at, "reduce"), f"a {kind} network adds nothing; use {', '.join(sorted(MAY_REDUCE))}", key=True)
        if kind is NetworkKind.MESH and spec.accumulate is Accumulate.REFILL:
            refuse((*at, "accumulate"), "a mesh adds old psums at its port; leave it out or say on-drain", key=True)
        self.check_kind(at, level, tensor, spec, kind)
        if spec.width and (spec.in_ or spec.out):
            refuse((*at, "width"), "either one width for both ways, or 'in' and 'out'", key=True)
        if not any(widths):
            for key in ("clock", "port"):
                if getattr(spec, key):
                    refuse((*at, key), f"a {key} needs a width", key=True)

    def child_port(self, at: Place, name: str, width: Rate | None, clock: Fraction | None) -> Port | None:
        """The port a crossbar has for each child; crossbars that share a port share these too."""
        return self.shared_port(at, width.port or name, width, clock) if width else None

    def check_kind(self, at: Place, level: str, tensor: Tensor, spec: NetworkSpec, kind: NetworkKind) -> None:
        """Keys that one kind of network alone has; a port is shared by the meshes of one array or by none."""
        mesh = f"the mesh below {level}" if kind is NetworkKind.MESH else "no mesh"
        first = self.meshes.setdefault(spec.port, mesh) if spec.port else mesh
        if first != mesh:
            self.document.refuse((*at, "port"), f"port '{spec.port}' is {first}, here {mesh}", key=True)
        own = (
            (NetworkKind.MULTICAST, "tags"),
            (NetworkKind.CROSSBAR, "port_width"),
            (NetworkKind.CROSSBAR, "port_out"),
            (NetworkKind.MESH, "ports"),
            (NetworkKind.MESH, "hop_latency"),
        )
        for owner, key in own:
            if getattr(spec, key) and kind is not owner:
                self.document.refuse((*at, key), f"only a {owner} network has this; this is a {kind}", key=True)
        if spec.tags and tensor is Tensor.PSUM:
            self.document.refuse((*at, "tags"), "tags are compared on the way down; psum has none", key=True)


def _foreign(spec: LevelSpec, tensor: Tensor) -> str:
    return f"level '{spec.name}' does not keep {tensor} (keeps {', '.join(spec.keeps)})"


def _rate(port: Port) -> str:
    return f"{port.rate} {'words' if port.in_words else 'b'} per core cycle"
