"""An accelerator as value objects: levels of memory, the fan-outs between them, networks, ports, PEs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

from accelsim.architecture.illegal import refuse, refuse_levels
from accelsim.architecture.level import Buffer as Buffer
from accelsim.architecture.level import Fixed as Fixed
from accelsim.architecture.level import Format as Format
from accelsim.architecture.level import Level as Level
from accelsim.architecture.level import Part as Part
from accelsim.architecture.level import Partition as Partition
from accelsim.architecture.modes import Mode as Mode
from accelsim.architecture.modes import mode_of, refuse_modes, widest
from accelsim.architecture.network import MAY_REDUCE as MAY_REDUCE
from accelsim.architecture.network import REDUCING as REDUCING
from accelsim.architecture.network import Count as Count
from accelsim.architecture.network import Fanout as Fanout
from accelsim.architecture.network import Injection as Injection
from accelsim.architecture.network import Network as Network
from accelsim.architecture.network import NetworkKind as NetworkKind
from accelsim.architecture.network import Port as Port
from accelsim.architecture.network import exact as exact
from accelsim.architecture.network import within
from accelsim.architecture.pace import Bias, Overlap
from accelsim.architecture.pe import PLAIN
from accelsim.architecture.pe import Cartesian as Cartesian
from accelsim.architecture.pe import Lock as Lock
from accelsim.architecture.pe import Pairing as Pairing
from accelsim.architecture.pe import Sparsity as Sparsity
from accelsim.architecture.physical import Physical
from accelsim.architecture.runs import RunRule
from accelsim.drawn import Pictured
from accelsim.errors import AccelsimError
from accelsim.workload.lowering import Lowering, lowered
from accelsim.workload.problem import TENSORS, Padding, Problem, Tensor, Width
from accelsim.workload.slices import Cut


@dataclass(frozen=True, repr=False)
class Architecture(Pictured):
    """A machine: levels outermost first, word widths in bits, PE.

    serial : the stationary tensor of `passes: serial` (docs/model.md, T10), or None.
    lead : serial passes only; moving operands wait for the stationary one of their pass (docs/model.md, T10b).
    wave : serial passes of an input only; None: they never overlap (T10a), else the stationary operand of the next pass
        follows the first MAC of this one by so many cycles (docs/model.md, "Passes that overlap").
    stream : serial passes of an input only; the first step of a pass takes its operands word by word (docs/model.md,
        "Passes that stream in").
    least : cycles from one step to the next at least. before, after : cycles before and after everything.
    launch : those of `before` that starting a layer takes; layers that run together are started once.
    overlap : of layers that do not need one another. lock : where PEs are in lock step, or None.
    mac_cycles : of each MAC. psum_in, window : cycles of a PE behind the MACs of a step, for each word of a psum tile
        that ends there and for each new word of the ifmap.
    skew : systolic arrays, one inside the other if there are several (docs/model.md, T12).
    lanes : operations of the vector unit per cycle; 0: none is declared, and vector operations take no time.
    sparsity : what zeros save. cartesian : a PE of SCNN's kind, or None.
    lowering : what a layer's problem is turned into before it is mapped. runs : how its outputs are taken as runs of
        pixels, or None (docs/model.md, "Runs of pixels").
    slices : bits of a slice of an ifmap or filter word, where the PE multiplies words slice by slice.
    modes : ways in which a multiplier splits, of which the words of a run choose one; none: it does not.
    multiplier : least bits of an operand as the PE multiplies it, where words are stored shorter (EIE's weights).
    ofmap_bits : of a sum once it is final; 0: those of a psum. narrow : the level that final sums leave at that width;
        '': they have it from the top of the innermost array's network on (docs/model.md, "Ofmap words").
    bias : where that of a layer goes, or None: it is not taken out of memory (docs/model.md, "Bias").
    clock_hz : core clock; what has a clock of its own, or is given as time, keeps it when this changes.
    energy, dataflow : names of the energy table and of the dataflow, or their files.
    between : the level where tensors may stay between layers; '': the largest that can hold them.
    physical : what its area and the energy of wires and clock follow from, or None.
    homes : of the tensors of a layer that live in another level than the outermost between layers, that level: they are
        nowhere outside it (docs/between.md). Machines of files have none. parts : of those of which some channels do.
    document : the file it was read from, as data, or None; `accelsim.architecture.document` reads it.
    """

    name: str
    levels: tuple[Level, ...]
    clock_hz: float = 1e9
    word_bits: Mapping[Tensor, int] = field(default_factory=lambda: dict.fromkeys(TENSORS, 16))
    padding: Padding = Padding.ON_CHIP
    macs_per_cycle: int = 1
    pipeline: int = 0
    serial: Tensor | None = None
    lead: bool = True
    wave: int | None = None
    stream: bool = False
    least: int = 0
    before: int = 0
    launch: int = 0
    after: int = 0
    overlap: Overlap | None = None
    mac_cycles: int = 1
    psum_in: int = 0
    window: int = 0
    lock: Lock | None = None
    skew: bool = False
    energy: str = ""
    dataflow: str = ""
    source: str = ""
    sparsity: Sparsity = PLAIN
    cartesian: Cartesian | None = None
    lanes: int = 0
    lowering: Lowering = Lowering.NONE
    runs: RunRule | None = None
    slices: Mapping[Tensor, int] = field(default_factory=dict)
    modes: tuple[Mode, ...] = ()
    multiplier: int = 1
    ofmap_bits: int = 0
    narrow: str = ""
    bias: Bias | None = None
    between: str = ""
    physical: Physical | None = None
    homes: Mapping[Tensor, str] = field(default_factory=dict)
    parts: Mapping[Tensor, Part] = field(default_factory=dict)
    document: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.levels:
            raise AccelsimError(f"architecture '{self.name}' has no levels")
        where = f"architecture '{self.name}'"
        bounds: tuple[tuple[str, float], ...] = (
            ("a frequency", self.clock_hz),
            ("PEs", self.pes),
            ("MACs per cycle", self.macs_per_cycle),
            ("pipeline", self.mac_cycles),
            ("pipeline", self.pipeline),
            *(("a latency", cycles) for cycles in (self.wave or 0, self.least, self.before, self.launch, self.after)),
            *(("a latency", cycles) for cycles in (astuple(self.overlap) if self.overlap else ())),
            *(("pipeline", cycles) for cycles in (self.psum_in, self.window)),
            ("drift", self.sparsity.drift),
            ("queue", self.sparsity.queue),
            ("vector lanes", self.lanes),
            *(("a word", bits) for bits in (*self.word_bits.values(), *self.slices.values(), self.multiplier)),
        )
        for what, value in bounds:
            within(where, what, value)
        refuse_modes(self)
        clock = exact(self.clock_hz) / self.mode.divider
        object.__setattr__(self, "levels", tuple(level.at(clock) for level in self.levels))
        object.__setattr__(self, "lead", (self.lead or self.serial is None) and not self.stream)
        refuse(self)
        if self.cartesian:
            object.__setattr__(self, "macs_per_cycle", self.cartesian.ifmaps * self.cartesian.filters)
        refuse_levels(self)

    def with_(self, **changes: object) -> Architecture:
        """The machine whose file says this too: ``chip.with_(clock="400 MHz", **{"levels.GLB.capacity": "256 KiB"})``.

        changes : by path into the file (levels by name or index), or by parameter; ``chip.with_(glb="64 KiB",
        pes=(8, 8))``: a level's capacity by its name in small letters, and rows and columns of the only array.
        Raises SpecError as the file would.
        """
        from accelsim.architecture.edit import with_changes

        return with_changes(self, changes)

    @staticmethod
    def of(name: str, levels: Sequence[Mapping[str, Any]], **keys: Any) -> Architecture:
        """A machine by the keys of its file (docs/keys.md): ``Architecture.of("toy", [...], clock=..., word="16 b")``.

        levels : outermost first, each as a file has it. keys : `clock`, `word`, `pe` and so on. Raises SpecError as the
        file would.
        """
        from accelsim.architecture.yaml import architecture_of
        from accelsim.yamlfile import Document, bare

        return architecture_of(Document(name, bare({"name": name, "source": "none", **keys, "levels": levels})))

    @property
    def lowers_to(self) -> str:
        """What layers are turned into before they are mapped; '': nothing."""
        whole = "runs of pixels" if self.runs else "" if self.lowering is Lowering.NONE else self.lowering.value
        return " and ".join(filter(None, (whole, "slices" if self.slices else "")))

    def lower(self, problem: Problem) -> Problem:
        """The problem that is mapped and run; `problem` itself where nothing changes."""
        problem = self.runs.lower(problem) if self.runs else lowered(problem, self.lowering)
        cuts = [self.cuts[t].count if t in self.cuts else 1 for t in (Tensor.IFMAP, Tensor.FILTER)]
        return replace(problem, slices=(cuts[0], cuts[1])) if self.cuts else problem

    @property
    def cuts(self) -> dict[Tensor, Cut]:
        """How words are cut, of the operands whose words have more than one slice."""
        found = ((tensor, Cut(self.word_bits[tensor], bits)) for tensor, bits in self.slices.items())
        return {tensor: cut for tensor, cut in found if cut.count > 1}

    def __repr__(self) -> str:
        levels = " > ".join(level.name for level in self.levels)
        return f"Architecture({self.name}: {levels}, {self.pes} PEs at {float(self.clock_hz) / 1e6:g} MHz)"

    def __hash__(self) -> int:
        # its mappings have no hash; equal machines have equal names
        return hash((self.name, len(self.levels)))

    @property
    def paced(self) -> bool:
        """Whether it has what no search prices: fixed cycles, least lengths, waves, tiles anew, lock steps, runs."""
        given = (self.wave is not None, self.least, self.mac_cycles > 1, self.before, self.after, self.lock, self.runs)
        split = self.mode.along or self.mode.divider > 1
        return any((*given, split, self.stream, self.behind_macs, *(level.paced for level in self.levels)))

    @property
    def behind_macs(self) -> dict[Tensor, int]:
        """Cycles of a PE behind the MACs of a step, for each word of a tensor."""
        return {t: each for t, each in ((Tensor.IFMAP, self.window), (Tensor.PSUM, self.psum_in)) if each}

    @property
    def final_bits(self) -> int:
        """Bits of an ofmap word: a sum that is final and has been narrowed."""
        return min(self.ofmap_bits or self.word_bits[Tensor.PSUM], self.word_bits[Tensor.PSUM])

    @property
    def bias_bits(self) -> int:
        """Bits of a word of a layer's bias."""
        return (self.bias.bits if self.bias else 0) or self.word_bits[Tensor.PSUM]

    @property
    def narrows(self) -> bool:
        """Whether final sums become narrower words."""
        return self.final_bits < self.word_bits[Tensor.PSUM]

    @cached_property
    def widths(self) -> dict[Width, int]:
        """Bits of every sort of word."""
        return {**{Width(t): bits for t, bits in self.word_bits.items()}, Width.OFMAP: self.final_bits}

    @property
    def moved_widths(self) -> dict[Width, int]:
        """The same of what is moved as one: slices, where words are sliced."""
        return {**{Width(t): bits for t, bits in self.moved_bits.items()}, Width.OFMAP: self.final_bits}

    @property
    def narrow_level(self) -> int:
        """The innermost level that stores final sums as ofmap words; -1: none does."""
        return self.level_index(self.narrow) - 1 if self.narrow else self.pe_level - 1

    @property
    def narrow_fanout(self) -> int:
        """The innermost level whose fan-out carries final sums as ofmap words; -1: none does."""
        return self.level_index(self.narrow) - 1 if self.narrow else self.pe_level - 2

    def home(self, tensor: Tensor) -> int:
        """The outermost level that holds a tensor: 0 but for one that lives on the chip between layers."""
        return self.level_index(self.homes[tensor]) if tensor in self.homes else 0

    def parts_home(self, tensor: Tensor) -> int:
        """The level where some channels of a tensor live; -1: all live in one."""
        return self.level_index(self.parts[tensor].level) if tensor in self.parts else -1

    def accumulates(self, parent: int, child: int) -> bool:
        """Whether psums drained between two levels meet the old ones on the way up, instead of being refilled.

        The outermost declared psum network crossed decides; a fan-out without one is a wire.
        """
        crossed = (spec.fanout for spec in self.levels[parent:child] if Tensor.PSUM in spec.fanout.networks)
        return next((fanout.network(Tensor.PSUM).accumulate_on_drain for fanout in crossed), False)

    @property
    def moved_bits(self) -> Mapping[Tensor, int]:
        """Bits of what is stored, moved and multiplied as one: a word, or a slice of it."""
        return {**self.word_bits, **{t: cut.width for t, cut in self.cuts.items()}} if self.slices else self.word_bits

    @property
    def mode(self) -> Mode:
        """How its multipliers work on words of these widths."""
        return mode_of(self.modes, self.moved_bits)

    @property
    def mac_bits(self) -> dict[Tensor, int]:
        """Bits of the operands as they are multiplied, and of the psum."""
        bits = {t: bits if t is Tensor.PSUM else max(bits, self.multiplier) for t, bits in self.moved_bits.items()}
        return bits | self.mode.bits if self.modes else bits

    @property
    def whole_mac_bits(self) -> dict[Tensor, int]:
        """The same of a multiplier that does not split, or is not split."""
        return self.mac_bits | widest(self.modes).bits if self.modes else self.mac_bits

    @property
    def macs_together(self) -> int:
        """What takes one cycle of a PE: MACs, or where sub-words lie along a dim its multipliers (`Program.packs`)."""
        return self.macs_per_cycle * (1 if self.mode.along else self.mode.macs)

    @property
    def sees_zeros_of(self) -> frozenset[Tensor]:
        """Tensors whose zeros change counts or cycles."""
        return (
            frozenset(TENSORS)
            if self.cartesian
            else (self.sparsity.gate | self.sparsity.skip).union(*(level.compression for level in self.levels))
        )

    @property
    def sees_zeros(self) -> bool:
        """Whether counts or cycles depend on which operands are zero."""
        return bool(self.sees_zeros_of)

    @property
    def macs_at_once(self) -> float:
        """MACs of all PEs in a core cycle, at most."""
        return self.macs_at_once_in(self.mode)

    def macs_at_once_in(self, mode: Mode) -> float:
        """The same in one of its modes."""
        return self.pes * self.macs_per_cycle * mode.macs / (self.mac_cycles * mode.divider)

    @property
    def pes(self) -> int:
        """Processing elements: the product of all fan-outs."""
        return prod(level.fanout.y * level.fanout.x for level in self.levels)

    @property
    def skew_cycles(self) -> int:
        """Cycles after which an operand has come from the first row and column of all arrays to the last."""
        fans = (level.fanout for level in self.levels if level.fanout.declared)
        return sum(fan.y + fan.x - 2 for fan in fans) if self.skew else 0

    @property
    def pe_level(self) -> int:
        """Index of the first level inside the PE: right below the last declared array; without one, the last level."""
        declared = [index + 1 for index, level in enumerate(self.levels) if level.fanout.declared]
        return declared[-1] if declared else len(self.levels) - 1

    def level_index(self, name: str) -> int:
        """Index of the level called `name`; -1 if there is none."""
        return next((index for index, level in enumerate(self.levels) if level.name == name), -1)
