"""Sentences for what cannot be used: the words that can be chosen, and quotations that are not endless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_core.errors import InputError, choose, shortened


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.data())
def test_a_word_that_is_allowed_is_given_back(words, data):
    word = data.draw(st.sampled_from(words))
    assert choose(word, tuple(words), "mode") == word


@pytest.mark.parametrize(
    ("value", "allowed", "what", "sentence"),
    [
        ("set", ("add", "clamp"), "way to push", "“set” is no way to push: use add or clamp."),
        ("Add", ("add",), None, "“Add” is no how: use add."),
        ("", ("all", "prompt", "new"), None, "“” is no how: use all, prompt or new."),
        (3, {"a": 1, "b": 2}, None, "“3” is no how: use a or b."),
        ([], ("a",), None, "“[]” is no how: use a."),
        ("x" * 99, ("a",), None, f"“{'x' * 60}…” is no how: use a."),
    ],
)
def test_another_word_gets_the_choice(value, allowed, what, sentence):
    with pytest.raises(InputError) as raised:
        choose(value, allowed, "how", what)
    assert (raised.value.message, raised.value.field) == (sentence, "how")


@given(st.text(), st.integers(0, 50))
def test_a_quotation_is_short_and_says_where_it_was_cut(text, longest):
    shown = shortened(text, longest)
    assert text.startswith(shown.removesuffix("…") if len(text) > longest else shown)
    assert len(shown) <= longest + 1 and (shown == text) == (len(text) <= longest)


@given(st.lists(st.sampled_from(["e\u0301", "👩‍👩‍👧", "🇩🇪", "a", "日", "नि"])), st.integers(0, 30))
def test_a_quotation_is_never_cut_inside_a_character(characters, longest):
    shown = shortened("".join(characters), longest)
    ends = {"".join(characters[:n]) for n in range(len(characters) + 1)}
    assert shown.removesuffix("…") in ends
