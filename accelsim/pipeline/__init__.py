"""All layers of a network at work at a time, each on a share of one machine's arrays that keeps its weights."""

from __future__ import annotations

from accelsim.pipeline.run import Pipelined, Stage, pipelined

__all__ = ["Pipelined", "Stage", "pipelined"]
