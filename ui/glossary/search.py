"""What somebody who types a word is looking for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ui.glossary.terms import Term, terms

MOST, NEAR = 8, 0.7  # terms that are offered, and how alike a mistyped word must be


@dataclass(frozen=True)
class Found:
    """The `term` that was meant, where there is no doubt; else `others` that fit, or that are only `near`."""

    term: Term | None
    others: tuple[Term, ...] = ()
    near: tuple[Term, ...] = ()


def search(typed: str) -> Found:
    """Look a word up: by its name or another word for it, by a part of those, by what is written nearly the same."""
    word = _plain(typed)
    known = {term: [_plain(name) for name in (term.name, *term.also, *term.search)] for term in terms()}
    exact = [term for term, names in known.items() if word in names or word.removesuffix("s") in names]
    if exact:
        return Found(min(exact, key=lambda term: _plain(term.name) != word))
    fits = [term for term, names in known.items() if any(word in name for name in names)]
    fits.sort(key=lambda term: not any(name.startswith(word) for name in known[term]))
    if len(fits) == 1:
        return Found(fits[0])
    if fits:
        return Found(None, others=tuple(fits[:MOST]))
    return Found(None, near=tuple(dict.fromkeys(_alike(word, known))))


def _plain(text: str) -> str:
    """A word without what nobody types alike: capitals, hyphens, blanks around it."""
    return " ".join(text.lower().replace("-", " ").replace("_", " ").split())


def _alike(word: str, known: dict[Term, list[str]]) -> list[Term]:
    of = {name: term for term, names in known.items() for name in names}
    return [of[name] for name in difflib.get_close_matches(word, of, MOST, NEAR)]
