"""Vega, Vega-Lite and Vega-Embed as one script, which every report carries once."""

from __future__ import annotations

import contextlib
import threading
from importlib.metadata import version
from pathlib import Path

import vl_convert

from mi_core.disk import cache_folder, whole

GLOBALS = "window.vegaEmbed=vegaEmbed;window.vega=vega;window.vegaLite=vegaLite;"
_lock = threading.Lock()
_held: list[str] = []


def vega() -> str:
    """The script; putting it together takes seconds, so it is done once, and kept beside the results."""
    with _lock:
        if not _held:
            _held.append(_kept() or _made())
        return _held[0]


def _path() -> Path:
    return cache_folder() / f"vega-{version('vl-convert-python')}.js"


def _kept() -> str:
    try:
        return _path().read_text(encoding="utf-8")
    except OSError:
        return ""


def _made() -> str:
    script = vl_convert.javascript_bundle(GLOBALS)
    with contextlib.suppress(OSError), whole(_path()) as unfinished:  # else it takes those seconds at every start
        unfinished.write_text(script, encoding="utf-8", newline="\n")
    return script
