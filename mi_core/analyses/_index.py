"""Which analyses there are, and what each can be asked."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mi_core.errors import InputError


def find_analysis(name: str) -> Callable:
    """The function of that name; importing it imports torch."""
    if name not in analysis_names():
        raise InputError(f"There is no analysis “{name}”: choose one of {', '.join(analysis_names())}.", "analysis")
    return getattr(importlib.import_module(f"mi_core.analyses.{name}"), name)


@functools.cache
def analysis_names() -> tuple[str, ...]:
    """Every analysis there is: one file each in `mi_core/analyses`."""
    folder = Path(__file__).parent
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


@functools.cache
def settings_of(analysis: Callable) -> dict[str, inspect.Parameter]:
    """The parameters a user sets: all but the model and the progress callback, which the engine passes."""
    parameters = inspect.signature(analysis, eval_str=True).parameters
    return {name: parameter for name, parameter in parameters.items() if name not in ("model", "progress")}


def bound(analysis: str, given: dict[str, Any]) -> dict[str, Any]:
    """All settings of an analysis, defaults filled in.

    Raises:
        InputError: The analysis does not exist, or a setting is unknown to it or missing.
    """
    parameters = settings_of(find_analysis(analysis))
    for name in given:
        if name not in parameters:
            raise InputError(f"{analysis} has no setting “{name}”: it takes {', '.join(parameters)}.", name)
    settings = {name: parameter.default for name, parameter in parameters.items()} | given
    for name, value in settings.items():
        if value is inspect.Parameter.empty:
            raise InputError(f"{analysis} needs a {name}.", name)
    return settings
