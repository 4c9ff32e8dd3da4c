"""A plan on a machine: what every layer finds on the chip, and how much room that leaves for its tiles (R1 to R5).

The room of tensors that stay is that of the partition that holds ifmaps; none overlaps another, nothing is aligned,
and nothing is overwritten in place: a layer finds there what lives from the one that makes it to its last reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from accelsim.architecture.model import Architecture, Level, Part, Partition
from accelsim.architecture.precision import with_bits
from accelsim.errors import AccelsimError, nearest
from accelsim.mapping.plan.channels import part_of, share, why_not_parts, why_not_read
from accelsim.mapping.plan.plan import Home, Plan
from accelsim.mapping.plan.rounds import bare, rounds, runs_of, wrong_spans
from accelsim.mapping.plan.tensors import Living, operand, parts_of, tensors_of, why_not_at_home
from accelsim.workload.network import INPUT, VIEWS, Layer, Network
from accelsim.workload.problem import TENSORS, Padding, Tensor, Width

Sized = Callable[[Layer], Architecture]
Wrong = tuple[tuple[str | int, ...], str]
"""Where in a plan something is wrong, and what."""


@dataclass(frozen=True)
class Stay:
    """What a layer finds on the chip.

    homes : its own tensors that live there. parts : those of which some channels do. taken : bits that all tensors
    which live there meanwhile take. copied : whether what it makes is written to the outermost level, too (R5). zeros :
    words of padding around that, which it writes (R4).
    """

    homes: Mapping[Tensor, str] = field(hash=False)
    taken: int = 0
    copied: bool = False
    zeros: int = 0
    parts: Mapping[Tensor, Part] = field(default_factory=dict, hash=False)

    def on(self, machine: Architecture, home: str) -> Architecture:
        """The machine as the layer finds it. Raises AccelsimError for tensors that have no room."""
        if not self.homes and not self.parts and not self.taken:
            return machine
        levels = list(machine.levels)
        index = machine.level_index(home)
        level = levels[index]
        place = room_of(machine, home)
        if place is not None and self.taken > level.capacity[place].bits:
            bits = level.capacity[place].bits
            raise AccelsimError(
                f"{home}: tensors that stay take {self.taken} bits, and it has {bits}, {self.taken - bits} too few; "
                "let one of them stay for fewer layers, or not at all"
            )
        parts = tuple(
            replace(part, taken=self.taken if k == place else 0, whole=frozenset(self.homes) & part.tensors)
            for k, part in enumerate(level.capacity)
        )
        levels[index] = replace(level, capacity=parts)
        return replace(machine, levels=tuple(levels), homes=dict(self.homes), parts=dict(self.parts))


def room_of(machine: Architecture, home: str) -> int | None:
    """Which part of a level's capacity tensors that stay lie in: that of ifmaps; None: it has no bound."""
    capacity = machine.levels[machine.level_index(home)].capacity
    return next((k for k, part in enumerate(capacity) if Tensor.IFMAP in part.tensors), None)


@dataclass(frozen=True)
class Between:
    """A plan of a network on a machine. sized : the machine with the widths of a layer's words."""

    plan: Plan
    machine: Architecture
    network: Network
    sized: Sized

    @cached_property
    def tensors(self) -> dict[str, Living]:
        """All of the network's, by name."""
        return tensors_of(self.network)

    @cached_property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """By what a layer may read, the tensors that are in it."""
        return parts_of(self.network)

    @cached_property
    def index(self) -> dict[str, int]:
        """Run order, by layer."""
        return {layer.name: i for i, layer in enumerate(self.network.layers)}

    @property
    def home(self) -> str:
        """The level where tensors stay; '': none does."""
        return next((home.level for home in self.plan.resident.values()), "")

    def reads_at_home(self, layer: Layer, place: int) -> bool:
        """Whether all words of one of a layer's inputs are on the chip."""
        return all(self._there(part, self.index[layer.name]) for part in self.parts[layer.inputs[place]])

    def part(self, layer: Layer, place: int) -> Home | None:
        """The home of one of a layer's inputs, or (-1) of what it makes, where some channels of it alone are there."""
        name = layer.name if place < 0 else layer.inputs[place]
        home = self.plan.resident.get(name)
        if home is None or home.whole or (place >= 0 and not self._some(name, self.index[layer.name])):
            return None
        return home

    def _there(self, name: str, reader: int) -> bool:
        return self._some(name, reader) and self.plan.resident[name].whole

    def _some(self, name: str, reader: int) -> bool:
        """Whether a tensor, or some channels of it, are on the chip for a reader."""
        home = self.plan.resident.get(name)
        return home is not None and reader <= self.tensors[name].last(home.until)

    def lives(self, name: str, first: int, last: int) -> bool:
        """Whether a tensor is on the chip for all that read it among some layers, by index."""
        readers = [reader.index for reader in self.tensors[name].readers if first <= reader.index <= last]
        return all(self._there(name, reader) for reader in readers)

    def taken_from(self, first: int, last: int) -> int:
        """Bits of all tensors that live on the chip while some layers run together."""
        found = 0
        for name in self.plan.resident:
            begins, ends = self.life(name)
            if begins <= last and ends >= first:
                found += self.bits(name)
        return found

    def runs(self, layer: Layer) -> tuple[Layer, ...]:
        """A layer as it runs, in one round or several (R4)."""
        return runs_of(layer, self.plan.span_of(layer.name), self.network.batch)

    def rounds(self, layer: Layer) -> tuple[tuple[int, int], ...]:
        """(images, how often) of a layer's rounds."""
        return rounds(self.plan.span_of(layer.name), self.network.batch)

    def life(self, name: str) -> tuple[int, int]:
        """First and last layer that a tensor is on the chip for, by index.

        What is made or read outside a span that reads or makes it is there in every round of it.
        """
        tensor = self.tensors[name]
        first, last = tensor.made, tensor.last(self.plan.resident[name].until)
        for span in self.plan.spans:
            begin, end = self.index[span.layers[0]], self.index[span.layers[-1]]
            if first < begin <= last <= end:
                last = end
            elif begin <= first <= end < last:
                first = begin
        return first, last

    def images(self, name: str) -> int:
        """Images of a tensor that are on the chip at a time: those of a round, where it lives inside a span alone."""
        first, last = self.tensors[name].made, self.tensors[name].last(self.plan.resident[name].until)
        for span in self.plan.spans:
            if self.index[span.layers[0]] <= first and last <= self.index[span.layers[-1]]:
                return min(span.batch_outer, self.network.batch)
        return self.network.batch

    def copied(self, name: str) -> bool:
        """Whether a tensor that stays is also written to the outermost level (R5)."""
        tensor, home = self.tensors[name], self.plan.resident.get(name)
        return home is not None and (tensor.output or tensor.last(home.until) < tensor.last())

    def bits(self, name: str) -> int:
        """Room of what stays of a tensor: its words at the width of the widest operand they are read as (R4)."""
        tensor = self.tensors[name]
        widths = [self.sized(self.network.layers[tensor.made]).widths[Width.OFMAP]] if not tensor.readers else []
        for reader in tensor.readers:
            if not self._some(name, reader.index):
                continue
            layer = self.network.layers[reader.index]
            what = operand(layer, reader.place) or Tensor.IFMAP
            widths.append(self.sized(layer).widths[Width(what.value)])
        home = self.plan.resident[name]
        words = tensor.words if home.whole else int(tensor.words * share(home, self.network.shape(name).C))
        return (words + self.zeros(name)) * self.images(name) // self.network.batch * max(widths)

    def zeros(self, name: str) -> int:
        """Words of padding that are stored around a tensor: those of the reader at home that has most (R4)."""
        tensor = self.tensors[name]
        shape, most = self.network.shape(name), (0, 0)
        for reader in tensor.readers:
            layer = self.network.layers[reader.index]
            here = layer.problem if self._some(name, reader.index) and reader.place == 0 else None
            if here is not None and self.sized(layer).padding is Padding.STORED:
                whole = here.whole_plane
                most = max(most[0], whole[0] - here.height), max(most[1], whole[1] - here.width)
        if most == (0, 0):
            return 0
        home = self.plan.resident[name]
        planes = shape.D * self.network.batch * (shape.C if home.whole else int(shape.C * share(home, shape.C)))
        return planes * ((shape.H + most[0]) * (shape.W + most[1]) - shape.H * shape.W)

    @cached_property
    def _taken(self) -> list[int]:
        """Bits taken while each layer runs."""
        change = [0] * (len(self.network.layers) + 1)
        for name in self.plan.resident:
            bits, (first, last) = self.bits(name), self.life(name)
            change[first] += bits
            change[last + 1] -= bits
        out, now = [], 0
        for each in change[:-1]:
            now += each
            out.append(now)
        return out

    def stay(self, layer: Layer) -> Stay:
        """What a layer, or one of its rounds, finds on the chip."""
        ran, layer = layer, self.network.layers[self.index[bare(layer.name)]]
        homes: dict[Tensor, str] = {}
        for place in range(len(layer.inputs)) if layer.problem else ():
            what = operand(layer, place)
            if what is not None and self.reads_at_home(layer, place):
                homes[what] = self.home
        parts: dict[Tensor, Part] = {}
        for place in range(-1, len(layer.inputs)) if layer.problem else ():
            what, home = Tensor.PSUM if place < 0 else operand(layer, place), self.part(layer, place)
            if home is not None and layer.problem and what and (part := part_of(home, layer.problem, what)):
                parts[what] = part
        if layer.problem and layer.name in self.plan.resident and Tensor.PSUM not in parts:
            homes[Tensor.PSUM] = self.home
        ordered = {tensor: homes[tensor] for tensor in TENSORS if tensor in homes}
        zeros = self.zeros(layer.name) if layer.name in self.plan.resident else 0
        if ran.problem and layer.problem:
            zeros = zeros * ran.problem["N"] // layer.problem["N"]
        return Stay(ordered, self._taken[self.index[layer.name]], self.copied(layer.name), zeros, parts)

    def moved(self, layer: Layer) -> tuple[int, int, int, int]:
        """(read, written) in the outermost level, (read, written) at home: words of one image of a vector layer.

        What a layer moves by a rule of its own, it moves in the outermost level.
        """
        read, written = self.network.traffic(layer)
        if layer.moves is not None or layer.problem or layer.op in VIEWS:
            return read, written, 0, 0
        inside = sum(self._read_here(layer, place) for place in range(len(layer.inputs)))
        if layer.name not in self.plan.resident:
            return read - inside, written, inside, 0
        home, zeros = self.plan.resident[layer.name], self.zeros(layer.name) // self.network.batch
        stays = written if home.whole else int(written * share(home, layer.shape.C))
        return read - inside, written if self.copied(layer.name) else written - stays, inside, stays + zeros

    def _read_here(self, layer: Layer, place: int) -> int:
        """Words of one image of one of a layer's inputs that are on the chip."""
        name, home = layer.inputs[place], self.part(layer, place)
        words = self.network.shape(name).words
        if home is not None:
            return int(words * share(home, self.network.shape(name).C))
        return words if self.reads_at_home(layer, place) else 0

    def wrong(self) -> Iterator[Wrong]:
        """What the plan says of tensors that cannot be, each with its place in it; nothing: all can be."""
        impossible = [*self.impossible(), *wrong_spans(self.plan, self.network, self.index)]
        yield from impossible
        if impossible:
            return
        for name in self.plan.resident:
            yield from ((("resident", name), why) for why in self._torn(name))
        yield from self._no_room()

    def impossible(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The same of each tensor by itself, whatever else stays."""
        names = [layer.name for layer in self.network.layers]
        level = ""
        for name, home in self.plan.resident.items():
            place = ("resident", name)
            if name not in self.index:
                what = f"network '{self.network.name}' has no layer '{name}'"
                if name == INPUT:
                    what = "the network's input comes from outside; only what a layer makes can stay"
                yield place, what + nearest(name, names)
                continue
            if home.level != level and level:
                yield (*place, "level"), f"tensors stay in one level, and those before this one stay in '{level}'"
                continue
            level = home.level
            yield from ((place, why) for why in self._why_not(name, home))

    def _no_room(self) -> Iterator[Wrong]:
        """The first layer during which more stays than there is room for, at the last tensor that came."""
        part = partition_of(self.machine, self.home) if self.plan.resident else None
        at = next((i for i, bits in enumerate(self._taken) if part is not None and bits > part.bits), None)
        if at is None or part is None:
            return
        homes = self.plan.resident.items()
        stay = {n: self.bits(n) for n, home in homes if self.tensors[n].made <= at <= self.tensors[n].last(home.until)}
        last, layer = max(stay, key=lambda name: self.tensors[name].made), self.network.layers[at].name
        held = ", ".join(f"{name} {bits}" for name, bits in stay.items())
        yield (
            ("resident", last),
            f"while '{layer}' runs, tensors that stay take {self._taken[at]} bits of '{self.home}' ({held}), and it "
            f"has {part.bits}, {self._taken[at] - part.bits} too few; let one of them stay for fewer layers, or not at "
            "all",
        )

    def _torn(self, name: str) -> Iterator[str]:
        """Who would read a tensor that is nowhere but on the chip together with words that are not there."""
        group = self.plan.group_of(name)
        if group is not None and name != group.layers[-1]:
            yield f"it is inside the group {group.name}, whose tiles hold it; only what its last layer makes can stay"
            return
        if group is not None and not group.epilogue and self.copied(name):
            yield (
                f"it would be written to '{self.machine.levels[0].name}' too, for later readers; what the group "
                f"{group.name} makes goes to one place: let it stay for all of them, or not at all"
            )
            return
        if not self.plan.resident[name].whole:
            # whoever reads it finds the other channels in the outermost level
            return
        for reader in () if self.copied(name) else self.tensors[name].readers:
            layer = self.network.layers[reader.index]
            if not self.reads_at_home(layer, reader.place):
                view = layer.inputs[reader.place]
                others = [part for part in self.parts[view] if not self._there(part, reader.index)]
                yield f"'{layer.name}' reads it as a part of '{view}', with '{others[0]}', which is not on the chip"
                return

    def _why_not(self, name: str, home: Home) -> Iterator[str]:
        reason = why_no_home(self.machine, home.level)
        if reason:
            yield reason
            return
        layer, tensor = self.network.layers[self.index[name]], self.tensors.get(name)
        if tensor is None:
            yield f"it only names words ({layer.op}); name the layers that make them"
            return
        if (why := why_not_at_home(layer, -1)) or (why := _unlike(self.sized(layer), layer, Tensor.PSUM)):
            yield f"what '{name}' makes cannot stay: {why}"
            return
        if not home.whole and (why := self.why_not_parts(name, home)):
            yield f"parts: {why}"
            return
        readers = [reader.layer for reader in tensor.readers]
        if not readers:
            yield f"nobody reads what '{name}' makes"
            return
        if home.until and home.until not in readers:
            yield f"until: '{home.until}' does not read it{nearest(home.until, readers)}"
            return
        for reader in tensor.readers:
            if reader.index > tensor.last(home.until):
                break
            other = self.network.layers[reader.index]
            what = operand(other, reader.place)
            why = why_not_at_home(other, reader.place) or (_unlike(self.sized(other), other, what) if what else "")
            if not why and what and what not in self._level(home.level).keeps:
                why = f"'{home.level}' keeps no {what}"
            if why:
                yield f"'{other.name}' cannot read it there: {why}"
                return

    def why_not_parts(self, name: str, home: Home) -> str:
        """Why some channels of a tensor alone cannot stay; empty: they can."""
        shape, layers = self.network.shape(name), self.network.layers
        if why := why_not_parts(home, shape):
            return why
        maker = layers[self.index[name]]
        inside = [reader for reader in self.tensors[name].readers if self._some(name, reader.index)]
        used = [(maker, Tensor.PSUM if maker.problem else None, True)]
        for reader in inside:
            layer = layers[reader.index]
            used.append((layer, operand(layer, reader.place), layer.inputs[reader.place] == name))
        for layer, what, named in used:
            how = "makes" if layer is maker else "reads"
            if self.plan.group_of(layer.name) is not None:
                return f"'{layer.name}', which {how} it, is in a group; let it stay whole"
            if why := why_not_read(home, layer, what, shape, named):
                return f"'{layer.name}' {how} it, and {why}"
            if what and layer.problem and (part := part_of(home, layer.problem, what)):
                try:
                    replace(self.machine, parts={what: part})
                except AccelsimError as error:
                    return str(error).partition(": ")[2]
        return ""

    def _level(self, name: str) -> Level:
        return self.machine.levels[self.machine.level_index(name)]


def why_no_home(machine: Architecture, level: str) -> str:
    """Why tensors cannot stay in a level between layers; empty: they can."""
    names = [spec.name for spec in machine.levels]
    if level not in names:
        return f"'{machine.name}' has no level '{level}'{nearest(level, names)}"
    if level == names[0]:
        return f"'{level}' is the outermost level, where tensors live anyway"
    spec = machine.levels[names.index(level)]
    for tensor in (Tensor.IFMAP, Tensor.PSUM):
        if tensor not in spec.keeps:
            return f"'{level}' keeps no {tensor}"
    try:
        replace(machine, homes={Tensor.IFMAP: level, Tensor.PSUM: level})
    except AccelsimError as error:
        return str(error).partition(": ")[2]
    return ""


def homes_of(machine: Architecture) -> list[str]:
    """The levels where tensors may stay between layers: what the machine says first, then the largest."""
    found = [level.name for level in machine.levels[1:] if not why_no_home(machine, level.name)]

    def size(name: str) -> float:
        part = partition_of(machine, name)
        return float("inf") if part is None else part.bits

    return sorted(found, key=lambda name: (name == machine.between, size(name)), reverse=True)


def home_of(machine: Architecture) -> str:
    """The level where tensors may stay. Raises AccelsimError where there is none: why not."""
    found = homes_of(machine)
    if found:
        return found[0]
    reasons = [why_no_home(machine, level.name) for level in machine.levels[1:]]
    said = f": {reasons[0]}" if reasons else ""
    raise AccelsimError(f"between: nothing can stay on the chip of '{machine.name}'{said}")


def partition_of(machine: Architecture, home: str) -> Partition | None:
    """The part of a level where tensors may stay; None: there is no bound."""
    place = room_of(machine, home)
    return None if place is None else machine.levels[machine.level_index(home)].capacity[place]


def _unlike(machine: Architecture, layer: Layer, what: Tensor) -> str:
    """Why words of an operand do not lie as the layer's plane does; empty: they do."""
    problem = layer.problem
    if problem is None:
        return ""
    lowered = machine.lower(problem)
    if lowered.words(what) != problem.words(what) and what is not Tensor.PSUM:
        return f"'{machine.name}' lowers the layer, and reads other words than its {what} has"
    if problem.added and what is Tensor.PSUM:
        return "its sums begin in memory"
    return ""


def between_of(plan: Plan, machine: Architecture, network: Network, bits: Mapping[Width, int]) -> Between | None:
    """A plan on a machine whose layers run words of these widths; None where nothing happens between them."""
    if not plan:
        return None
    return Between(plan, machine, network, lambda layer: with_bits(machine, {**layer.bits, **bits}))
