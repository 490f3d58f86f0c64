"""How much of a prompt a model can know: words that it never saw in training, and words that it reads in pieces.

A model answers whatever it is asked, and analyses explain whatever it answers. Neither shows that it has no idea what
it reads. Two signs of that need no run: a word that its training text does not have, where the words of that text are
known (``words.txt`` in the folder of a built-in model), and words that its tokenizer must spell in bits, since common
ones have a token of their own (Sennrich et al. 2016). A long word in two halves is no such sign.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_core.models import catalogue
from mi_core.models.tokens import encode
from mi_core.phrases import listed

if TYPE_CHECKING:  # pages know this type before the worker has opened a model
    from mi_core.models.model import Model

WORD = re.compile(r" ?(?<![\w'’])[^\W\d_]+")  # not what follows an apostrophe or a digit
LETTERS_PER_TOKEN = 3  # a word of several tokens with fewer letters each is in pieces
ALPHABETS = ("LATIN", "GREEK", "CYRILLIC")  # elsewhere few letters to a token are no sign
SHOWN = 3
LONGEST = 300  # characters of a prompt that others are compared with


@dataclass(frozen=True)
class Familiarity:
    """What of a prompt a model can know.

    `words` is how many it has. `unseen` are those that training never showed, where that is known, and `in_pieces`
    those that are spelled; each is named once. `alike` are prompts like it that the model does know.
    """

    words: int
    unseen: tuple[str, ...] = ()
    in_pieces: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()

    def sentence(self) -> str:
        """What a reader should know before believing an answer; empty where nothing speaks against it."""
        if self.unseen:
            named = _named(self.unseen)
            if len(self.unseen) == self.words:
                return f"This model has never seen any of these words: {named}. What it answers means little."
            return f"This model has never seen {len(self.unseen)} of these {self.words} words: {named}."
        if len(self.in_pieces) * 2 > self.words:
            return (
                f"This model reads {len(self.in_pieces)} of these {self.words} words in pieces, which is a sign that "
                f"it hardly knows them: {_named(self.in_pieces)}."
            )
        return ""


def familiarity(model: Model, prompt: str) -> Familiarity:
    """What of `prompt` the model can know, without running it."""
    words: dict[str, str] = {}
    for found in WORD.findall(_without_special(model, prompt)):
        if found.strip().isalpha():
            words.setdefault(found.strip(), found)
    known = _seen(model.id)
    unseen = tuple(word for word in words if known and word not in known)
    return Familiarity(
        words=len(words),
        unseen=unseen,
        in_pieces=tuple(word for word, found in words.items() if _is_spelled(model, found)),
        alike=_alike(model.id, prompt) if unseen else (),
    )


def known_prompts(model_id: str) -> tuple[str, ...]:
    """Prompts that a built-in model is known to answer well; none of another model."""
    return _lines(model_id, "prompts.txt")


def _seen(model_id: str) -> frozenset[str]:
    return frozenset(_lines(model_id, "words.txt"))


@functools.cache
def _lines(model_id: str, name: str) -> tuple[str, ...]:
    folder = next((entry.folder for entry in catalogue.entries() if entry.id == model_id), None)
    path = folder / name if folder else None
    return tuple(path.read_text(encoding="utf-8").splitlines()) if path and path.is_file() else ()


def _without_special(model: Model, prompt: str) -> str:
    for token in model.tokenizer.all_special_tokens:
        prompt = prompt.replace(token, " ")
    return prompt


def _is_spelled(model: Model, word: str) -> bool:
    """A word as it stands in the prompt, with the space before it."""
    letters = word.strip()
    if not all(unicodedata.name(letter, "").startswith(ALPHABETS) for letter in letters):
        return False
    n_tokens = len(encode(model.tokenizer, word))
    return n_tokens > 1 and len(letters) < LETTERS_PER_TOKEN * n_tokens


def _alike(model_id: str, prompt: str) -> tuple[str, ...]:
    def likeness(known: str) -> float:
        return difflib.SequenceMatcher(None, prompt[:LONGEST].lower(), known.lower(), autojunk=False).ratio()

    return tuple(sorted(known_prompts(model_id), key=likeness, reverse=True)[:SHOWN])


def _named(words: tuple[str, ...]) -> str:
    quoted = [f"“{word}”" for word in words[:SHOWN]]
    return listed(quoted) if len(words) <= SHOWN else f"{', '.join(quoted)} and {len(words) - SHOWN} more"
