"""Edits of a model as values: how each is made, not the tensors; a stack of them is a short piece of JSON.

[{"kind": "rome", "prompt": "The capital of Texas is", "subject": "Texas", "target": "Boston"},
 {"kind": "orthogonalise", "direction": "token: Paris"}]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from mi_core.errors import InputError, shortened
from mi_core.models.tokens import visible

MAX_EDITS = 16
LONGEST = 30  # characters of a text that a name shows


@dataclass(frozen=True)
class Rome:
    """One fact rewritten: after `prompt`, which holds `subject`, comes `target` (Meng et al. 2022).

    `layer` is the block whose MLP is edited; None for the usual one, about a third of the way up.
    """

    prompt: str
    subject: str
    target: str
    layer: int | None = None
    kind: ClassVar[str] = "rome"

    @property
    def name(self) -> str:
        """`The capital of Texas is → Boston`."""
        return f"{_short(self.prompt)} → {_short(self.target)}"


@dataclass(frozen=True)
class Orthogonalise:
    """One direction that nothing can write to any more.

    `direction` says which: ``"feature:123"`` of the SAE at hook `sae`; ``"token: Paris"``, what makes that token
    likely; ``"contrast"``, the mean last-token activation of the `positive` prompts less that of the `negative` ones at
    `layer`; or ``"numbers"``, the d_model `numbers` themselves, separated by commas or spaces.
    """

    direction: str
    sae: str | None = None
    positive: str = ""
    negative: str = ""
    layer: int | None = None
    numbers: str = ""
    kind: ClassVar[str] = "orthogonalise"

    @property
    def name(self) -> str:
        """`without the direction token: Paris`."""
        return f"without the direction {_short(self.direction)}"


Edit = Rome | Orthogonalise
KINDS: dict[str, type[Edit]] = {kind.kind: kind for kind in (Rome, Orthogonalise)}


def parse(stack: str | Sequence[Edit | dict[str, Any]]) -> tuple[Edit, ...]:
    """The edits of a stack, the first made first.

    Args:
        stack: JSON, or the list that it stands for, or edits.

    Raises:
        InputError: It is not a list of edits; the sentence names the first one that is none.
    """
    if isinstance(stack, str):
        stack = _read(stack) if stack.strip() else []
    if isinstance(stack, dict):
        stack = [stack]
    if not isinstance(stack, list | tuple):
        raise InputError('Edits are a list, such as [{"kind": "rome", …}]: check the file.', "edits")
    if len(stack) > MAX_EDITS:
        raise InputError(f"There are {len(stack)} edits: {MAX_EDITS} at once are the most.", "edits")
    return tuple(_edit(item, number) for number, item in enumerate(stack, 1))


def canonical(stack: str | Sequence[Edit | dict[str, Any]]) -> str:
    """The one spelling of a stack, for keys and commands: compact JSON without what is at its default; "" for none."""
    edits = parse(stack)
    return json.dumps([as_dict(edit) for edit in edits], ensure_ascii=False, separators=(",", ":")) if edits else ""


def as_dict(edit: Edit) -> dict[str, Any]:
    """An edit as JSON holds it, `kind` first."""
    defaults = {field.name: field.default for field in fields(edit)}
    return {"kind": edit.kind} | {name: value for name, value in asdict(edit).items() if value != defaults[name]}


def settings(edit: Edit) -> dict[str, Any]:
    """An edit as the settings of the analysis that measures it."""
    return {"kind": edit.kind} | asdict(edit)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError("The edits are not JSON: use a file that Loupe exported.", "edits") from error


def _edit(item: Any, number: int) -> Edit:
    if isinstance(item, Rome | Orthogonalise):
        return item
    kind = KINDS.get(item.get("kind")) if isinstance(item, dict) and isinstance(item.get("kind"), str) else None
    if kind is None:
        raise InputError(f"Edit {number} has no known kind: write {' or '.join(KINDS)}.", "edits")
    given = {name: value for name, value in item.items() if name != "kind"}
    for field in fields(kind):
        _check(given, field.name, field.type, number)
    unknown = given.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise InputError(f"Edit {number} has a field “{_short(min(unknown))}” that {kind.kind} has not.", "edits")
    try:
        return kind(**given)
    except TypeError as error:
        needed = ", ".join(field.name for field in fields(kind)[: 3 if kind is Rome else 1])
        raise InputError(f"Edit {number} is not complete: {kind.kind} needs {needed}.", "edits") from error


def _check(given: dict[str, Any], name: str, annotation: str, number: int) -> None:
    """Raises InputError where a field holds something else than text, or a number for the layer."""
    if name not in given or (given[name] is None and annotation.endswith("None")):
        return
    wanted = int if name == "layer" else str
    if not isinstance(given[name], wanted) or isinstance(given[name], bool):
        what = "a whole number" if wanted is int else "text"
        raise InputError(f"The {name} of edit {number} is not {what}: correct it.", "edits")


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return visible(shortened(shown, LONGEST)).replace("·", " ")
