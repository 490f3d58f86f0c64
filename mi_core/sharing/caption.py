"""What stands below a figure, so that it can be read without its page; and what its file is called."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from mi_core import __version__
from mi_core.analyses._index import find_analysis, settings_of
from mi_core.editing import recipes
from mi_core.errors import shortened
from mi_core.jobs.request import Request
from mi_core.models.tokens import visible
from mi_core.result import Result

LONGEST_PROMPT, LONGEST_VALUE = 400, 80  # characters
LONGEST_NAME = 60  # characters of a file's name, before its ending
SAID_APART = ("prompt", "corrupted", "target", "foil")


def caption(request: Request, result: Result) -> tuple[str, ...]:
    """Prompt, second prompt, model, answer, what it is compared with, settings that are not the usual ones, version.

    Args:
        request: What was asked.
        result: What came back, which knows the answer where nobody named one.

    Returns:
        Lines; what there is none of is left out.
    """
    given = request.bound()
    named = {"Prompt": given.get("prompt"), "Second prompt": given.get("corrupted")}
    lines = [f"{name}: “{_one_line(text, LONGEST_PROMPT)}”" for name, text in named.items() if text]
    about = [f"Model: {request.model}", *_answer(given, result)] if request.model else []
    lines += [" · ".join(about)] if about else []
    return (*lines, *_ending(request))


def batch_caption(shared: Request, prompts: int) -> tuple[str, ...]:
    """The same of a batch: how many prompts there are, and what is asked of all of them.

    Args:
        shared: What is asked, without a prompt.
        prompts: How many there are.
    """
    about = [f"{prompts:,} prompts", *([f"Model: {shared.model}"] if shared.model else [])]
    return (" · ".join(about), *_ending(shared))


def file_name(request: Request, *parts: str) -> str:
    """Analysis, `parts` and the first words of the prompt, as a name that every file system takes."""
    prompt = str(dict(request.settings).get("prompt") or "")
    return _safe(" ".join([request.analysis, *parts, prompt]))


def _ending(request: Request) -> tuple[str, ...]:
    """Settings that are not the usual ones, edits, version."""
    lines = [f"Settings: {settings}"] if (settings := _settings(request)) else []
    if request.edits:
        lines.append(f"Edits: {'; '.join(edit.name for edit in recipes.parse(request.edits))}")
    return (*lines, f"Loupe {__version__} · {request.analysis.replace('_', ' ')}")


def file_name_of(text: str) -> str:
    """The first words of a text as such a name; "" where it has no letters."""
    return _safe(text)


def _answer(given: dict[str, Any], result: Result) -> list[str]:
    target = getattr(result, "target", None)
    answer, foil = (
        getattr(target, name, None) or given.get(key) for name, key in (("text", "target"), ("foil_text", "foil"))
    )
    named = {"answer": answer, "compared with": foil}
    return [f"{name}: “{visible(text)}”" for name, text in named.items() if text]


def _settings(request: Request) -> str:
    usual = settings_of(find_analysis(request.analysis))
    return " · ".join(
        f"{name.replace('_', ' ')}: {_one_line(_said(value), LONGEST_VALUE)}"
        for name, value in request.settings
        if name not in SAID_APART and value != usual[name].default and value not in (None, "", ())
    )


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _one_line(text: str, longest: int) -> str:
    return shortened(text.replace("\r\n", "↵").replace("\n", "↵").replace("\t", "→"), longest)


def _safe(text: str) -> str:
    """Small letters and digits of any script, joined by hyphens."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:LONGEST_NAME]
        if len(longer) > LONGEST_NAME:
            break
        name = longer
    return name
