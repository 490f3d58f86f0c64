"""Biggest movers against numpy: which tokens are listed, in what order, and what the table says of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.metrics.shift import Shift, gains_and_losses, likeliest, movers, shift

N = 40


def runs(seed: int, n: int = 2) -> torch.Tensor:
    return (3 * torch.randn(n, N, generator=torch.Generator().manual_seed(seed)).double()).softmax(-1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, N), always=st.lists(st.integers(0, N - 1), max_size=4))
def test_movers_are_those_of_a_full_sort(seed, k, always):
    odds = runs(seed, 3)
    moved = np.abs((odds[1] - odds[0]).numpy())
    found = movers(odds, k, always).tolist()
    assert set(found) == set(np.argsort(-moved)[:k].tolist()) | set(always) and len(set(found)) == len(found)
    assert (np.diff(moved[found]) <= 0).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, N))
def test_gains_and_losses_are_both_ends_of_a_full_sort(seed, k):
    odds = runs(seed)
    change = (odds[1] - odds[0]).numpy()
    order = np.argsort(-change).tolist()
    found = gains_and_losses(odds, k).tolist()
    assert set(found) == {*order[:k], *order[-k:]}
    assert (np.diff(change[found]) <= 0).all()


def test_where_nothing_moves_the_likelier_token_is_listed():
    odds = runs(3)[:1].repeat(2, 1)
    assert set(gains_and_losses(odds, 3).tolist()) == set(odds[0].topk(3).indices.tolist())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, N + 5))
def test_the_likeliest_of_both_runs(seed, k):
    odds = runs(seed)
    before, after = odds.numpy()
    found = likeliest(odds, k).tolist()
    assert set(found) == set(np.argsort(-before)[:k].tolist()) | set(np.argsort(-after)[:k].tolist())
    assert (np.diff((after - before)[found]) <= 0).all()


def test_the_table_has_the_columns_asked_for_in_their_order(mini):
    logits = torch.randn(3, mini.d_vocab, generator=torch.Generator().manual_seed(0))
    odds = logits.double().softmax(-1)
    ids = torch.tensor([7, 3, 99])
    found = shift(mini, ids, odds, logits)
    names = ["token", "token_id", "probability_goal", "change", "logit_before"]
    table = found.table(names, ("before", "after", "goal"))
    assert list(table.columns) == names and table["token"].tolist() == [mini.text(each) for each in (7, 3, 99)]
    np.testing.assert_array_equal(table["probability_goal"], odds[2, ids])
    np.testing.assert_array_equal(table["change"], odds[1, ids] - odds[0, ids])
    np.testing.assert_array_equal(table["logit_before"], logits[0, ids])


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("texts", "probabilities", "logits", "message"),
    [
        (("a",), np.zeros((2, 2)), np.zeros((2, 2)), "2 tokens, but"),
        (("a", "b"), np.zeros((2, 3)), np.zeros((2, 2)), "2 tokens, but"),
        (("a", "b"), np.zeros((3, 2)), np.zeros((2, 2)), "2 tokens, but"),
        (("a", "b"), np.array([[0.5, 1.5]] * 2), np.zeros((2, 2)), "not from 0 to 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(texts, probabilities, logits, message):
    with pytest.raises(ValueError, match=message):
        Shift(np.array([1, 2]), texts, probabilities, logits)
