"""Blocks that are drawn, against the same layers written out one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.errors import AccelsimError
from accelsim.workload.document import document_of
from accelsim.workload.network import Network
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

HEAD = "name: n\nsource: drawn\ninput: {C: 4, H: 6, W: 6}\n"
NAMES = "abcdefg"
LAYER = st.sampled_from(["conv", "norm", "add", "concat"])


@st.composite
def blocks(draw) -> list[tuple[str, str, list[tuple[str, str, list[str]]]]]:
    """(name, join, layers), each layer (name, op, what it reads in the block); later blocks may use earlier ones."""
    found = []
    for at in range(draw(st.integers(1, 3))):
        layers = []
        for index in range(draw(st.integers(1, 4))):
            last = draw(st.booleans())
            op = draw(st.sampled_from([f"use {draw(st.integers(0, at - 1))}"])) if at and last else draw(LAYER)
            known = ["input", *(name for name, *_ in layers)]
            wide = draw(st.lists(st.sampled_from(known), min_size=2, max_size=3))
            reads = wide if op == "concat" else draw(st.sampled_from([[], [draw(st.sampled_from(known))]]))
            layers.append((NAMES[index], "norm" if op == "add" else op, reads))
        if draw(st.booleans()):
            _, op, reads = layers.pop()
            layers.append(("output", op, reads))
        found.append((f"b{at}", draw(st.sampled_from([".", "_", ""])), layers))
    return found


USES = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 5)), min_size=1, max_size=3)


def spelled(op: str, reads: list[str], scale: str) -> str:
    """A layer as YAML has it."""
    inputs = f", inputs: [{', '.join(reads)}]" if reads else ""
    return f"{{op: {op}{inputs}{f', M: {scale}, kernel: 1' if op == 'conv' else ''}}}"


def with_blocks(drawn, uses) -> str:
    lines = ["blocks:"]
    for name, join, layers in drawn:
        lines += [f"  {name}:", "    parameters: {M: 3}", f"    join: '{join}'", "    layers:"]
        for layer, op, reads in layers:
            inputs = f"inputs: [{', '.join(reads)}], " if reads else ""
            use = f"{{block: b{op[4:]}, {inputs}set: {{M: 2 * $M}}}}"
            lines.append(f"      {layer}: {use if op.startswith('use') else spelled(op, reads, '$M')}")
        lines.append("      end: {op: conv, M: $M, kernel: 1, when: 0}")
    lines.append("layers:")
    for index, (block, times, first) in enumerate(uses):
        lines.append(
            f"  u{index}x$i: {{block: b{block % len(drawn)}, times: {times}, first: {first}, set: {{M: 1 * $i}}}}"
        )
    unused = {f"b{i}" for i in range(len(drawn))} - {f"b{block % len(drawn)}" for block, *_ in uses}
    unused -= {f"b{op[4:]}" for _, _, layers in drawn for _, op, _ in layers if op.startswith("use")}
    lines += [f"  also_{name}: {{block: {name}}}" for name in sorted(unused)]
    return HEAD + "\n".join(lines) + "\n"


def written_out(drawn, uses) -> str:
    """The same, one layer after another."""
    lines: list[str] = []

    def add(name: str, block: int, before: str, m: int) -> str:
        _, join, layers = drawn[block]
        known = {"input": before}
        for layer, op, reads in layers:
            whole = name if layer == "output" else f"{name}{join}{layer}"
            sources = [known[one] for one in reads]
            if op.startswith("use"):
                before = add(whole, int(op[4:]), sources[0] if sources else before, 2 * m)
            else:
                lines.append(f"  {whole}: {spelled(op, sources or [before], str(m))}")
                before = whole
            known[layer] = before
        return before

    before = "input"
    for index, (block, times, first) in enumerate(uses):
        for i in range(first, first + times):
            before = add(f"u{index}x{i}", block % len(drawn), before, i)
    used = {block % len(drawn) for block, *_ in uses}
    used |= {int(op[4:]) for _, _, layers in drawn for _, op, _ in layers if op.startswith("use")}
    for block in sorted({*range(len(drawn))} - used):
        before = add(f"also_b{block}", block, before, 3)
    return HEAD + "layers:\n" + "\n".join(lines) + "\n"


def read(text: str) -> Network | str:
    try:
        return network_of(parse(text, "n.yaml"))
    except AccelsimError as error:
        return str(error)


@settings(deadline=None)
@given(blocks(), USES)
def test_blocks_are_the_layers_written_out(drawn, uses):
    """Where names collide or sizes do not fit, neither can be read."""
    ours, theirs = read(with_blocks(drawn, uses)), read(written_out(drawn, uses))
    if isinstance(theirs, str) or isinstance(ours, str):
        assert isinstance(ours, str) and isinstance(theirs, str), (ours, theirs)
    else:
        assert document_of(ours) == document_of(theirs)
