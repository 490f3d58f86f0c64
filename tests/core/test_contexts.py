"""The shipped feature notes against plain transformers and a hand-written SAE; the sample; the label rule."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.core.sae_folders import k_of
from training import contexts
from training.contexts import Firing, label, top_contexts
from training.sample import Document, documents

MODEL = Path(__file__).parents[2] / "models" / "loupe-mini"
SAE = MODEL / "saes" / "blocks.2.hook_resid_pre"
# rounding to 3 digits, and batches that add up in another order
TOLERANCE = 2e-3


@cache
def shipped(name: str) -> dict:
    return json.loads((SAE / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def plain():
    """The model and tokenizer as transformers opens them, without Loupe."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(MODEL).eval(), AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture(scope="module")
def sample(plain) -> list[Document]:
    about = shipped("features.json")["sample"]
    drawn = documents(plain[1], about["tokens"], about["seed"])
    assert len(drawn) == about["documents"]
    assert sum(len(document.ids) - 1 for document in drawn) == about["tokens"]
    return drawn


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict:
    """``features.json`` of a small sample, made now."""
    folder = tmp_path_factory.mktemp("written")
    contexts.write(MODEL, SAE, folder, 1500, 3)
    return json.loads((folder / "features.json").read_text("utf-8"))


@torch.no_grad()
def encode(model, ids: tuple[int, ...]) -> torch.Tensor:
    """[pos, d_sae] by hand: hidden state before the SAE's block, the k largest pre-activations, those above zero."""
    cfg, w = json.loads((SAE / "cfg.json").read_text()), load_file(SAE / "sae_weights.safetensors")
    x = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[cfg["metadata"]["hook_layer"]][0]
    before = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * w["W_dec"].norm(dim=-1)
    values, at = before.topk(cfg["k"], dim=-1)
    return torch.zeros_like(before).scatter(-1, at, values.relu())


def test_shipped_contexts_hold_the_activations_of_the_text_they_show(plain, sample):
    """Every context of a spread of features is found in the sample and recomputed from its whole document."""
    model, tokenizer = plain
    texts = {document: [tokenizer.decode([i]) for i in document.ids] for document in sample}
    acts = cache(lambda document: encode(model, document.ids))
    checked = 0
    for feature in range(0, 1024, 73):
        for context in shipped("contexts.json")["features"][str(feature)][:2]:
            peak, n = context["peak"], len(context["tokens"])
            matches = [
                (document, first)
                for document, words in texts.items()
                for first in range(1, len(words) - n + 1)
                if words[first] == context["tokens"][0] and words[first : first + n] == context["tokens"]
            ]
            errors = [
                (acts(document)[first : first + n, feature] - torch.tensor(context["activations"])).abs().max().item()
                for document, first in matches[:40]
            ]
            assert min(errors) <= TOLERANCE
            assert peak == int(np.argmax(context["activations"]))
            checked += 1
    assert checked >= 20


def test_densities_and_maxima_are_those_of_a_plain_recount(written, plain):
    """A small sample, one document at a time, without padding."""
    model, tokenizer = plain
    acts = torch.cat([encode(model, document.ids)[1:] for document in documents(tokenizer, 1500, 3)])
    assert written["sample"]["tokens"] == len(acts)
    density = [row["density"] for row in written["features"]]
    largest = [row["max_activation"] for row in written["features"]]
    # one tie among the largest may fall the other way
    assert np.allclose(density, (acts > 0).float().mean(0), atol=1.5 / len(acts))
    assert np.allclose(largest, acts.max(0).values, atol=TOLERANCE)
    assert sum(density) == pytest.approx(k_of(SAE), abs=0.1)


def test_promoted_tokens_are_the_largest_direct_effects_through_the_final_norm(plain, written):
    model, tokenizer = plain
    rows = load_file(SAE / "sae_weights.safetensors")["W_dec"]
    norm, unembed = model.transformer.ln_f, model.lm_head.weight
    for feature in (19, 115, 559, 757):
        d = rows[feature] / rows[feature].norm()
        effect = unembed @ ((d - d.mean()) * norm.weight)
        effect = (effect - effect.mean()).detach()
        for key, sign in (("promoted", 1), ("suppressed", -1)):
            values, ids = (sign * effect).topk(10)
            for notes in (shipped("features.json"), written):
                pairs = notes["features"][feature][key]
                assert np.allclose([value for _, value in pairs], sign * values, atol=TOLERANCE)
                assert pairs[0][0] == tokenizer.decode([ids[0]])


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        contexts.write(MODEL, SAE, tmp_path / name, 400, seed)
    for file in ("features.json", "contexts.json"):
        first, second, other = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert first == second != other


TEXTS = ["<bos>", " a", " b", " c", "\n"]
DOCUMENTS = [Document((0, 1, 2, 3), ("code",) * 4), Document((0, 3, 2, 1, 4), ("facts",) * 5)]


def fires(*at: tuple[int, int, float]) -> Firing:
    """(document, pos, value) of one feature."""
    where, pos, value = zip(*at, strict=True) if at else ((), (), ())
    integers = (np.array(each, dtype=int) for each in ((0,) * len(at), where, pos))
    return Firing(*integers, np.array(value, dtype=np.float32))


@pytest.mark.parametrize(
    ("firing", "expected"),
    [
        (fires((0, 2, 3.0), (1, 2, 1.0)), ("token", "“·b”", 1.0)),
        (fires((0, 2, 1.2), (1, 1, 0.8)), ("token", "“·b”", 0.6)),
        (fires((0, 1, 1.0), (1, 1, 1.0)), ("after", "on the first token", 1.0)),
        # the token comes before its place in the rule, though the place has the larger share
        (fires((0, 1, 1.0), (1, 1, 1.0), (1, 3, 0.9)), ("token", "“·a”", 1.9 / 2.9)),
        (fires((0, 3, 1.0), (1, 3, 1.0)), ("after", "after “·b”", 1.0)),
        (fires((1, 3, 1.0), (1, 2, 1.0), (1, 1, 1.0)), ("kind", "in facts", 1.0)),
        (fires((1, 4, 2.0)), ("token", "“↵”", 1.0)),
        (fires(), ("dead", "never active in the sample", 0.0)),
    ],
)
def test_labels_follow_the_stated_rule(firing, expected):
    rule, name, confidence = label(firing, DOCUMENTS, TEXTS)
    assert (rule, name) == expected[:2]
    assert confidence == pytest.approx(expected[2], abs=1e-6)


def test_a_label_below_the_threshold_says_often():
    _, name, confidence = label(fires((0, 1, 1.0), (0, 2, 1.1), (1, 1, 1.0), (1, 3, 1.0)), DOCUMENTS, TEXTS)
    assert name.startswith("often ") and confidence < contexts.SHARE


def test_contexts_come_best_first_one_per_document_with_the_neighbours_activations():
    found = top_contexts(fires((0, 1, 1.0), (0, 2, 2.0), (1, 3, 5.0)), DOCUMENTS, TEXTS)
    assert found == [
        {"tokens": [" c", " b", " a", "\n"], "activations": [0.0, 0.0, 5.0, 0.0], "peak": 2},
        {"tokens": [" a", " b", " c"], "activations": [1.0, 2.0, 0.0], "peak": 1},
    ]


def test_shipped_notes_are_complete_and_agree_with_each_other():
    features, places = shipped("features.json")["features"], shipped("contexts.json")["features"]
    assert [row["feature"] for row in features] == list(range(len(places)))
    for row in features:
        found, dead = places[str(row["feature"])], row["density"] == 0
        assert (row["label"] == contexts.DEAD) == dead == (not found)
        assert len(row["promoted"]) == len(row["suppressed"]) == 10
        if found:
            assert max(found[0]["activations"]) == row["max_activation"]
    assert sum(path.stat().st_size for path in MODEL.parent.rglob("*") if path.is_file()) <= 120e6


def test_the_shipped_model_answers_and_its_sae_opens(plain):
    from sae_lens import SAE as SparseAutoencoder

    model, tokenizer = plain
    assert tokenizer.bos_token_id == 0
    ids = [0, *tokenizer("The capital of Texas is", add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        best = model(torch.tensor([ids])).logits[0, -1].argmax()
    assert tokenizer.decode([best]) == " Austin"
    sae = SparseAutoencoder.load_from_disk(str(SAE))
    assert sae.cfg.metadata.hook_name == SAE.name
    assert sae.cfg.metadata.model_name == "loupe-mini"
