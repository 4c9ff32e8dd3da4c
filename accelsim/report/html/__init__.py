"""One page that shows results: it holds all it needs, asks no network for anything, and works without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from accelsim.errors import AccelsimError
from accelsim.outcome import Outcome
from accelsim.report.gains import Gains
from accelsim.version import __version__

if TYPE_CHECKING:
    from jinja2 import Template

    from accelsim.report.designs import Designs
    from accelsim.report.difference import Difference
    from accelsim.report.html.facts import Section


MOST_OPENED = 300
"""Layers of several results, of which each opens; of more none does."""


def page(
    results: Mapping[str, Outcome], gains: Mapping[str, Gains | str] | None = None, lines: Sequence[str] = ()
) -> str:
    """The page of one result or several, by label.

    gains : by label and layer, what twice of each thing would change, or why that is not known; None: it is left out.
    lines : what else there is to say, such as what did not run at all.
    Raises AccelsimError if there is no result, or none with a layer.
    """
    from accelsim.report.html.facts import section
    from accelsim.report.html.several import pictures, side_by_side

    if not any(result.multiplied for result in results.values()):
        raise AccelsimError("nothing to show: no layer was run")
    known, layers = gains or {}, sum(len(result.multiplied) for result in results.values())
    opened = len(results) == 1 or layers <= MOST_OPENED
    sections = [
        section(result, f"r{at}", label, known.get(label), opened) for at, (label, result) in enumerate(results.items())
    ]
    first = next(iter(results.values()))
    title = f"{first.workload} on {first.architecture.name}" if len(results) == 1 else f"{len(results)} results"
    more = {"comparison": side_by_side(results), "beside": pictures(results)} if len(results) > 1 else {}
    return _rendered(title, sections, lines=lines, **more)


def difference_page(found: Difference) -> str:
    """The page of what two results differ in."""
    from accelsim.report.html.differences import differences

    return _rendered(f"{found.names[0]} and {found.names[1]}", (), differences=differences(found))


def designs_page(designs: Designs, asked: Mapping[str, object] | None = None, where: str = "") -> str:
    """The page of a sweep.

    asked : the keys of its file. where : the store that has it.
    Raises AccelsimError if no design has metrics.
    """
    from accelsim.report.html.designs import design_facts

    return _rendered(designs.name, (), designs=design_facts(designs, asked, where))


def _rendered(title: str, sections: Sequence[Section], **more: object) -> str:
    from markupsafe import Markup

    from accelsim.report.html.svg import patterns
    from accelsim.report.text import visible

    hatched = patterns(paint for part in sections for paint in part.paints)
    # ours, and no names of anybody else's are in them
    style, script = (Markup(_text(name)) for name in ("page.css", "page.js"))
    ours = {"css": style, "script": script, "patterns": hatched, "version": __version__}
    given = {"comparison": (), "beside": (), "lines": (), "differences": None, "designs": None, **more}
    return _template().render(title=visible(title), sections=sections, **ours, **given)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("page.html"))


def _text(name: str) -> str:
    return files(__name__).joinpath("templates", name).read_text(encoding="utf-8")
