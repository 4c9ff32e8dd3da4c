"""A table as the arrays that its look-ups go through, with all-reduces between devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from accelsim.serving.bundle import Attention, Bundle, Layers, Table
from accelsim.serving.kernels.lookup import Costs, Line, Tree, cost
from accelsim.serving.skew import Skew

Floats = npt.NDArray[np.float64]
NS = 1000.0
"""In a us."""


@dataclass(frozen=True)
class Link:
    """Between devices, one way. rate : bytes/s. latency : s."""

    rate: float
    latency: float = 0.0


@dataclass(frozen=True)
class Batch:
    """What an iteration is of: tokens and requests in all; new tokens of prompts, and tokens computed before them;
    decodes, their mean, longest and shortest context. key : twice the sum, over new tokens of prompts, of those before
    their piece and half of it.
    """

    tokens: int
    sequences: int
    chunk: int
    past: int
    decodes: int
    mean: int
    longest: int
    shortest: int = 0
    key: int = 0

    @classmethod
    def of(cls, parts: Sequence[tuple[int, int]]) -> Batch:
        """Of (new tokens, tokens computed before) of each request; one new token is a decode."""
        prompts = [part for part in parts if part[0] > 1]
        contexts = [past for new, past in parts if new == 1]
        chunk, past = sum(new for new, _ in prompts), sum(past for _, past in prompts)
        mean = sum(contexts) // len(contexts) if contexts else 0
        tokens = chunk + len(contexts)
        key = sum(new * (2 * before + new) for new, before in prompts)
        ends = max(contexts, default=0), min(contexts, default=0)
        return cls(tokens, len(parts), chunk, past, len(contexts), mean, *ends, key)


def costs_of(
    bundle: Bundle, link: Link | Mapping[int, float] | None = None, skew: float | None = None, width: int = 2
) -> Costs:
    """Times of a bundle, in ns.

    link : for the all-reduces of several devices, or what one takes, us by bytes; width : bytes of a word on it.
    """
    token = constant = 0.0
    own = Skew(bundle.skew) if bundle.skews is None else bundle.skews
    skews = own if skew is None else Skew(skew)
    k, each = bundle.degree, 2 * bundle.model.layers  # after the projections out and down
    if isinstance(link, Mapping):
        word = bundle.model.hidden * width
        found = _costs(bundle, bundle.times, NS, 0.0, 0.0, skews)
        reduced = {size / word: us * NS for size, us in link.items()} if k > 1 else {1.0: 0.0}
        return found._replace(tokens=_added(found.tokens, reduced, each))
    if link is not None and k > 1:
        token = each * 2 * (k - 1) / k * bundle.model.hidden * width / link.rate * 1e9
        constant = each * 2 * (k - 1) * link.latency * 1e9
    return _costs(bundle, bundle.times, NS, token, constant, skews)


def prices_of(bundle: Bundle) -> Costs:
    """Energies of a bundle in uJ, of all its devices; without points where it has none."""
    if bundle.energies is None:
        return _costs(bundle, Table({}, {}, {}), 1.0, 0.0, 0.0, Skew())
    return _costs(bundle, bundle.energies, float(bundle.degree), 0.0, 0.0, Skew())


def _costs(bundle: Bundle, table: Table, scale: float, token: float, constant: float, skew: Skew) -> Costs:
    sequences = dict.fromkeys(("lm_head", "sampler"), 1)
    return Costs(
        _line(table.dense, bundle.model.times(), scale), _line(table.sequences, sequences, scale),
        _tree(table.attention, scale), float(bundle.model.layers), token, constant, float(skew.default),
        skew.table(), bundle.keyed,
    )  # fmt: skip


def _line(layers: Layers, times: Mapping[str, int], scale: float) -> Line:
    """The sum of layers, exact between their points: it has all of them."""
    own = [(layers[name], weight) for name, weight in times.items() if name in layers]
    x = np.array(sorted({at for layer, _ in own for at in layer}), np.float64)
    y = np.zeros(len(x))
    for layer, weight in own:
        places = sorted(layer)
        y += weight * along(np.array(places, np.float64), np.array([layer[at] * scale for at in places]), x)
    low = max((min(layer) for layer, _ in own), default=0)
    high = min((max(layer) for layer, _ in own), default=0)
    return Line(x, y, float(low), float(high))


def _added(line: Line, points: Mapping[float, float], times: int) -> Line:
    """A line and so many times another, given by its points."""
    at = sorted(points)
    x = np.union1d(line.x, at)
    y = along(line.x, line.y, x) + times * along(np.array(at, np.float64), np.array([points[one] for one in at]), x)
    return Line(x, y, max(line.low, at[0]), min(line.high, at[-1]))


def along(x: Floats, y: Floats, at: Floats) -> Floats:
    """Linear between points, the last two prolonged."""
    if len(x) == 1:
        return np.full(len(at), y[0])
    low = np.clip(np.searchsorted(x, at, "right") - 1, 0, len(x) - 2)
    found: Floats = y[low] + (at - x[low]) / (x[low + 1] - x[low]) * (y[low + 1] - y[low])
    return found


def _tree(attention: Attention, scale: float) -> Tree:
    keys = sorted(attention)
    values: list[list[float]] = [[], [], []]
    starts: list[list[int]] = [[], [], []]
    contexts = [float(key[3]) for key in keys]
    place = 0
    for chunk, of_chunk in groupby(keys, lambda key: key[0]):
        values[0].append(chunk)
        starts[0].append(len(values[1]))
        for past, of_past in groupby(of_chunk, lambda key: key[1]):
            values[1].append(past)
            starts[1].append(len(values[2]))
            for count, rest in groupby(of_past, lambda key: key[2]):
                values[2].append(count)
                starts[2].append(place)
                place += len(list(rest))
    ends = (len(values[1]), len(values[2]), place)
    floors = [
        (np.array(value, np.float64), np.array([*start, end], np.int64))
        for value, start, end in zip(values, starts, ends, strict=True)
    ]
    y = np.array([attention[key] * scale for key in keys], np.float64)
    return Tree(*floors[0], *floors[1], *floors[2], np.array(contexts, np.float64), y)


def time_of(costs: Costs, batch: Batch) -> float:
    """What an iteration costs: ns of times, uJ of energies."""
    found, _ = cost(
        costs, batch.tokens, batch.sequences, batch.chunk, batch.past, batch.decodes, batch.mean, batch.longest,
        batch.shortest, batch.key,
    )  # fmt: skip
    return float(found)
