"""`python -m benchmarks.load [COMMIT]`: fifty visitors at once, here and at another commit.

Starts the server of each tree on this computer and lets visitors, one at a time, look at every page of every prompt;
then, on fresh servers, fifty at once who each walk through pages of their own, a page here and a page there in turns.
Every answer of theirs is compared with what the one alone saw: its sentences, every chart and every row behind it, and
the theme. Prints pages per second, waiting times, wrong answers, the server's processor time and memory, and exits with
1 where the goal is not reached.
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
from collections.abc import Iterator, Sequence
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
    """What came of it: seconds in all and of every page, wrong answers, the server's processor seconds and MB."""

    seconds: float
    waits: tuple[float, ...]
    wrong: int
    work: float
    memory: float

    @property
    def pace(self) -> float:
        """Pages per second."""
        return len(self.waits) / self.seconds


def measure(commit: str = COMMIT, visitors: int = 50, pages: int = 4) -> list[Row]:
    """Lines that compare the two trees."""
    with checkout(commit) as tree:
        there, here = asyncio.run(_loads((tree, ROOT), visitors, pages))
    name = f"{visitors} visitors, {visitors * pages} pages"
    ratio = here.pace / there.pace
    rows = [Row(f"{name}: pages per second", f"{there.pace:.2f}", f"{here.pace:.2f}", f"{ratio:.3g} ×",
                f"≥ {AT_LEAST:g} ×", ratio >= AT_LEAST)]  # fmt: skip
    for label, share in (("half of the pages within", 50), ("95 % within", 95)):
        before, after = (statistics.quantiles(load.waits, n=100)[share - 1] for load in (there, here))
        rows.append(Row(f"{name}: {label}", f"{before:.2f} s", f"{after:.2f} s", f"{before / after:.3g} ×", "", None))
    before, after = (1000 * load.work / len(load.waits) for load in (there, here))
    rows.append(Row(f"{name}: processor time of a page", f"{before:.0f} ms", f"{after:.0f} ms",
                    f"{before / after:.3g} ×", "", None))  # fmt: skip
    rows.append(Row(f"{name}: memory", f"{there.memory:,.0f} MB", f"{here.memory:,.0f} MB", "", "", None))
    return [*rows, bounded(f"{name}: wrong answers", here.wrong, 0, "wrong", f"{there.wrong} wrong")]


async def _loads(trees: Sequence[Path], visitors: int, pages: int) -> list[Load]:
    """The same load on every tree, in turns."""
    with tempfile.TemporaryDirectory() as name:
        known = []
        for number, tree in enumerate(trees):
            with _server(tree, Path(name) / f"alone {number}") as server:
                known.append(await _alone(server.port))
        async with contextlib.AsyncExitStack() as open_now:
            crowds = []
            for number, tree in enumerate(trees):
                server = open_now.enter_context(_server(tree, Path(name) / f"load {number}"))
                crowds.append(_Crowd(server, [Visitor(server.port, dark=_dark(i)) for i in range(visitors)]))
                for visitor in crowds[-1].visitors:
                    await open_now.enter_async_context(visitor)
            for step in range(pages):
                for crowd in crowds:
                    await crowd.look(step)
            return [crowd.load(alone) for crowd, alone in zip(crowds, known, strict=True)]


async def _alone(port: int) -> dict[tuple[str, str], Seen]:
    """What a visitor sees who has the server to himself; a new one for every prompt."""
    seen = {}
    for prompt in _prompts():
        async with Visitor(port) as visitor:
            for page in PAGES:
                seen[page, prompt] = await visitor.look(page, PATIENCE, prompt=prompt)
    return seen


class _Crowd:
    """Visitors of one server, who begin at different pages."""

    def __init__(self, server: _Server, visitors: list[Visitor]) -> None:
        self.visitors = visitors
        self._server = server
        self._seconds = 0.0
        self._looks: list[tuple[str, str, bool, Seen, float]] = []

    async def look(self, step: int) -> None:
        """Everybody opens the next page at once."""
        began = time.perf_counter()
        self._looks += await asyncio.gather(*(self._one(number, step) for number in range(len(self.visitors))))
        self._seconds += time.perf_counter() - began

    async def _one(self, number: int, step: int) -> tuple[str, str, bool, Seen, float]:
        """(page, prompt, dark, what was seen, seconds)"""
        prompt, page = _prompts()[number % N_PROMPTS], PAGES[(number + step) % len(PAGES)]
        began = time.perf_counter()
        seen = await self.visitors[number].look(page, PATIENCE, prompt=prompt)
        return page, prompt, _dark(number), seen, time.perf_counter() - began

    def load(self, alone: dict[tuple[str, str], Seen]) -> Load:
        """What came of it, against what one alone saw."""
        wrong = sum(not _same(seen, alone[page, prompt], dark) for page, prompt, dark, seen, _ in self._looks)
        process = self._server.process
        work, memory = process.cpu_times(), process.memory_info().rss / 2**20
        waits = tuple(wait for *_, wait in self._looks)
        return Load(self._seconds, waits, wrong, work.user + work.system - self._server.started, memory)


def _dark(number: int) -> bool:
    return number % 3 == 0


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
    """`started` are the processor seconds that starting took."""

    port: int
    process: psutil.Process
    started: float


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
        spent = (this := psutil.Process(process.pid)).cpu_times()
        yield _Server(port, this, spent.user + spent.system)
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
