"""Directions as people spell them: one grammar for every analysis, every page and every file.

A direction is a few words, and where these are not enough some settings; the same words are the same unit vector
wherever they are written::

    feature:123     the decoder direction of an SAE feature (`sae`: of which SAE)
    token:Paris     what the output reads for a token: its unembedding, taken back through the final norm's weight
    probe:sentiment/positive    where a probe of labelled texts finds one class, at `layer`; the texts are a set that
                    ships, or one's own by their key
    contrast        mean last-token activation of the `positive` prompts less that of the `negative` ones, at `layer`
    vector          the d_model numbers in `vector`, such as a probe's weights

Words and settings fit into one string, which every `direction` takes: ``token:Paris``, or a JSON object such as
``{"direction": "feature:53", "sae": "blocks.2.hook_resid_pre"}``; `DirectionSpec.text` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from mi_core.errors import InputError, shortened
from mi_core.models.tokens import whole

# What each kind reads beside its words; `layer` says where a direction is read or added.
SETTINGS = {"feature": ("sae",), "token": (), "probe": (), "contrast": ("positive", "negative"), "vector": ("vector",)}
# Praise against complaint: the contrast that stands where none is typed.
POSITIVE = "I loved this movie. It was wonderful.\nThe acting was great."
NEGATIVE = "I hated this movie. It was terrible.\nThe acting was bad."
FORMER = {"numbers": "vector"}  # words and settings that older links and files hold

S = TypeVar("S", bound="DirectionSpec")
V = TypeVar("V")


@dataclass(frozen=True)
class DirectionSpec:
    """A direction in words: plain values that can be compared, hashed and written as JSON."""

    direction: str
    """``"feature:123"``, ``"token:Paris"``, ``"probe:sentiment/positive"``, ``"contrast"`` or ``"vector"``."""
    sae: str | None = None
    """Hook name of the feature's SAE; None for the model's only one, or the middle one."""
    positive: str = ""
    """Prompts of a contrast, one per line."""
    negative: str = ""
    """What they are contrasted with, one per line."""
    vector: str = ""
    """d_model numbers, separated by commas, semicolons, spaces or lines."""
    layer: int | None = None
    """Blocks passed where it is read or added, 0 to n_layers; None for its kind's own place."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        if isinstance(self.direction, str):
            object.__setattr__(self, "direction", _spelled(self.direction))

    @property
    def source(self) -> str:
        """What stands before the colon: one of `SETTINGS`, or a word that is none."""
        return self.direction.partition(":")[0]

    @property
    def value(self) -> str:
        """What stands behind the colon."""
        return self.direction.partition(":")[2]

    @property
    def text(self) -> str:
        """The one string that says all of it: the words alone, or a JSON object without what is at its default."""
        defaults = {field.name: field.default for field in fields(self)}
        said = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        return self.direction if said == {"direction": self.direction} else json.dumps(said, ensure_ascii=False)


def present_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a direction, those that older links and files hold under their present names."""
    return {FORMER.get(name, name): value for name, value in given.items()}


def settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a direction, unpacked where its words are a JSON object.

    Args:
        given: As somebody wrote them; beside a JSON object those count that are not at rest (None or empty).

    Raises:
        InputError: `direction` begins like a JSON object and is none.
    """
    given, words = present_names(given), given.get("direction")
    if not (isinstance(words, str) and words.lstrip().startswith("{")):
        return given
    beside = {name: value for name, value in given.items() if name != "direction" and value not in (None, "")}
    return present_names(json_object(words, "direction")) | beside


def json_object(text: str, field: str) -> dict[str, Any]:
    """The JSON object of a direction. Raises InputError if it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"“{shortened(text)}” describes no direction: write an object such as "
            '{"direction": "feature:53", "strength": 0.5}.',
            field,
        )
    return found


def read(kind: type[S], given: Mapping[str, Any], field: str = "direction") -> S:
    """A direction of that kind from its settings.

    Args:
        kind: `DirectionSpec`, or what has more fields.
        given: The settings; see `settings`.
        field: Where a setting that does not exist is complained about.

    Raises:
        InputError: A setting of the wrong type (its own field), or one that there is not.
    """
    from pydantic import ValidationError

    try:
        return validated(kind, {"direction": "", **settings(given)})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][-1])
        if first["type"] == "unexpected_keyword_argument":
            known = ", ".join(each.name for each in fields(kind))
            raise InputError(f"A direction has no “{shortened(name)}”: it takes {known}.", field) from error
        said = shortened(str(first["input"]))
        raise InputError(f"The {name} is {said}: that is no value for it.", name) from error


def validated(kind: type[V], given: Mapping[str, Any]) -> V:
    """A dataclass from plain values, none of them turned into another type; halves of characters are replaced.

    Raises:
        ValidationError: A value is of another type than its field, or a field lacks or is not there.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validate_json(whole(json.dumps(given, ensure_ascii=False, default=str)))


def _spelled(words: str) -> str:
    """The present spelling: `token: Paris` is `token:Paris`, `numbers` is `vector`."""
    kind, colon, value = (part.strip() for part in words.partition(":"))
    kind = FORMER.get(kind, kind)
    return f"{kind}{colon}{value}" if kind in SETTINGS else words.strip()
