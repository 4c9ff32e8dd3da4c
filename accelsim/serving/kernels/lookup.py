"""What an iteration costs: layers by tokens and by requests, attention by four coordinates, all linear in between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from accelsim.jit import njit, part
from accelsim.serving.kernels.skew import Skews, share


class Line(NamedTuple):
    """A sum of layers over tokens or requests. Beyond its ends the last two points are prolonged.

    x : float64[points], rising. y : float64[points]. low, high : float64, where every layer of the sum has points.
    """

    x: np.ndarray
    y: np.ndarray
    low: float
    high: float


class Tree(NamedTuple):
    """Attention: chunk, then tokens before it, then decodes, then their context; ``*_start`` point a floor down.

    chunk, past, decodes, context : float64, each node's children rising. chunk_start, past_start, decodes_start :
    int64, one more than their nodes. y : float64[contexts].
    """

    chunk: np.ndarray
    chunk_start: np.ndarray
    past: np.ndarray
    past_start: np.ndarray
    decodes: np.ndarray
    decodes_start: np.ndarray
    context: np.ndarray
    y: np.ndarray


class Costs(NamedTuple):
    """All an iteration's cost follows from, in ns or uJ.

    layers : attentions in one iteration. token, constant : what all-reduces add for each token, and once.
    skew : how far from the mean's attention to the longest context's; skews : the same by kind of batch, instead of it.
    keyed : whether prompts are looked up by their mean key (`cost`) and not by the tokens before them.
    """

    tokens: Line
    sequences: Line
    attention: Tree
    layers: float
    token: float
    constant: float
    skew: float
    skews: Skews
    keyed: bool


@part
def bracket(x, start, stop, value):
    """Neighbours of a value among x[start:stop], how far it is to the second, and whether it lies beyond the ends."""
    first = start
    if x[start] == 0.0:
        if value == 0.0 or stop - start == 1:
            return start, start, 0.0, value != 0.0
        first = start + 1  # 0 means none, which says nothing of some
    if stop - first == 1:
        return first, first, 0.0, value != x[first]
    low, high = first, stop - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x[middle] <= value:
            low = middle
        else:
            high = middle
    if value == x[high]:
        return high, high, 0.0, False
    return low, high, (value - x[low]) / (x[high] - x[low]), value < x[first] or value > x[stop - 1]


@part
def on_line(line, value):
    """The line at a value, and whether that is beyond it."""
    if value == 0.0 or len(line.x) == 0:
        return 0.0, False
    low, high, share, _ = bracket(line.x, 0, len(line.x), value)
    return line.y[low] + share * (line.y[high] - line.y[low]), value < line.low or value > line.high


@part
def by_context(tree, node, context):
    """Attention of known chunk, past and decodes."""
    low, high, share, out = bracket(tree.context, tree.decodes_start[node], tree.decodes_start[node + 1], context)
    return tree.y[low] + share * (tree.y[high] - tree.y[low]), out


@njit(_nrt=False)
def by_count(tree, node, count, context):
    """Attention of known chunk and past."""
    low, high, share, out = bracket(tree.decodes, tree.past_start[node], tree.past_start[node + 1], count)
    found, beyond = by_context(tree, low, context)
    out = out or beyond
    if share != 0.0:
        other, beyond = by_context(tree, high, context)
        found, out = found + share * (other - found), out or beyond
    return found, out


@njit(_nrt=False)
def by_past(tree, node, past, count, context):
    """Attention of a known chunk."""
    low, high, share, out = bracket(tree.past, tree.chunk_start[node], tree.chunk_start[node + 1], past)
    found, beyond = by_count(tree, low, count, context)
    out = out or beyond
    if share != 0.0:
        other, beyond = by_count(tree, high, count, context)
        found, out = found + share * (other - found), out or beyond
    return found, out


@njit(_nrt=False)
def attention(tree, chunk, past, count, context):
    """Attention of one layer, and whether any coordinate lies beyond the table."""
    low, high, share, out = bracket(tree.chunk, 0, len(tree.chunk), chunk)
    found, beyond = by_past(tree, low, past, count, context)
    out = out or beyond
    if share != 0.0:
        other, beyond = by_past(tree, high, past, count, context)
        found, out = found + share * (other - found), out or beyond
    return found, out


@njit(_nrt=False)
def skewed(costs, even, chunk, past, count, mean, longest, shortest):
    """Attention of unequal contexts, from that of their mean; and whether any coordinate lies beyond the table."""
    most, beyond = attention(costs.attention, chunk, past, count, longest)
    if len(costs.skews.alpha) == 0:
        return even + costs.skew * (most - even), beyond
    if most <= even:  # shares by kind are of batches whose longest context takes longer
        return even, beyond
    rate = (mean - shortest) / (longest - shortest)
    lever = (most - even) / even if even > 0.0 else 0.0
    return even + share(costs.skews, chunk, count, rate, longest, past, lever) * (most - even), beyond


@njit(_nrt=False)
def cost(costs, tokens, sequences, chunk, past, count, mean, longest, shortest, key):
    """Cost of an iteration, and whether it lies beyond the table.

    tokens, sequences : of the batch. chunk, past : new tokens of its prompts, and those computed before.
    count, mean, longest, shortest : its decodes, their mean, longest and shortest context.
    key : twice the sum, over new tokens of prompts, of those before their piece and half of it.
    """
    total, out = on_line(costs.tokens, float(tokens))
    more, beyond = on_line(costs.sequences, float(sequences))
    total, out = total + more + costs.token * tokens + costs.constant, out or beyond
    if len(costs.attention.chunk) and chunk + count > 0:
        before = float(past)
        if costs.keyed and chunk > 0:
            before = key / (2.0 * chunk)
        one, beyond = attention(costs.attention, float(chunk), before, float(count), float(mean))
        out = out or beyond
        if longest > mean and (costs.skew != 0.0 or len(costs.skews.alpha)):
            one, beyond = skewed(
                costs, one, float(chunk), before, float(count), float(mean), float(longest), float(shortest)
            )
            out = out or beyond
        total += costs.layers * one
    return total, out
