"""Serving: a run of vLLM's on measured layer times, and queues whose waits have a closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from accelsim.reproduce import source
from accelsim.reproduce.markdown import paragraph, table, triple
from accelsim.serving.bundle import Bundle, Table
from accelsim.serving.costing import costs_of, prices_of
from accelsim.serving.door import serve
from accelsim.serving.models import MODELS
from accelsim.serving.policy import Policy
from accelsim.serving.requests import Asked
from accelsim.serving.run import run
from accelsim.serving.served import Served

TABLE = source.FOLDER / "serving_rtx4090"
BLOCKS, BUDGET, SEQUENCES = 2588, 2048, 128
REQUESTS = 200_000
BATCHES = 50
LOADS = (0.3, 0.6, 0.8)
MEAN = 1000
"""Of a service, us."""


@dataclass(frozen=True)
class Waits:
    """Means over all requests, ms: to the first token, for a token after it, to the last."""

    ttft: float
    tpot: float
    latency: float


def measured() -> list[dict[str, str]]:
    """The requests, and what they waited."""
    return source.rows("serving_vllm_rtx4090")


def asked() -> Asked:
    """The same requests; times are as exact as they are printed."""
    rows = measured()
    arrivals = [round(float(row["arrival_s"]) * 1e9) for row in rows]
    return Asked.of(arrivals, [int(row["prompt"]) for row in rows], [int(row["output"]) for row in rows])


def theirs(who: str) -> Waits:
    """Of 'vllm' or 'sim' (LLMServingSim)."""
    rows = measured()
    ttft, latency = (np.array([float(row[f"{who}_{what}_s"]) for row in rows]) * 1e3 for what in ("ttft", "latency"))
    output = np.array([int(row["output"]) for row in rows])
    more = output > 1
    return Waits(ttft.mean(), ((latency - ttft)[more] / (output[more] - 1)).mean(), latency.mean())


@cache
def ours() -> Served:
    """The same server here."""
    return serve(TABLE, asked(), kv_blocks=BLOCKS, budget=BUDGET, max_seqs=SEQUENCES)


def waits(found: Served) -> Waits:
    """Means of a run."""
    assert found.tpot is not None
    return Waits(found.ttft.mean, found.tpot.mean, found.latency.mean)


@dataclass(frozen=True)
class Queue:
    """A queue of one server: the mean wait before service by Pollaczek and Khinchine, ours, and its standard error."""

    name: str
    load: float
    theirs: float
    ours: float
    error: float


def queue(load: float, spread: float, seed: int = 0) -> Queue:
    """Poisson arrivals to one seat, an output of one token each: M/D/1 without spread, else M/G/1 (log-normal)."""
    generator = np.random.default_rng(seed)
    if spread:
        sigma = np.sqrt(np.log1p(spread**2))
        drawn = generator.lognormal(np.log(MEAN) - sigma**2 / 2, sigma, REQUESTS)
        service = np.clip(np.rint(drawn), 1, None).astype(np.int64)
    else:
        service = np.full(REQUESTS, MEAN, np.int64)
    rate = load / service.mean()  # of the services drawn, per us
    arrivals = np.floor(np.cumsum(generator.exponential(1e3 / rate, REQUESTS))).astype(np.int64)
    requests = Asked.of(arrivals, service, np.ones(REQUESTS, np.int64))
    bundle = one_us_a_token()
    found = run(requests, Policy(10**6, max_seqs=1), costs_of(bundle), prices_of(bundle))
    waited = (found.first - arrivals - 1000 * service) / 1e3
    exact = rate * float((service.astype(np.float64) ** 2).mean()) / (2 * (1 - load))
    means = waited[: REQUESTS // BATCHES * BATCHES].reshape(BATCHES, -1).mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(BATCHES)
    return Queue("M/G/1" if spread else "M/D/1", load, exact, float(waited.mean()), float(error))


def one_us_a_token() -> Bundle:
    """A table by which an iteration takes a us for each token, and nothing else."""
    model = MODELS["gpt2"]
    nothing = {1: 0.0}
    dense = dict.fromkeys(model.times(), nothing) | {"embedding": {1: 1.0, 2: 2.0}}
    attention: dict[tuple[int, float, int, int], float] = {(1, 0, 0, 0): 0.0, (0, 0, 1, 1): 0.0}
    return Bundle(TABLE, model, 1, Table(dense, {"lm_head": nothing, "sampler": nothing}, attention))


def queues() -> Iterator[Queue]:
    """Those of the report."""
    for load in LOADS:
        yield queue(load, 0.0)
    for load in LOADS[:2]:
        yield queue(load, 1.0)


# ---- the report ------------------------------------------------------------------------------------------------------


def section() -> str:
    """Serving as Markdown."""
    header = ["RTX 4090, 300 requests", "vLLM 0.19", "ours", "error", "LLMServingSim", "its error"]
    parts = [_HEAD, table(header, _vllm_rows()), _counts(), _QUEUES]
    return "\n".join([*parts, table(["queue", "load", "wait, us", "ours", "error", "std. errors off"], _queue_rows())])


def _vllm_rows() -> Iterator[list[str]]:
    real, other, own = theirs("vllm"), theirs("sim"), waits(ours())
    for name, key, form in (
        ("TTFT, mean, ms", "ttft", ",.0f"), ("TPOT, mean, ms", "tpot", ",.2f"), ("latency, mean, ms", "latency", ",.0f")
    ):  # fmt: skip
        published = getattr(real, key)
        yield [name, *triple(getattr(own, key), published, form), *triple(getattr(other, key), published, form)[1:]]


def _counts() -> str:
    found = ours().run
    return paragraph(
        f"{found.iterations:,} iterations, {int(found.puts.sum())} preemptions, {int(found.again.sum()):,} tokens "
        "computed again; LLMServingSim has 194 and 110,596. vLLM's own counts are not public."
    )


def _queue_rows() -> Iterator[list[str]]:
    for one in queues():
        off = abs(one.ours - one.theirs) / one.error
        yield [one.name, f"{one.load:g}", *triple(one.ours, one.theirs, ",.1f"), f"{off:.2f}"]


_HEAD = """\
## Serving

Llama 3.1 8B under vLLM 0.19 on an RTX 4090, 300 ShareGPT requests to a KV cache that is too small for them. Layer times
are LLMServingSim's measurements on that device, so what is checked is the scheduler: order, chunks, blocks, preemption
and what is found again. Nothing is fitted; contexts of a batch count as their mean. The tests allow 2 %: clocks, the
server's own work between iterations and sampling are not modelled.
"""

_QUEUES = """\
A server of one seat whose requests have one token of output is a queue with a known mean wait (Pollaczek and
Khinchine): 200,000 requests, services all alike (M/D/1) or log-normal with a deviation equal to their mean (M/G/1). The
standard error is that of 50 means of 4,000 requests each; 1.5 of them are allowed.
"""
