"""Runs the pages of the tree that is the working folder: a program of its own, which `page_run` starts for each tree.

Every line on standard input names a page; the answer is a line of JSON with the seconds that its run took.
"""

from __future__ import annotations

import json
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 120  # seconds for one run


def serve() -> None:
    """Run the pages that are asked for on standard input, in the tree that is the working folder."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for page, app in visits(line.strip() for line in sys.stdin):
        began = time.perf_counter()
        app.run()
        problem = [str(box.value) for box in (*app.exception, *app.error)]
        problem += [] if app.get("vega_lite_chart") else [f"no chart on {page}"]
        answer = {"problem": "; ".join(problem)} if problem else {"seconds": time.perf_counter() - began}
        print(json.dumps(answer), file=answers, flush=True)


def visits(pages: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """A session per page, kept as long as the same page is asked for."""
    from streamlit.testing.v1 import AppTest

    (file,) = Path.cwd().glob("ui/**/presets.toml")
    story = tomllib.loads(file.read_text(encoding="utf-8"))["preset"][0]
    at, app = None, None
    for page in pages:
        if page != at:
            app = AppTest.from_file(str(Path.cwd() / "app.py"), default_timeout=PATIENCE)
            for field in ("prompt", "target", "foil"):
                app.session_state[field] = story.get(field, "")
            app.run()
            app = app if page.endswith("start.py") else app.switch_page(page)
        at = page
        yield page, app


if __name__ == "__main__":
    serve()
