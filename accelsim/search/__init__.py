"""The best mapping of a dataflow's own space, found with the closed form."""

from __future__ import annotations

from accelsim.search.best import OBJECTIVES, Found, best, find

__all__ = ["OBJECTIVES", "Found", "best", "find"]
