"""Where Loupe keeps on disk what can be computed again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder that LOUPE_CACHE names, else `cache` beside `mi_core`."""
    return Path(os.environ.get("LOUPE_CACHE") or Path(__file__).parents[1] / "cache")
