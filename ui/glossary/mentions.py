"""Which terms a text uses, and the links to them: one rule for every text, and no list by hand."""

from __future__ import annotations

import functools
import re
from urllib.parse import urlencode

from ui.glossary.terms import Term, by_name, terms
from ui.text import literal

PAGE = "glossary"


def address(term: Term) -> str:
    """Where the glossary explains a term, seen from any page."""
    return f"{PAGE}?{urlencode({'term': term.name})}"


def link(term: Term, text: str | None = None) -> str:
    """A Markdown link to a term; it is opened within the page's session by `ui/browser/glossary_links.js`."""
    return f"[{literal(text or term.name)}]({address(term)})"


@functools.cache
def names() -> dict[str, str]:
    """The term that each word stands for, the longest words first."""
    said = {name: term.name for term in terms() for name in (*term.also, term.name)}
    return dict(sorted(said.items(), key=lambda item: (-len(item[0]), item[0])))


@functools.cache
def pattern() -> str:
    """What finds a term in a text, for Python and for a browser alike: whole words, one or many of them, longest first.

    A first letter may be a capital. What has more capitals than one (ROME, KL) is taken as it is written, so that Rome
    is a city.
    """
    return rf"(?<![\w-])({'|'.join(map(_as_written, names()))})(?:e?s)?(?![\w-])"


def _as_written(name: str) -> str:
    first, rest = name[0], re.escape(name[1:]).replace(r"\ ", " ").replace(r"\-", "-")
    return f"[{first.upper()}{first}]{rest}" if first.islower() else re.escape(first) + rest


@functools.lru_cache(maxsize=4096)
def mentioned(text: str) -> tuple[Term, ...]:
    """The terms that a text uses, in the order in which they come, each once."""
    return tuple(dict.fromkeys(_of(match) for match in re.finditer(pattern(), text)))


def _of(match: re.Match[str]) -> Term:
    word = match[1]
    return by_name()[names().get(word) or names()[word[0].lower() + word[1:]]]


def linked(text: str, but: Term) -> str:
    """A text as Markdown in which the first mention of each other term is a link."""
    parts, seen, at = [], {but}, 0
    for match in re.finditer(pattern(), text):
        term = _of(match)
        if term not in seen:
            seen.add(term)
            parts += [literal(text[at : match.start()]), link(term, match[0])]
            at = match.end()
    return "".join(parts) + literal(text[at:])


@functools.lru_cache(maxsize=1024)
def with_links(text: str) -> str:
    """A text as it is, and below it a link to every term that it uses."""
    found = mentioned(text)
    return f"{text}\n\n:small[Words: {' · '.join(map(link, found))}]" if found else text
