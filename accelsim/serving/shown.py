"""What serving came to, as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accelsim.report.grid import Grid
from accelsim.report.text import many, number
from accelsim.serving.served import MS, PERCENTILES, Served, Spread


def blocks(served: Served) -> Iterator[str | Grid]:
    """What ``accelsim serve`` prints; the first line answers."""
    run = served.run
    yield answer(served)
    waits = (
        ("TTFT", served.ttft), ("time per output token (TPOT)", served.tpot), ("between tokens (ITL)", served.itl),
        ("latency", served.latency),
    )  # fmt: skip
    header = ("wait [ms]", "mean", *(f"p{p}" for p in PERCENTILES))
    yield Grid("waits", header, tuple(_waits(name, one) for name, one in waits if one), sums=0)
    yield rates(served)
    yield memory(served)
    if served.token_mj is not None and served.idle_j is not None:
        yield f"energy: {number(served.token_mj)} mJ for a token of output, {number(served.idle_j)} J while idle"
    yield bounds(served)
    if run.outside:
        yield (
            f"warning: the table has no sizes around those of {run.outside:,} of {run.iterations:,} iterations; its "
            "nearest two were prolonged"
        )


def answer(served: Served) -> str:
    """The first line."""
    run, tpot = served.run, served.tpot
    split = ", prefill and decode split" if run.policy.split else ""
    each = f", then {number(tpot.mean)} ms a token" if tpot else ""
    return (
        f"{served.what}, {run.policy.name}{split}: first token after {number(served.ttft.mean)} ms{each}; "
        f"{number(served.tokens / served.seconds)} tokens/s, {number(served.requests / served.seconds)} requests/s"
    )


def _waits(name: str, one: Spread) -> tuple[str, ...]:
    return (name, *(number(value) for value in (one.mean, one.p50, one.p90, one.p95, one.p99)))


def rates(served: Served) -> str:
    """How busy, and how many were served well."""
    run, limits = served.run, served.limits
    busy = " and ".join(f"{100 * busy / run.span:.1f} %" for busy in run.busy)
    text = (
        f"{served.requests:,} requests in {number(served.seconds)} s, {run.iterations:,} iterations of "
        f"{run.kept.sequences / run.iterations:.1f} requests and {run.kept.tokens / run.iterations:.1f} tokens; "
        f"busy {busy}"
    )
    asked = [
        f"{name} {number(ns / MS)} ms" for name, ns in (("TTFT", limits.ttft), ("TPOT", limits.tpot)) if ns is not None
    ]
    if asked:
        share = 100 * int(served.good.sum()) / served.requests
        text += f"\ngoodput within {', '.join(asked)}: {number(served.goodput)} requests/s, {share:.1f} % of them"
    return text


def memory(served: Served) -> str:
    """The KV cache and what it cost to have too little of it."""
    run = served.run
    sizes = [run.policy.kv_blocks, *([run.policy.split.blocks] if run.policy.split else [])]
    peaks = " and ".join(f"{peak:,} of {size:,}" for peak, size in zip(run.peak, sizes, strict=True))
    return (
        f"KV cache (from {served.blocks_from}): at most {peaks} blocks of {run.policy.block} tokens, "
        f"{served.kv_bytes:,} B each; {many(int(run.puts.sum()), 'preemption')}, "
        f"{many(int(run.again.sum()), 'token')} computed again"
    )


def bounds(served: Served) -> str:
    """What no schedule beats."""
    found = served.bounds
    told: list[str] = []
    if found.work is not None:
        told.append(f"the work at the peak rate {number(found.work / 1e9)} s")
    if found.prefill is not None:
        told.append(f"a request's own prefill {number(float(found.prefill.mean()) / MS)} ms")
    if found.decode_rate is not None:
        told.append(f"decodes alone {number(found.decode_rate)} tokens/s, {found.decode_batch:,} at a time")
    return f"bounds: {'; '.join(told)}" if told else "bounds: none, for the table has sizes that take no time"


def load_grid(runs: Sequence[Served]) -> Grid:
    """A row for each rate."""
    header = ("rate [1/s]", "TTFT p50 [ms]", "p99", "TPOT mean", "ITL p99", "tokens/s", "goodput [1/s]", "preemptions")
    rows = tuple(
        (
            number(one.rate or 0.0), number(one.ttft.p50), number(one.ttft.p99),
            number(one.tpot.mean) if one.tpot else "", number(one.itl.p99) if one.itl else "",
            number(one.tokens / one.seconds), number(one.goodput), f"{int(one.run.puts.sum()):,}",
        )
        for one in runs
    )  # fmt: skip
    return Grid("load", header, rows, sums=0)
