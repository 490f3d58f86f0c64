"""The terms of the glossary, as they stand in `entries`: one Markdown file a subject, one heading a term.

    ## residual stream
    Also: stream, resid_pre
    Search: highway
    The list of numbers that carries one token through the model. Each layer reads it and adds to it.
    Example: After layer 2 of Loupe mini, every token has a list of 64 numbers.
    See: [Follow it from layer to layer](logit_lens?read_by=logit)
    Picture: lens
    Related: layer, logit lens

`Also` are words that mean the same and are linked wherever a text uses them; `Search` are words that find the term and
are too common, or too rare, to be linked. `Picture` is a name in `pictures.py`. `Also`, `Search` and `Picture` may be
left out.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

ENTRIES = Path(__file__).parent / "entries"
_LINE = re.compile(r"(Also|Search|Example|See|Picture|Related): (.+)")
_LINK = re.compile(r"\[(.+)\]\((\w*)\??(.*)\)")


@dataclass(frozen=True)
class SeeIt:
    """A link to the page that shows the term: what it says, the page's name in the address, the fields it fills."""

    label: str
    page: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Term:
    """A term: what it is called, what it means, an example, where it is seen, and its neighbours."""

    name: str
    also: tuple[str, ...]
    search: tuple[str, ...]
    plain: str
    example: str
    see: SeeIt
    picture: str | None
    related: tuple[str, ...]

    @property
    def short(self) -> str:
        """The first sentence of what it means."""
        return re.split(r"(?<=[.?])\s", self.plain, maxsplit=1)[0]


@functools.cache
def terms() -> tuple[Term, ...]:
    """Every term, by the alphabet."""
    files = sorted(ENTRIES.glob("*.md"))
    entries = [entry for file in files for entry in file.read_text(encoding="utf-8").split("\n## ")[1:]]
    return tuple(sorted(map(_term, entries), key=lambda term: term.name.lower()))


@functools.cache
def by_name() -> dict[str, Term]:
    """Every term by its name."""
    return {term.name: term for term in terms()}


def _term(entry: str) -> Term:
    name, *lines = entry.strip().split("\n")
    said = {match[1]: match[2] for line in lines if (match := _LINE.fullmatch(line))}
    plain = " ".join(line for line in lines if line and not _LINE.fullmatch(line))
    return Term(
        name=name,
        also=_listed(said.get("Also")),
        search=_listed(said.get("Search")),
        plain=plain,
        example=said["Example"],
        see=_see(said["See"]),
        picture=said.get("Picture"),
        related=_listed(said.get("Related")),
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(", ")) if text else ()


def _see(text: str) -> SeeIt:
    if (link := _LINK.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is not written as [what is seen](page?field=value)")
    label, page, query = link.groups()
    return SeeIt(label, page, tuple(parse_qsl(query)))
