"""What no schedule can beat, out of the same table: docs/serving.md, "Bounds".

Measured tables fall in places, so a cost is first taken as the least of this size or any larger one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelsim.serving.costing import along
from accelsim.serving.kernels.lookup import Costs, attention
from accelsim.serving.policy import Policy
from accelsim.serving.requests import Asked

Floats = npt.NDArray[np.float64]
MOST_STEPS = 5 * 10**7


@dataclass(frozen=True)
class Bounds:
    """None where the table gives none.

    work : at the peak rate, ns. decode_rate, decode_batch : the best rate of decodes, tokens/s, and the batch that has
    it. prefill : float64[requests], each one's own, ns.
    """

    work: float | None
    decode_rate: float | None
    decode_batch: int | None
    prefill: Floats | None


def bounds_of(asked: Asked, policy: Policy, costs: Costs) -> Bounds:
    """The bounds of a run. costs : ns."""
    most = min(policy.budget or 2**62, int(asked.work.sum()))
    below = _below(asked, policy, costs)
    peak = _peak_rate(costs, most, below)
    if peak is None:
        return Bounds(None, *_decode_rate(asked, policy, costs), None)
    if policy.split:  # each side does its own part
        work = max(int(asked.prompt.sum()), int((asked.output - 1).sum())) / peak
    else:
        work = int(asked.work.sum()) / peak
    return Bounds(work, *_decode_rate(asked, policy, costs), _prefill(asked, policy, costs, most, (peak, below)))


def floor(costs: Costs, tokens: Floats) -> Floats:
    """The least ns of an iteration of at least so many tokens, its attention left out.

    tokens : float64, rising, the last one the most there are.
    """
    line = costs.tokens
    found = along(line.x, line.y, tokens) if len(line.x) else np.zeros(len(tokens))
    found = found + costs.token * tokens + costs.constant
    inner = line.x[(line.x > tokens[0]) & (line.x < tokens[-1])]
    if len(inner):  # between two sizes asked for the line may dip at a point of its own
        dips = along(line.x, line.y, inner) + costs.token * inner + costs.constant
        later = np.minimum.accumulate(dips[::-1])[::-1]
        place = np.searchsorted(inner, tokens)
        found = np.minimum(found, np.append(later, np.inf)[place])
    least: Floats = np.minimum.accumulate(found[::-1])[::-1]
    return least


def _below(asked: Asked, policy: Policy, costs: Costs) -> float:
    """What head and sampler take at the least, ns, if that is below nothing: so a table that falls is prolonged."""
    line, most = costs.sequences, float(min(policy.max_seqs or len(asked), len(asked)))
    if not len(line.x):
        return 0.0
    sizes = np.unique(np.concatenate(([1.0], line.x[(line.x >= 1) & (line.x <= most)], [most])))
    return min(float(along(line.x, line.y, sizes).min()), 0.0)


def _peak_rate(costs: Costs, most: int, below: float) -> float | None:
    """Tokens/ns: the best is at a point of the table, or at an end."""
    x = costs.tokens.x
    sizes = np.unique(np.concatenate(([1.0], x[(x >= 1) & (x <= most)], [float(most)])))
    least = floor(costs, sizes) + below
    return None if least[0] <= 0 else float((sizes / least).max())


def _prefill(asked: Asked, policy: Policy, costs: Costs, most: int, of: tuple[float, float]) -> Floats:
    """Each request's prompt, cut in the best way; of large ones, at the peak rate. of : that, and `_below`."""
    peak, below = of
    longest = int(asked.prompt.max())
    step = min(policy.chunk or longest, most, longest)
    if longest * step > MOST_STEPS:
        found: Floats = asked.prompt / peak
        return found
    least = floor(costs, np.append(np.arange(1, step + 1, dtype=np.float64), float(max(most, step))))[:step] + below
    best = np.zeros(longest + 1)
    for tokens in range(1, longest + 1):
        cut = min(tokens, step)
        best[tokens] = (best[tokens - cut : tokens][::-1] + least[:cut]).min()
    return best[asked.prompt]


def _decode_rate(asked: Asked, policy: Policy, costs: Costs) -> tuple[float | None, int | None]:
    """(tokens/s, batch): batches of decodes alone, at the context of this run that costs least."""
    if not (asked.output > 1).any():
        return None, None
    decoding = asked.output > 1
    shortest, longest = int(asked.prompt[decoding].min()), int((asked.work - 1)[decoding].max())
    room = (policy.split.blocks if policy.split else policy.kv_blocks) // -(-(shortest + 1) // policy.block)
    most = max(1, min(len(asked), policy.max_seqs or len(asked), policy.budget or len(asked), room))
    tree = costs.attention
    contexts = np.unique(np.concatenate((tree.context, [shortest, longest])))
    contexts = contexts[(contexts >= shortest) & (contexts <= longest)]
    marks = np.concatenate((tree.decodes, costs.tokens.x, costs.sequences.x, [1, most]))
    sizes = np.unique(marks[(marks >= 1) & (marks <= most)])
    attended = np.array([min(attention(tree, 0.0, 0.0, b, c)[0] for c in contexts) for b in sizes])
    head = along(costs.sequences.x, costs.sequences.y, sizes) if len(costs.sequences.x) else 0.0
    line = along(costs.tokens.x, costs.tokens.y, sizes) if len(costs.tokens.x) else 0.0
    all_ = line + costs.token * sizes + costs.constant + head + costs.layers * attended
    least = np.minimum.accumulate(all_[::-1])[::-1]
    if least[0] <= 0:
        return None, None
    best = int((sizes / least).argmax())
    return float(sizes[best] / least[best] * 1e9), int(sizes[best])
