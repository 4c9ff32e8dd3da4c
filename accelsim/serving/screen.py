"""Rows of a table that no device can have measured: faster than its peak, or than its memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelsim.errors import AccelsimError
from accelsim.serving.bundle import Bundle
from accelsim.yamlfile import shown

SLACK = 1.02
"""What a clock may be above its name."""


@dataclass(frozen=True)
class Peak:
    """Of a device. flops : FLOP/s. rate : bytes/s of its memory. width : bytes of a word."""

    flops: float | None
    rate: float | None
    width: int = 2


@dataclass(frozen=True)
class Nonsense:
    """A row: where it stands, and what it would take."""

    file: str
    where: str
    value: float
    most: float
    unit: str


def nonsense(bundle: Bundle, peak: Peak) -> Iterator[Nonsense]:
    """Every row that beats the device: products by their FLOPs, and by the bytes of their weights."""
    model, k = bundle.model, bundle.degree
    for name, (c, m) in model.products().items():
        per_request = name == "lm_head"
        file = "per_sequence.csv" if per_request else "dense.csv"
        for rows, us in (bundle.times.sequences if per_request else bundle.times.dense)[name].items():
            where = f"{name} at {rows}"
            if peak.flops is not None and 2 * rows * c * m / k > SLACK * peak.flops * us * 1e-6:
                yield Nonsense(file, where, _rate(2 * rows * c * m / k, us), peak.flops / 1e12, "TFLOP/s")
            if peak.rate is not None and c * m * peak.width / k > SLACK * peak.rate * us * 1e-6:
                yield Nonsense(file, where, _rate(c * m * peak.width / k, us), peak.rate / 1e12, "TB/s")
    for (chunk, past, count, context), us in bundle.times.attention.items():
        within = chunk / 2 if bundle.keyed else chunk * (chunk + 1) // 2  # a mean key has half of the chunk in it
        scores = chunk * past + within + count * (context + 1)
        work = 4 * model.query * scores / k
        if peak.flops is not None and work > SLACK * peak.flops * us * 1e-6:
            where = f"{chunk},{past},{count},{context}"
            yield Nonsense("attention.csv", where, _rate(work, us), peak.flops / 1e12, "TFLOP/s")


def _rate(work: float, us: float) -> float:
    return work / us / 1e6 if us else float("inf")


def screened(bundle: Bundle, peak: Peak) -> None:
    """Refuse a table with such rows (AccelsimError: the first, and how many)."""
    found = list(nonsense(bundle, peak))
    if found:
        first = found[0]
        raise AccelsimError(
            f"{shown(bundle.folder / first.file)}: {first.where}: {first.value:.4g} {first.unit}, where the device has "
            f"{first.most:.4g}; {len(found):,} rows are faster than it can be"
        )
