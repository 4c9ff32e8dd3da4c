"""Tables, policies and requests to draw."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from hypothesis import strategies as st

from accelsim.serving.bundle import Bundle, Table
from accelsim.serving.models import Model
from accelsim.serving.policy import POLICIES, Policy, Split
from accelsim.serving.requests import Asked
from serving.slow import Table as SlowTable

SMALL = Model("small", (), 3, 8, 2, 1, 4, 16, 32, True, True, False, "made up")
GRIDS = ((0, 4, 9, 30), (0, 3, 16, 40), (0, 1, 2, 7), (0, 5, 24))


@st.composite
def tables(draw) -> Table:
    us = st.integers(0, 4000).map(lambda value: value / 8)
    places = st.lists(st.integers(1, 60), min_size=1, max_size=4, unique=True)
    dense = {name: {at: draw(us) for at in sorted(draw(places))} for name in SMALL.times()}
    sequences = {name: {at: draw(us) for at in sorted(draw(places))} for name in ("lm_head", "sampler")}
    attention = {}
    for chunk in draw(st.sampled_from((GRIDS[0], (0, 8), (0, 2, 50)))):
        for past in draw(st.sampled_from((GRIDS[1], (0,), (0, 10)))) if chunk else (0,):
            for count in draw(st.sampled_from((GRIDS[2], (0, 4)))):
                for context in draw(st.sampled_from((GRIDS[3], (0, 12)))) if count else (0,):
                    if (chunk or count) and not (count and context == 0):
                        attention[chunk, past, count, context] = draw(us)
    return Table(dense, sequences, attention)


@st.composite
def cases(draw, most_requests: int = 12):
    """(table, bundle, policy, requests) that fit."""
    table = draw(tables())
    name = draw(st.sampled_from(sorted(POLICIES)))
    block = draw(st.sampled_from((1, 2, 4, 16)))
    count = draw(st.integers(1, most_requests) | st.just(most_requests))
    outputs = st.integers(1, draw(st.sampled_from((3, 12, 40))))
    sizes = [(draw(st.integers(1, 30)), draw(outputs)) for _ in range(count)]
    gaps = [draw(st.sampled_from((0, 0, 1, 1000, 200_000, 900_000))) for _ in range(count)]
    longest = max(prompt + output - 1 for prompt, output in sizes)
    blocks = -(-longest // block) + draw(st.integers(0, 12) | st.integers(0, 2))
    budget = draw(st.one_of(st.none(), st.integers(1, 40)))
    if name in ("whole", "prompts-first") and budget is not None:
        budget = max(budget, longest)
    chunk = draw(st.one_of(st.none(), st.integers(1, 9))) if name in ("chunked", "static") else None
    split = None
    if name in ("chunked", "whole") and draw(st.booleans()):
        there = -(-longest // block) + draw(st.integers(0, 12) | st.integers(0, 2))
        rate = draw(st.sampled_from((10**5, 10**6, 3 * 10**7, 10**12)))
        split = Split(there, Fraction(rate), draw(st.sampled_from((0, 7, 10_000))))
    seats = draw(st.one_of(st.none(), st.integers(1, 6)))
    policy = Policy(blocks, name, budget, seats, chunk, block, split)
    arrivals, now = [], draw(st.integers(0, 10))
    for gap in gaps:
        now += gap
        arrivals.append(now)
    return table, policy, [(at, *size) for at, size in zip(arrivals, sizes, strict=True)]


def bundle_of(table: Table) -> Bundle:
    return Bundle(Path(), SMALL, 1, table)


def slow_table(table: Table) -> SlowTable:
    kv = SMALL.kv_bytes()
    return SlowTable(table.dense, table.sequences, table.attention, SMALL.times(), SMALL.layers, kv)


def asked_of(requests) -> Asked:
    return Asked.of(*zip(*requests, strict=True))
