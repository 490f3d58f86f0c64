"""Results as they are held in memory: their bytes, and sealed, so that everyone can share them without copies."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np


def size_of(value: Any) -> int:
    """Bytes a result takes: its arrays, and roughly its strings and numbers."""
    if isinstance(value, np.ndarray):
        return value.nbytes + 112
    own = sys.getsizeof(value)
    if isinstance(value, dict):
        return own + sum(size_of(key) + size_of(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return own + sum(size_of(item) for item in value)
    if dataclasses.is_dataclass(value):
        return own + sum(size_of(getattr(value, field.name)) for field in dataclasses.fields(value))
    return own


def sealed(value: Any) -> Any:
    """The same value with arrays of its own that cannot be written to.

    An array that is a view would keep the whole tensor behind it alive, and one that can be written to could be
    changed under another session's eyes.
    """
    if isinstance(value, np.ndarray):
        copy = value.copy()
        copy.setflags(write=False)
        return copy
    if isinstance(value, dict):
        return {key: sealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(sealed(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        return dataclasses.replace(value, **{name: sealed(getattr(value, name)) for name in names})
    return value
