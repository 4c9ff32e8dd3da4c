"""The best mapping of a dataflow's own space, found with the closed form."""

from __future__ import annotations

from accelsim.search.best import OBJECTIVES, best

__all__ = ["OBJECTIVES", "best"]
