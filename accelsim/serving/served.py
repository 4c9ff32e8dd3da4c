"""What came of serving, as people ask for it: waits in percentiles, rates, goodput, energy, memory, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.serving.bounds import Bounds
from accelsim.serving.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MS = 1e6
"""ns in a ms."""
PERCENTILES = (50, 90, 95, 99)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """That a request should keep, ns; None: no matter."""

    ttft: int | None = None
    tpot: int | None = None


@dataclass(frozen=True)
class Spread:
    """A wait over all requests, or gaps: ms, percentiles by nearest rank."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Floats) -> Spread | None:
        """Of ms, in any order; None of none."""
        return cls.weighted(np.sort(values), np.ones(len(values), np.int64)) if len(values) else None

    @classmethod
    def weighted(cls, values: Floats, counts: npt.NDArray[np.int64]) -> Spread | None:
        """Of rising ms, each so many times."""
        ends = np.cumsum(counts)
        if not len(ends):
            return None
        many = int(ends[-1])
        ranks = [-(-p * many // 100) for p in PERCENTILES]
        return cls(float(values @ counts / many), *(float(values[np.searchsorted(ends, rank)]) for rank in ranks))


@dataclass(frozen=True, repr=False)
class Served:
    """A run with its names.

    what : the table or machine, and the model. limits : of goodput. bounds : what no schedule beats. kv_bytes : of a
    block. standing : W. blocks_from : how the size of the KV cache was given. rate : requests/s asked for, of drawn
    requests.
    """

    what: str
    run: Run
    limits: Limits
    bounds: Bounds
    kv_bytes: int
    standing: float = 0.0
    energy_known: bool = False
    blocks_from: str = "blocks"
    devices: int = 1
    rate: float | None = None

    def __repr__(self) -> str:
        ttft, tpot = self.ttft.mean, self.tpot.mean if self.tpot else 0.0
        return f"Served({self.what}: {self.requests:,} requests, TTFT {ttft:.4g} ms, TPOT {tpot:.4g} ms)"

    @property
    def requests(self) -> int:
        """All of them."""
        return len(self.run.asked)

    @property
    def tokens(self) -> int:
        """Of output."""
        return int(self.run.asked.output.sum())

    @cached_property
    def ttfts(self) -> Floats:
        """float64[requests], ms: from arrival to the first token."""
        return (self.run.first - self.run.asked.arrival) / MS

    @cached_property
    def latencies(self) -> Floats:
        """float64[requests], ms: from arrival to the last token."""
        return (self.run.last - self.run.asked.arrival) / MS

    @cached_property
    def tpots(self) -> Floats:
        """float64[requests], ms a token after the first; NaN where there is none."""
        more = np.where(self.run.asked.output > 1, self.run.asked.output - 1, 1)
        return np.where(self.run.asked.output > 1, (self.run.last - self.run.first) / MS / more, np.nan)

    @property
    def ttft(self) -> Spread:
        """Over requests."""
        found = Spread.of(self.ttfts)
        assert found is not None
        return found

    @property
    def latency(self) -> Spread:
        """Over requests."""
        found = Spread.of(self.latencies)
        assert found is not None
        return found

    @property
    def tpot(self) -> Spread | None:
        """Over requests of more than one token."""
        return Spread.of(self.tpots[self.run.asked.output > 1])

    @property
    def itl(self) -> Spread | None:
        """Over all gaps between two tokens of a request."""
        return Spread.weighted(self.run.gaps.times / MS, self.run.gaps.counts)

    @property
    def seconds(self) -> float:
        """From the first arrival to the last token."""
        return self.run.span / 1e9

    @cached_property
    def good(self) -> npt.NDArray[np.bool_]:
        """bool[requests]: keeps both limits; one without a second token keeps that of TPOT."""
        asked, limits = self.run.asked, self.limits
        found = np.ones(len(asked), np.bool_)
        if limits.ttft is not None:
            found &= self.run.first - asked.arrival <= limits.ttft
        if limits.tpot is not None:
            found &= self.run.last - self.run.first <= limits.tpot * (asked.output - 1)
        return found

    @property
    def goodput(self) -> float:
        """Requests/s that keep the limits."""
        return int(self.good.sum()) / self.seconds

    @property
    def idle_seconds(self) -> float:
        """Of all sides, in which no iteration runs."""
        return (self.run.span * len(self.run.busy) - sum(self.run.busy)) / 1e9

    @property
    def token_mj(self) -> float | None:
        """Of iterations, in mJ for each token of output, with what stands meanwhile; None where no price is known."""
        if not self.energy_known:
            return None
        standing = self.standing * self.devices * sum(self.run.busy) / 1e9 * 1e3
        return (sum(self.run.energy) / 1e3 + standing) / self.tokens

    @property
    def idle_j(self) -> float | None:
        """J of what stands while nothing runs."""
        return self.standing * self.devices * self.idle_seconds if self.energy_known else None

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row for each request, units in the names."""
        return list(self.rows())

    def rows(self) -> Iterator[dict[str, Any]]:
        """The same, one after another."""
        run, asked = self.run, self.run.asked
        for r in range(self.requests):
            tpot = None if asked.output[r] == 1 else float(self.tpots[r])
            yield {
                "request": r, "arrival_s": int(asked.arrival[r]) / 1e9, "prompt_tokens": int(asked.prompt[r]),
                "output_tokens": int(asked.output[r]), "ttft_ms": float(self.ttfts[r]), "tpot_ms": tpot,
                "latency_ms": float(self.latencies[r]), "preemptions": int(run.puts[r]),
                "recomputed_tokens": int(run.again[r]), "within_limits": bool(self.good[r]),
            }  # fmt: skip

    def to_pandas(self) -> DataFrame:
        """`table` as a DataFrame. AccelsimError without pandas."""
        try:
            import pandas
        except ImportError:
            raise AccelsimError("pandas is not installed: pip install 'accelsim[pandas]'") from None
        return pandas.DataFrame(self.table)

    def to_dict(self) -> dict[str, Any]:
        """A document of all numbers but those of single requests."""
        run, bounds = self.run, self.bounds
        waits = {"ttft_ms": self.ttft, "tpot_ms": self.tpot, "itl_ms": self.itl, "latency_ms": self.latency}
        found: dict[str, Any] = {
            "what": self.what, "policy": run.policy.name + (", split" if run.policy.split else ""),
            "requests": self.requests, "prompt_tokens": int(run.asked.prompt.sum()), "output_tokens": self.tokens,
            "span_s": self.seconds,
        }  # fmt: skip
        for name, spread in waits.items():
            found[name] = None if spread is None else dict(vars(spread))
        found |= {
            "requests_per_s": self.requests / self.seconds, "output_tokens_per_s": self.tokens / self.seconds,
            "goodput_per_s": self.goodput, "within_limits": int(self.good.sum()),
            "limits": {name: None if ns is None else ns / MS for name, ns in
                       (("ttft_ms", self.limits.ttft), ("tpot_ms", self.limits.tpot))},
            "iterations": run.iterations, "busy_share": [busy / run.span for busy in run.busy],
            "tokens_per_iteration": run.kept.tokens / run.iterations,
            "requests_per_iteration": run.kept.sequences / run.iterations,
            "kv_blocks": [run.policy.kv_blocks, *([run.policy.split.blocks] if run.policy.split else [])],
            "kv_blocks_from": self.blocks_from, "kv_block_bytes": self.kv_bytes, "kv_peak_blocks": list(run.peak),
            "preemptions": int(run.puts.sum()), "recomputed_tokens": int(run.again.sum()),
            "iterations_beyond_table": run.outside,
            "energy_per_output_token_mJ": self.token_mj, "idle_energy_J": self.idle_j,
            "bounds": {
                "work_s": None if bounds.work is None else bounds.work / 1e9,
                "decode_tokens_per_s": bounds.decode_rate, "decode_batch": bounds.decode_batch,
                "own_prefill_mean_ms": None if bounds.prefill is None else float(bounds.prefill.mean()) / MS,
            },
        }  # fmt: skip
        return found

    def plot(self, ax: Axes | None = None) -> Axes:
        """Batch and KV cache over time."""
        from accelsim.serving.pictures import over_time

        return over_time(self, ax)
