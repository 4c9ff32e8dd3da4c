"""A headless Chromium, driven over a pipe with the DevTools protocol: no package but the browser itself."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60.0
"""That the browser may take to answer."""


def found() -> str | None:
    """Where there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page. complaints : what it wrote to its console as an error, and exceptions."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = to_browser, from_browser
        self._left, self._number, self._session = b"", 0, ""
        self.complaints: list[str] = []
        self.requested: list[str] = []

    def begin(self, width: int, height: int) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str, scripts: bool = True) -> None:
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.ask("Page.navigate", url=url)
        ends = time.monotonic() + SECONDS
        while self._next(ends).get("method") != "Page.loadEventFired":
            pass

    def run(self, expression: str) -> Any:
        """What JavaScript gives."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """All of the page as a PNG."""
        found = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed."""
        path.write_bytes(base64.b64decode(self.ask("Page.printToPDF", printBackground=True)["data"]))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + SECONDS
        while True:
            answer = self._next(ends)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next(self, ends: float) -> dict[str, Any]:
        while b"\0" not in self._left:
            assert time.monotonic() < ends, "the browser does not answer"
            part = os.read(self._in, 1 << 20)
            assert part, "the browser is gone"
            self._left += part
        text, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        told = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif message.get("method") == "Runtime.consoleAPICalled" and told["type"] == "error":
            self.complaints.append(str(told["args"]))
        elif message.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.complaints.append(str(told["entry"]))
        elif message.get("method") == "Network.requestWillBeSent":
            self.requested.append(told["request"]["url"])
        return message


def _high(descriptor: int) -> int:
    """The same file, at a number that is neither 3 nor 4."""
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return found


@contextmanager
def tab(profile: Path, width: int = 1280, height: int = 900) -> Iterator[Tab]:
    """A page of a browser of its own, whose files are in `profile`."""
    browser = found()
    assert browser
    there, to_browser = map(_high, os.pipe())
    from_browser, back = map(_high, os.pipe())
    # the browser reads commands at 3 and writes answers at 4
    command = f'exec "$0" "$@" 3<&{there} 4>&{back}'
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
    words = ["bash", "-c", command, browser, *options, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        words, pass_fds=(there, back), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(there)
    os.close(back)
    try:
        page = Tab(to_browser, from_browser)
        page.begin(width, height)
        yield page
        page._session = ""
        page.ask("Browser.close")
        process.wait(20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(to_browser)
        os.close(from_browser)
