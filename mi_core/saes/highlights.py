"""Features known to be worth steering with: named in ``highlights.toml`` beside an SAE."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from mi_core.saes import loading as saes


@dataclass(frozen=True)
class Highlight:
    """A feature with a short name for a button, and a prompt and a strength that show what it does."""

    feature: int
    name: str
    prompt: str
    strength: float


def of(model_id: str, hook: str) -> tuple[Highlight, ...]:
    """The highlights of the SAE at `hook`, in the file's order; none where there is no file."""
    for entry in saes.available(model_id):
        path = entry.folder / "highlights.toml" if entry.name == hook and entry.folder else None
        if path and path.is_file():
            return tuple(Highlight(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["highlight"])
    return ()
