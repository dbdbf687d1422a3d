"""A headless Chromium, driven over its debugging pipe: no port, no library."""

import base64
import json
import os
import select
import shutil
import time
from fcntl import F_DUPFD, fcntl
from pathlib import Path
from typing import Any

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
PATIENCE = 60.0  # seconds; a slow machine starts a browser in ten
PHONE, DESK, PAPER = (390, 844), (1280, 900), (794, 1123)


class Chromium:
    """One page in one browser, with everything it said and asked for."""

    def __init__(self, profile: Path):
        assert CHROMIUM is not None
        own_in, its_out = _pipe()
        its_in, own_out = _pipe()
        options = [
            "--headless=new",
            "--no-sandbox",  # of the pages of our own tests
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        quiet = os.open(os.devnull, os.O_RDWR)
        actions = [
            (os.POSIX_SPAWN_DUP2, quiet, 1),
            (os.POSIX_SPAWN_DUP2, quiet, 2),
            (os.POSIX_SPAWN_DUP2, its_in, 3),
            (os.POSIX_SPAWN_DUP2, its_out, 4),
        ]
        self._process = os.posix_spawn(
            CHROMIUM, [CHROMIUM, *options], os.environ, file_actions=actions, setsid=True
        )
        for descriptor in (its_in, its_out, quiet):
            os.close(descriptor)
        self._in, self._out = own_in, own_out
        self._read, self._last = b"", 0
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = next(
            t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page"
        )
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._last:
                assert "error" not in found, (method, found["error"])
                return found["result"]
            self.events.append(found)

    def open(self, page: Path) -> None:
        """Load a page of this machine and wait until it is drawn."""
        self.events.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        until = time.monotonic() + PATIENCE
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            assert time.monotonic() < until, "the page does not load"
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """What an expression is on the page; the tester's script, not the page's own."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        x, y = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def look(self, size: tuple[int, int], dark: bool = False, media: str = "") -> None:
        """Set the window, the colour scheme, and screen or print."""
        width, height = size
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def screenshot(self, whole: bool = False) -> bytes:
        """The window, or the whole page, as PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """The page as it prints."""
        return base64.b64decode(self.ask("Page.printToPDF", preferCSSPageSize=True)["data"])

    def complaints(self) -> list[Any]:
        """Console messages, exceptions, blocked content and issues since the page was opened."""
        said = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        issues = ("Audits.issueAdded",)
        return [e for e in self.events if e["method"] in (*said, *issues)]

    def requests(self) -> list[str]:
        """Addresses that the page asked for since it was opened, its own included."""
        sent = (e for e in self.events if e["method"] == "Network.requestWillBeSent")
        return [e["params"]["request"]["url"] for e in sent]

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self.ask("Browser.close")
        for descriptor in (self._in, self._out):
            os.close(descriptor)
        os.waitpid(self._process, 0)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._in], [], [], PATIENCE)
            assert ready, "the browser does not answer"
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser ended"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are above the two descriptors that the browser expects it at."""
    ends = os.pipe()
    moved = tuple(fcntl(end, F_DUPFD, 10) for end in ends)
    for end in ends:
        os.close(end)
    for end in moved:
        os.set_inheritable(end, False)
    return moved
