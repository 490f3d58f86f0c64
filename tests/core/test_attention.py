"""Patterns against plain transformers' own attentions; rollout and value weights by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses import attention as module
from mi_core.analyses.attention import attention
from mi_core.errors import InputError
from tests.core.plain_reference import d_head, plain, w_o

PROMPT = " the cat sat on the dog, twenty tokens é"
NAMES = "When Mary and John went to the store, John gave a drink to"
CAPITAL = "The capital of Texas is"


def moved(hf, run):
    """‖v W_O‖ by [layer, head, key], from slices of the O projection's weight."""
    d = d_head(hf)
    norms = []
    for layer, v in enumerate(run.v):
        heads = [v[:, head] @ w_o(hf, layer)[head * d : (head + 1) * d] for head in range(v.shape[1])]
        norms.append(torch.stack([write.norm(dim=-1) for write in heads]))
    return torch.stack(norms)


def by_hand_rollout(patterns):
    """Abnar & Zuidema 2020, section 3: multiply ½(A + I) of every layer, later ones from the left."""
    n = patterns.shape[-1]
    total = torch.eye(n, dtype=torch.float64)
    for layer in patterns.double():
        mixed = 0.5 * sum(layer[head] for head in range(len(layer))) / len(layer) + 0.5 * torch.eye(n)
        total = mixed @ total
    return total


def test_equals_plain_transformers(architecture, tiny_model, hf_model):
    found = attention(tiny_model(architecture), PROMPT)
    expected = plain(hf_model(architecture), found.tokens.ids).attention
    np.testing.assert_allclose(found.pattern, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(found.rollout, by_hand_rollout(expected).numpy(), atol=1e-5)
    assert all(check.passed for check in found.checks) and len(found.checks) == 3
    assert found.layers == (0, 1, 2)


def test_equals_plain_transformers_on_the_built_in_model(mini, hf_model):
    found = attention(mini, NAMES)
    expected = plain(hf_model("loupe-mini"), found.tokens.ids).attention
    np.testing.assert_allclose(found.pattern, expected.numpy(), atol=1e-5)


def test_value_weights_are_the_norm_of_what_is_moved(architecture, tiny_model, hf_model):
    found, hf = attention(tiny_model(architecture), PROMPT, weighted=True), hf_model(architecture)
    run = plain(hf, found.tokens.ids)
    expected = run.attention * moved(hf, run)[:, :, None]
    np.testing.assert_allclose(found.weight, expected.numpy(), rtol=1e-4, atol=1e-4)
    assert found.units == "norm of what is moved"


def test_unweighted_weights_are_the_pattern(mini):
    found = attention(mini, NAMES)
    np.testing.assert_array_equal(found.weight, found.pattern)
    assert (found.value_norm == 1).all() and found.units == "share of attention"


@settings(max_examples=15, deadline=None)
@given(prompt=st.text("abcde THE.\n", min_size=1, max_size=40).filter(str.strip), weighted=st.booleans())
def test_what_must_hold_for_any_prompt(mini, prompt, weighted):
    found = attention(mini, prompt, weighted=weighted)
    np.testing.assert_allclose(found.pattern.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(found.rollout.sum(-1), 1, atol=1e-5)
    assert (np.triu(found.rollout, 1) == 0).all() and (found.pattern >= 0).all()
    assert (found.pattern[..., *np.triu_indices(len(found.tokens), 1)] == 0).all()
    assert found.reading().title and all(found.reading().sentences)


def test_tables_follow_the_choice(mini):
    n = len(mini.tokens(NAMES))
    every, layer, head = (attention(mini, NAMES, **chosen) for chosen in ({}, {"layer": 3}, {"layer": 3, "head": 1}))
    pattern = head.tables()["pattern"]
    columns = ["layer", "head", "query_pos", "query_token", "key_pos", "key_token", "weight"]
    assert list(pattern.columns) == columns
    assert [len(result.tables()["pattern"]) for result in (every, layer, head)] == [16 * n * n, 4 * n * n, n * n]
    assert set(pattern["layer"]) == {3} and set(pattern["head"]) == {1}
    np.testing.assert_array_equal(pattern["weight"].to_numpy().reshape(n, n), every.pattern[3, 1])
    row = pattern[(pattern.query_pos == n - 1) & (pattern.key_pos == 2)].iloc[0]
    assert (row.query_token, row.key_token) == (" to", " Mary")
    average = layer.tables()["average"]
    np.testing.assert_allclose(average["weight"].to_numpy().reshape(n, n), every.pattern[3].mean(0), atol=1e-6)
    rollout = every.tables()["rollout"]
    np.testing.assert_array_equal(rollout["weight"].to_numpy().reshape(n, n), every.rollout)


def test_the_strongest_keys_of_one_query(mini):
    found = attention(mini, NAMES, pos=10)
    strongest = found.tables()["strongest"]
    assert list(strongest.columns) == ["layer", "head", "key_pos", "key_token", "weight"]
    assert (np.diff(strongest["weight"]) <= 0).all() and strongest["key_pos"].max() <= 10
    best = strongest.iloc[0]
    assert best.weight == found.pattern[:, :, 10].max() == found.pattern[best.layer, best["head"], 10, best.key_pos]
    assert best.key_token == found.tokens.texts[best.key_pos]


# Long prompts: the forecast, and one layer at a time ----------------------------------------------------------------


def test_too_many_patterns_are_refused_before_anything_runs(mini, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 4 * 15 * 15 * 4 * 2)
    monkeypatch.setattr(type(mini), "run", None)
    with pytest.raises(InputError, match="The patterns of all 4 layers .* choose one layer, or shorten") as caught:
        attention(mini, NAMES)
    assert caught.value.field == "layer"
    monkeypatch.setattr(module, "MOST_BYTES", 4 * 10 * 10 * 4)
    with pytest.raises(InputError, match="one layer would take .* shorten the prompt to 10 tokens") as caught:
        attention(mini, NAMES, layer=1)
    assert caught.value.field == "prompt"


@pytest.mark.parametrize("at_once", [1, 3])
def test_one_layer_of_a_long_prompt_is_the_same(mini, monkeypatch, at_once):
    whole = attention(mini, NAMES, weighted=True)
    monkeypatch.setattr(module, "MOST_BYTES", 4 * 15 * 15 * 4 * at_once)
    one = attention(mini, NAMES, layer=2, weighted=True)
    assert one.layers == (2,) and one.pattern.shape == (1, 4, 15, 15)
    np.testing.assert_allclose(one.weight[0], whole.weight[2], atol=1e-6)
    np.testing.assert_allclose(one.rollout, whole.rollout, atol=1e-6)
    assert set(one.tables()["pattern"]["layer"]) == set(one.tables()["strongest"]["layer"]) == {2}
    assert "L2H" in one.reading().title


# Words ------------------------------------------------------------------------------------------------------------


def test_the_reading_finds_a_head_that_reads_a_word(mini):
    found = attention(mini, NAMES)
    earlier = found.pattern[:, :, -1, 1:-1]
    layer, head, key = np.unravel_index(earlier.argmax(), earlier.shape)
    key = int(key) + 1
    expected = f"L{layer}H{head} reads “{found.tokens.texts[key].replace(' ', '·')}” from “·to”"
    assert found.reading().title == f"{expected}: {earlier.max():.0%} of its attention"
    assert found.clearest == (layer, head)


def test_a_sink_is_called_one_kindly(mini):
    found = attention(mini, CAPITAL)
    layer, head = np.unravel_index(found.pattern[:, :, -1, 0].argmax(), found.pattern.shape[:2])
    chosen = attention(mini, CAPITAL, layer=int(layer), head=int(head)).reading()
    assert chosen.title.startswith(f"L{layer}H{head} rests on the first token, “<|endoftext|>”: ")
    assert "attention sink, and is normal" in chosen.sentences[0]


def test_weighted_a_head_that_takes_from_the_first_token_is_not_called_idle(mini):
    found = attention(mini, CAPITAL, weighted=True)
    layer, head = np.unravel_index(found._shares()[..., 0].argmax(), found.pattern.shape[:2])
    chosen = attention(mini, CAPITAL, weighted=True, layer=int(layer), head=int(head)).reading()
    assert f"L{layer}H{head} takes most from the first token" in chosen.title
    assert "of what it moves" in chosen.title
    assert not any("sink" in sentence or "spend" in sentence for sentence in chosen.sentences)


def test_at_the_first_token_a_head_can_only_look_at_itself(mini):
    reading = attention(mini, NAMES, pos=0).reading()
    assert "looks at its own token, “<|endoftext|>”: 100% of its attention" in reading.title


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"layer": 4}, "There is no layer 4: loupe-mini has layers 0 to 3", "layer"),
        ({"head": -1}, "There is no head -1: loupe-mini has heads 0 to 3", "head"),
        ({"pos": 15}, "There is no position 15", "pos"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        attention(mini, NAMES, **chosen)
    assert caught.value.field == field
