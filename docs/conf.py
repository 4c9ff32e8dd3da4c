"""The site: `sphinx-build -W -n docs OUT` (CONTRIBUTING.md). Every page is Markdown that GitHub shows too."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from accelsim.version import __version__

project = "accelsim"
author = "The accelsim developers"
copyright = "The accelsim developers, Apache-2.0"  # noqa: A001  (Sphinx's name)
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["examples/**", "figures/**"]
nitpicky = True
smartquotes = False  # a quote may be typed
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
nitpick_ignore = [("py:class", "collections.abc.Callable")]  # an alias of it has no page

html_theme = "pydata_sphinx_theme"
html_title = f"accelsim {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
}

autodoc_typehints = "none"  # signatures say them; our own names are documented at their public place
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
default_role = "literal"  # `names` in docstrings

OUTSIDE = {"VALIDATION.md": "validation.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages at the root of the repository, and the pages here that include them."""


def inside(app: Sphinx, name: str, source: list[str]) -> None:
    """Let links to pages at the root, as GitHub needs them, lead to their copies in the site."""
    for there, here in OUTSIDE.items():
        near = "../" * name.count("/") + here
        source[0] = re.sub(rf"\]\((?:\.\./)+{re.escape(there)}(#[^)]*)?\)", rf"]({near}\1)", source[0])


NAMES = r"\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*"
ENTRY = re.compile(rf"^({NAMES}) : (?=\S)")
FURTHER = re.compile(rf"(?<=[.;]) (?={NAMES} : \S)")
"""`name, name : what they are`, as docstrings here list parameters and fields, one behind another if they are short."""


def listed(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Make lists of docstrings' entries, and headings of their sections, in reStructuredText."""
    paragraphs: list[list[str]] = [[]]
    for line in (line.strip() for line in lines):
        if not line or set(line) == {"-"} or ENTRY.match(line):
            heading = [f"**{paragraphs[-1].pop()}**"] if line and not ENTRY.match(line) else []
            paragraphs += [heading, []]
        if line and set(line) != {"-"}:
            paragraphs[-1].append(line)
    out: list[str] = []
    for text in (" ".join(paragraph) for paragraph in paragraphs if paragraph):
        for part in FURTHER.split(text) if ENTRY.match(text) else [text]:
            names = ", ".join(f"``{one}``" for one in found[1].split(", ")) if (found := ENTRY.match(part)) else ""
            out += [f"- {names}: {part[found.end() :]}" if found else part, ""]
    lines[:] = out


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", inside)
    app.connect("autodoc-process-docstring", listed)
