"""Layers that repeat, told by the numbers in their names, as blocks of a workload file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accelsim.workload.network import INPUT

Layers = Mapping[str, Mapping[str, Any]]
WORTH = 4
"""Lines that a block has to save at least."""
_NUMBERED = re.compile(r"(?<![0-9])(0|[1-9][0-9]*)\.")


@dataclass(frozen=True)
class _Run:
    """Layers from place `begin` to `end`, whose names are `prefix`, a number, a dot, and one of their own."""

    prefix: str
    number: int
    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin

    def own(self, names: Sequence[str]) -> tuple[str, ...]:
        """Names behind the number."""
        head = len(f"{self.prefix}{self.number}.")
        return tuple(name[head:] for name in names[self.begin : self.end])


_Found = tuple[_Run, int, dict[str, Any]]


def folded(layers: Layers) -> tuple[dict[str, Any], dict[str, Any]]:
    """(blocks, layers) of a workload file that expand to these layers, each under the name it has.

    Blocks are used as often as layers are alike: `h.0.fc` to `h.11.fc` are `fc` in the block of `h.$i`.
    """
    names = list(layers)
    runs = _runs(names)
    blocks: dict[str, Any] = {}
    left: dict[str, Any] = {}
    at = 0
    while at < len(names):
        first, times, block = max(_alike(layers, names, runs, at), key=_saved, default=(None, 0, {}))
        # a file has a use of one name once
        if first is None or _saved((first, times, block)) < WORTH or f"{first.prefix}$i" in left:
            left[names[at]] = layers[names[at]]
            at += 1
            continue
        called = _called(_word(first.prefix), blocks)
        outer = block.pop("reads")
        blocks[called] = block
        use: dict[str, Any] = {"block": called, "times": times}
        if first.number:
            use["first"] = first.number
        if outer:
            use["inputs"] = [names[at - 1] if at else INPUT, *outer]
        left[f"{first.prefix}$i"] = use
        at += times * len(first)
    return blocks, left


def _saved(found: _Found) -> int:
    run, times, _ = found
    return (times - 1) * len(run) - 3


def _alike(layers: Layers, names: Sequence[str], runs: Sequence[Sequence[_Run]], at: int) -> Iterator[_Found]:
    """Every way in which what begins here repeats: its first run of layers, how often, and the block it would be."""
    for first in runs[at]:
        block: dict[str, Any] | None = None
        times, run = 1, _next(names, runs, first, 1, first.end)
        while run is not None:
            # most that begins somewhere goes on nowhere, so nothing is laid out before it does
            block = block or _block(layers, names, first)
            if block is None or _block(layers, names, run) != block:
                break
            times += 1
            run = _next(names, runs, first, times, run.end)
        if block is not None and times > 1:
            yield first, times, block


def _runs(names: Sequence[str]) -> list[list[_Run]]:
    """The runs that may begin at each place: one for each number in the name there, as long as what follows has it."""
    found: list[list[_Run]] = []
    ends: dict[str, int] = {}  # of the heads of the name behind
    for at in range(len(names) - 1, -1, -1):
        name = names[at]
        heads = {name[: one.end()]: one for one in _NUMBERED.finditer(name) if one.end() < len(name)}
        ends = {head: ends.get(head, at + 1) for head in heads}
        found.append([_Run(name[: one.start()], int(one[1]), at, ends[head]) for head, one in heads.items()])
    return found[::-1]


def _next(names: Sequence[str], runs: Sequence[Sequence[_Run]], first: _Run, times: int, at: int) -> _Run | None:
    """What goes on here as the first did, under the next number."""
    wanted = first.prefix, first.number + times, len(first)
    for run in runs[at] if at < len(names) else ():
        if (run.prefix, run.number, len(run)) == wanted and run.own(names) == first.own(names):
            return run
    return None


def _block(layers: Layers, names: Sequence[str], run: _Run) -> dict[str, Any] | None:
    """A run as a block; `reads` : what it reads besides the layer before it. None where it cannot be one."""
    names_own = run.own(names)
    if INPUT in names_own or "output" in names_own:
        return None
    inside = dict(zip(names[run.begin : run.end], names_own, strict=True))
    before = names[run.begin - 1] if run.begin else INPUT
    outer: dict[str, str] = {}
    found = {}
    for name, own in inside.items():
        layer = dict(layers[name])
        said = layer.get("inputs")
        if said is not None:
            sources = [said] if isinstance(said, str) else said
            named = []
            for source in sources:
                if source not in inside and source != before and source not in outer:
                    taken = dict.fromkeys((INPUT, *names_own, *outer.values()))
                    outer[source] = _called(source.rpartition(".")[2], taken)
                named.append(inside.get(source) or (INPUT if source == before else outer[source]))
            layer["inputs"] = named[0] if isinstance(said, str) else named
        found[own] = layer
    block: dict[str, Any] = {"reads": list(outer)}
    if outer:
        block["inputs"] = [INPUT, *outer.values()]
    return {**block, "layers": found}


def _word(prefix: str) -> str:
    """The last word of it."""
    words = re.findall(r"[A-Za-z_]*[A-Za-z]", prefix)
    return words[-1].strip("_") if words else "block"


def _called(name: str, taken: Mapping[str, Any]) -> str:
    """A name that nothing has yet."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
