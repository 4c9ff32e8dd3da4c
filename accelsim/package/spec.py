"""The keys of a package file: cores, memories, links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from accelsim.architecture.dram.spec import DramEntry
from accelsim.package.topology import Kind
from accelsim.parameters import NO_PARAMETERS, PARAMETERS
from accelsim.quantities import RATE, Quantity, bounded
from accelsim.quantities import rate as read_rate
from accelsim.specs import Count, Duration, Frequency, Name, Names, PadPair, Pair, Spec, key, number, pick, quantity

PER = re.compile(r"\s*(\d{1,9})(?:\s+cores?)?\s*")


class Searched(StrEnum):
    """The rate of memory at which mappings are searched."""

    FULL = "full"
    SHARE = "share"


def _per_second(value: object) -> Quantity:
    found = read_rate(value)
    if found.unit.startswith("words"):
        raise ValueError(f"'{value}': words have many widths here; give bits or bytes, such as '450 GB/s'")
    return found


def _per(value: object) -> int:
    match = PER.fullmatch(str(value))
    if isinstance(value, bool) or not match or not int(match[1]):
        raise ValueError(f"should be how many cores share a link, such as '2 cores', got '{value}'")
    return int(match[1])


def _price(value: object) -> Fraction:
    if isinstance(value, bool):
        raise ValueError("should be a number")
    try:
        found = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"should be a number, got '{value}'") from None
    if found < 0:
        raise ValueError(f"must be at least 0, got {value}")
    bounded("an energy", found)
    return found


Width = Annotated[Quantity, PlainValidator(_per_second), WithJsonSchema(quantity(RATE.shown, "450 GB/s", "64 B"))]
Per = Annotated[int, PlainValidator(_per), WithJsonSchema({"type": ["integer", "string"], "examples": [2, "2 cores"]})]
Price = Annotated[Fraction, PlainValidator(_price), WithJsonSchema(number(0.5, kind="number", minimum=0))]
KindName = Annotated[Kind, BeforeValidator(pick("kind of link", Kind))]
SearchedName = Annotated[Searched, BeforeValidator(pick("rate", Searched))]
Factors = dict[str, Any]


class CoreSpec(Spec):
    """A group of equal cores."""

    machine: str = key("Its machine: a built-in name, or a file, which is looked for beside this one first.")
    count: Count = key("How many.", 1, unit="cores")
    parameters: dict[str, Any] = key(
        "Values for parameters of the machine's file, or for any of its keys by their paths.", {}, "those of its file"
    )
    memory: Name | None = key("Which memory its outermost level is.", None, "the first one")


class MemorySpec(Spec):
    """What the outermost levels of cores are."""

    rate: Width | None = key(
        "What it reads and writes, together.", None, "each core has its own outermost link to itself"
    )
    duplex: bool = key("Whether it reads at its rate and writes at its rate at the same time.", False)
    multicast: bool = key(
        "Whether words that several parts of a layer read cross it, and links that they share, once (docs/cores.md).",
        False,
    )
    dram: DramEntry = key(
        "Banks and rows, as of a level; each core's part is simulated on them alone, and their peak rate is shared.",
        None,
        "a rate, or no limit",
    )


class LinkSpec(Spec):
    """Links of one kind, or one from an end to others."""

    name: Name | None = key(
        "What results call it.", None, "its kind or its first end, and a number where two are alike"
    )
    kind: KindName | None = key("How `over` are joined.", None, "`direct`, which takes `from` and `to`")
    over: Names = key("What is joined: memories and cores by name, a group for all of its cores.", (), "everything")
    from_: Name | None = key("direct only: the memory or core at one end.", None, "`over` is given", alias="from")
    to: Names = key("direct only: what is at the other ends.", (), "`over` is given")
    per: Per = key("direct only: ends in `to` that share one link.", 1, unit="cores")
    rate: Width | None = key("Of each link and direction.", None, "it takes no time")
    latency: Duration | None = key("Of a hop, after the last word.", None, "none")
    shared: bool = key("Whether both directions of a link are one.", False)
    energy: Price = key(
        "Of one bit over one hop, in the unit of the cores' energy table.", Fraction(0), unit="pJ or MACs per bit"
    )
    size: Pair | None = key("mesh only: rows and columns.", None, "it has to be given for a mesh")
    at: dict[Name, PadPair] = key(
        "mesh only: [row, column] of ends, from 0.", {}, "ends take places along the rows, in order"
    )


class PackageSpec(Spec):
    """Several cores that share memories and links."""

    name: Name = key("What results call it.")
    source: str = key("Where its numbers come from.", "", "nowhere")
    parameters: dict[str, Any] = key(PARAMETERS, {}, NO_PARAMETERS)
    clock: Frequency | None = key("What its cycles are, and those of rates per cycle.", None, "the fastest core's")
    cores: dict[Name, CoreSpec] = key("Groups of equal cores, by name.", min_length=1)
    memory: dict[Name, MemorySpec] = key("Memories, by name.", min_length=1)
    links: list[LinkSpec] = key("What joins cores and memories.", [], "every core is at its memory")
    split: dict[str, Factors | int] = key(
        "How layers are split: factors by dim (N, G, M, P, Q, C), for all layers or by glob over their names.",
        {},
        "the best of the splits, layer by layer",
    )
    sync: Duration | None = key(
        "A hand-over between cores: after each layer that several share, and with words from another core.",
        None,
        "no time",
    )
    stages: Count | None = key(
        "Of a pipeline: groups of cores, evenly many in each.", None, "one for each core, or each layer", unit="stages"
    )
    resident: bool = key(
        "Of split mode: whether an ofmap stays in its cores' buffers, where they and its readers have room for it.",
        False,
    )
    slots: Count = key("Entries of a core's list whose words have room there at once.", 2, unit="entries")
    searched: SearchedName = key(
        "The rate of memory that mappings are searched and parts are costed at: all of it, or a core's mean share.",
        Searched.FULL,
    )


def seconds(value: Quantity | None, clock: Fraction) -> Fraction:
    """A time in seconds; one given in cycles is in those of `clock`."""
    if value is None:
        return Fraction(0)
    return value.value / clock if value.unit == "cycles" else value.value


def per_second(value: Quantity, clock: Fraction) -> Fraction:
    """A rate in bits per second; one given per cycle is beside `clock`."""
    return value.value if value.unit.endswith("/s") else value.value * clock


def is_factors(split: Mapping[str, Any]) -> bool:
    """Whether a `split` holds factors, for all layers, and not globs."""
    return all(not isinstance(value, Mapping) for value in split.values())
