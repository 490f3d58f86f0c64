"""The bigram lab: what was counted and what is learned, against plain counting, numpy and torch's own Adam."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.bigram import bigram
from mi_core.errors import InputError
from mi_core.labs import bigram_training
from mi_core.labs.word_list import shipped
from tests.sentences import faults
from training import names

WORDS = st.lists(st.text("abcdeé", min_size=1, max_size=6), min_size=2, max_size=30)


def counted(words):
    """{first: {second: times}} with "." for the edge, by plain Python."""
    pairs = Counter()
    for word in words:
        padded = f".{word}."
        for at in range(len(padded) - 1):
            pairs[padded[at], padded[at + 1]] += 1
    return pairs


def as_matrix(pairs):
    signs = sorted({first for first, _ in pairs}, key=lambda sign: (sign != ".", sign))
    return np.array([[pairs[first, second] for second in signs] for first in signs], dtype=float)


@pytest.fixture(scope="module")
def ours():
    return bigram()


def test_names_that_ship_are_those_that_are_made():
    listed = list(shipped())
    assert listed == names.names() and len(set(listed)) == len(listed) > 4000
    assert all(name.isascii() and name.isalpha() and name.islower() for name in listed)


def test_counts_loss_and_length_are_those_of_plain_counting(ours):
    matrix = as_matrix(counted(shipped()))
    np.testing.assert_array_equal(ours.pairs.counts, matrix)
    chances = matrix / matrix.sum(1, keepdims=True)
    logs = np.log2(chances, out=np.zeros_like(chances), where=matrix > 0)
    assert ours.floor == pytest.approx(-(matrix * logs).sum() / matrix.sum(), abs=1e-12)
    assert ours.floor == pytest.approx(2.3226 / math.log(2), abs=1e-3)  # our list's own, in nats
    mean = sum(map(len, shipped())) / len(shipped())
    assert ours.pairs.mean_length == pytest.approx(mean, abs=1e-12)
    steps = np.linalg.solve(np.eye(26) - chances[1:, 1:], np.ones(26))
    assert chances[0, 1:] @ steps == pytest.approx(mean, abs=1e-9)
    assert ours.expected_length == pytest.approx(mean, abs=0.01)


def test_training_comes_to_the_counts_from_any_beginning(ours):
    other = bigram(seed=7)
    assert ours.loss[0] != other.loss[0]
    for one in (ours, other):
        assert np.abs(one.probability - one.pairs.probability).max() <= 0.01
        assert (one.loss >= one.floor - 1e-9).all() and one.loss[-1] - one.floor < 0.001
        assert len(one.checks) == 4 and all(check.passed for check in one.checks)


def test_the_same_seed_gives_the_same_picture_and_a_shorter_training_is_the_beginning_of_a_longer(ours):
    again, shorter = bigram(), bigram(steps=20)
    np.testing.assert_array_equal(again.probability, ours.probability)
    np.testing.assert_array_equal(shorter.loss, ours.loss[:21])
    assert len(shorter.checks) == 3 and all(check.passed for check in shorter.checks)


def test_every_step_is_that_of_torch_with_autograd_and_adam(ours):
    matrix = torch.tensor(as_matrix(counted(shipped())))
    logits = torch.tensor(np.random.default_rng(0).standard_normal(matrix.shape), requires_grad=True)
    adam = torch.optim.Adam([logits], lr=bigram_training.RATE, betas=(0.9, 0.99), eps=1e-14)
    slower = torch.optim.lr_scheduler.ExponentialLR(adam, bigram_training.SLOWER)
    losses = []
    for _ in range(30):
        loss = -(matrix * logits.log_softmax(-1)).sum() / matrix.sum()
        losses.append(loss.item() / math.log(2))
        adam.zero_grad()
        loss.backward()
        adam.step()
        slower.step()
    np.testing.assert_allclose(ours.loss[:30], losses, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(words=WORDS, seed=st.integers(0, 10_000))
def test_what_must_hold_of_any_words(words, seed):
    found = bigram(words=" ".join(words), seed=seed)
    assert all(check.passed for check in found.checks), found.checks
    assert found.n_words == len(words)
    np.testing.assert_array_equal(found.pairs.counts, as_matrix(counted(words)))
    tables = found.tables()
    assert (tables["rules"]["probability"].diff().dropna() <= 0).all()
    assert tables["rules"]["count"].sum() == sum(len(word) + 1 for word in words)
    np.testing.assert_allclose(tables["pairs"].groupby("letter")["probability"].sum(), 1)


def test_rules_are_english_and_the_backbone_is_the_likeliest_way(ours):
    tables = ours.tables()
    first = tables["rules"].iloc[0]
    assert (first["rule"], first["count"], first["seen"]) == ("After “q” comes “u”", 44, 44)
    assert "After “x” the word is over" in set(tables["rules"]["rule"])
    assert "A word starts with “a”" in set(tables["rules"]["rule"])
    way = tables["backbone"].set_index("letter")
    assert way.loc["start", "next"] == "a" and way.loc["a", "next"] == "end"
    assert set(way.index[way["on_the_way"]]) == {"start", "a"}
    assert ours.way() == "Always the likeliest letter from the start on: “a”, and the word is over."
    round_ = bigram(words="ababababab ababab")
    assert round_.way() == "Always the likeliest letter from the start on: “ab”, then “a” again, round and round."


@pytest.mark.parametrize("asked", [{}, {"steps": 0}, {"steps": 1}, {"words": "otto anna"}, {"words": "ää, ßö; ø"}])
def test_sentences_are_held_against_the_tables(asked):
    found = bigram(**asked)
    assert faults(found) == []
    assert ("just what counting" in found.reading().title) == (found.steps == 300)


def test_words_are_read_in_small_letters_whatever_stands_between_them():
    found = bigram(words="Anna, BOB;\nÉva! l'été")
    assert found.n_words == 4 and found.pairs.signs[1:] == tuple(sorted(set("annabobéval'été")))


@pytest.mark.parametrize(
    ("asked", "message", "field"),
    [
        ({"words": "anna"}, "fewer than two words", "words"),
        ({"words": "!!! ??? ..."}, "fewer than two words", "words"),
        ({"words": "otto " + "x" * 41}, "has 41 letters, and at most 40 are read", "words"),
        ({"words": " ".join(map(chr, range(0x4E00, 0x4E80)))}, "with 128 different signs, and at most 60", "words"),
        ({"words": "a " * 600_000}, "These are 1,200,000 characters: paste at most", "words"),
        ({"steps": 5001}, "5,001 steps cannot be trained: choose from 0 to 5,000", "steps"),
    ],
)
def test_what_cannot_be_learned_from_gets_a_sentence(asked, message, field):
    with pytest.raises(InputError, match=message) as caught:
        bigram(**asked)
    assert caught.value.field == field


def test_a_long_training_tells_how_far_it_is_with_what_it_has():
    told = []
    found = bigram(steps=250, progress=lambda done, total, partial: told.append((done, total, partial)))
    assert [(done, total) for done, total, _ in told] == [(100, 250), (200, 250)]
    np.testing.assert_array_equal(told[0][2].loss, found.loss[:101])
