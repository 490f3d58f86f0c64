"""Phrases say what the numbers say, and titles fit a line."""

import pytest

from mi_core.analyses.attention import attention
from mi_core.analyses.attribution import attribution
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.predict import predict
from mi_core.analyses.tokens import tokens
from mi_core.phrases import (
    after_layer,
    bits,
    entropy_in_words,
    goes,
    instead,
    listed,
    moves,
    percent,
    percent_of_gap,
    quoted,
    signed,
)

PROMPTS = (
    "The capital of Texas is",
    "When Mary and John went to the store, John gave a drink to",
    "def add(x, y):\n    return x +",
    "🙂",
)


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.5, "50.0%"),
        (1.0, "100.0%"),
        (0.99996, "over 99.9%"),
        (0.9994, "99.9%"),
        (0.0004, "under 0.1%"),
        (0.0006, "0.1%"),
        (0.0, "0.0%"),
    ],
)
def test_percent_never_rounds_to_certainty(probability, said):
    assert percent(probability) == said


def test_doubt_is_the_number_of_equal_choices():
    assert entropy_in_words(0.0) == entropy_in_words(0.3) == "has hardly any doubt"
    assert entropy_in_words(1.0) == "is as unsure as a blind pick among 2.0 tokens"
    assert entropy_in_words(10.0) == "is as unsure as a blind pick among 1,024 tokens"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0.03, 0.125, "goes from 3.0% to 12.5%"),
        (0.0301, 0.0302, "stays at 3.0%"),
        (0.99999, 0.99998, "stays over 99.9%"),
        (1e-9, 3e-4, "stays under 0.1%"),
    ],
)
def test_what_is_written_alike_is_not_said_to_move(before, after, said):
    assert goes(before, after, percent) == said
    assert moves(before, after, percent) == (" to " in said)
    assert ("as before" in instead(before, after, percent)) == (" to " not in said)


def test_nothing_has_no_sign_and_a_little_is_not_nothing():
    assert [signed(value) for value in (0.0, 0.004, -0.004, 0.005)] == ["0.00", "0.00", "0.00", "+0.01"]
    assert [percent_of_gap(value) for value in (-0.001, -0.12, 1.04)] == ["0%", "−12%", "104%"]
    assert [bits(value) for value in (0.0, 1e-6, 0.14)] == ["0.00 bits", "under 0.01 bits", "0.14 bits"]


def test_small_phrases():
    assert (signed(1.234), signed(-1.234)) == ("+1.23", "−1.23")
    assert [listed(list(items)) for items in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [after_layer(passed, 4) for passed in (0, 3, 4)] == [
        "before layer 0",
        "after layer 2",
        "after layer 3, the last",
    ]
    assert after_layer(1, 4, "resid_mid") == "between attention and MLP of layer 1"
    assert quoted(" a\n") == "“·a↵”"
    assert quoted("x" * 60) == f"“{'x' * 16}…”"


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("analysis", [tokens, predict, logit_lens, attention, attribution])
def test_titles_fit_a_line_and_sentences_are_few(mini, analysis, prompt):
    reading = analysis(mini, prompt).reading()
    assert 10 < len(reading.title) <= 90 and not reading.title.endswith(".")
    assert 1 <= len(reading.sentences) <= 4
    for sentence in reading.sentences:
        assert sentence.endswith(".") and "nan" not in sentence and "!" not in sentence
