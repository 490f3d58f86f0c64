"""A fresh server process until a browser shows the prompt field: against an app that imports its libraries first."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.timing import Row, faster, in_turns

REPETITIONS = 3
ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 120
TRIVIAL = 'import streamlit as st\n\nst.sidebar.text_area("Prompt")\n'
EAGER = f"import torch\nimport transformer_lens\n{TRIVIAL}"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def measure() -> list[Row]:
    """From starting the server to the prompt field in a headless browser that is already open."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_installed_browser())
        eager, trivial = Path(folder) / "eager.py", Path(folder) / "trivial.py"
        eager.write_text(EAGER)
        trivial.write_text(TRIVIAL)
        apps = {"eager": eager, "trivial": trivial, "loupe": ROOT / "app.py"}
        ways = {name: lambda app=app: _until_painted(app, browser) for name, app in apps.items()}
        seconds = in_turns(ways, REPETITIONS)
        browser.close()
    return [
        faster(
            "first paint: server start to prompt field, against eager imports", seconds["eager"], seconds["loupe"], 2.5
        ),
        faster("first paint: … against an app that is nothing but that field", seconds["trivial"], seconds["loupe"]),
    ]


def _until_painted(app: Path, browser) -> None:
    """Start the server, open the page as soon as it listens, wait for the field, stop the server."""
    with _server(app) as url, contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(url, wait_until="commit")
        page.get_by_label("Prompt", exact=True).first.wait_for(timeout=LIMIT_SECONDS * 1e3)


@contextlib.contextmanager
def _server(app: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.headless=true", f"--server.port={port}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(url, server)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait_until_it_listens(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError("The server did not start.")


def _installed_browser() -> str | None:
    """A browser of the system; None for the one that playwright has installed."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)
