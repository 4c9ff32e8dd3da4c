"""How a server plans: in which order, how much at once, with how much memory."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from accelsim.errors import AccelsimError, nearest
from accelsim.serving.kernels.state import CHUNKED, PROMPTS_FIRST, STATIC, WHOLE, Rules
from accelsim.serving.requests import Asked

POLICIES = {"chunked": CHUNKED, "whole": WHOLE, "prompts-first": PROMPTS_FIRST, "static": STATIC}
NO_LIMIT = 2**40
MOST_BLOCKS = 2**28
SPLITS = ("chunked", "whole")


@dataclass(frozen=True)
class Split:
    """Prefill and decode on devices of their own, with a link in between.

    blocks : of the decode side. rate : bytes/s. latency : ns.
    """

    blocks: int
    rate: Fraction
    latency: int = 0


@dataclass(frozen=True)
class Policy:
    """What a server is told.

    kv_blocks : of its memory, each for `block` tokens (of the prefill side, where it is split). budget : tokens of an
    iteration; chunk : of one prompt in it, of 'chunked' only. max_seqs : requests that run. None: no limit.

    Raises
    ------
    AccelsimError : an unknown name, a number below 1, a cache smaller than one block, what does not go together.
    """

    kv_blocks: int
    name: str = "chunked"
    budget: int | None = None
    max_seqs: int | None = None
    chunk: int | None = None
    block: int = 16
    split: Split | None = None

    def __post_init__(self) -> None:
        if self.name not in POLICIES:
            raise AccelsimError(f"unknown policy '{self.name}'{nearest(self.name, POLICIES)}")
        for what, value, most in (
            ("budget", self.budget, NO_LIMIT), ("max-seqs", self.max_seqs, NO_LIMIT), ("chunk", self.chunk, NO_LIMIT),
            ("block", self.block, 2**20),
        ):  # fmt: skip
            if value is not None and not 1 <= value <= most:
                raise AccelsimError(f"{what} must be from 1 to {most:,}, got {value:,}")
        for blocks in (self.kv_blocks, *((self.split.blocks,) if self.split else ())):
            if blocks < 1:
                raise AccelsimError(f"a KV cache of {blocks} blocks: it must hold at least one, of {self.block} tokens")
            if blocks > MOST_BLOCKS:
                raise AccelsimError(f"the KV cache has at most {MOST_BLOCKS:,} blocks, got {blocks:,}")
        if self.chunk is not None and self.name not in ("chunked", "static"):
            raise AccelsimError(f"policy '{self.name}' computes whole prompts: chunk goes with chunked and static")
        if self.split:
            if self.name not in SPLITS:
                raise AccelsimError(f"policy '{self.name}' is not for split devices ({', '.join(SPLITS)})")
            if self.split.rate <= 0 or self.split.latency < 0:
                raise AccelsimError("the link between split devices needs a rate above 0, and a latency from 0")

    @property
    def whole_prompts(self) -> bool:
        """Whether a prompt is computed in one iteration."""
        return self.name in ("whole", "prompts-first")

    def rules(self, requests: int, kv_bytes: int) -> Rules:
        """What kernels take. kv_bytes : of a token, for what crosses the link."""
        each = Fraction(kv_bytes * 10**9) / self.split.rate if self.split else Fraction(0)
        if each.denominator > 2**30:
            each = each.limit_denominator(2**30)
        return Rules(
            POLICIES[self.name], self.chunk or NO_LIMIT, self.budget or NO_LIMIT,
            min(self.max_seqs or requests, requests, NO_LIMIT), self.block, int(self.split is not None),
            each.numerator, each.denominator, self.split.latency if self.split else 0,
        )  # fmt: skip

    def check(self, asked: Asked) -> None:
        """Refuse, before a run, a request that never fits (AccelsimError, the first one)."""
        work = asked.work
        here = asked.prompt if self.split else work
        self._fits(asked, -(-here // self.block) > self.kv_blocks, -(-here // self.block), self.kv_blocks, "KV cache")
        if self.split:
            there = np.where(asked.output > 1, -(-work // self.block), 0)
            self._fits(asked, there > self.split.blocks, there, self.split.blocks, "KV cache of the decode side")
        if self.whole_prompts and self.budget is not None:
            over = work > self.budget
            if over.any():
                r = int(over.argmax())
                raise AccelsimError(
                    f"request {r}: {_size(asked, r)} are {work[r]:,} to compute at once if it is put back, and policy "
                    f"'{self.name}' cuts no prompt: the budget is {self.budget:,}; {_of(int(over.sum()), len(asked))}"
                )

    def _fits(self, asked: Asked, over: np.ndarray, needs: np.ndarray, blocks: int, what: str) -> None:
        if over.any():
            r = int(over.argmax())
            raise AccelsimError(
                f"request {r}: {_size(asked, r)} need {needs[r]:,} blocks of {self.block} tokens, and the {what} has "
                f"{blocks:,}; {_of(int(over.sum()), len(asked))}"
            )


def _size(asked: Asked, r: int) -> str:
    return f"a prompt of {asked.prompt[r]:,} and {asked.output[r]:,} tokens of output"


def _of(wrong: int, all_: int) -> str:
    return f"{wrong:,} of {all_:,} requests fit nowhere"
