"""The tuned lens against plain transformers: its own hidden states, mapped by hand, normed and unembedded by it."""

import numpy as np
import pytest
import torch

from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.tuned_lens import tuned_lens
from mi_core.metrics.lens import settled
from mi_core.phrases import after_layer
from tests.core.lens_folders import open_beside
from tests.core.plain_reference import final_norm, plain, unembed

PROMPT = " the cat sat on the dog: é"
FACT = "The capital of Texas is"


@pytest.fixture
def with_lens(tiny_folder, tmp_path):
    """with_lens(architecture, maps): that model with a tuned lens beside it, random where no maps are given."""

    def open_model(name: str, scale: float = 1.0):
        return open_beside(tiny_folder(name), tmp_path / name, "tuned", scale)

    return open_model


def test_equals_plain_transformers(architecture, with_lens, hf_model):
    model, maps = with_lens(architecture)
    found = tuned_lens(model, PROMPT, target="cat", top_k=7)
    hf = hf_model(architecture)
    run = plain(hf, found.tokens.ids)
    with torch.no_grad():
        streams = [
            x + x @ maps[f"layers.{layer}.weight"].T + maps[f"layers.{layer}.bias"]
            for layer, x in enumerate(run.resid[:-1])
        ]
        logits = torch.stack([unembed(hf, final_norm(hf)(x)) for x in [*streams, run.resid[-1]]])
    np.testing.assert_allclose(found.top_logits, logits.topk(7).values, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.target_logit, logits[..., found.target.token_id], rtol=1e-3, atol=1e-3)
    assert all(check.passed for check in found.checks)


def test_maps_of_nothing_are_the_logit_lens_bit_for_bit(architecture, with_lens):
    model, _ = with_lens(architecture, scale=0.0)
    tuned, plain_lens = tuned_lens(model, PROMPT), logit_lens(model, PROMPT)
    for name in ("top_logits", "prediction_ids", "target_logit", "entropy", "kl_to_final"):
        np.testing.assert_array_equal(getattr(tuned, name), getattr(plain_lens, name))


def test_the_shipped_lens_is_nearer_to_the_output_at_every_layer(mini):
    texts = [FACT, "When Mary and John went to the store, John gave a drink to", "The war lasted from the year 17"]
    tuned, own = ([lens(mini, text).kl_to_final.mean(1) for text in texts] for lens in (tuned_lens, logit_lens))
    assert (np.mean(tuned, 0)[:-1] < np.mean(own, 0)[:-1]).all()


def test_the_reading_says_whose_guess_it_is_and_where_it_is_from(mini):
    found = tuned_lens(mini, FACT, target="Austin")
    title, sentences = found.reading().title, found.reading().sentences
    first = settled(found.target_rank[:, 5])
    assert title == f"“·Austin” becomes the tuned lens' top guess {after_layer(first, 4)}"
    assert sentences[-1] == "The tuned lens lies beside the model's weights."
