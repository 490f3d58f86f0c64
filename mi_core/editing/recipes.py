"""Edits of a model as values: how each is made, not the tensors; a stack of them is a short piece of JSON.

[{"kind": "rome", "prompt": "The capital of Texas is", "subject": "Texas", "target": "Boston"},
 {"kind": "orthogonalise", "direction": "token:Paris"}]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar

from mi_core.directions import spec
from mi_core.directions.spec import DirectionSpec, present_names, validated
from mi_core.errors import InputError, choose, shortened
from mi_core.models.tokens import visible

MAX_EDITS = 16
LONGEST = 30  # characters of a text that a name shows


@dataclass(frozen=True)
class Rome:
    """One fact rewritten (Meng et al. 2022)."""

    prompt: str
    """The fact up to its answer."""
    subject: str
    """The words of the prompt that it is about."""
    target: str
    """What shall come next: one token."""
    layer: int | None = None
    """The block whose MLP is edited; None for the usual one, about a third of the way up."""

    kind: ClassVar[str] = "rome"
    __pydantic_config__: ClassVar[dict[str, Any]] = {"strict": True, "extra": "forbid"}

    @property
    def name(self) -> str:
        """`The capital of Texas is → Boston`."""
        return f"{_short(self.prompt)} → {_short(self.target)}"


@dataclass(frozen=True)
class Orthogonalise(DirectionSpec):
    """One direction that nothing can write to any more, in the words of `mi_core.directions.spec`."""

    kind: ClassVar[str] = "orthogonalise"

    @property
    def name(self) -> str:
        """`without the direction token:Paris`."""
        return f"without the direction {_short(self.direction)}"


Recipe = Rome | Orthogonalise
KINDS: dict[str, type[Recipe]] = {kind.kind: kind for kind in (Rome, Orthogonalise)}


def asked(
    kind: str, prompt: str, *, subject: str, target: str | None, layer: int | None, direction: str, **further: Any
) -> Recipe:
    """The edit that the settings of the `edit` analysis ask for, without those that its kind does not read.

    Args:
        kind: ``"rome"`` or ``"orthogonalise"``.
        prompt: The fact up to its answer.
        subject: What it is about.
        target: The new answer.
        layer: The block that is edited, or where a direction is read.
        direction: What is taken out.
        **further: The other settings of a direction.

    Raises:
        InputError: No such kind, no new answer, or no such direction.
    """
    if choose(kind, KINDS, "kind", "kind of edit") == Rome.kind:
        if not target:
            raise InputError("The new answer is empty: type one word.", "target")
        return Rome(prompt, subject.strip(), target, layer)
    found = spec.read(Orthogonalise, {"direction": direction, "layer": layer, **further})
    read = {name: getattr(found, name) for name in spec.SETTINGS.get(found.source, ())}
    return Orthogonalise(found.direction, **read, layer=found.layer if found.source in ("contrast", "probe") else None)


def parse(stack: str | Sequence[Recipe | dict[str, Any]]) -> tuple[Recipe, ...]:
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


def canonical(stack: str | Sequence[Recipe | dict[str, Any]]) -> str:
    """The one spelling of a stack, for keys and commands: compact JSON without what is at its default; "" for none."""
    edits = parse(stack)
    return json.dumps([as_dict(edit) for edit in edits], ensure_ascii=False, separators=(",", ":")) if edits else ""


def as_dict(edit: Recipe) -> dict[str, Any]:
    """An edit as JSON holds it, `kind` first."""
    defaults = {field.name: field.default for field in fields(edit)}
    return {"kind": edit.kind} | {name: value for name, value in asdict(edit).items() if value != defaults[name]}


def settings(edit: Recipe) -> dict[str, Any]:
    """An edit as the settings of the analysis that measures it."""
    return {"kind": edit.kind} | asdict(edit)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("The edits are not JSON: use a file that Loupe exported.", "edits") from error


def _edit(item: Any, number: int) -> Recipe:
    if isinstance(item, Rome | Orthogonalise):
        return item
    kind = KINDS.get(item.get("kind")) if isinstance(item, dict) and isinstance(item.get("kind"), str) else None
    if kind is None:
        raise InputError(f"Edit {number} has no known kind: write {' or '.join(KINDS)}.", "edits")
    from pydantic import ValidationError

    given = present_names({name: value for name, value in item.items() if name != "kind"})
    try:
        return validated(kind, given)
    except ValidationError as error:
        raise InputError(_problem(kind, number, error.errors()[0]), "edits") from error


def _problem(kind: type[Recipe], number: int, error: Mapping[str, Any]) -> str:
    """What is wrong with an edit, as a sentence."""
    name = _short(str(error["loc"][-1]))
    if error["type"] == "missing":
        needed = ", ".join(field.name for field in fields(kind) if field.default is MISSING)
        return f"Edit {number} is not complete: {kind.kind} needs {needed}."
    if error["type"] == "unexpected_keyword_argument":
        return f"Edit {number} has a field “{name}” that {kind.kind} has not."
    what = "a whole number" if error["type"] == "int_type" else "text"
    return f"The {name} of edit {number} is not {what}: correct it."


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return visible(shortened(shown, LONGEST)).replace("·", " ")
