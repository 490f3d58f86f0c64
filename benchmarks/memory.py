"""Resident memory of this process, and the highest it rose to while something ran (Linux)."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path

MB = 1e6


def peak_bytes(run: Callable[[], object]) -> int:
    """How far resident memory rose above its start while `run` ran; the kernel keeps the mark, nothing is sampled.

    `run` is called once before, so that what libraries set up for good is not counted.
    """
    run()
    before = start_peak()
    result = run()
    peak = peak_so_far()
    del result
    return peak - before


def start_peak() -> int:
    """Forget the highest mark so far; resident memory now."""
    settle()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak_so_far() -> int:
    """The highest that resident memory has been since `start_peak`."""
    return _status("VmHWM")


def resident_bytes() -> int:
    """Resident memory after giving freed pages back to the system."""
    settle()
    return _status("VmRSS")


def settle() -> None:
    """Collect garbage and hand freed pages back, so that they are not mistaken for use, nor used again unseen."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def is_measurable() -> bool:
    """Whether this system keeps the marks that are read here."""
    return sys.platform == "linux"


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)
