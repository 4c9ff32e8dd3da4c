"""What is asked of a server: requests out of a trace, or drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accelsim.errors import AccelsimError
from accelsim.serving.rows import rows, whole, wrong

Ints = npt.NDArray[np.int64]
COLUMNS = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")
SECOND = 10**9
MOST_SECONDS = 10**8
MOST_TOKENS = 2**24
MOST_REQUESTS = 10**8


@dataclass(frozen=True, repr=False)
class Asked:
    """int64[requests] each, in order of arrival. arrival : ns. prompt, output : tokens, at least one."""

    arrival: Ints
    prompt: Ints
    output: Ints

    def __len__(self) -> int:
        return len(self.arrival)

    def __repr__(self) -> str:
        return f"Asked({len(self):,} requests, {int(self.prompt.sum() + self.output.sum()):,} tokens)"

    @classmethod
    def of(cls, arrivals: npt.ArrayLike, prompts: npt.ArrayLike, outputs: npt.ArrayLike) -> Asked:
        """Of whole ns and tokens. Raises AccelsimError: none, times out of order, a request of no tokens."""
        found = cls(*(np.ascontiguousarray(one, np.int64) for one in (arrivals, prompts, outputs)))
        if not len(found):
            raise AccelsimError("no requests")
        if found.arrival[0] < 0 or (np.diff(found.arrival) < 0).any():
            raise AccelsimError("arrivals must be in order, from 0 on")
        if min(found.prompt.min(), found.output.min()) < 1:
            raise AccelsimError("a request has at least one token of a prompt, and one to answer with")
        return found

    @property
    def work(self) -> Ints:
        """Tokens to compute of each request: all but the last, which nobody reads."""
        return self.prompt + self.output - 1


def read_trace(path: str | Path) -> Asked:
    """Requests out of a CSV with columns arrived_at (s), num_prefill_tokens, num_decode_tokens.

    Raises
    ------
    SpecError : the line of a time that is negative or earlier than the one before, or of a request without tokens.
    """
    file = Path(path)
    arrivals: list[int] = []
    tokens: tuple[list[int], list[int]] = ([], [])
    for line, (at, *sizes) in rows(file, COLUMNS):
        arrival = _ns(file, line, at)
        if arrivals and arrival < arrivals[-1]:
            before = Fraction(arrivals[-1], SECOND)
            wrong(file, line, COLUMNS[0], f"{at} s is earlier than the request before, {float(before):g} s; sort them")
        arrivals.append(arrival)
        for name, text, into in zip(COLUMNS[1:], sizes, tokens, strict=True):
            into.append(whole(file, line, name, text, 1, MOST_TOKENS))
    if not arrivals:
        wrong(file, None, "", "holds no requests")
    return Asked.of(arrivals, *tokens)


def _ns(file: Path, line: int, text: str) -> int:
    """Seconds as whole ns, exactly as written, half of one up."""
    try:
        if len(text) > 40:
            raise ValueError
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        wrong(file, line, COLUMNS[0], f"should be a number of seconds, got '{text[:40]}'")
    if value < 0:
        wrong(file, line, COLUMNS[0], f"a time must not be negative, got {text}")
    if value > MOST_SECONDS:
        wrong(file, line, COLUMNS[0], f"must be at most {MOST_SECONDS:,} s, got {text}")
    return int(value * SECOND + Fraction(1, 2))


def draw(rate: float, prompt: int, output: int, requests: int, seed: int = 0, spread: float = 0.0) -> Asked:
    """Requests that arrive independently (Poisson) at a rate, in requests/s.

    prompt, output : mean tokens. spread : 0: all alike; else standard deviation over mean of a log-normal.

    Raises
    ------
    AccelsimError : a rate or size that cannot be.
    """
    for what, value, least, most in (
        ("rate", rate, 1e-6, 1e6), ("prompt", prompt, 1, MOST_TOKENS), ("output", output, 1, MOST_TOKENS),
        ("count", requests, 1, MOST_REQUESTS), ("spread", spread, 0, 10), ("seed", seed, 0, 2**63 - 1),
    ):  # fmt: skip
        if not least <= value <= most:
            raise AccelsimError(f"{what} must be from {least:g} to {most:g}, got {value:g}")
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(SECOND / rate, requests)
    arrivals = np.floor(np.cumsum(gaps)).astype(np.int64)
    sizes = []
    for mean in (prompt, output):
        if spread:
            sigma = np.sqrt(np.log1p(spread**2))
            drawn = generator.lognormal(np.log(mean) - sigma**2 / 2, sigma, requests)
            sizes.append(np.clip(np.rint(drawn), 1, MOST_TOKENS).astype(np.int64))
        else:
            sizes.append(np.full(requests, mean, np.int64))
    return Asked.of(arrivals, *sizes)
