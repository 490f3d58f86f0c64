"""Words that a model reads in pieces."""

from __future__ import annotations

import unicodedata

from mi_core.models.tokens import Tokens


def begins_word(tokens: Tokens, pos: int) -> bool:
    """Whether a token is more than the next piece of the word before it, which goes on where letters meet."""
    if pos == 0 or tokens.special[pos] or tokens.special[pos - 1]:
        return True
    return not (_is_letter(tokens.texts[pos - 1][-1:]) and _is_letter(tokens.texts[pos][:1]))


def _is_letter(char: str) -> bool:
    """Letters, digits, accents, apostrophes, and the brackets of a byte that is part of a character."""
    return char != "" and (char.isalnum() or char in "'’⟨⟩" or unicodedata.category(char).startswith("M"))
