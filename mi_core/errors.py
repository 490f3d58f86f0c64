"""The errors that a user's input can cause."""

from __future__ import annotations

from collections.abc import Callable, Collection

import regex


class InputError(ValueError):
    """Input that cannot be used: one sentence that says what is wrong and what to do.

    Args:
        message: The sentence, ready to be shown as it is.
        field: Name of the setting it came from (``"prompt"``, ``"target"``, ``"top_k"`` …), so that it is
            shown beside that field.
        suggestion: A value for the field that would work, offered as a one-click repair.
    """

    def __init__(self, message: str, field: str = "", suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.suggestion = suggestion


class Absent(InputError):
    """Something that has to be fetched before the computation can begin; nothing is wrong with the input.

    Args:
        message: What it is, for those who compute without the engine: it fetches by itself and starts again.
        field: Name of the setting that asked for it.
        fetch: `fetch(progress)` brings it, with `progress(done, total, message)`, total 0 if unknown.
    """

    def __init__(self, message: str, field: str, fetch: Callable[[Callable[[int, int, str], None]], None]) -> None:
        super().__init__(message, field)
        self.fetch = fetch


def choose(value: str, allowed: Collection[str], field: str, what: str | None = None) -> str:
    """`value`, where it is one of the words that are allowed.

    Args:
        value: What somebody wrote.
        allowed: The words, in the order in which they are offered.
        field: The setting it is for.
        what: What the words are (``"way to push"``); None for the field's own name.

    Raises:
        InputError: It is none of them: `“set” is no way to push: use add or clamp.`
    """
    words = list(allowed)
    if value in words:
        return value
    offered = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    raise InputError(f"“{shortened(str(value))}” is no {what or field.replace('_', ' ')}: use {offered}.", field)


def shortened(text: str, longest: int = 60) -> str:
    """At most the first `longest` characters of what somebody typed, so that a sentence can quote it.

    What is read as one character, such as a letter with its accent or a flag, is never cut in two.
    """
    if len(text) <= longest:
        return text
    kept = ""
    for character in regex.finditer(r"\X", text):
        if character.end() > longest:
            break
        kept += character[0]
    return kept + "…"
