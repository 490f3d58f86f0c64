"""A bigram model with a part taken out, against its own draws and numpy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.bigram import bigram
from mi_core.analyses.bigram_ablation import bigram_ablation
from mi_core.errors import InputError
from mi_core.labs import chain
from tests.sentences import faults


def test_without_the_end_no_word_ends():
    found = bigram_ablation(samples=50)
    assert found.expected_length_cut == math.inf == found.loss_cut
    assert all(word.endswith("…") for word in found.written_cut)
    assert not all(word.endswith("…") for word in found.written)
    assert found.reading().title == "Without the column of the end, it never stops: its words are infinitely long"
    assert not found.lengths[2].any()


def test_the_whole_model_is_the_trained_one_and_its_draws_have_its_length():
    model, found = bigram(), bigram_ablation(samples=200, cut="nothing")
    assert found.expected_length == model.expected_length and found.loss == model.loss[-1]
    assert found.written == found.written_cut
    drawn = chain.write(model.probability, model.pairs.signs, 4_000, 3, 200)
    assert np.mean([len(word) for word in drawn]) == pytest.approx(model.expected_length, abs=0.25)


def test_a_letter_without_its_column_never_comes_and_one_without_its_row_is_followed_by_anything():
    model = bigram()
    column = bigram_ablation(cut="column", letter="a", samples=100)
    assert not any("a" in word for word in column.written_cut) and any("a" in word for word in column.written)
    assert column.loss_cut == math.inf
    row = bigram_ablation(cut="row", letter="q")
    share, q = model.pairs.share, model.pairs.signs.index("q")
    more = share[q].sum() * (math.log2(27) - -(share[q] / share[q].sum() * np.log2(model.probability[q])).sum())
    assert row.loss_cut - row.loss == pytest.approx(more, abs=1e-9)


@pytest.mark.parametrize("name", ["start", "end"])
def test_the_edge_of_a_word_has_both_names(name):
    assert bigram_ablation(letter=name).letter == "end" and bigram_ablation(letter=name, cut="row").letter == "start"


def test_temperature_makes_it_bolder_or_shyer():
    cold = bigram_ablation(cut="nothing", temperature=0.0)
    assert set(cold.written) == {"a"} and cold.expected_length == 1.0
    model = bigram().probability
    np.testing.assert_allclose(chain.tempered(model, 1.0), model)
    np.testing.assert_allclose(chain.tempered(model, 0.5), model**2 / (model**2).sum(1, keepdims=True))


@settings(max_examples=25, deadline=None)
@given(
    words=st.lists(st.text("abcd", min_size=1, max_size=5), min_size=2, max_size=12),
    cut=st.sampled_from(["nothing", "column", "row"]),
    letter=st.integers(0, 4),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    seed=st.integers(0, 100),
)
def test_what_must_hold_of_any_words_and_part(words, cut, letter, temperature, seed):
    known = ["end", *sorted(set("".join(words)))]
    asked = {"words": " ".join(words), "seed": seed, "cut": cut, "letter": known[letter % len(known)]}
    found = bigram_ablation(**asked, temperature=temperature)
    assert all(check.passed for check in found.checks), found.checks
    assert faults(found) == []
    np.testing.assert_allclose(found.lengths.sum(1) <= 1 + 1e-9, True)


def by_hand(*rows):
    return np.array(rows, dtype=float)


def test_the_mean_length_of_chains_that_are_solved_by_hand():
    coin = by_hand([0, 1], [0.5, 0.5])  # one letter, then a coin toss whether another comes
    assert chain.expected_length(coin) == pytest.approx(2)
    np.testing.assert_allclose(chain.lengths(coin, 4), [0, 0.5, 0.25, 0.125, 0.0625])
    assert chain.expected_length(by_hand([1, 0], [0, 1])) == 0  # the letter never comes, so its round does not matter
    assert chain.expected_length(by_hand([0.5, 0.5, 0], [0, 0, 1], [0, 1, 0])) == math.inf


@pytest.mark.parametrize(
    ("asked", "message", "field"),
    [
        ({"letter": "?"}, "“\\?” is no letter of these words: choose end or one of a b", "letter"),
        ({"cut": "head"}, "“head” is no part of the model: use nothing, column or row", "cut"),
        ({"temperature": -1}, "A temperature of -1 is out of range", "temperature"),
        ({"samples": 0}, "0 words cannot be written: choose 1 to 200", "samples"),
        ({"steps": -1}, "-1 steps cannot be trained", "steps"),
        ({"words": "x"}, "fewer than two words", "words"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(asked, message, field):
    with pytest.raises(InputError, match=message) as caught:
        bigram_ablation(**asked)
    assert caught.value.field == field
