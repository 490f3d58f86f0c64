"""What is known of an SAE's features from the text they were trained on: labels, how rare they are, where they fire."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mi_core.models.catalogue import SaeEntry

PART = "\N{REPLACEMENT CHARACTER}"  # what stands for a part of a character
FITS = 0.5  # share of a feature's activation: a label that fits less is not what the feature means
NEURONPEDIA = "https://www.neuronpedia.org"
# A file that cannot be read is the same as none: it only describes.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class FeatureNote:
    """One feature: its `label`, found by `rule` (which part of the labelling rule held) with `confidence` (0 to 1),
    its `density` (share of tokens on which it is active) and `max_activation`; empty or NaN where nothing is known.

    A label that fits less than `FITS` of its activation is no `label` but the `nearest`. `things` are the concepts that
    tell its strongest peaks, the commonest first, each with how many peaks it tells: one for what fires for one thing.
    """

    label: str = ""
    nearest: str = ""
    rule: str = ""
    confidence: float = math.nan
    density: float = math.nan
    max_activation: float = math.nan
    things: tuple[tuple[str, int], ...] = ()

    @property
    def n_things(self) -> float:
        """How many things it fires for; NaN where that is not known."""
        return float(len(self.things)) or math.nan


@dataclass(frozen=True)
class Context:
    """A piece of text in which a feature fires: raw token texts, its activation on each, and where it is largest."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    peak: int


UNKNOWN = FeatureNote()


@dataclass(frozen=True)
class Notes:
    """What is known of every feature of one SAE; nothing, where its folder has no ``features.json``.

    `label_rule` says in a sentence how the labels were found.
    """

    features: dict[int, FeatureNote]
    label_rule: str = ""

    @property
    def tell_density(self) -> bool:
        """Whether they say how often features fire."""
        return any(not math.isnan(note.density) for note in self.features.values())

    def of(self, feature: int) -> FeatureNote:
        """The note of a feature, an empty one where there is none."""
        return self.features.get(feature, UNKNOWN)


def notes(entry: SaeEntry) -> Notes:
    """Labels, densities and largest activations, from ``features.json`` beside the SAE; read once per file."""
    path = _beside(entry, "features.json")
    return _notes(str(path), path.stat().st_ctime_ns) if path else Notes({})


def contexts(entry: SaeEntry, feature: int) -> tuple[Context, ...]:
    """Where a feature fires most, best first, from ``contexts.json`` beside the SAE; none where that is missing."""
    path = _beside(entry, "contexts.json")
    every = _contexts(str(path), path.stat().st_ctime_ns) if path else {}
    return every.get(feature, ())


def neuronpedia_url(entry: SaeEntry, feature: int) -> str | None:
    """The feature's page on neuronpedia.org, or None where it has none."""
    return f"{NEURONPEDIA}/{entry.neuronpedia}/{feature}" if entry.neuronpedia else None


def _beside(entry: SaeEntry, name: str) -> Path | None:
    path = entry.folder / name if entry.folder else None
    return path if path and path.is_file() else None


@lru_cache(maxsize=8)
def _notes(path: str, changed: int) -> Notes:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = {int(row["feature"]): note_of(row) for row in content["features"]}
        return Notes(rows, content.get("label_rule") or "")
    except UNREADABLE:
        return Notes({})


@lru_cache(maxsize=2)
def _contexts(path: str, changed: int) -> dict[int, tuple[Context, ...]]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return {int(key): tuple(context_of(item) for item in items) for key, items in content["features"].items()}
    except UNREADABLE:
        return {}


def note_of(row: dict[str, Any]) -> FeatureNote:
    """What one row of a file of notes says."""
    numbers = {name: _number(row.get(name)) for name in ("confidence", "density", "max_activation")}
    things = tuple((str(name), int(n)) for name, n in row.get("things") or ())
    label, fits = row.get("label") or "", not (numbers["confidence"] < FITS and numbers["density"] != 0)
    return FeatureNote(label if fits else "", "" if fits else label, row.get("rule") or "", **numbers, things=things)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def context_of(item: dict[str, Any]) -> Context:
    """A piece of text from its first whole character to its last: a token at an end may hold a part of one."""
    tokens, peak = item["tokens"], int(item["peak"])
    first, last = 0, len(tokens) - 1
    while first < peak and tokens[first].startswith(PART):
        first += 1
    while last > peak and tokens[last].endswith(PART):
        last -= 1
    kept = slice(first, last + 1)
    return Context(tuple(tokens[kept]), tuple(float(value) for value in item["activations"][kept]), peak - first)
