"""A computation asked for: which analysis, on which model, with which settings."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core import edits as recipes
from mi_core.errors import InputError


@dataclass(frozen=True)
class Request:
    """One call of one analysis, as a value: hashable, comparable, printable as Python or as a command.

    Args:
        analysis: Name of the module and function in `mi_core.analyses` (``"logit_lens"``).
        model: Model id or folder.
        settings: Sorted (name, value) pairs; values are str, int, float, bool, None or tuples of these.
        edits: The edits that are on while it is computed, as `mi_core.edits.canonical` spells them; "" for none.
    """

    analysis: str
    model: str
    settings: tuple[tuple[str, Any], ...]
    edits: str = ""

    @classmethod
    def of(cls, analysis: str, model: str, *, edits: Any = "", **settings: Any) -> Request:
        """Build a request from keyword settings; lists become tuples. Raises InputError for edits that are none."""
        pairs = sorted((name, _frozen(value)) for name, value in settings.items())
        return cls(analysis, model, tuple(pairs), recipes.canonical(edits))

    def bound(self) -> dict[str, Any]:
        """All settings, defaults filled in.

        Raises:
            InputError: The analysis does not exist, or a setting is unknown to it or missing.
        """
        parameters = settings_of(find_analysis(self.analysis))
        given = dict(self.settings)
        for name in given:
            if name not in parameters:
                raise InputError(f"{self.analysis} has no setting “{name}”: it takes {', '.join(parameters)}.", name)
        defaults = {name: parameter.default for name, parameter in parameters.items()}
        bound = defaults | given
        for name, value in bound.items():
            if value is inspect.Parameter.empty:
                raise InputError(f"{self.analysis} needs a {name}.", name)
        return bound

    def key(self, fingerprint: str) -> str:
        """Name of the result in every cache: analysis, code, weights and settings, nothing sampled."""
        parts = [self.analysis, code_version(), fingerprint, self.bound(), self.edits]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def as_python(self) -> str:
        """The same computation as a line of Python."""
        arguments = [repr(self.analysis), repr(self.model)] + [f"{k}={v!r}" for k, v in self._said()]
        return "import mi_core\n\nresult = mi_core.run(\n    " + ",\n    ".join(arguments) + ",\n)"

    def as_command(self) -> str:
        """The same computation as a shell command."""
        words = ["python", "-m", "mi_core", self.analysis.replace("_", "-"), "--model", self.model]
        for name, value in self._said():
            words += _option(name.replace("_", "-"), value)
        return shlex.join(words)

    def _said(self) -> list[tuple[str, Any]]:
        """What a person writes after the model."""
        return [*self.settings, *([("edits", self.edits)] if self.edits else [])]


def find_analysis(name: str) -> Callable:
    """The function of that name; importing it imports torch."""
    if name not in analysis_names():
        raise InputError(f"There is no analysis “{name}”: choose one of {', '.join(analysis_names())}.", "analysis")
    return getattr(importlib.import_module(f"mi_core.analyses.{name}"), name)


@functools.cache
def analysis_names() -> tuple[str, ...]:
    """Every analysis there is: one file each in `mi_core/analyses`."""
    folder = Path(__file__).parent / "analyses"
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


@functools.cache
def settings_of(analysis: Callable) -> dict[str, inspect.Parameter]:
    """The parameters a user sets: all but the model and the progress callback, which the engine passes."""
    parameters = inspect.signature(analysis, eval_str=True).parameters
    return {name: parameter for name, parameter in parameters.items() if name not in ("model", "progress")}


@functools.cache
def code_version() -> str:
    """Hash of every source file that computes: a change of code never meets results of the old one."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _option(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, tuple):
        return [word for item in value for word in (f"--{name}", str(item))]
    return [f"--{name}", str(value)]
