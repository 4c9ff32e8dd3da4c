"""Dataflows as data: each file here constrains and orders mappings; adding one is adding a file."""

from __future__ import annotations

from accelsim.mapping.dataflows.dataflow import NAMES, Dataflow, load

__all__ = ["NAMES", "Dataflow", "load"]
