"""`skew_fit` of a table's meta.yaml, and the files it names: shares of unequal contexts, read and written.

Formats: LLMServingSim, serving/core/trace_generator.py at 007f472 (five axes) and profiler/core/skew_calibration.py at
49b89a5 (numbers of decodes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from accelsim.errors import AccelsimError, nearest
from accelsim.serving.rows import columns_of, real, rows, whole, wrong
from accelsim.serving.skew import Anchors, Axis, Buckets, Skew
from accelsim.yamlfile import shown

FILE = "skew_fit.csv"
SCHEMA = "runtime-skew-calibration-v1"
KERNEL = "attention"
LEAST, MOST = -1.0, 10.0
"""Of a share by kind: fits of noisy batches leave 0 to 1 at times."""
MOST_TOKENS = 2**31
LABELS = {"n": "n_label", "skew_rate": "skew_rate_label", "kv_big": "kv_big_label", "kp": "kp_label"}
"""Axes of buckets after the tokens of prompts, and their columns."""
DEFAULT_AXES = {
    "n": Axis(
        (0, 2, 4, 8, 16, 32, 64, 128, 1_000_000),
        ("n<=2", "n<=4", "n<=8", "n<=16", "n<=32", "n<=64", "n<=128", "n>128"),
    ),
    "skew_rate": Axis((-0.01, 0.05, 0.15, 0.40, 0.70, 1.01), ("sr<=5%", "sr<=15%", "sr<=40%", "sr<=70%", "sr>70%")),
    "kv_big": Axis((0, 1024, 4096, 16384, 1_000_000_000), ("kvB<=1k", "kvB<=4k", "kvB<=16k", "kvB>16k")),
    "kp": Axis((-1, 0, 2048, 1_000_000_000), ("kp=0", "kp<=2k", "kp>2k")),
}
"""Of tables that do not say theirs."""


def read_skew(fit: object, meta: Path, degree: int) -> Skew:
    """What a meta.yaml says of tables of `degree` devices; files lie beside it.

    Raises SpecError for a share, label or file that cannot be. Tables by other axes are passed over: their
    `alpha_default` counts.
    """
    if not isinstance(fit, Mapping) or not fit.get("enabled", True):
        return Skew()
    per = fit.get("per_tp") or {}
    entry = (per.get(degree) or per.get(str(degree)) or {}) if isinstance(per, Mapping) else {}
    if not isinstance(entry, Mapping):
        wrong(meta, None, f"skew_fit.per_tp.{degree}", "should hold keys, such as alpha_default")
    if entry.get("schema") == SCHEMA:
        return _anchors(entry, meta)
    default = entry.get("alpha_default", fit.get("alpha_default", 0.0))
    if isinstance(own := entry.get("alpha_default_by_layer"), Mapping):
        default = own.get(KERNEL, default)
    default = _number(meta, "skew_fit.alpha_default", default, 0.0, 1.0)
    axes = entry.get("bucket_axes") or fit.get("bucket_axes") or {}
    if not isinstance(axes, Mapping) or "axes" in axes:
        return Skew(default)
    inline, file = entry.get("alpha_by_bucket"), entry.get("bucket_table")
    if not inline and not file:
        return Skew(default)
    found = {name: _axis(axes, name, meta, "skew_fit.bucket_axes") for name in LABELS} if axes else DEFAULT_AXES
    return Buckets(default, found, _inline(inline, found, meta) if inline else _buckets(_beside(meta, file), found))


def _number(file: Path, field: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise AccelsimError(f"{shown(file)}: {field} must be from {least:g} to {most:g}, got {value!r:.40}")
    return float(value)


def _beside(meta: Path, name: object) -> Path:
    file = meta.parent / str(name)
    if not file.is_file():
        wrong(meta, None, "skew_fit: bucket_table", f"there is no file '{str(name)[:80]}' beside it")
    return file


def _axis(axes: object, name: str, file: Path, field: str) -> Axis:
    """Bins that rise, one more than labels that differ."""
    ends, labels = (axes.get(f"{name}_{what}") if isinstance(axes, Mapping) else None for what in ("bins", "labels"))
    if not isinstance(ends, Sequence) or not isinstance(labels, Sequence) or len(ends) != len(labels) + 1 or not labels:
        wrong(file, None, f"{field}.{name}_bins", f"should be numbers, one more than {name}_labels")
    found = [_number(file, f"{field}.{name}_bins", end, -MOST_TOKENS, MOST_TOKENS) for end in ends]
    if any(a >= b for a, b in pairwise(found)) or len({str(one) for one in labels}) < len(labels):
        wrong(file, None, f"{field}.{name}_bins", "bins should rise, and labels differ")
    return Axis(tuple(found), tuple(str(one) for one in labels))


def _label(file: Path, line: int | None, field: str, axis: Axis, text: str) -> str:
    if text not in axis.labels:
        wrong(file, line, field, f"no such label '{text[:40]}' in bucket_axes{nearest(text, axis.labels)}")
    return text


Cells = dict[tuple[int, str, str, str, str], float]


def _buckets(file: Path, axes: Mapping[str, Axis]) -> Cells:
    kernels = ["layer"] if "layer" in columns_of(file) else []
    found: Cells = {}
    for line, (*kernel, chunk, n, rate, big, past, alpha) in rows(file, (*kernels, "pc", *LABELS.values(), "alpha")):
        if kernel and kernel != [KERNEL]:
            continue
        names = (
            _label(file, line, LABELS[name], axes[name], text)
            for name, text in zip(LABELS, (n, rate, big, past), strict=True)
        )
        key = (whole(file, line, "pc", chunk, 0, MOST_TOKENS), *names)
        if key in found:
            wrong(file, line, "pc", f"{'|'.join(map(str, key))} is given twice")
        found[key] = real(file, line, "alpha", alpha, MOST, LEAST)  # type: ignore[index]
    return found


def _inline(cells: object, axes: Mapping[str, Axis], meta: Path) -> Cells:
    """Of keys `pc=0|n<=2|sr<=5%|kvB<=1k|kp=0`, with a kernel's name before it or without."""
    found: Cells = {}
    field = "skew_fit: alpha_by_bucket"
    for text, alpha in cells.items() if isinstance(cells, Mapping) else ():
        parts = str(text).split("|")
        if len(parts) == len(LABELS) + 2:
            if parts[0] != KERNEL:
                continue
            parts = parts[1:]
        if len(parts) != len(LABELS) + 1 or not parts[0].startswith("pc=") or not parts[0][3:].isdigit():
            wrong(meta, None, field, f"'{str(text)[:60]}' should be as pc=0|n<=2|sr<=5%|kvB<=1k|kp=0")
        n, rate, big, past = (
            _label(meta, None, field, axes[name], part) for name, part in zip(LABELS, parts[1:], strict=True)
        )
        found[int(parts[0][3:]), n, rate, big, past] = _number(meta, field, alpha, LEAST, MOST)
    return found


def _anchors(entry: Mapping[str, Any], meta: Path) -> Skew:
    kernel = f"{KERNEL}|q=1"
    place = "skew_fit"
    counts = (entry.get("n_range_by_kernel") or {}).get(kernel)
    if counts is None:
        return Skew()
    if not isinstance(counts, Sequence) or len(counts) != 2:
        wrong(meta, None, f"{place}.n_range_by_kernel", "should be the least and the most decodes that were measured")
    least, most = (int(_number(meta, f"{place}.n_range_by_kernel", one, 2, MOST_TOKENS)) for one in counts)
    default = (entry.get("alpha_default_by_kernel") or {}).get(kernel, 0.0)
    default = _number(meta, f"{place}.alpha_default_by_kernel", default, LEAST, MOST)
    axes = {name: _axis(entry.get("axes"), name, meta, f"{place}.axes") for name in ("pc", "lev")}
    file = _beside(meta, entry.get("bucket_table"))
    cells: dict[tuple[str, str], list[tuple[int, float]]] = {}
    columns = ("layer", "decode_q_len", "pc_label", "lev_label", "n_anchor", "alpha")
    for line, (layer, q, prompts, lever, anchor, alpha) in rows(file, columns):
        if (layer, q) != (KERNEL, "1"):
            continue
        key = _label(file, line, "pc_label", axes["pc"], prompts), _label(file, line, "lev_label", axes["lev"], lever)
        own = cells.setdefault(key, [])
        at = whole(file, line, "n_anchor", anchor, least, most)
        if own and own[-1][0] >= at:
            wrong(file, line, "n_anchor", f"should rise from row to row, got {at} after {own[-1][0]}")
        own.append((at, real(file, line, "alpha", alpha, MOST, LEAST)))
    return Anchors(default, axes, cells, (least, most))


def written(skew: Skew, degree: int) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """(the entry of `per_tp`, rows of its file with their header first, or none).

    Raises AccelsimError for shares by numbers of decodes: LLMServingSim ties these to its own files by checksums.
    """
    if isinstance(skew, Anchors):
        raise AccelsimError(
            f"skew_fit of the schema {SCHEMA} is bound to its own tables by checksums and is not written; leave it out"
        )
    if not isinstance(skew, Buckets):
        return {"alpha_default": skew.default}, []
    axes: dict[str, list[Any]] = {}
    for name, axis in skew.axes.items():
        axes |= {f"{name}_bins": list(axis.bins), f"{name}_labels": list(axis.labels)}
    entry = {"alpha_default": skew.default, "bucket_axes": axes, "bucket_table": f"tp{degree}/{FILE}"}
    return entry, [("pc", *LABELS.values(), "alpha"), *((*key, alpha) for key, alpha in sorted(skew.cells.items()))]
