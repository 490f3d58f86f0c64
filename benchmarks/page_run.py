"""`python -m benchmarks.page_run [COMMIT]`: how long a page runs whose result is known, here and at another commit.

Every page is opened on the built-in model with the first story's prompt and run again, in one process per tree, the
two in turns. Prints the medians and their ratio, page by page, and exits with 1 where a page is not 4 times as fast.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.other_tree import ROOT, checkout, environment
from benchmarks.timing import Row, faster, markdown

COMMIT = "b48edb3"  # the last one that put every chart together anew in every run
AT_LEAST = 4.0
RUNS, WARM_UP = 15, 3
PATIENCE = 120  # seconds for one run


class Tree:
    """A process that runs pages of one tree, a run at a time."""

    def __init__(self, tree: Path, cache: Path) -> None:
        command = [sys.executable, "-P", str(Path(__file__).with_name("page_visits.py"))]
        self._process = subprocess.Popen(
            command, cwd=tree, env=environment(tree, cache), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, page: str) -> float:
        """Seconds of one run of a page; the first one opens it."""
        self._process.stdin.write(page + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"problem": "the process ended"}')
        if "problem" in answer:
            raise RuntimeError(f"{page}: {answer['problem']}")
        return answer["seconds"]

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(PATIENCE)


def measure(commit: str = COMMIT) -> list[Row]:
    """A line per page: the same run there and here."""
    with checkout(commit) as tree, tempfile.TemporaryDirectory() as cache, contextlib.ExitStack() as ends:
        there, here = (Tree(at, Path(cache) / at.name) for at in (tree, ROOT))
        ends.callback(there.close)
        ends.callback(here.close)
        pages = [page for page in _pages(ROOT) if page in _pages(tree)]
        return [_line(page, there, here) for page in pages]


def _line(page: str, there: Tree, here: Tree) -> Row:
    seconds = [(there.run(page), here.run(page)) for _ in range(WARM_UP + RUNS)][WARM_UP:]
    usual, loupe = (statistics.median(side) for side in zip(*seconds, strict=True))
    return faster(f"{Path(page).stem}: run again", usual, loupe, AT_LEAST)


def _pages(tree: Path) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in (tree / "pages").rglob("*.py"))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_run", description=__doc__)
    parser.add_argument("commit", nargs="?", default=COMMIT)
    rows = measure(parser.parse_args().commit)
    print(markdown(rows))
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
