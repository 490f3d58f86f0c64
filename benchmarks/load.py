"""`python -m benchmarks.load [COMMIT]`: fifty visitors at once, here and at another commit.

Starts the server of each tree on this computer, lets one visitor alone look at every page of every prompt, and then, on
a fresh server, fifty who each walk through pages of their own. Every answer of theirs is compared with what the one
alone saw: its sentences, every chart and every row behind it, and the theme. Prints pages per second, waiting times,
wrong answers and the server's memory, and exits with 1 where the goal is not reached.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.other_tree import ROOT, checkout, environment
from benchmarks.timing import Row, bounded, markdown
from benchmarks.visitor import Seen, Visitor

COMMIT = "b48edb3"  # the last one that put every chart together anew in every run
AT_LEAST = 4.0
MOST_VISITORS, MOST_PAGES = 200, 20
N_PROMPTS = 4
PAGES = ("", "logit_lens", "attention", "attribution", "features")
PATIENCE = 300  # seconds for one page
STARTED = 120  # seconds for a server


@dataclass(frozen=True)
class Load:
    """What came of it: seconds in all, seconds of every page, wrong answers and the server's memory in MB."""

    seconds: float
    waits: tuple[float, ...]
    wrong: int
    memory: float

    @property
    def pace(self) -> float:
        """Pages per second."""
        return len(self.waits) / self.seconds


def measure(commit: str = COMMIT, visitors: int = 50, pages: int = 4) -> list[Row]:
    """Lines that compare the two trees."""
    with checkout(commit) as tree:
        there, here = (_load(at, visitors, pages) for at in (tree, ROOT))
    name = f"{visitors} visitors, {visitors * pages} pages"
    ratio = here.pace / there.pace
    rows = [Row(f"{name}: pages per second", f"{there.pace:.2f}", f"{here.pace:.2f}", f"{ratio:.3g} ×",
                f"≥ {AT_LEAST:g} ×", ratio >= AT_LEAST)]  # fmt: skip
    for label, share in (("half of the pages within", 50), ("95 % within", 95)):
        before, after = (statistics.quantiles(load.waits, n=100)[share - 1] for load in (there, here))
        rows.append(Row(f"{name}: {label}", f"{before:.2f} s", f"{after:.2f} s", f"{before / after:.3g} ×", "", None))
    rows.append(Row(f"{name}: memory", f"{there.memory:,.0f} MB", f"{here.memory:,.0f} MB", "", "", None))
    return [*rows, bounded(f"{name}: wrong answers", here.wrong, 0, "wrong", f"{there.wrong} wrong")]


def _load(tree: Path, visitors: int, pages: int) -> Load:
    with tempfile.TemporaryDirectory() as cache:
        with _server(tree, Path(cache) / "alone") as server:
            alone = asyncio.run(_alone(server.port))
        with _server(tree, Path(cache) / "load") as server:
            began = time.perf_counter()
            walks = asyncio.run(_together(server.port, visitors, pages))
            seconds = time.perf_counter() - began
            memory = server.process.memory_info().rss / 2**20
    looks = [look for walk in walks for look in walk]
    wrong = sum(not _same(seen, alone[place, prompt], dark) for place, prompt, dark, seen, _ in looks)
    return Load(seconds, tuple(wait for *_, wait in looks), wrong, memory)


async def _alone(port: int) -> dict[tuple[str, str], Seen]:
    async with Visitor(port) as visitor:
        return {
            (page, prompt): await visitor.look(page, PATIENCE, prompt=prompt) for prompt in _prompts() for page in PAGES
        }


async def _together(port: int, visitors: int, pages: int) -> list[list[tuple[str, str, bool, Seen, float]]]:
    return await asyncio.gather(*(_walk(port, number, pages) for number in range(visitors)))


async def _walk(port: int, number: int, pages: int) -> list[tuple[str, str, bool, Seen, float]]:
    """(page, prompt, dark, what was seen, seconds) of every page; visitors begin at different ones."""
    prompt, dark, looks = _prompts()[number % N_PROMPTS], number % 3 == 0, []
    async with Visitor(port, dark=dark) as visitor:
        for step in range(pages):
            page = PAGES[(number + step) % len(PAGES)]
            began = time.perf_counter()
            seen = await visitor.look(page, PATIENCE, prompt=prompt)
            looks.append((page, prompt, dark, seen, time.perf_counter() - began))
    return looks


def _prompts() -> list[str]:
    (file,) = ROOT.glob("ui/**/presets.toml")
    return [preset["prompt"] for preset in tomllib.loads(file.read_text(encoding="utf-8"))["preset"]][:N_PROMPTS]


def _same(seen: Seen, alone: Seen, dark: bool) -> bool:
    """Whether the words and charts are those that the one alone saw, in the visitor's own colours."""
    if seen.words != alone.words or not alone.charts or len(seen.charts) != len(alone.charts):
        return False
    pairs = list(zip(seen.charts, alone.charts, strict=True))
    plain = all(_close(chart | {"config": None}, other | {"config": None}) for chart, other in pairs)
    return plain and all((_ink(chart) == _ink(other)) is not dark for chart, other in pairs)


def _ink(chart: dict[str, Any]) -> str:
    return json.dumps(chart["config"], sort_keys=True)


def _close(one: Any, other: Any) -> bool:
    """The same values; numbers up to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-5) or (math.isnan(one) and math.isnan(other))
    return one == other


@dataclass(frozen=True)
class _Server:
    port: int
    process: psutil.Process


@contextlib.contextmanager
def _server(tree: Path, cache: Path) -> Iterator[_Server]:
    """A tree's own server, which only this computer can reach."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "serve.py", "--server.headless=true",
               "--server.address=127.0.0.1", f"--server.port={port}"]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tree, env=environment(tree, cache), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield _Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(STARTED)


def _wait_for(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + STARTED
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError("the server did not start")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("commit", nargs="?", default=COMMIT)
    parser.add_argument("--visitors", type=int, default=50, help=f"at most {MOST_VISITORS}")
    parser.add_argument("--pages", type=int, default=4, help=f"that each looks at; at most {MOST_PAGES}")
    given = parser.parse_args()
    if not (1 <= given.visitors <= MOST_VISITORS and 1 <= given.pages <= MOST_PAGES):
        parser.error("too many, or too few, visitors or pages")
    rows = measure(given.commit, given.visitors, given.pages)
    print(markdown(rows))
    return 0 if all(row.reached is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
