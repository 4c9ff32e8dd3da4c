"""The site of docs/ is built without a warning, asks no network for anything, and fits a screen and a telephone."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import browser

DOCS = Path(__file__).parents[1] / "docs"
WIDE = """(() => {
  const width = document.documentElement.clientWidth, scrolls = ["auto", "scroll", "hidden"], found = [];
  for (const one of document.querySelectorAll(".bd-article *, .bd-header *")) {
    const box = one.getBoundingClientRect();
    let within = one;
    while (within && within !== document.body && !scrolls.includes(getComputedStyle(within).overflowX))
      within = within.parentElement;
    if (box.width && box.right > width + 1 && (!within || within === document.body))
      found.push(one.outerHTML.slice(0, 80));
  }
  if (document.documentElement.scrollWidth > width) found.push("the page");
  for (const one of document.images) if (one.complete && !one.naturalWidth) found.push(one.src);
  return JSON.stringify(found);
})()"""
"""What sticks out on the right and cannot be scrolled to within its own box; pictures that are not there."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Where the pages are."""
    pytest.importorskip("sphinx", reason="pip install 'accelsim[docs]'")
    pytest.importorskip("pydata_sphinx_theme", reason="pip install 'accelsim[docs]'")
    made = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", str(DOCS), str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.slow
def test_every_page_has_its_place(site):
    """Under its own heading; none has a name that the site needs itself, as `search` or `genindex`."""
    for path in DOCS.rglob("*.md"):
        first = next(line for line in path.read_text(encoding="utf-8").splitlines() if line)
        page = (site / path.relative_to(DOCS).with_suffix(".html")).read_text(encoding="utf-8")
        if first.startswith("# "):
            heading = html.unescape(re.sub(r"<[^>]+>", "", re.findall(r"<h1>(.*?)<a ", page, re.DOTALL)[0]))
            assert heading == re.sub(r"[`*]", "", first[2:]), path
    assert 'href="start.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert "accelsim.simulate" in (site / "api.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not browser.found(), reason="no Chromium here")
def test_nothing_is_cut_off(site, tmp_path):
    pages = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    assert len(pages) > 40
    with browser.tab(tmp_path, 1280, 1600) as tab:
        for width in (1280, 390):
            tab.resize(width, 1600)
            for page in pages:
                tab.open(page.as_uri())
                assert not json.loads(tab.run(WIDE)), (page.relative_to(site), width)
        assert not tab.complaints
        assert all(url.startswith(("file:", "data:")) for url in tab.requested)
