"""What a plan saves of the words of the outermost level, by tensor, as a result has it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Saved(NamedTuple):
    """One tensor, all images and repeats. lives : where, under the plan; '': in the outermost level.

    without, planned : words of it that the outermost level reads and writes, every layer by itself, and under the plan.
    """

    tensor: str
    lives: str
    without: int
    planned: int

    @property
    def words(self) -> int:
        """Words that the plan saves; below 0: it costs them."""
        return self.without - self.planned

    def to_dict(self) -> dict[str, Any]:
        """The document's entry."""
        return {**self._asdict(), "saved": self.words}
