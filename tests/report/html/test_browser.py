"""The page in a real browser: tables sort and filter, a layer opens, nothing is complained of, nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import browser
from accelsim.report.designs import Designs
from accelsim.report.difference import difference
from accelsim.report.html import designs_page, difference_page, page
from accelsim.simulate import compare, simulate

pytestmark = pytest.mark.skipif(browser.found() is None, reason="no Chromium here (Debian: apt-get install chromium)")
WIDTHS = (1280, 390)
PAPER = 718
"""Pixels between the margins of A4."""
TABLE = "[...document.querySelectorAll('table.sorts')].find((t) => t.caption.textContent === 'Layers')"
# what is wider than its place and cannot be scrolled to, of all that is seen
CUT_OFF = """
[...document.querySelectorAll('body *')].filter((one) => {
  const box = one.getBoundingClientRect();
  if (!box.width || one.closest('svg.defs')) return false;
  const scrolls = one.closest('.scroll');
  return !scrolls && (box.right > innerWidth + 1 || box.left < -1);
}).map((one) => one.tagName + ' ' + one.textContent.slice(0, 40))
"""
# texts of one picture that lie on each other
OVERLAPS = """
[...document.querySelectorAll('svg')].flatMap((svg) => {
  const boxes = [...svg.querySelectorAll('text')].map((t) => [t.getBoundingClientRect(), t.textContent])
    .filter(([box]) => box.width);
  return boxes.flatMap(([a, x], at) => boxes.slice(at + 1).filter(([b]) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4
  ).map(([_, y]) => x + ' / ' + y));
})
"""
SMALL = """
[...document.querySelectorAll('body *')].filter((one) => one.childElementCount === 0 && one.textContent.trim() &&
  one.getBoundingClientRect().width && parseFloat(getComputedStyle(one).fontSize) * 0.75 < 7
).map((one) => one.textContent)
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Iterator[browser.Tab]:
    with browser.tab(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def result():
    return simulate("eyeriss", "alexnet", mapping="eyeriss_alexnet_jssc17", layers="CONV*", batch=4)


@pytest.fixture(scope="module")
def address(tmp_path_factory, result):
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page({"": result}), encoding="utf-8")
    return file.as_uri()


def column(tab: browser.Tab, at: int) -> list[str]:
    return tab.run(f"[...{TABLE}.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[{at}].textContent)")


def test_a_table_sorts_and_filters_and_a_layer_opens(tab, address, result):
    tab.resize(1280, 900)
    tab.open(address)
    names = [layer.name for layer in result.layers]
    cycles = {layer.name: layer.cycles for layer in result.layers}
    assert column(tab, 0) == names
    click = f"{TABLE}.tHead.rows[0].cells[5].querySelector('button').click()"
    tab.run(click)
    assert column(tab, 0) == sorted(names, key=cycles.get, reverse=True)
    assert tab.run(f"{TABLE}.tHead.rows[0].cells[5].getAttribute('aria-sort')") == "descending"
    tab.run(click)
    assert column(tab, 0) == sorted(names, key=cycles.get)
    assert tab.run(f"{TABLE}.tFoot.rows[0].cells[0].textContent") == "total, every run"

    # ten rows and more have a field
    words = "[...document.querySelectorAll('table.sorts')].find((t) => t.caption.textContent.startsWith('Words'))"
    field = f"{words}.parentElement.previousElementSibling"
    tab.run(f"{field}.value = 'FILTER_BANK'; {field}.dispatchEvent(new Event('input'))")
    seen = tab.run(f"[...{words}.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[0].textContent)")
    assert set(seen) == {"FILTER_BANK"}

    assert tab.run("document.querySelectorAll('article > section > details[id][open]').length") == 0
    tab.run(f"{TABLE}.tBodies[0].rows[0].cells[0].querySelector('a').click()")
    first = sorted(names, key=cycles.get)[0]
    opened = "[...document.querySelectorAll('details[id][open] > summary')].map((s) => s.textContent)"
    tab.run("new Promise((done) => setTimeout(done, 100))")
    assert tab.run(opened) == [first]
    assert tab.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in tab.requested)


def test_without_scripts_everything_is_there(tab, address, result):
    tab.open(address, scripts=False)
    # scripts of the page are off, those of the test are not
    assert tab.run("document.querySelectorAll('details[id]').length") == len(result.layers)
    assert tab.run("document.querySelectorAll('thead button, input').length") == 0
    assert column(tab, 0) == [layer.name for layer in result.layers]
    tab.open(address)


def test_what_is_closed_is_open_in_print(tab, address, result):
    """With and without JavaScript, every layer is seen on paper, and closed again behind it."""
    seen = "[...document.querySelectorAll('details > :not(summary)')].map((one) => one.checkVisibility())"
    for scripts in (True, False):
        tab.resize(PAPER, 900)
        tab.open(address, scripts)
        assert not any(tab.run(seen))
        tab.ask("Emulation.setEmulatedMedia", media="print")
        assert len(tab.run(seen)) > len(result.layers) and all(tab.run(seen))
        for wrong in (CUT_OFF, OVERLAPS):
            assert tab.run(wrong) == []
        tab.ask("Emulation.setEmulatedMedia", media="")
        assert not any(tab.run(seen))
    tab.open(address)
    tab.run("dispatchEvent(new Event('beforeprint'))")
    assert tab.run("document.querySelectorAll('details:not([open])').length") == 0
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run("document.querySelectorAll('details[open]').length") == 0


PAGES = [
    ("eyeriss", "alexnet", {"batch": 4}),
    ("tpu_v1", "resnet50", {"layers": "conv1,conv2*,FC"}),
    ("simba", "bert_base", {"layers": "l0_*"}),
    ("eyeriss_v2", "vgg16", {"dataflow": "row_stationary", "layers": "CONV5*", "evaluator": "analytical"}),
    ("isaac", "alexnet", {"layers": "CONV1"}),
]


@pytest.mark.parametrize(("machine", "network", "options"), PAGES)
def test_nothing_is_cut_off_or_overlaps(tab, tmp_path, machine, network, options):
    found = simulate(machine, network, tolerant=True, **options)
    file = tmp_path / "report.html"
    file.write_text(page({"": found}), encoding="utf-8")
    for width in WIDTHS:
        tab.resize(width, 900)
        tab.open(file.as_uri())
        tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert tab.run("document.documentElement.scrollWidth") <= width
        for wrong in (CUT_OFF, OVERLAPS, SMALL):
            assert tab.run(wrong) == [], (width, wrong)
    assert tab.complaints == []


def test_the_page_of_a_difference_opens(tab, tmp_path, result):
    other = simulate("eyeriss", "alexnet", layers="CONV*", batch=4)
    file = tmp_path / "difference.html"
    file.write_text(difference_page(difference("<b>a</b>", result, "b", other)), encoding="utf-8")
    for width in WIDTHS:
        tab.resize(width, 900)
        tab.open(file.as_uri())
        assert tab.run("document.documentElement.scrollWidth") <= width
        assert tab.run(CUT_OFF) == []
    assert tab.run("document.querySelector('h1').textContent") == "<b>a</b> and b"
    assert tab.complaints == []


OVER = "[...document.querySelectorAll('table.sorts')].find((t) => t.caption.textContent.startsWith('{}'))"


def check_widths(tab: browser.Tab, address: str) -> None:
    """At both widths and on paper nothing is cut off, lies on something else or is too small to read."""
    for width, media in ((WIDTHS[0], ""), (WIDTHS[1], ""), (PAPER, "print")):
        tab.resize(width, 900)
        tab.open(address)
        tab.ask("Emulation.setEmulatedMedia", media=media)
        assert tab.run("document.documentElement.scrollWidth") <= width
        for wrong in (CUT_OFF, OVERLAPS, SMALL):
            assert tab.run(wrong) == [], (width, media, wrong)
    tab.ask("Emulation.setEmulatedMedia", media="")


def sorts_and_filters(tab: browser.Tab, title: str, at: int, wanted: str) -> None:
    """A click on the head of a column of numbers puts the largest first; the field leaves rows with a text."""
    place = OVER.format(title)
    tab.run(f"{place}.tHead.rows[0].cells[{at}].querySelector('button').click()")
    read = f"[...{place}.tBodies[0].rows].map((r) => Number(r.cells[{at}].dataset.v))"
    found = tab.run(read)
    assert found == sorted(found, reverse=True) and len(set(found)) > 1
    field = f"{place}.parentElement.previousElementSibling"
    tab.run(f"{field}.value = '{wanted}'; {field}.dispatchEvent(new Event('input'))")
    seen = tab.run(f"[...{place}.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.textContent)")
    assert seen and all(wanted in row for row in seen) and len(seen) < len(found)


def test_the_page_of_a_sweep_opens_sorts_and_filters(tab, tmp_path):
    names = {"rows": "levels.RF.rows", "capacity": "levels.<b>.capacity"}
    rows = [
        {
            "point": at, "workload": net, "batch": 1, "dataflow": flow, names["rows"]: size,
            names["capacity"]: f"{at} KiB", "energy": 7e9 / size * (1 + at % 3), "cycles": 123456 * size + at,
            "utilization": 0.3, "energy_unit": "MAC", "error": None, "key": f"{at:064x}",
            "machine": "m" * 64, "network": "n" * 64,
        }
        for at, (net, flow, size) in enumerate(
            (net, flow, size)
            for net in ("resnet50", "a network with a rather long name")
            for flow in ("row_stationary", "weight_stationary", "output_stationary_moc_mop")
            for size in range(8, 40)
        )
    ]  # fmt: skip
    layers = [{**row, "layer": name} for row in rows for name in ("conv1", "conv2_branch2a")]
    fields = ("workload", "dataflow", *names.values())
    file = tmp_path / "sweep.html"
    file.write_text(designs_page(Designs("<i>mine</i>", rows, fields, ("energy", "cycles"), layers)), encoding="utf-8")
    check_widths(tab, file.as_uri())
    tab.resize(WIDTHS[0], 900)
    tab.open(file.as_uri())
    assert tab.run("document.querySelector('h1').textContent") == "<i>mine</i>"
    sorts_and_filters(tab, "All designs", 6, "weight_stationary")
    sorts_and_filters(tab, "What each field moves", 3, "dataflow")
    assert tab.complaints == []
    tab.open(file.as_uri(), scripts=False)
    assert tab.run(f"{OVER.format('All designs')}.tBodies[0].rows.length") == len(rows)
    tab.open(file.as_uri())


def test_the_page_of_a_comparison_opens_and_leads_to_each(tab, tmp_path):
    found = compare("eyeriss_isca16", "alexnet", evaluator="analytical")
    found.report(tmp_path / "page.html")
    check_widths(tab, (tmp_path / "page.html").as_uri())
    tab.resize(WIDTHS[0], 900)
    tab.open((tmp_path / "page.html").as_uri())
    place = OVER.format("Side by side")
    cycles = f"[...{place}.tBodies[0].rows].map((r) => [r.cells[0].textContent, Number(r.cells[4].dataset.v)])"
    tab.run(f"{place}.tHead.rows[0].cells[4].querySelector('button').click()")
    wanted = sorted(((name, found[name].total.cycles) for name in found), key=lambda pair: -pair[1])
    assert [name for name, _ in tab.run(cycles)] == [name for name, _ in wanted]
    tab.run(f"{place}.tBodies[0].rows[0].cells[0].querySelector('a').click()")
    there = "document.getElementById(location.hash.slice(1)).querySelector('h2').textContent"
    assert tab.run(there) == wanted[0][0]
    assert tab.complaints == [] and all(url.startswith(("file:", "data:")) for url in tab.requested)


def test_nothing_is_cut_off_in_print(tab, address, tmp_path):
    tab.resize(PAPER, 1000)
    tab.open(address)
    tab.ask("Emulation.setEmulatedMedia", media="print")
    assert tab.run("document.documentElement.scrollWidth") <= PAPER
    assert tab.run(CUT_OFF) == tab.run(OVERLAPS) == tab.run(SMALL) == []
    tab.ask("Emulation.setEmulatedMedia", media="")
    tab.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_checks_see_what_is_wrong(tab, tmp_path):
    file = tmp_path / "wrong.html"
    svg = '<svg width="200" height="40"><text x="0" y="20">one</text><text x="8" y="22">two</text></svg>'
    file.write_text(f'{svg}<p style="width: 3000px">wide</p><p style="font-size: 8px">tiny</p>')
    tab.resize(390, 900)
    tab.open(file.as_uri())
    assert tab.run(OVERLAPS) == ["one / two"] and tab.run(CUT_OFF) == ["P wide"] and tab.run(SMALL) == ["tiny"]
