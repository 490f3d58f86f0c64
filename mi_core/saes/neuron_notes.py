"""What is known of a model's neurons, from ``neurons/layer_<L>.json`` in its folder: labels, rarity, contexts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mi_core.models import catalogue
from mi_core.models.loading import local_folder
from mi_core.saes.notes import UNKNOWN, UNREADABLE, Context, FeatureNote, context_of, note_of


@dataclass(frozen=True)
class NeuronNotes:
    """What is known of one layer's neurons; nothing, where the model's folder has no such file.

    `label_rule` says in a sentence how the labels were found, `things_by_chance` for how many things a neuron would
    fire that fires at random tokens; NaN where that is not known.
    """

    notes: dict[int, FeatureNote] = field(default_factory=dict)
    contexts: dict[int, tuple[Context, ...]] = field(default_factory=dict)
    label_rule: str = ""
    things_by_chance: float = math.nan

    def of(self, neuron: int) -> FeatureNote:
        """The note of a neuron, an empty one where there is none."""
        return self.notes.get(neuron, UNKNOWN)


NOTHING = NeuronNotes()


def folder(model_id: str) -> Path | None:
    """Where a model's notes on its neurons lie; None where it has none."""
    known = {entry.id: entry for entry in catalogue.entries()}.get(model_id)
    beside = known.folder if known else local_folder(model_id)
    found = beside / "neurons" if beside else None
    return found if found and found.is_dir() else None


def neuron_notes(model_id: str, layer: int) -> NeuronNotes:
    """Labels, densities, things and contexts of the neurons of one layer; read once per file."""
    where = folder(model_id)
    path = where / f"layer_{layer}.json" if where else None
    return _read(str(path), path.stat().st_ctime_ns) if path and path.is_file() else NOTHING


@lru_cache(maxsize=64)
def _read(path: str, changed: int) -> NeuronNotes:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = {int(row["neuron"]): row for row in content["neurons"]}
        return NeuronNotes(
            notes={number: note_of(row) for number, row in rows.items()},
            contexts={number: tuple(map(context_of, row.get("contexts") or ())) for number, row in rows.items()},
            label_rule=content.get("label_rule") or "",
            things_by_chance=float(content.get("sample", {}).get("things_by_chance", math.nan)),
        )
    except UNREADABLE:
        return NOTHING
