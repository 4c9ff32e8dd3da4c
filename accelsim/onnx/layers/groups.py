"""Nodes that work word by word, joined: a bias and what follows it, the five nodes of a GELU, those of a norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from accelsim.onnx.graph.records import Program, Step, Value
from accelsim.onnx.layers.kinds import Sort

REDUCED = frozenset({"ReduceMean", "ReduceSum"})
"""Reductions that stand inside a decomposed norm."""


@dataclass
class Group:
    """Steps that together give one tensor. reads : the activations they read, each once, in order.

    gives : what others read.
    """

    gives: Value
    steps: list[Step] = field(default_factory=list)
    reads: list[Value] = field(default_factory=list)


def grouped(program: Program, sorts: Sequence[Sort]) -> dict[int, Group]:
    """The groups by the number of the step that ends each.

    A tensor that steps of another sort, or two groups, read ends its group. So does one that joins two activations.
    """
    steps, readers = program.steps, _readers(program)
    kept = {id(value) for value in program.outputs}
    joins = [sorts[index] in (Sort.WORD, Sort.ALIAS) for index in range(len(steps))]
    roots = _roots(program, joins, readers)
    norms = _norms(program, sorts, readers, roots)
    owner: dict[int, int] = {}
    for index in range(len(steps) - 1, -1, -1):
        if not (joins[index] or index in norms):
            continue
        given = [value for value in steps[index].outputs if value.name]
        users = [user for value in given for user in readers.get(id(value), ())]
        groups = {owner.get(user) for user in users}
        single = len(groups) == 1 and None not in groups and not any(id(value) in kept for value in given)
        ends = _joins_several(steps[index], roots)
        owner[index] = next(iter(groups)) if single and not ends else index  # type: ignore[assignment]
    found: dict[int, Group] = {}
    for index in sorted(owner):
        end = owner[index]
        found.setdefault(end, Group(steps[end].outputs[0])).steps.append(steps[index])
    for group in found.values():
        inside = {id(value) for step in group.steps for value in step.outputs}
        for step in group.steps:
            for value in step.inputs:
                known = value is None or id(value) in inside or any(value is one for one in group.reads)
                if value is not None and not known and active(value):
                    group.reads.append(value)
    return found


def active(value: Value) -> bool:
    """Whether a tensor is an activation."""
    return value.stored is None and value.data is None and (value.shape is None or value.words > 0)


def _readers(program: Program) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for index, step in enumerate(program.steps):
        for value in step.inputs:
            if value is not None:
                found.setdefault(id(value), []).append(index)
    return found


def _roots(program: Program, joins: Sequence[bool], readers: Mapping[int, list[int]]) -> dict[int, int]:
    """The one activation that each tensor is a function of, word by word; itself where there are several."""
    roots: dict[int, int] = {}
    for index, step in enumerate(program.steps):
        reduced = step.node.op in REDUCED and not step.node.domain
        if not (joins[index] or reduced):
            continue
        found = {roots.get(id(value), id(value)) for value in step.inputs if value is not None and active(value)}
        for value in step.outputs:
            roots[id(value)] = next(iter(found)) if len(found) == 1 else id(value)
    return roots


def _joins_several(step: Step, roots: Mapping[int, int]) -> bool:
    found = {roots.get(id(value), id(value)) for value in step.inputs if value is not None and active(value)}
    return len(found) > 1


def _norms(
    program: Program, sorts: Sequence[Sort], readers: Mapping[int, list[int]], roots: Mapping[int, int]
) -> set[int]:
    """Steps that reduce inside a norm: what is read of them comes back to the words that were reduced."""
    found = set[int]()
    for index, step in enumerate(program.steps):
        if step.node.op not in REDUCED or step.node.domain or sorts[index] is not Sort.VECTOR:
            continue
        value = step.outputs[0]
        if roots.get(id(value)) == id(value) or not step.node.attributes.get("keepdims", 1):
            continue
        if _comes_back(program, readers, roots, index):
            found.add(index)
    return found


def _comes_back(program: Program, readers: Mapping[int, list[int]], roots: Mapping[int, int], start: int) -> bool:
    """Whether within a few steps a reduced tensor meets words of the activation it follows from."""
    step = program.steps[start]
    source, root = step.inputs[0], roots[id(step.outputs[0])]
    edge = list(step.outputs)
    for _ in range(6):
        after = list[Value]()
        for value in edge:
            for user in readers.get(id(value), ()):
                for other in program.steps[user].inputs:
                    if other is None or other is value or source is None or not active(other):
                        continue
                    if other.words == source.words and roots.get(id(other), id(other)) == root:
                        return True
                after += [one for one in program.steps[user].outputs if roots.get(id(one)) == root]
        edge = list({id(one): one for one in after}.values())
    return False
