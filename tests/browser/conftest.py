"""The real server and a real browser; a page that complains in any way fails its test."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, expect, sync_playwright

from tests.patience import SECONDS

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# A deep link makes Streamlit look for its server below the page's address first; these two misses are its own.
PROBES = re.compile(r"/\w+/_stcore/(health|host-config)$")
# A frame that is replaced while the browser still draws the one before: Streamlit says this, and draws the new one.
REPLACED = "Unrecognized data set"
# Reported the moment it appears, so that a box which a later run removes is seen too.
WATCH = """
const trouble = /problem it did not expect|could not be computed/
new MutationObserver(changes => {
  for (const { addedNodes } of changes) for (const node of addedNodes) {
    if (node.nodeType !== 1) continue
    if (node.matches('[data-testid="stException"]') || node.querySelector('[data-testid="stException"]')
        || (trouble.test(node.textContent) && node.querySelector('[role="alert"]')))
      console.error("an exception box: " + node.textContent.slice(0, 300))
  }
}).observe(document, { childList: true, subtree: true })
"""
# Counted in the page itself, whose timers and messages come in their order however slow the machine: whether the server
# has answered what was sent to it last.
ANSWERS = """
window.unanswered = false
window.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address)
    this.addEventListener("message", () => { window.unanswered = false })
  }
  send(message) {
    window.unanswered = true
    super.send(message)
  }
}
"""
# The dashboard in a process of its own, where no sweep is too long to be run without asking.
SERVER = """
from streamlit.web import cli
from ui import compute
compute.ASK_SECONDS = float("inf")
cli.main()
"""
expect.set_options(timeout=SECONDS * 1000)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def serve(tmp_path_factory) -> Iterator[Callable[[str], str]]:
    """serve(script): address of a Streamlit server of that script, started once and healthy."""
    running: dict[str, tuple[str, subprocess.Popen]] = {}

    def start(script: str) -> str:
        if script not in running:
            folder = tmp_path_factory.mktemp("server")
            running[script] = _start(script, folder)
            _wait_until_healthy(*running[script], folder / "log.txt")
        return running[script][0]

    yield start
    for _, process in running.values():
        process.terminate()
    for _, process in running.values():
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)
        process.kill()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests: LOUPE_CHROMIUM, else Debian's, else Playwright's own (LOUPE_CHROMIUM is empty)."""
    given = os.environ.get("LOUPE_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        path = given if os.path.exists(given) else None
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(serve, chromium) -> str:
    """Address of the dashboard, which has its model open: the first visitor has left."""
    address = serve("serve.py")
    page = chromium.new_page()
    page.goto(address)
    expect(page.get_by_test_id("stMain").get_by_role("heading", level=2).first).to_be_visible()
    page.close()
    return address


@pytest.fixture(scope="session")
def seats(chromium) -> "_Seats":
    return _Seats(chromium)


@pytest.fixture
def visitor(seats, server) -> Iterator[Callable[..., Page]]:
    """visitor(**options): a page of a browser that stands for a new person.

    The options are those of a browser context (viewport, color_scheme …). At the end of the test every complaint of
    the browser, every request to another address, and every exception box that was ever on screen fail it.
    """
    taken: list[tuple[_Seat, _Complaints]] = []

    def arrive(base: str = server, **options) -> Page:
        seat = seats.take(base_url=base, **({"viewport": {"width": 1280, "height": 900}} | options))
        complaints = _Complaints(base)
        taken.append((seat, complaints))
        page = seat.context.new_page()
        complaints.listen(page)
        return page

    yield arrive
    found = [line for _, complaints in taken for line in complaints.lines]
    for seat, _ in taken:
        seats.leave(seat)
    assert not found, "the browser complained:\n" + "\n".join(found)


@pytest.fixture
def page(visitor) -> Page:
    """A person at a desk."""
    return visitor()


@dataclass
class _Seat:
    """A browser context, with what it was made for."""

    context: BrowserContext
    options: dict


@dataclass
class _Seats:
    """Browser contexts, each used by one person at a time. The next one finds nothing of the last but files of the
    server in the browser's cache, as everybody does who has opened Loupe before; they take a second to read anew."""

    browser: Browser
    free: list[_Seat] = field(default_factory=list)

    def take(self, **options) -> _Seat:
        for seat in self.free:
            if seat.options == options:
                self.free.remove(seat)
                return seat
        context = self.browser.new_context(accept_downloads=True, **options)
        context.set_default_timeout(SECONDS * 1000)
        context.add_init_script(WATCH + ANSWERS)
        return _Seat(context, options)

    def leave(self, seat: _Seat) -> None:
        """Close all pages, and forget what they have stored."""
        for page in seat.context.pages:
            page.close()
        forget = {"origin": seat.options["base_url"], "storageTypes": "cookies,local_storage,indexeddb,service_workers"}
        page = seat.context.new_page()
        seat.context.new_cdp_session(page).send("Storage.clearDataForOrigin", forget)
        page.close()
        self.free.append(seat)


@dataclass
class _Complaints:
    base: str
    lines: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("requestfailed", self._failed)
        page.on("request", lambda request: self._address(request.url))
        page.on("websocket", lambda socket: self._address(socket.url.replace("ws://", "http://", 1)))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not PROBES.search(message.location.get("url", "")):
            self.lines.append(f"console: {message.text} ({message.location.get('url')})")

    def _error(self, error: Error) -> None:
        if REPLACED not in error.message:
            self.lines.append(f"error in a script: {error}")

    def _failed(self, request: Request) -> None:
        # leaving a page ends what it was still fetching
        if request.failure != "net::ERR_ABORTED":
            self.lines.append(f"request failed: {request.url} ({request.failure})")

    def _address(self, url: str) -> None:
        if not url.startswith((self.base + "/", "data:", f"blob:{self.base}/")):
            self.lines.append(f"a request to another address: {url}")


def _start(script: str, folder: Path) -> tuple[str, subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, "run", script, "--server.headless", "true"]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*command, "--server.port", str(port), "--server.address", "127.0.0.1"],
            cwd=ROOT,
            env=os.environ | {"LOUPE_CACHE": str(folder / "cache")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return f"http://127.0.0.1:{port}", process


def _wait_until_healthy(base: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{base}/_stcore/health", timeout=10):
            return
        time.sleep(0.1)
    process.kill()
    pytest.fail(f"the server did not start:\n{log.read_text()}")
