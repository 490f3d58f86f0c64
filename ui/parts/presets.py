"""Prompts with a story, one click away. Each works on the built-in model; a test holds them to it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Preset:
    """`title` and one sentence of `story` for the card; `target` and `foil` fill the answer fields.

    `corrupted` is the prompt with its telling word exchanged, for patching; as many tokens as `prompt`. `subject`,
    `rewritten` and `rephrased` (a prompt per line) are for rewriting the fact: what it is about, and a new answer.
    """

    title: str
    story: str
    prompt: str
    target: str = ""
    foil: str = ""
    corrupted: str = ""
    subject: str = ""
    rewritten: str = ""
    rephrased: str = ""


def _load() -> tuple[Preset, ...]:
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        return tuple(Preset(**preset) for preset in tomllib.load(file)["preset"])


PRESETS = _load()
