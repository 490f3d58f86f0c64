"""A result that was pinned: how to compute and draw it again, and what a person wrote about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from mi_core.analyses._index import parameters
from mi_core.errors import InputError
from mi_core.jobs.request import Request

LONGEST = 250_000  # characters of one text: a prompt, a setting, an address
LONGEST_NOTE = 20_000
LARGEST = 1e18  # NaN is not within it either
WRITTEN = ("note", "claim", "evidence", "control", "limits")
NOT_SETTINGS = {"model", "progress"}


@dataclass(frozen=True)
class Pin:
    """A result by what it takes to make it anew; numbers are not kept.

    `figure` is the function of `charts.figures` that draws it, "" where a table stands alone; `view` is what the reader
    chose about how it is shown. `table` is the result's table that holds the numbers. `page` and `query` are the
    address that it was seen at, `how` how to read it. `claim`, `evidence`, `control` and `limits` are its claim sheet;
    evidence that is None was never touched: it is what the result itself says.
    """

    request: Request
    table: str
    figure: str = ""
    view: tuple[tuple[str, Any], ...] = ()
    page: str = ""
    query: str = ""
    how: str = ""
    note: str = ""
    claim: str = ""
    evidence: str | None = None
    control: str = ""
    limits: str = ""

    @property
    def id(self) -> str:
        """A name by what is shown: the same request, drawn the same way, is the same pin."""
        shown = [*_request(self.request).values(), self.table, self.figure, dict(self.view)]
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def sheet(self) -> dict[str, str]:
        """What was written of the claim sheet; {} where nothing was."""
        parts = {name: getattr(self, name) or "" for name in WRITTEN[1:]}
        return parts if any(text.strip() for text in parts.values()) else {}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, from which `read` makes the same pin."""
        return {
            **_request(self.request),
            **{name: getattr(self, name) for name in ("table", "figure", "page", "query", "how")},
            "view": dict(self.view),
            **{name: getattr(self, name) for name in WRITTEN},
        }


def read(written: Any) -> Pin:
    """The pin that `Pin.as_dict` wrote, from a file or a browser that may hold anything.

    Raises:
        InputError: It is none: an unknown analysis or setting, a missing part, a text that is far too long.
    """
    if not isinstance(written, Mapping):
        raise damaged("it is no list of names and values")
    analysis, model = _text(written, "analysis", LONGEST_NOTE), _text(written, "model", LONGEST_NOTE)
    settings, view = _plain_values(written, "settings"), _plain_values(written, "view")
    known = set(parameters(analysis)) - NOT_SETTINGS
    if unknown := sorted(set(settings) - known):
        raise damaged(f"{analysis} has no setting “{unknown[0]}”")
    request = Request.of(analysis, model, edits=_text(written, "edits", LONGEST), **settings)
    request.check()
    notes = {name: _text(written, name, LONGEST_NOTE) for name in WRITTEN}
    return Pin(
        request=request,
        table=_text(written, "table", LONGEST_NOTE),
        figure=_text(written, "figure", LONGEST_NOTE),
        view=tuple(sorted(view.items())),
        page=_text(written, "page", LONGEST_NOTE),
        query=urlencode(parse_qsl(_text(written, "query", LONGEST))),
        how=_text(written, "how", LONGEST_NOTE),
        note=notes["note"],
        claim=notes["claim"],
        evidence=None if written.get("evidence") is None else notes["evidence"],
        control=notes["control"],
        limits=notes["limits"],
    )


def damaged(why: str) -> InputError:
    """The sentence for what is no pin."""
    return InputError(f"A pinned result cannot be read: {why}.", "report")


def _request(request: Request) -> dict[str, Any]:
    return {
        "analysis": request.analysis,
        "model": request.model,
        "settings": dict(request.settings),
        "edits": request.edits,
    }


def _text(written: Mapping[str, Any], name: str, longest: int) -> str:
    """A text; "" where there is none. Half characters, which no file can hold, become question marks."""
    value = written.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise damaged(f"“{name}” is no text")
    if len(value) > longest:
        raise damaged(f"“{name}” has more than {longest:,} characters")
    return value.encode("utf-8", "replace").decode("utf-8")


def _plain_values(written: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Names with plain values, or lists of them."""
    values = written.get(name) or {}
    if not isinstance(values, Mapping):
        raise damaged(f"“{name}” is no list of names and values")
    return {_text({"name": key}, "name", 100): _plain(value, name) for key, value in values.items()}


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, list | tuple) and len(value) <= LONGEST:
        return tuple(_plain(item, name) for item in value)
    if isinstance(value, str):
        return _text({name: value}, name, LONGEST)
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) <= LARGEST):
        return value
    raise damaged(f"“{name}” holds what is no plain value")
