"""The overview's numbers against plain transformers, and its leads against the analyses they lead to."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.attribution import attribution
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.predict import predict
from mi_core.errors import InputError
from mi_core.metrics.lens import settled
from mi_core.phrases import after_layer
from mi_core.saes import loading as saes
from tests.core.plain_reference import plain

PROMPT = " the cat sat on the dog, é"
FACT = "The capital of Texas is"


@pytest.mark.parametrize("pos", [None, 3])
def test_equals_plain_transformers(architecture, tiny_model, hf_model, pos):
    found = predict(tiny_model(architecture), PROMPT, target="cat", foil="dog", pos=pos, top_k=20)
    logits = plain(hf_model(architecture), found.tokens.ids).logits
    here, log_probs = logits[found.pos], logits.log_softmax(-1)
    best = here.topk(20)
    np.testing.assert_allclose(found.top_logits, best.values, atol=1e-4)
    np.testing.assert_allclose(here[found.prediction_ids], best.values, atol=1e-4)
    np.testing.assert_allclose(found.top_probabilities, log_probs[found.pos].exp()[best.indices], atol=1e-5)
    cat, dog = found.target.token_id, found.target.foil_id
    assert found.target_logit == pytest.approx(float(here[cat]), abs=1e-4)
    assert found.foil_probability == pytest.approx(float(here.softmax(-1)[dog]), abs=1e-5)
    assert found.target_rank == 1 + int((here > here[cat]).sum())
    assert found.foil_rank == here.argsort(descending=True).tolist().index(dog) + 1
    assert found.logit_difference == pytest.approx(float(here[cat] - here[dog]), abs=1e-4)
    assert all(check.passed for check in found.checks) and len(found.checks) == 2


def test_every_position_equals_plain_transformers(architecture, tiny_model, hf_model):
    found = predict(tiny_model(architecture), PROMPT)
    ids = found.tokens.ids
    log_probs = plain(hf_model(architecture), ids).logits.log_softmax(-1)
    surprisal = [-float(log_probs[p - 1, ids[p]]) / math.log(2) for p in range(1, len(ids))]
    assert math.isnan(found.surprisal[0])
    np.testing.assert_allclose(found.surprisal[1:], surprisal, rtol=1e-4, atol=1e-4)
    entropy = torch.distributions.Categorical(logits=log_probs).entropy() / math.log(2)
    np.testing.assert_allclose(found.entropy, entropy, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.guess_probability, log_probs.exp().amax(-1), atol=1e-5)


def test_long_prompts_are_read_in_pieces_with_the_same_numbers(mini, hf_model):
    found = predict(mini, "The capital of Texas is Austin. " * 16)
    assert len(found.tokens) > 64
    log_probs = plain(hf_model("loupe-mini"), found.tokens.ids).logits.log_softmax(-1)
    ids = torch.tensor(found.tokens.ids[1:])
    expected = -log_probs[:-1].gather(-1, ids[:, None])[:, 0] / math.log(2)
    np.testing.assert_allclose(found.surprisal[1:], expected, rtol=1e-3, atol=1e-3)


@settings(max_examples=12, deadline=None)
@given(prompt=st.text("abcde THE.\n", min_size=1, max_size=30).filter(str.strip), k=st.integers(1, 5120))
def test_what_must_hold_for_any_prompt(mini, prompt, k):
    found = predict(mini, prompt, top_k=k)
    assert len(set(found.prediction_ids.tolist())) == k
    assert (np.diff(found.top_logits) <= 0).all()
    assert found.top_probabilities.sum() <= 1 + 1e-5
    assert k < 5120 or found.top_probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert (found.entropy >= -1e-4).all() and (found.entropy <= math.log2(5120) + 1e-4).all()
    assert (found.surprisal[1:] >= -1e-5).all()
    assert found.target_rank == 1 and found.predictions[0] == found.target.text
    assert all(check.passed for check in found.checks)


def test_one_token_alone_has_no_surprise(tiny_model):
    found = predict(tiny_model("qwen3"), "a")
    assert len(found.tokens) == 1 and math.isnan(found.surprisal[0])
    assert "surprised" not in " ".join(found.reading().sentences)
    assert found.leads


def test_tables(mini):
    found = predict(mini, FACT, target="Austin", foil="Paris", top_k=4)
    tables = found.tables()
    assert list(tables["predictions"].columns) == ["rank", "token", "token_id", "logit", "probability"]
    assert tables["predictions"]["rank"].tolist() == [1, 2, 3, 4]
    first = tables["predictions"].iloc[0]
    assert (first.token, first.token_id) == (" Austin", mini.token_id("Austin"))
    columns = ["pos", "token", "surprisal", "entropy", "prediction", "probability"]
    assert list(tables["positions"].columns) == columns and len(tables["positions"]) == 6
    assert tables["positions"]["prediction"].iloc[5] == " Austin"
    assert tables["answer"]["role"].tolist() == ["target", "foil"]
    assert tables["answer"]["token"].tolist() == [" Austin", " Paris"]
    columns = ["kind", "page", "text", "layer", "head", "feature", "pos"]
    assert list(tables["leads"].columns) == columns and len(tables["leads"]) == 3


# Leads ------------------------------------------------------------------------------------------------------------


def lead(found, kind):
    return next(lead for lead in found.leads if lead.kind == kind)


@pytest.mark.parametrize("pos", [None, 3])
def test_the_layer_lead_agrees_with_the_lens(mini, pos):
    found = lead(predict(mini, FACT, pos=pos), "layer")
    lens = logit_lens(mini, FACT, pos=pos)
    assert (found.page, found.pos) == ("logit_lens", lens.pos)
    assert found.layer == settled(lens.target_rank[:, lens.pos])
    assert f"{after_layer(found.layer, 4)}, and stays there" in found.text


def test_an_answer_that_never_wins_leads_to_its_best_layer(mini):
    found = lead(predict(mini, FACT, target="Paris"), "layer")
    rank = logit_lens(mini, FACT, target="Paris").target_rank[:, -1]
    assert found.layer == rank.argmin() and f"rank {rank.min():,}" in found.text


@pytest.mark.parametrize("foil", [None, "Paris"])
def test_the_head_lead_agrees_with_attribution(mini, foil):
    found = lead(predict(mini, FACT, foil=foil), "head")
    table = attribution(mini, FACT, foil=foil).tables()["contributions"]
    best = table[table.kind == "head"].nlargest(3, "contribution")
    assert found.page == "attribution"
    assert (found.layer, found.head) == (best.iloc[0].layer, best.iloc[0]["head"])
    for row in best.itertuples():
        assert f"{row.component} ({row.contribution:+.2f})" in found.text


def test_the_feature_lead_is_what_the_sae_says(mini, hf_model):
    found = predict(mini, FACT)
    sae = saes.load_sae(mini)
    x = plain(hf_model("loupe-mini"), found.tokens.ids).resid[2][-1]
    with torch.no_grad():
        values, features = sae.inner.encode(x).topk(3)
    said = lead(found, "feature")
    assert (said.page, said.layer, said.feature, said.pos) == ("features", 2, int(features[0]), 5)
    for value, feature in zip(values.tolist(), features.tolist(), strict=True):
        assert f"{feature}" in said.text and f"{value:.1f})" in said.text


def test_features_are_not_read_where_the_sae_was_not_trained(mini):
    assert [lead.kind for lead in predict(mini, FACT, pos=0).leads] == ["layer", "head", "attention"]


def test_without_an_sae_the_third_lead_is_what_the_best_head_reads(tiny_model):
    found = predict(tiny_model("llama"), PROMPT)
    head, reads = lead(found, "head"), lead(found, "attention")
    assert (reads.layer, reads.head, reads.page) == (head.layer, head.head, "attention")
    by_token = attribution(tiny_model("llama"), PROMPT).sources[head.layer, head.head]
    assert f"(position {by_token.argmax()})" in reads.text


def test_a_public_sae_is_not_downloaded_for_the_overview(mini, monkeypatch):
    elsewhere = saes.SaeEntry(hook="blocks.2.hook_resid_pre", release="some-release", sae_id="some-id")
    monkeypatch.setattr(saes, "available", lambda model_id: (elsewhere,))
    monkeypatch.setattr(saes, "load_sae", None)
    assert [lead.kind for lead in predict(mini, FACT).leads] == ["layer", "head", "attention"]


def test_a_damaged_sae_does_not_cost_the_overview(mini, monkeypatch):
    def damaged(*args):
        raise InputError("The SAE could not be opened.", "sae")

    monkeypatch.setattr(saes, "load_sae", damaged)
    assert [lead.kind for lead in predict(mini, FACT).leads] == ["layer", "head", "attention"]


# Words ------------------------------------------------------------------------------------------------------------


def test_the_reading_says_what_comes_next_and_how_sure(mini):
    found = predict(mini, FACT, foil="Paris")
    title, sentences = found.reading().title, found.reading().sentences
    assert title.startswith("After “·is”, the model expects “·Austin”: ")
    assert "as unsure as a blind pick among 1.3 tokens" in sentences[0]
    assert f"“·Austin” stands {found.logit_difference:.2f} logits above “·Paris”" in sentences[1]


def test_certainty_is_never_rounded_up(mini):
    found = predict(mini, "Then, Mary and John went to the store. John gave a drink to")
    assert "hardly any doubt" in found.reading().sentences[0]
    assert 0.9995 < found.top_probabilities[0] < 1
    assert found.reading().title.endswith(": over 99.9%")


def test_an_unlikely_answer_is_given_its_rank(mini):
    found = predict(mini, FACT, target="Paris")
    assert f"rank {found.target_rank:,}" in " ".join(found.reading().sentences)


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"top_k": 5121}, "top_k is 5,121: choose a number from 1 to 5,120", "top_k"),
        ({"pos": 6}, "There is no position 6", "pos"),
        ({"target": "antidisestablishment"}, "an answer is one", "target"),
        ({"target": "Paris", "foil": "Paris"}, "the same token", "foil"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        predict(mini, FACT, **chosen)
    assert caught.value.field == field
