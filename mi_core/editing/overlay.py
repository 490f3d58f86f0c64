"""A model with edits: modules and hooks of its own, and every weight shared with the model it is of but the edited."""

from __future__ import annotations

import copy
import hashlib
import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch.nn import Parameter

from mi_core.editing import recipes
from mi_core.editing.orthogonalise import Removal, removal
from mi_core.editing.recipes import Recipe, Rome
from mi_core.editing.rome import Rewrite, rewrite
from mi_core.errors import Absent, InputError
from mi_core.lru import LRU
from mi_core.models.loading import boot_lock
from mi_core.models.model import Model
from mi_core.models.projection import Change
from mi_core.result import Check

KEPT_BYTES = 512 * 2**20  # of edited weights, over all edits of one model; those of the latest stay in any case


@dataclass(frozen=True, eq=False)
class EditedModel:
    """A model with one edit more."""

    model: Model
    how: Rewrite | Removal
    """What was done to the weights."""
    checks: tuple[Check, ...]
    """What must hold of it."""
    own_bytes: int
    """Bytes of the weights that it does not share with the model before this edit."""


_kept: weakref.WeakKeyDictionary[Model, LRU[str, EditedModel]] = weakref.WeakKeyDictionary()
_origins: weakref.WeakKeyDictionary[Model, weakref.ref[Model]] = weakref.WeakKeyDictionary()


def edited(model: Model, stack: str | Sequence[Recipe], progress: Callable[..., None] | None = None) -> Model:
    """The model with a stack of edits, each made on the model as the ones before have left it.

    Nothing is written to the model's own weights, so whoever uses it at the same time sees nothing, and a shorter
    stack gives back the former numbers bit for bit. Edited models are kept for the next call.

    Args:
        model: The model; it may be an edited one.
        stack: As `mi_core.editing.recipes.parse` takes it.
        progress: Called with (done, total) while an edit is being made; no hooks are active then.

    Raises:
        InputError: The stack is none (field ``"edits"``), or one of its edits cannot be made in this model.
    """
    for edit in recipes.parse(stack):
        model = with_edit(model, edit, progress).model
    return model


def for_all(model: Model, stack: str, progress: Callable[..., None] | None = None) -> Model:
    """`edited`, for a computation that did not choose the edits: what is wrong with them is said of them.

    Raises:
        InputError: As `edited` does, with the field ``"edits"``.
    """
    try:
        return edited(model, stack, progress)
    except Absent:
        raise
    except InputError as error:
        raise InputError(f"The edits that are on cannot be made in {model.id}: {error.message}", "edits") from error


def with_edit(model: Model, edit: Recipe, progress: Callable[..., None] | None = None) -> EditedModel:
    """The model with one edit, and what is known of it. Raises InputError if it cannot be made."""
    fingerprint = _fingerprint(model, edit)
    edited_model = kept(model).get(fingerprint)
    if edited_model is None:
        edited_model = _edited(model, edit, fingerprint, progress)  # which others' edits may come between
        kept(model).put(fingerprint, edited_model)
    return edited_model


def is_kept(model: Model, edit: Recipe) -> bool:
    """Whether the edited model is at hand, so that it need not be made again."""
    return kept(model).get(_fingerprint(model, edit)) is not None


def _fingerprint(model: Model, edit: Recipe) -> str:
    name = hashlib.sha256(json.dumps(recipes.as_dict(edit), sort_keys=True).encode()).hexdigest()[:16]
    return f"{model.fingerprint}+{name}"


def kept(model: Model) -> LRU[str, EditedModel]:
    """The edited models, by fingerprint, of the unedited one that `model` goes back to; they go when that one goes."""
    origin = _origins.get(model, lambda: model)() or model
    if origin not in _kept:
        _kept[origin] = LRU(KEPT_BYTES, lambda edited_model: edited_model.own_bytes, spared=1)
    return _kept[origin]


def _edited(model: Model, edit: Recipe, fingerprint: str, progress: Callable[..., None] | None) -> EditedModel:
    if isinstance(edit, Rome):
        how = rewrite(model, edit, progress)
    else:
        how = removal(model, edit, None if progress is None else lambda: progress(0, 1))
    other = with_changes(model, how.changes(model), fingerprint)
    return EditedModel(other, how, how.checks(other), own_bytes(other, model))


def with_changes(model: Model, changes: Sequence[Change], fingerprint: str) -> Model:
    """A model of its own modules that shares every parameter with `model` but those changed.

    A tied parameter is changed only where `changes` names it: the unembedding keeps what the embedding loses.
    """
    bridge = model.bridge
    memo = {id(one): one for one in [*bridge.parameters(), *bridge.buffers(), bridge.tokenizer]}
    with boot_lock:  # the copy of a joint attention projection takes a method off its class for a moment
        other = copy.deepcopy(bridge, memo)
    for module, name, values in changes:
        setattr(memo[id(module)], name, Parameter(values.detach().to(getattr(module, name)), requires_grad=False))
    changed = Model(other, model.id, fingerprint, model.opening, model.tokenizer)
    _origins[changed] = _origins.get(model) or weakref.ref(model)
    return changed


def refuse_edits(model: Model) -> None:
    """Raises InputError for an edited model, where a whole training is looked at."""
    if model in _origins:
        raise InputError("Edits are made in one model, and a training has many: take the edits away.", "edits")


def own_bytes(model: Model, of: Model) -> int:
    """Bytes of the weights that an edited model does not share with the one it is `of`."""
    shared = {parameter.data_ptr() for parameter in of.bridge.parameters()}
    own = {parameter.data_ptr(): parameter.nbytes for parameter in model.bridge.parameters()}
    return sum(size for pointer, size in own.items() if pointer not in shared)
