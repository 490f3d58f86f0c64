"""Localisation and head ablation of the built-in model, against computations by hand."""

import numpy as np
import pytest
import torch

from training import circuits
from training.evaluate import MODEL
from training.export import read
from training.measure import Examinee


@pytest.fixture(scope="module")
def mini() -> Examinee:
    return Examinee(*read(MODEL))


def test_the_share_of_the_strongest_cells():
    assert circuits.concentrated(np.array([[3.0, -5.0], [1.0, 1.0]]), 2) == 0.8
    assert circuits.concentrated(np.ones((2, 5)), 3) == pytest.approx(0.3)


def test_agreement_counts_named_heads_among_the_worst():
    rows = [
        {"head": name, "loss": loss, "induction": induction, "previous": 0.0}
        for name, loss, induction in [("a", 3.0, 0.9), ("b", 2.0, 0.0), ("c", 1.0, 0.8), ("d", 0.0, 0.1)]
    ]
    assert circuits.agreement(rows) == 0.5


def test_a_head_without_its_output_writes_its_mean(mini):
    """Against the output matrix by hand: what changes is the head's part of c_proj alone."""
    ids = torch.arange(5, 17)[None]
    means = circuits.mean_outputs(mini, torch.arange(20, 44).view(2, 12))
    block, seen = mini.model.transformer.h[1].attn.c_proj, {}
    handle = block.register_forward_hook(lambda _m, args, out: seen.update(z=args[0], out=out))
    with torch.no_grad():
        mini.model(ids)
        z = seen["z"].clone()
        z[..., 64:96] = means[1][64:96]
        wanted = torch.addmm(block.bias, z[0], block.weight)
        with circuits.without(mini, [(1, 2)], means):
            mini.model(ids)
    handle.remove()
    assert torch.allclose(seen["out"][0], wanted, atol=1e-5)
    before = mini.logits(ids.tolist())[0]
    with circuits.without(mini, [], means):
        assert torch.equal(mini.logits(ids.tolist())[0], before)


def test_the_pairs_have_as_many_tokens_and_their_answers_on_top(mini):
    for clean, corrupted, target, foil in circuits.PAIRS.values():
        assert len(mini.ids(clean)) == len(mini.ids(corrupted))
        best = mini.next([clean, corrupted]).argmax(-1)
        assert [mini.tokenizer.decode(i) for i in best] == [target, foil]
