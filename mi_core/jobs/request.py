"""A computation asked for: which analysis, on which model, with which settings."""

from __future__ import annotations

import functools
import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core import disk
from mi_core.analyses import _index
from mi_core.editing import recipes
from mi_core.jobs.code_version import code_version


@dataclass(frozen=True)
class Request:
    """One call of one analysis, as a value: hashable, comparable, printable as Python or as a command.

    Args:
        analysis: Name of the module and function in `mi_core.analyses` (``"logit_lens"``).
        model: Model id or folder; "" for an analysis that looks at no model.
        settings: Sorted (name, value) pairs; values are str, int, float, bool, None or tuples of these.
        edits: The edits that are on while it is computed, as `mi_core.editing.recipes.canonical` spells them; "" for
            none.
    """

    analysis: str
    model: str
    settings: tuple[tuple[str, Any], ...]
    edits: str = ""

    @classmethod
    def of(cls, analysis: str, model: str = "", *, edits: Any = "", **settings: Any) -> Request:
        """Build a request from keyword settings; lists become tuples. Raises InputError for edits that are none."""
        pairs = sorted((name, _frozen(value)) for name, value in settings.items())
        return cls(analysis, model, tuple(pairs), recipes.canonical(edits))

    def check(self) -> None:
        """See that the analysis exists, and that a model is named where it needs one and only there; imports nothing.

        Raises:
            InputError: It is not so.
        """
        _index.check_model(self.analysis, self.model, self.edits)

    def bound(self) -> dict[str, Any]:
        """All settings, defaults filled in.

        Raises:
            InputError: The analysis does not exist, or a setting is unknown to it or missing.
        """
        return _index.bound(self.analysis, dict(self.settings))

    def key(self, fingerprint: str) -> str:
        """Name of the result in every cache: analysis, code, weights, settings and what files they name hold.

        Args:
            fingerprint: Of the model and what lies beside it; "" where there is none.
        """
        settings = self.bound()
        held = [_content(settings[name]) for name in _index.files_among(self.analysis)]
        parts = [self.analysis, code_version(), fingerprint, settings, self.edits, *held]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def as_python(self) -> str:
        """The same computation as a line of Python."""
        model = [repr(self.model)] if self.model else []
        arguments = [repr(self.analysis), *model, *(f"{name}={value!r}" for name, value in self._said())]
        return "import mi_core\n\nresult = mi_core.run(\n    " + ",\n    ".join(arguments) + ",\n)"

    def as_command(self) -> str:
        """The same computation as a shell command."""
        words = ["python", "-m", "mi_core", self.analysis.replace("_", "-")]
        words += ["--model", self.model] if self.model else []
        for name, value in self._said():
            words += _option(name.replace("_", "-"), value)
        return shlex.join(words)

    def _said(self) -> list[tuple[str, Any]]:
        """What a person writes after the model."""
        return [*self.settings, *([("edits", self.edits)] if self.edits else [])]


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _content(path: str) -> str:
    """Of a file; "" where it cannot be read, which the analysis tells."""
    try:
        return _digest(disk.state(Path(path)))
    except (OSError, ValueError):
        return ""


@functools.lru_cache(maxsize=64)
def _digest(state: tuple[str, int, int, int]) -> str:
    """Of a file in that state: it is read once, however often its results are looked up."""
    with open(state[0], "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _option(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, tuple):
        return [word for item in value for word in (f"--{name}", str(item))]
    return [f"--{name}", str(value)]
