"""A score split over pairs of parts, against plain transformers' attention and against sums by hand."""

from shutil import copytree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.score_split import score_split
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.core.plain_reference import plain
from tests.core.sae_folders import save_sae

PROMPT = " the cat sat on the dog"
NAMES = "When Mary and John went to the store, John gave a drink to"


@pytest.mark.parametrize("layer", [0, 2])
def test_the_scores_of_two_keys_differ_as_plain_transformers_attention_says(architecture, tiny_model, hf_model, layer):
    model, hf = tiny_model(architecture), hf_model(architecture)
    split = [score_split(model, PROMPT, layer=layer, head=1, key_pos=key) for key in (2, 4)]
    attention = plain(hf, split[0].tokens.ids).attention[layer, 1, split[0].pos]
    sums = [float(one.contribution.sum(dtype=np.float64)) for one in split]
    cap = getattr(hf.config, "attn_logit_softcapping", None)
    one, other = [cap * np.tanh(number / cap) for number in sums] if cap else sums
    assert one - other == pytest.approx(float(torch.log(attention[2] / attention[4])), abs=1e-3)
    for found in split:
        assert all(check.passed for check in found.checks)
        assert found.weight == pytest.approx(float(attention[found.key_pos]), abs=1e-5)
        assert found.tables()["pairs"]["contribution"].sum() == pytest.approx(found.score, abs=1e-4)


def test_parts_are_what_components_wrote(mini, hf_model):
    """Position meets position in the head of the token before: by the tables of weights alone."""
    found = score_split(mini, NAMES, layer=0, head=0, pos=11, parts="components")
    assert found.key_pos == 10 and found.query_parts == ("token", "position", "bias")
    hf = hf_model("loupe-mini").transformer
    ids, norm, attn = torch.tensor(found.tokens.ids), hf.h[0].ln_1, hf.h[0].attn.c_attn
    x = hf.wte.weight[ids] + hf.wpe.weight[: len(ids)]
    scale = (x.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    where = (hf.wpe.weight[: len(ids)] - hf.wpe.weight[: len(ids)].mean(-1, keepdim=True)) * norm.weight / scale
    q, k = where @ attn.weight[:, :32], where @ attn.weight[:, 128:160]
    assert found.contribution[1, 1] == pytest.approx(float(q[11] @ k[10]) / 32**0.5, abs=1e-4)
    assert "“position” there meets “position” here and adds" in found.reading().title


def test_heads_before_are_parts(mini):
    found = score_split(mini, NAMES, layer=1, head=1, parts="components")
    names = ["token", "position", "L0H0", "L0H1", "L0H2", "L0H3", "attention 0 bias", "MLP 0", "bias"]
    assert list(found.key_parts) == names
    assert list(found.tables()["key"].columns) == ["key_part", "contribution"]


def test_features_and_errors_are_parts(mini):
    found = score_split(mini, NAMES, layer=1, head=1)
    assert found.sae == "blocks.1.hook_resid_pre" and found.parts == "features"
    assert found.query_parts[-3:] == ("SAE bias", "SAE error", "bias") and found.query_parts[0].startswith("#")
    same = score_split(mini, NAMES, layer=1, head=1, key_pos=found.key_pos, parts="components")
    assert found.score == same.score and "no feature explains" in found.reading().sentences[-1]
    start = score_split(mini, NAMES, layer=1, head=1, key_pos=0)
    assert start.key_parts == ("start token", "bias")


@pytest.mark.parametrize(
    ("kind", "options"), [("standard", {}), ("topk", {}), ("standard", {"normalize": "layer_norm"})]
)
def test_any_sae_adds_up(tiny_folder, tmp_path, kind, options):
    folder = copytree(tiny_folder("llama"), tmp_path / "llama")
    save_sae(folder, hooks.resid_pre(1), kind, **options)
    found = score_split(load(str(folder)), PROMPT, layer=1, head=3)
    assert found.parts == "features" and len(found.query_parts) > 4
    assert all(check.passed for check in found.checks)


@settings(max_examples=10, deadline=None)
@given(prompt=st.text("abcde THE.\n", min_size=1, max_size=30).filter(str.strip), head=st.integers(0, 3))
def test_it_adds_up_for_any_prompt(mini, prompt, head):
    found = score_split(mini, prompt, layer=2, head=head)
    assert found.contribution.sum(dtype=np.float64) == pytest.approx(found.score, abs=1e-3)
    assert all(check.passed for check in found.checks) and found.reading().title


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"pos": 3, "key_pos": 5}, "Position 5 comes after 3, which cannot read it", "key_pos"),
        ({"key_pos": 99}, "There is no position 99", "key_pos"),
        ({"parts": "words"}, "“words” is no way to split a score: use auto, features or components", "parts"),
        ({"head": 9}, "There is no head 9", "head"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        score_split(mini, NAMES, **({"layer": 1, "head": 1} | chosen))
    assert caught.value.field == field


def test_without_an_sae_features_are_refused(tiny_model):
    with pytest.raises(InputError, match="There is no SAE on the stream before layer 1: split by components"):
        score_split(tiny_model("gpt2"), PROMPT, layer=1, head=1, parts="features")
