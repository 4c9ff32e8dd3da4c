"""The door: requests, a table or a machine, a policy; what each request waits for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from accelsim.architecture.model import Architecture
from accelsim.compiling import summed_up
from accelsim.errors import AccelsimError, nearest
from accelsim.package.model import Package
from accelsim.package.yaml import is_package
from accelsim.serving.bounds import bounds_of
from accelsim.serving.bundle import MOST_US, Bundle, read_bundle
from accelsim.serving.costing import Link, costs_of, prices_of
from accelsim.serving.policy import MOST_BLOCKS, Policy, Split
from accelsim.serving.requests import Asked, draw, read_trace
from accelsim.serving.rows import real, rows, whole, wrong
from accelsim.serving.run import Progress, run
from accelsim.serving.screen import Peak, screened
from accelsim.serving.served import Limits, Served
from accelsim.yamlfile import resolve

WIDTHS = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1, "fp8": 1}
"""Bytes of a word, by the name of a table's variant."""
REFERENCE = Path(__file__).parent.parent / "reference"
SHIPPED = {"rtx4090_llama3_8b": "serving_rtx4090"}
"""Tables by name: measured ones, each file with its source."""
_TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
_DECIMAL = {f"{p}B": 1000**n for n, p in enumerate(("", "k", "M", "G", "T"))}
_BYTES = _DECIMAL | {f"{p}iB": 1024**n for n, p in enumerate("KMGT", 1)}
_RATES = {f"{unit}/s": scale for unit, scale in _BYTES.items()}
_FLOPS = {f"{p}FLOP/s": 1000**n for n, p in enumerate(("", "k", "M", "G", "T", "P"))}
_NUMBER = re.compile(r"\s*(\d{1,20}(?:\.\d{0,20})?(?:[eE][+-]?\d{1,2})?)\s*(\S*)\s*")


def _read(text: object, what: str, units: Mapping[str, int], example: str) -> Fraction:
    match = _NUMBER.fullmatch(str(text)[:100])
    if not match or match[2] not in units:
        known = ", ".join(units)
        raise AccelsimError(f"{what}: '{str(text)[:40]}' should be a number and a unit, as in '{example}' ({known})")
    return Fraction(match[1]) * units[match[2]]


def duration_ns(text: object, what: str) -> int:
    """'1s', '50 ms': whole ns. Raises AccelsimError."""
    return int(_read(text, what, _TIMES, "50 ms") + Fraction(1, 2))


def size_bytes(text: object, what: str) -> int:
    """'24 GB', '16 GiB'. Raises AccelsimError."""
    return int(_read(text, what, _BYTES, "24 GB"))


def rate_bytes(text: object, what: str) -> Fraction:
    """'64 GB/s', in bytes/s. Raises AccelsimError."""
    return _read(text, what, _RATES, "64 GB/s")


def limits_of(text: str | Mapping[str, object] | None) -> Limits:
    """'ttft=1s,tpot=50ms', or these by name. Raises AccelsimError."""
    if not text:
        return Limits()
    parts = dict(_part(one) for one in text.split(",")) if isinstance(text, str) else dict(text)
    for name in parts:
        if name not in ("ttft", "tpot"):
            raise AccelsimError(f"slo: unknown limit '{name}'{nearest(str(name), ('ttft', 'tpot'))}")
    return Limits(**{name: duration_ns(value, f"slo {name}") for name, value in parts.items()})


def _part(text: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise AccelsimError(f"slo: '{text.strip()}' should be NAME=TIME, as in ttft=1s,tpot=50ms")
    return name, value


def link_of(text: str, what: str) -> tuple[Fraction, int]:
    """'64 GB/s' or '64 GB/s,5us': bytes/s and ns. Raises AccelsimError."""
    rate, _, latency = text.partition(",")
    found = rate_bytes(rate, what)
    if found <= 0:
        raise AccelsimError(f"{what}: a rate must be above 0, got '{rate}'")
    return found, duration_ns(latency, what) if latency else 0


@summed_up
def serve(
    table: str | Path | Bundle | Architecture | Package,
    requests: str | Path | Asked | None = None,
    model: str | None = None,
    policy: str = "chunked",
    budget: int | None = None,
    max_seqs: int | None = None,
    kv_blocks: int | None = None,
    memory: str | None = None,
    block: int = 16,
    chunk: int | None = None,
    slo: str | Mapping[str, object] | None = None,
    split: str | None = None,
    decode_blocks: int | None = None,
    devices: int = 1,
    all_reduce: str | None = None,
    skew: float | None = None,
    rate: float | None = None,
    prompt: int = 1024,
    output: int = 256,
    count: int = 1000,
    spread: float = 0.0,
    seed: int = 0,
    peak: str | None = None,
    memory_rate: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    events: bool = False,
    progress: Progress | None = None,
) -> Served:
    """Serve requests to a language model.

    Parameters
    ----------
    table : a folder of layer times or a table that ships ('rtx4090_llama3_8b'); or a machine or a package of
        cores by its name, file or the object, whose layers are simulated first.
    requests : a trace (CSV: arrived_at, num_prefill_tokens, num_decode_tokens), or None and a `rate`.
    model : by name; default: what the table says.
    policy : 'chunked', 'whole', 'prompts-first', 'static'. budget : tokens of an iteration. max_seqs : requests that
        run. chunk : most tokens of one prompt in an iteration. Defaults are the table's limits, or none.
    kv_blocks : of the cache, `block` tokens each; or `memory` ('24 GB'), of which weights take their part.
    slo : limits of goodput, 'ttft=1s,tpot=50ms'.
    split : a link ('64 GB/s,5us') over which prompts go to devices of their own, with `decode_blocks`.
    devices : that share each layer; all_reduce : the link between them ('16 GB/s,20us')
        or a CSV of what one takes (bytes,time_us). skew : 0 to 1, from the mean's
        attention to the longest context's; default: the table's.
    rate : requests/s, of Poisson arrivals with `prompt` and `output` tokens, `count` of them, `spread` (standard
        deviation over mean) and `seed`.
    peak, memory_rate : of the device ('165 TFLOP/s', '1008 GB/s'): rows of the table that beat it are refused.
    parameters : of a machine's file. events : keep what happened to each request, for a trace.
    progress : called with (requests done, in all).

    Raises
    ------
    AccelsimError : an argument or a file that is wrong, a request that fits nowhere.
    """
    limits = limits_of(slo)
    asked = asked_of(requests, rate, prompt, output, count, spread, seed)
    check(
        asked, policy=policy, budget=budget, max_seqs=max_seqs, kv_blocks=kv_blocks, memory=memory, block=block,
        chunk=chunk, split=split, decode_blocks=decode_blocks, skew=skew,
    )  # fmt: skip
    bundle = bundle_of(table, model, devices, parameters, (budget, max_seqs, int(asked.work.max())))
    _screen(bundle, peak, memory_rate)
    width = width_of(bundle)
    blocks, source = _blocks(bundle, kv_blocks, memory, block, width)
    plan = Policy(
        blocks, policy, bundle.budget if budget is None else budget,
        bundle.max_seqs if max_seqs is None else max_seqs, chunk, block, _split(split, blocks, decode_blocks),
    )  # fmt: skip
    costs, token = costs_of(bundle, _between(bundle, all_reduce), skew, width), bundle.model.kv_bytes(width)
    found = run(asked, plan, costs, prices_of(bundle), token, events, progress)
    return Served(
        f"{bundle.model.name} on {bundle.hardware or bundle.folder}", found, limits, bounds_of(asked, plan, costs),
        token * block, bundle.standing, bundle.energies is not None, source,
        bundle.degree * (2 if plan.split else 1), rate if requests is None else None,
    )  # fmt: skip


def check(asked: Asked, **given: Any) -> None:
    """Refuse what is wrong whatever the table says: before a machine's layers are simulated.

    given : arguments of `serve`. Raises AccelsimError.
    """
    limits_of(given.get("slo"))
    skew, blocks, memory = given.get("skew"), given["kv_blocks"], given["memory"]
    if skew is not None and not 0 <= skew <= 1:
        raise AccelsimError(f"skew must be from 0 (the mean context's attention) to 1 (the longest's), got {skew:g}")
    _one_of(blocks, memory)
    if memory is not None:
        size_bytes(memory, "memory")
    room = MOST_BLOCKS if blocks is None else blocks
    split = _split(given["split"], room, given["decode_blocks"])
    plan = Policy(
        room, given["policy"], given["budget"], given["max_seqs"], given["chunk"], given["block"], split
    )  # fmt: skip
    plan.check(asked)


def bundle_of(
    table: str | Path | Bundle | Architecture | Package,
    model: str | None = None,
    devices: int = 1,
    parameters: Mapping[str, Any] | None = None,
    most: tuple[int | None, int | None, int] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Bundle:
    """A table that is given, read, or simulated on a machine.

    most : budget, requests and tokens of the longest request that a simulated one is made for. progress : of that,
    called with (done, of, what is next).
    """
    if isinstance(table, Bundle):
        if devices not in (1, table.degree):
            raise AccelsimError(f"a table of {table.degree} devices, where {devices} are asked for")
        return table
    if isinstance(table, Architecture | Package):
        return _simulated(table, model, devices, parameters, most, progress)
    if str(table) in SHIPPED or Path(table).is_dir():
        if parameters:
            raise AccelsimError(f"{table}: parameters are those of a machine, and this is a table of one")
        name = str(table)
        return read_bundle(REFERENCE / SHIPPED[name] if name in SHIPPED else name, model, devices)
    if is_package(table):
        return _simulated(table, model, devices, parameters, most, progress)
    try:
        resolve("arch", table)
    except AccelsimError as error:
        raise AccelsimError(f"{error}; nor is it a folder of layer times ({', '.join(SHIPPED)} ships)") from None
    return _simulated(table, model, devices, parameters, most, progress)


def _simulated(
    machine: str | Path | Architecture | Package,
    model: str | None,
    devices: int,
    parameters: Mapping[str, Any] | None,
    most: tuple[int | None, int | None, int] | None,
    progress: Callable[[int, int, str], None] | None,
) -> Bundle:
    if model is None:
        name = machine.name if isinstance(machine, Architecture | Package) else machine
        raise AccelsimError(f"{name}: a machine needs a model to serve (--model llama3_8b)")
    from accelsim.serving.layers import CONTEXT, SEQUENCES, TOKENS, Grid, simulated

    budget, seats, longest = most or (None, None, CONTEXT)
    grid = Grid.up_to(max(2, budget or TOKENS), seats or SEQUENCES, max(16, longest))
    return simulated(machine, model, devices, parameters, grid, progress)


def width_of(bundle: Bundle) -> int:
    """Bytes of a word: as the table's variant says, else 2."""
    variant = bundle.variant or bundle.folder.parent.name
    return WIDTHS.get(variant.partition("-")[0], 2)


def _screen(bundle: Bundle, peak: str | None, memory_rate: str | None) -> None:
    if peak or memory_rate:
        flops = float(_read(peak, "peak", _FLOPS, "165 TFLOP/s")) if peak else None
        rate = float(rate_bytes(memory_rate, "memory rate")) if memory_rate else None
        screened(bundle, Peak(flops, rate, width_of(bundle)))


def _split(text: str | None, blocks: int, decode_blocks: int | None) -> Split | None:
    if text:
        return Split(blocks if decode_blocks is None else decode_blocks, *link_of(text, "split"))
    if decode_blocks is not None:
        raise AccelsimError("decode blocks go with a split (split='64 GB/s,5us')")
    return None


def _between(bundle: Bundle, text: str | None) -> Link | Mapping[int, float] | None:
    """The link between devices, or a table of all-reduces (bytes,time_us)."""
    if bundle.degree == 1:
        if text:
            raise AccelsimError("an all-reduce goes with several devices (devices=2)")
        return None
    if not text:
        raise AccelsimError(f"{bundle.degree} devices add up their sums: give their link (all_reduce='16 GB/s,20us')")
    if text.endswith(".csv"):
        file, found = Path(text), dict[int, float]()
        for line, (size, us) in rows(file, ("bytes", "time_us")):
            found[whole(file, line, "bytes", size, 1)] = real(file, line, "time_us", us, MOST_US)
        return found or wrong(file, None, "", "holds no all-reduces")
    rate, latency = link_of(text, "all-reduce")
    return Link(float(rate), latency / 1e9)


def _blocks(bundle: Bundle, blocks: int | None, memory: str | None, block: int, width: int) -> tuple[int, str]:
    """Blocks of the cache, and where their number is from. Raises AccelsimError: nothing is left beside the weights."""
    _one_of(blocks, memory)
    if blocks is not None:
        return blocks, "blocks"
    token, weights = bundle.model.kv_bytes(width), bundle.model.weights * width
    all_ = size_bytes(memory, "memory") * bundle.degree
    left = all_ - weights
    if left < token * block:
        raise AccelsimError(
            f"memory: {all_:,} B less {weights:,} B of weights leave {left:,} B, less than one block of {block} "
            f"tokens, {token * block:,} B"
        )
    return left // (token * block), f"{all_:,} B of memory less {weights:,} B of weights"


def _one_of(blocks: int | None, memory: str | None) -> None:
    if (blocks is None) == (memory is None):
        raise AccelsimError("give the KV cache in blocks (kv_blocks=2588) or as memory ('24 GB'), one of the two")


def asked_of(
    requests: str | Path | Asked | None,
    rate: float | None,
    prompt: int,
    output: int,
    count: int,
    spread: float,
    seed: int,
) -> Asked:
    """Requests that are given, read, or drawn. Raises AccelsimError for both, or none."""
    if (requests is None) == (rate is None):
        raise AccelsimError("give requests, a trace, or a rate to draw them at, one of the two")
    if isinstance(requests, Asked):
        return requests
    if requests is not None:
        return read_trace(requests)
    assert rate is not None
    return draw(rate, prompt, output, count, seed, spread)
