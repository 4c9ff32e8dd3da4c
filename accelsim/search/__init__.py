"""The best mapping of a dataflow's own space, found with the closed form."""

from __future__ import annotations

from accelsim.search.best import best, find
from accelsim.search.found import OBJECTIVES, Found

__all__ = ["OBJECTIVES", "Found", "best", "find"]
