"""The checkpoints of a training, each a model of its own: `loupe-mini@2500`, `EleutherAI/pythia-70m@step1000`.

A model's folder holds them as ``checkpoints/step_<N>.safetensors``, weights alone; what ``checkpoints/scores.json``
says of a step without weights it says of the model itself, the last one. On the hub they are revisions.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_core import disk
from mi_core.errors import Absent, InputError, shortened
from mi_core.lru import LRU
from mi_core.models import catalogue, forecast, loading

if TYPE_CHECKING:
    from mi_core.models.model import Model

FOLDER, SCORES = "checkpoints", "scores.json"
REVISION = re.compile(r"[A-Za-z0-9][\w.-]*")
STEP = re.compile(r"(?:^|.*?(?:step|checkpoint)[-_]?)(\d+)(?:$|[-_.])")
KEPT_BYTES = 256 * 2**20
PRECISIONS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}


@dataclass(frozen=True)
class Checkpoint:
    """A step of a training, and the id of the model that it is."""

    step: int
    model: str


def parted(model_id: str) -> tuple[str, str]:
    """A model's name and its revision: `("loupe-mini", "2500")`; `""` where none is named."""
    name, _, revision = model_id.rpartition("@")
    if not name or not REVISION.fullmatch(revision) or loading.local_folder(model_id) is not None:
        return model_id, ""
    return name, revision


def step_of(revision: str) -> int | None:
    """The step that a revision names: `2500`, `step1000`, `stage1-step5000-tokens21B`; None where it names none."""
    match = STEP.match(revision)
    return int(match[1]) if match else None


def series(model_id: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of the training that a model came of, as far as they are on this machine, first to last."""
    name, _ = parted(model_id)
    folder = _folder(name)
    if folder is not None:
        own = [Checkpoint(step, name) for step in _without_weights(folder)]
        steps = {step: f"{name}@{step}" for step in _with_weights(folder)}
    else:
        own, steps = [], {step: f"{name}@{text}" for text in _revisions(name) if (step := step_of(text)) is not None}
    return tuple(sorted([*(Checkpoint(*each) for each in steps.items()), *own], key=lambda one: one.step))


def named(model_id: str, step: int) -> Checkpoint:
    """The checkpoint of one step, on this machine or, for a model of the hub, by the name that Pythia's steps have.

    Raises:
        InputError: The series in a folder has no such step.
    """
    name, _ = parted(model_id)
    known = {one.step: one for one in series(name)}
    if step in known:
        return known[step]
    if on_the_hub(name):
        return Checkpoint(step, f"{name}@step{step}")
    raise _no_such(name, str(step), list(known), "steps")


def chosen(model_id: str, steps: Sequence[int] = ()) -> list[Checkpoint]:
    """The checkpoints of these steps, or all that are on this machine, first to last.

    Raises:
        InputError: There are none.
        Absent: Some have to be fetched from the hub first.
    """
    known = series(model_id)
    asked = [named(model_id, step) for step in sorted(set(steps))] or list(known)
    if not asked:
        raise InputError(
            f"There are no checkpoints of {parted(model_id)[0]} on this machine: name the steps to fetch where it "
            "comes from the hub, as EleutherAI/pythia-70m does, or choose loupe-mini.",
            "steps",
        )
    if absent := [one for one in asked if one not in known]:
        these = ", ".join(one.model for one in absent)
        raise Absent(f"These have to be fetched first: {these}.", "steps", lambda say: _fetch(absent, say))
    return asked


def _fetch(absent: Sequence[Checkpoint], say: Callable[[int, int, str], None]) -> None:
    for one in absent:
        loading.check(loading.locate(one.model, say), one.model)


def opened(checkpoint: Checkpoint, beside: Model) -> Model:
    """A checkpoint's model; see `opened_beside`."""
    return opened_beside(checkpoint.model, beside)


def opened_beside(model_id: str, beside: Model) -> Model:
    """Another model than the one that is looked at; those used last are kept, up to `KEPT_BYTES` in all.

    Args:
        model_id: Its id or folder; a checkpoint is to be on this machine.
        beside: A model that is open already, which may be the one.

    Raises:
        InputError: There is no such model, or it cannot be opened.
    """
    if model_id == beside.id:
        return beside
    place = str(loading.locate(model_id))
    model = _kept.get(place)
    if model is None:
        model = loading.load(model_id)
        if _kept.put(place, model):
            gc.collect()  # a model is a circle of references: those that went would stay, one beside the other
    return model


def _bytes(model: Model) -> int:
    return sum(parameter.nbytes for parameter in model.hf_model.parameters())


_kept: LRU[str, Model] = LRU(KEPT_BYTES, _bytes, spared=1)


def scores(model_id: str) -> dict[str, Any] | None:
    """What was measured along the training, as ``scores.json`` has it; None where nothing was.

    Raises:
        InputError: The file is damaged.
    """
    folder = _folder(parted(model_id)[0])
    return None if folder is None else _read(folder)


def is_measured(model_id: str) -> bool:
    """Whether anything was measured along the training that a model came of."""
    folder = _folder(parted(model_id)[0])
    return folder is not None and (folder / FOLDER / SCORES).is_file()


def on_the_hub(model_id: str) -> bool:
    """Whether further steps of the training may be fetched."""
    name, _ = parted(model_id)
    return _folder(name) is None and _hub_id(name) is not None


def folder_of(model: Path, name: str, revision: str) -> Path:
    """The folder of a checkpoint, of links to its weights and to the model's configuration and tokenizer.

    Args:
        model: The model's folder.
        name: What people call it.
        revision: The step; `""` for the model itself.

    Raises:
        InputError: There is no such step, or the folder cannot be made.
    """
    if not revision:
        return model
    step = step_of(revision)
    if step in _without_weights(model):
        return model
    weights = model / FOLDER / f"step_{step}.safetensors"
    if step is None or not weights.is_file():
        raise _no_such(name, revision, [*_with_weights(model), *_without_weights(model)], "model")
    return _linked(model, weights)


def bits(model_id: str) -> int | None:
    """How many bits each weight of a model on this machine has where it lies; None where that is not known."""
    tensors = [
        tensor for file in forecast.weights(loading.locate(model_id)) for tensor in forecast.header(file).values()
    ]
    kinds = {PRECISIONS.get(tensor["dtype"]) for tensor in tensors}
    return kinds.pop() if len(kinds) == 1 else None


def stamp(model_id: str) -> str:
    """Changes with every checkpoint of a model's training, and with what is said of them; "" where there are none."""
    name, _ = parted(model_id)
    folder = _folder(name)
    if folder is not None:
        seen: list[Any] = [disk.state(path) for path in sorted((folder / FOLDER).glob("*"))]
    else:
        seen = [one.model for one in series(name)]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16] if seen else ""


def _folder(name: str) -> Path | None:
    """Of a built-in model, or of one that is named by its folder."""
    known = next((entry for entry in catalogue.entries() if entry.id == name), None)
    return known.folder if known else loading.local_folder(name)


def _hub_id(name: str) -> str | None:
    known = next((entry for entry in catalogue.entries() if entry.id == name), None)
    return known.hub_id if known else name if loading.HUB_ID.fullmatch(name) else None


def _revisions(name: str) -> list[str]:
    from mi_core.models import hub  # which takes a while to import

    hub_id = _hub_id(name)
    return hub.revisions(hub_id) if hub_id else []


def _with_weights(folder: Path) -> list[int]:
    found = (re.fullmatch(r"step_(\d+)\.safetensors", path.name) for path in (folder / FOLDER).glob("*"))
    return sorted(int(match[1]) for match in found if match)


def _without_weights(folder: Path) -> list[int]:
    """The step of the model itself."""
    rows = (_read(folder) or {"checkpoints": []})["checkpoints"]
    return [row["step"] for row in rows[-1:] if row["step"] not in _with_weights(folder)]


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / FOLDER / SCORES
    if not path.is_file():
        return None
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        for row in held["checkpoints"]:
            _ = int(row["step"]), int(row["tokens"]), dict(row["figures"]), dict(row["heads"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{FOLDER}/{SCORES} is damaged: fetch the model again.", "model") from error
    return held


def _no_such(name: str, revision: str, steps: list[int], field: str) -> InputError:
    if not steps:
        return InputError(f"{name} has no checkpoints beside its weights: leave “@{shortened(revision)}” out.", field)
    there = ", ".join(map(str, steps))
    return InputError(f"{name} has no checkpoint {shortened(revision)}: choose one of {there}.", field)


def _linked(model: Path, weights: Path) -> Path:
    """A folder that opens like any model's, made once; what is linked to is never written to."""
    beside = [model / file for file in ("config.json", *loading.TOKENIZER_FILES) if (model / file).is_file()]
    files = {path.name: path for path in beside} | {"model.safetensors": weights}
    states = [disk.state(path.resolve()) for path in files.values()]
    place = disk.cache_folder() / FOLDER / hashlib.sha256(repr(states).encode()).hexdigest()[:16]
    if place.is_dir():
        return place
    unfinished = place.with_name(f"{place.name}.{uuid.uuid4().hex}.tmp")  # another process may make the same one
    try:
        unfinished.mkdir(parents=True)
        for file, path in files.items():
            _link(path.resolve(), unfinished / file)
        unfinished.rename(place)
    except OSError as error:
        if not place.is_dir():
            raise InputError(
                f"The folder {disk.cache_folder()} cannot be written to, and a checkpoint is opened from there: make "
                "room, or name another folder with LOUPE_CACHE.",
                "model",
            ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _link(path: Path, at: Path) -> None:
    try:
        os.symlink(path, at)
    except OSError:  # Windows allows it to few
        shutil.copy(path, at)
