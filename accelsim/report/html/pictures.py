"""A picture of a page, with what stands around it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Picture:
    """A picture with its legend. tall : as high as two others."""

    title: str
    svg: Markup
    legend: tuple[tuple[str, Markup], ...] = ()
    note: str = ""
    tall: bool = False
