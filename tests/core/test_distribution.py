"""Summaries of a distribution against torch's own sort, top-k, entropy and divergence."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical
from torch.nn.functional import kl_div

from mi_core.errors import InputError
from mi_core.metrics import distribution

rows = st.builds(
    lambda seed, d_vocab, spread: torch.randn(3, d_vocab, generator=torch.Generator().manual_seed(seed)) * spread,
    st.integers(0, 9999),
    st.sampled_from([2, 255, 256, 257, 3000, 3584, 5121]),
    st.sampled_from([0.01, 1.0, 30.0]),
)
few = settings(max_examples=30, deadline=None)


@few
@given(logits=rows, data=st.data())
def test_top_k_equals_torch(logits, data):
    k = data.draw(st.integers(1, min(40, logits.shape[-1])))
    found, expected = distribution.top_k(logits, k), logits.topk(k)
    assert torch.equal(found.values, expected.values)
    assert torch.equal(logits.gather(-1, found.ids), expected.values)
    assert all(len(set(row)) == k for row in found.ids.tolist())


def test_top_k_finds_several_in_one_block_and_in_the_tail():
    logits = torch.zeros(1, 256 * 8 + 3)
    logits[0, [300, 301, 302, 2050]] = torch.tensor([4.0, 3.0, 2.0, 5.0])
    assert distribution.top_k(logits, 4).ids.tolist() == [[2050, 300, 301, 302]]


@few
@given(logits=rows)
def test_entropy_equals_torch_and_stays_in_its_bounds(logits):
    expected = Categorical(logits=logits).entropy()
    lse, entropy = distribution.log_normaliser_and_entropy(logits)
    torch.testing.assert_close(lse, logits.logsumexp(-1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(entropy, expected, rtol=1e-3, atol=1e-3)
    assert (entropy >= -1e-5).all()
    assert (entropy <= math.log(logits.shape[-1]) + 1e-4).all()


@pytest.mark.parametrize(("spread", "shift"), [(3.0, 0.0), (5.0, -120.0), (0.01, 1000.0)])
def test_large_logits_do_not_swamp_the_entropy(spread, shift):
    logits = torch.randn(8, 4300, generator=torch.Generator().manual_seed(0)) * spread + shift
    exact = logits.double().log_softmax(-1)
    _, entropy = distribution.log_normaliser_and_entropy(logits)
    torch.testing.assert_close(entropy.double(), -(exact.exp() * exact).sum(-1), rtol=0, atol=5e-5)


@few
@given(logits=rows, data=st.data())
def test_rank_agrees_with_a_sort(logits, data):
    token_id = data.draw(st.integers(0, logits.shape[-1] - 1))
    order = logits.argsort(-1, descending=True)
    expected = (order == token_id).int().argmax(-1) + 1
    assert torch.equal(distribution.rank(logits, token_id), expected)


@few
@given(logits=rows)
def test_divergence_equals_torch_and_is_never_negative(logits):
    p, q = logits[0], logits[1]
    exact_p, exact_q = (row.double().log_softmax(-1) for row in (p, q))
    expected = kl_div(exact_q, exact_p, log_target=True, reduction="sum").float() / math.log(2)
    found = distribution.kl_bits(p.log_softmax(-1), q.log_softmax(-1))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert found >= -1e-5
    assert distribution.kl_bits(p.log_softmax(-1), p.log_softmax(-1)) == 0


def test_impossible_tokens_add_nothing():
    log_p = torch.tensor([0.5, 0.5, 0.0]).log()
    assert distribution.kl_bits(log_p, torch.tensor([0.25, 0.25, 0.5]).log()) == pytest.approx(1.0)


@pytest.mark.parametrize("top_k", [0, -1, 51])
def test_top_k_must_fit_the_vocabulary(top_k):
    with pytest.raises(InputError, match=f"top_k is {top_k}: choose a number from 1 to 50") as caught:
        distribution.check_top_k(top_k, 50)
    assert caught.value.field == "top_k"
