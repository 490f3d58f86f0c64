"""The lens against plain transformers: its own final norm and unembedding, applied to its own hidden states."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.logit_lens import logit_lens
from mi_core.errors import InputError
from mi_core.metrics.lens import settled
from tests.core.plain_reference import blocks, final_norm, normalise, plain, unembed

PROMPT = " the cat sat on the dog: é"
FACT = "The capital of Texas is"


def reference(hf, ids, norm: str):
    """Log-probabilities and logits of every stage and position, [stage, pos, vocab]."""
    run, module = plain(hf, ids), final_norm(hf)
    bias = getattr(module, "bias", None)
    rows = []
    with torch.no_grad():
        for x in run.resid:
            if norm == "recomputed":
                rows.append(unembed(hf, module(x)))
            else:
                frozen = normalise(hf, module, x, at=run.resid[-1])
                rows.append(unembed(hf, frozen if bias is None else frozen + bias))
    logits = torch.stack(rows)
    return logits, logits.log_softmax(-1), run


def same(found, expected, tolerance=1e-3):
    np.testing.assert_allclose(found, expected.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("norm", ["recomputed", "frozen"])
def test_equals_plain_transformers(architecture, tiny_model, hf_model, norm):
    found = logit_lens(tiny_model(architecture), PROMPT, target="cat", norm=norm, top_k=7)
    logits, log_probs, run = reference(hf_model(architecture), found.tokens.ids, norm)
    best = logits.topk(7)
    same(found.top_logits, best.values)
    same(found.top_probabilities, log_probs.exp().gather(-1, best.indices))
    same(np.take_along_axis(logits.numpy(), found.prediction_ids, -1), best.values)
    target = found.target.token_id
    same(found.target_logit, logits[..., target])
    same(found.target_probability, log_probs[..., target].exp())
    np.testing.assert_array_equal(found.target_rank, (logits > logits[..., [target]]).sum(-1) + 1)
    same(found.entropy, torch.distributions.Categorical(logits=logits).entropy() / math.log(2))
    final = run.logits.log_softmax(-1)
    same(found.kl_to_final, (final.exp() * (final - log_probs)).sum(-1) / math.log(2))


@pytest.mark.parametrize("norm", ["recomputed", "frozen"])
def test_equals_plain_transformers_on_the_built_in_model(mini, hf_model, norm):
    found = logit_lens(mini, FACT, target="Austin", norm=norm)
    logits, log_probs, _ = reference(hf_model("loupe-mini"), found.tokens.ids, norm)
    same(found.target_logit, logits[..., found.target.token_id])
    same(found.target_probability, log_probs[..., found.target.token_id].exp())
    assert found.layers == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("norm", ["recomputed", "frozen"])
def test_the_last_row_is_the_model_itself(architecture, tiny_model, hf_model, norm):
    found = logit_lens(tiny_model(architecture), PROMPT, norm=norm)
    logits = plain(hf_model(architecture), found.tokens.ids).logits
    same(found.top_logits[-1], logits.topk(5).values, 1e-4)
    assert np.abs(found.kl_to_final[-1]).max() < 1e-4
    assert [check.name for check in found.checks] == ["the last row equals the model's logits"]
    assert found.checks[0].passed


def test_the_scale_is_each_layers_own_unless_frozen(mini):
    """A lens that divides every layer by the final scale answers another question, and must be asked for."""
    own, frozen = (logit_lens(mini, FACT, norm=norm) for norm in ("recomputed", "frozen"))
    assert np.abs(own.target_logit[1:-1] - frozen.target_logit[1:-1]).max() > 0.5
    np.testing.assert_allclose(own.target_logit[-1], frozen.target_logit[-1], atol=1e-3)


def test_half_layers_are_the_stream_between_attention_and_mlp(tiny_model, hf_model):
    found = logit_lens(tiny_model("llama"), PROMPT, resid_mid=True)
    hf, seen = hf_model("llama"), []
    handle = blocks(hf)[1].post_attention_layernorm.register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    plain(hf, found.tokens.ids)
    handle.remove()
    assert found.stages == ("resid_pre", "resid_mid") * 3 + ("resid_post",)
    assert found.layers == (0, 0, 1, 1, 2, 2, 3)
    with torch.no_grad():
        same(found.top_logits[3], unembed(hf, final_norm(hf)(seen[0])).topk(5).values)


def test_parallel_blocks_have_no_half_layers(tiny_model):
    with pytest.raises(InputError, match="runs attention and MLP side by side") as caught:
        logit_lens(tiny_model("neox"), PROMPT, resid_mid=True)
    assert caught.value.field == "resid_mid"


@settings(max_examples=12, deadline=None)
@given(prompt=st.text("abcde THE.\n", min_size=1, max_size=30).filter(str.strip), k=st.integers(1, 300))
def test_what_must_hold_for_any_prompt(mini, prompt, k):
    found = logit_lens(mini, prompt, top_k=k)
    assert (np.diff(found.top_logits, axis=-1) <= 0).all()
    assert (found.kl_to_final >= 0).all()
    assert (found.entropy >= -1e-4).all() and (found.entropy <= math.log2(mini.d_vocab) + 1e-3).all()
    assert (found.target_rank >= 1).all() and (found.target_rank <= mini.d_vocab).all()
    inside = found.target_rank <= k  # the rank is the target's place in the sorted guesses
    place = np.argmax(found.prediction_ids == found.target.token_id, axis=-1) + 1
    assert (place[inside] == found.target_rank[inside]).all()
    assert all(check.passed for check in found.checks)


def test_long_prompts_are_read_in_pieces_with_the_same_numbers(mini, monkeypatch):
    prompt = "The capital of Texas is Austin. " * 5
    whole = logit_lens(mini, prompt)
    monkeypatch.setattr("mi_core.lenses.lens.ROWS_AT_ONCE", 1)
    np.testing.assert_allclose(logit_lens(mini, prompt).target_logit, whole.target_logit, atol=1e-4)


def test_tables_hold_a_row_per_number(mini):
    found = logit_lens(mini, FACT, target="Austin", top_k=3)
    lens, target = found.tables()["lens"], found.tables()["target"]
    columns = ["layer", "stage", "pos", "token", "rank", "prediction", "prediction_id", "logit", "probability"]
    assert list(lens.columns) == columns and len(lens) == 5 * 6 * 3
    last = lens[(lens.layer == 4) & (lens.pos == 5) & (lens["rank"] == 1)].iloc[0]
    assert (last.token, last.prediction) == (" is", " Austin")
    assert last.prediction_id == mini.token_id("Austin")
    assert len(target) == 5 * 6
    one = target[target.pos == 5]
    np.testing.assert_allclose(one.logit_change.to_numpy()[1:], np.diff(one.logit))
    assert np.isnan(one.logit_change.iloc[0])


def test_the_reading_says_when_the_answer_appears(mini):
    found = logit_lens(mini, FACT, target="Austin")
    first = settled(found.target_rank[:, 5])
    title, sentences = found.reading().title, found.reading().sentences
    assert title == f"“·Austin” becomes the top guess after layer {first - 1}"
    assert "the model ends by expecting “·Austin”" in sentences[0]
    assert "One step earlier, the lens reads" in sentences[1]


def test_the_reading_says_when_it_never_does(mini):
    found = logit_lens(mini, FACT, target="Paris")
    assert found.reading().title == f"“·Paris” never becomes the top guess: it ends at rank {found.target_rank[-1, 5]}"
    assert "expecting “·Austin”" in found.reading().sentences[0]


def test_settled_is_the_first_stage_of_the_last_unbroken_run():
    assert [settled(np.array(rank)) for rank in ([1, 1], [1, 2, 1, 1], [2, 1], [1, 3])] == [0, 2, 1, 2]


@pytest.mark.parametrize(
    ("settings", "message", "field"),
    [
        ({"top_k": 6000}, "top_k is 6,000: choose a number from 1 to 5,120", "top_k"),
        ({"top_k": 0}, "top_k is 0", "top_k"),
        ({"pos": 6}, "There is no position 6: this prompt has positions 0 to 5", "pos"),
        ({"pos": -7}, "There is no position -7", "pos"),
        ({"target": "antidisestablishment"}, "an answer is one", "target"),
        ({"foil": "antidisestablishment"}, "an answer is one", "foil"),
        ({"target": "Paris", "foil": "Paris"}, "the same token", "foil"),
    ],
)
def test_bad_settings_get_a_sentence(mini, settings, message, field):
    with pytest.raises(InputError, match=message) as caught:
        logit_lens(mini, FACT, **settings)
    assert caught.value.field == field


def test_negative_positions_count_from_the_end(mini):
    assert logit_lens(mini, FACT, pos=-2).pos == 4
