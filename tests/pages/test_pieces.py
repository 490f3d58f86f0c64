"""Pieces of words are known from words of their own."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mi_core.models.tokens import Tokens
from ui.parts.pieces import begins_word


def tokens(*texts, special=()):
    n = len(texts)
    return Tokens(
        ids=tuple(range(n)), texts=texts, special=tuple(i in special for i in range(n)), has_bos=bool(special)
    )


def begins(read):
    return [begins_word(read, pos) for pos in range(len(read))]


def test_a_word_goes_on_where_letters_meet():
    read = tokens("<s>", "The", " phil", "harmon", "ic", "'s", ",", " Zür", "ich", "\n", "⟨E2⟩", "⟨80⟩", special=(0,))
    assert begins(read) == [True, True, True, False, False, False, True, True, False, True, True, False]


@given(st.text(alphabet="ab .,", min_size=1), st.data())
def test_words_are_those_of_the_text_wherever_it_is_cut(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(text) - 1)))))
    pieces = [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True) if text[i:j]]
    starts = {match.start() for match in re.finditer(r"\w+", text)}
    at = 0
    for piece, is_begun in zip(pieces, begins(tokens(*pieces)), strict=True):
        inside = piece[0].isalnum() and at not in starts
        assert is_begun == (not inside or at == 0)
        at += len(piece)
