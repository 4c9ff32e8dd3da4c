"""What a notebook shows of objects that know of no report: how they are drawn is looked up by name when it is asked."""

from __future__ import annotations

from importlib import import_module

ROOM = "accelsim.report.html.shown"


class Pictured:
    """An object with a picture."""

    def _repr_svg_(self) -> str:
        return str(import_module(ROOM).svg(self))


class Tabled:
    """An object with a table."""

    def _repr_html_(self) -> str:
        return str(import_module(ROOM).html(self))
