"""Package YAML to Package: machines are read, names become ends of links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from accelsim.architecture.dram.spec import dram_of
from accelsim.architecture.model import Architecture
from accelsim.architecture.yaml import beside, load_architecture
from accelsim.errors import AccelsimError, Issue, SpecError
from accelsim.package.model import Core, Memory, Package
from accelsim.package.spec import CoreSpec, LinkSpec, PackageSpec, is_factors, per_second, seconds
from accelsim.package.split import SPLIT_DIMS
from accelsim.package.topology import Fabric, Kind
from accelsim.parameters import substitute
from accelsim.specs import validate
from accelsim.yamlfile import Document, Place, hint, is_file, named, read, resolve, unknown


def is_package(name: str | Path) -> bool:
    """Whether a name or a file stands for a package and not for a machine."""
    path = Path(name)
    if is_file(path):
        try:
            with path.open("rb") as opened:
                text = opened.read(2**16)
        except OSError:
            return False
        return re.search(rb"^cores\s*:", text, re.MULTILINE) is not None and b"\nlevels:" not in text
    return named("arch", str(name)) is None and named("package", str(name)) is not None


def load_package(name: str | Path, parameters: Mapping[str, object] | None = None) -> Package:
    """Read a package from a file or a built-in name; `parameters` as for a machine.

    Raises SpecError with every error in the file, each with its line and column.
    """
    return package_of(read(resolve("package", name)), parameters)


def package_of(document: Document, parameters: Mapping[str, object] | None = None) -> Package:
    """Build a package from a document already read."""
    given = _set(document, dict(parameters or {}))
    substitute(document, given)
    spec = validate(document, PackageSpec)
    cores = _cores(document, spec)
    clock = spec.clock or max(core.clock for core in cores)
    memories = {}
    for name, one in spec.memory.items():
        rate = per_second(one.rate, clock) if one.rate else None
        if one.dram and one.rate:
            document.refuse(("memory", name, "rate"), "a DRAM has its own rate; leave one of them out", key=True)
        banks = dram_of(document, ("memory", name, "dram"), one.dram, cores[0].clock) if one.dram else None
        memories[name] = Memory(name, banks.peak * cores[0].clock if banks else rate, one.duplex, one.multicast, banks)
        if name in {core.name for core in cores} | {core.group for core in cores}:
            document.refuse(("memory", name), f"'{name}' is the name of cores too", key=True)
    if spec.resident and any(one.multicast for one in spec.memory.values()):
        document.refuse(("resident",), "not beside a memory that multicasts; leave one of them out", key=True)
    fabrics = _fabrics(document, spec, cores, clock)
    split = _splits(document, spec)
    document.check()
    try:
        return Package(
            spec.name, clock, cores, memories, fabrics, seconds(spec.sync, clock) * clock, spec.slots, split,
            spec.searched.value, spec.stages or 0, spec.resident, spec.source,
        )  # fmt: skip
    except AccelsimError as error:
        document.refuse(("links",), str(error).split(": links: ")[-1], key=True)
        document.check()
        raise


def _set(document: Document, given: dict[str, object]) -> dict[str, object]:
    """Put what paths name into the document; the values of its parameters are left over.

    `cores` is short for the count of the only group, where no parameter has that name.
    """
    data = document.data if isinstance(document.data, dict) else {}
    declared, groups = (found if isinstance(found := data.get(key), dict) else {} for key in ("parameters", "cores"))
    for name in [name for name in given if name not in declared]:
        path = name.split(".")
        if name == "cores" and len(groups) == 1:
            path = ["cores", next(iter(groups)), "count"]
        elif name not in PackageSpec.model_fields and len(path) == 1:
            continue
        inside: Any = data
        for step in path[:-1]:
            if isinstance(inside.get(step), dict):
                inside = inside[step]
            else:
                raise SpecError([Issue("set", name, f"there is no '{step}'{hint(step, inside)}")])
        inside[path[-1]] = given.pop(name)
    return given


def _cores(document: Document, spec: PackageSpec) -> tuple[Core, ...]:
    found: list[Core] = []
    for group, one in spec.cores.items():
        memory = one.memory or next(iter(spec.memory))
        if memory not in spec.memory:
            document.refuse(("cores", group, "memory"), unknown("memory", memory, spec.memory))
        machine = _machine(document, group, one)
        if machine is not None:
            names = [group] if one.count == 1 else [f"{group}.{index}" for index in range(one.count)]
            found += [Core(name, group, machine, memory) for name in names]
    document.check()
    return tuple(found)


def _machine(document: Document, group: str, one: CoreSpec) -> Architecture | None:
    """The machine of a group; what is wrong with its file is told as that file's, with its own lines."""
    name = beside(document.file, one.machine)
    if not is_file(Path(name)) and named("arch", name) is None:
        try:
            resolve("arch", name)
        except AccelsimError as error:
            document.refuse(("cores", group, "machine"), str(error))
        return None
    return load_architecture(name, one.parameters)


def _fabrics(document: Document, spec: PackageSpec, cores: tuple[Core, ...], clock: Fraction) -> tuple[Fabric, ...]:
    ends: dict[str, tuple[str, ...]] = {name: (name,) for name in spec.memory}
    for core in cores:
        ends[core.group] = (*ends.get(core.group, ()), core.name)
    ends |= {core.name: (core.name,) for core in cores}
    used: Counter[str] = Counter()
    found = []
    for index, link in enumerate(spec.links):
        place: Place = ("links", index)
        kind = link.kind or Kind.DIRECT
        joined = _ends(document, place, link, kind, ends)
        base = link.name or (link.from_ if kind is Kind.DIRECT else kind.value) or "link"
        used[base] += 1
        at = _places(document, place, link, joined)
        found.append(
            Fabric(
                base if used[base] == 1 else f"{base} {used[base]}",
                kind,
                joined,
                per_second(link.rate, clock) if link.rate else None,
                seconds(link.latency, clock),
                link.energy,
                link.shared,
                link.per,
                link.size or (1, 1),
                at,
            )
        )
    return tuple(found)


def _ends(
    document: Document, place: Place, link: LinkSpec, kind: Kind, ends: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """What a link joins, cores one by one."""
    direct = kind is Kind.DIRECT
    for key, given in (("from", link.from_), ("to", link.to), ("over", link.over)):
        if bool(given) and (key == "over") == direct:
            what = "`from` and `to`" if direct else "`over`"
            document.refuse((*place, key), f"a {kind} link takes {what}", key=True)
        elif direct and key != "over" and not given:
            document.refuse(place, f"{key}: missing; a link is from one end to others, or has a kind and `over`")
    names = [*([link.from_] if link.from_ else []), *link.to] if direct else list(link.over)
    joined: list[str] = []
    for name in names:
        if name not in ends:
            key = "over" if not direct else "from" if name == link.from_ else "to"
            document.refuse((*place, key), unknown("end of a link", name, ends))
        joined += ends.get(name, ())
    first = ends.get(link.from_ or "", ())
    if direct and len(first) > 1:
        document.refuse((*place, "from"), f"'{link.from_}' is {len(first)} cores; name one of them")
    if not direct and not names:
        joined = [end for name, one in ends.items() for end in one if (name,) == one]
    return tuple(dict.fromkeys(joined))


def _places(document: Document, place: Place, link: LinkSpec, joined: tuple[str, ...]) -> dict[str, int]:
    """Places on a mesh, counted along the rows."""
    if link.kind is not Kind.MESH:
        for key, given in (("size", link.size), ("at", link.at)):
            if given:
                document.refuse((*place, key), "only a mesh has this", key=True)
        return {}
    if link.size is None:
        document.refuse(place, "size: missing; a mesh has rows and columns")
        return {}
    rows, columns = link.size
    found = {}
    for name, where in link.at.items():
        if name not in joined:
            document.refuse((*place, "at", name), unknown("end of this mesh", name, joined), key=True)
        row, column = where
        if row >= rows or column >= columns:
            document.refuse((*place, "at", name), f"[{row}, {column}] is not within {rows} x {columns}, from [0, 0]")
            continue
        found[name] = row * columns + column
    left = len(joined) - len(found)
    if left > rows * columns:
        document.refuse((*place, "size"), f"{rows} x {columns} places are too few for {left} ends")
    return found


def _splits(document: Document, spec: PackageSpec) -> dict[str, dict[str, int]]:
    """Factors by glob."""
    split: Mapping[str, Any] = {"*": spec.split} if spec.split and is_factors(spec.split) else spec.split
    found: dict[str, dict[str, int]] = {}
    for glob, factors in split.items():
        base: Place = ("split",) if split is not spec.split else ("split", glob)
        if not isinstance(factors, Mapping):
            document.refuse(base, "factors by dim, or by glob over layers, not both")
            continue
        for dim, factor in factors.items():
            if dim not in SPLIT_DIMS:
                document.refuse((*base, dim), unknown("dim of a split", dim, SPLIT_DIMS), key=True)
            elif isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
                document.refuse((*base, dim), f"should be a whole number of parts, at least 1, got '{factor}'")
        found[glob] = dict(factors)
    return found
