"""Attention cut from one token to another, against plain transformers with a mask of that one score."""

from contextlib import ExitStack

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.ablation.cut import EDGE, Cut, cut
from mi_core.analyses._index import bound
from mi_core.analyses.ablated_text import ablated_text
from mi_core.analyses.ablation import ablation, planned
from mi_core.errors import InputError
from mi_core.interventions.intervention import run_with
from mi_core.models import hooks
from tests.core.plain_hooks import hooks_left
from tests.core.plain_reference import attention_of

PROMPT = " the cat sat on the dog, é"
NAMES = "When Mary and John went to the store, John gave a drink to"
ALL = slice(None)


def masked(hf, ids, edges):
    """Logits [pos, d_vocab] of `ids` where `edges` are (layer, heads, query, key) whose score is −∞."""

    def mask(module, args, kwargs, at):
        scores = kwargs["attention_mask"].expand(-1, hf.config.num_attention_heads, -1, -1).clone()
        for heads, query, key in at:
            scores[:, heads, query, key] = float("-inf")
        return args, kwargs | {"attention_mask": scores}

    by_layer = {layer: [edge[1:] for edge in edges if edge[0] == layer] for layer, *_ in edges}
    with ExitStack() as stack:
        for layer, at in by_layer.items():
            part = attention_of(hf, layer)
            hook = part.register_forward_pre_hook(lambda *given, at=at: mask(*given, at=at), with_kwargs=True)
            stack.callback(hook.remove)
        return hf(torch.tensor([list(ids)]), use_cache=False).logits[0]


def value_of(found, logits):
    foil = found.target.foil_id
    return float(logits[found.pos, found.target.token_id] - (0 if foil is None else logits[found.pos, foil]))


def everywhere(model, query, key):
    return [(layer, ALL, query, key) for layer in range(model.n_layers)]


def test_every_token_that_is_read_equals_a_mask_by_hand(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = ablation(model, PROMPT, target="cat", foil="dog", site="key")
    assert len(found.components) == found.pos + 1 and abs(found.change).max() > 1e-3
    for (query, key), value in zip(found.edges, found.value, strict=True):
        assert value == pytest.approx(
            value_of(found, masked(hf, found.tokens.ids, everywhere(model, query, key))), abs=1e-4
        )
    assert all(check.passed for check in found.checks)


@pytest.mark.parametrize("site", ["edge", "edge_layer"])
def test_every_layer_and_head_equals_a_mask_by_hand(architecture, tiny_model, hf_model, site):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = ablation(model, PROMPT, target="cat", site=site, query_pos=4, key_pos=1, mode="zero")
    assert len(found.components) == (12 if site == "edge" else 3)
    for layer, head, value in zip(found.component_layers, found.component_heads, found.value, strict=True):
        edge = layer, ALL if head < 0 else head, 4, 1
        assert value == pytest.approx(value_of(found, masked(hf, found.tokens.ids, [edge])), abs=1e-4)
    assert all(check.passed for check in found.checks)


def test_on_the_model_that_ships(mini, hf_model):
    hf = hf_model("loupe-mini")
    found = ablation(mini, NAMES, target="Mary", foil="John", site="key")
    for (query, key), value in zip(found.edges, found.value, strict=True):
        assert value == pytest.approx(
            value_of(found, masked(hf, found.tokens.ids, everywhere(mini, query, key))), abs=1e-3
        )
    assert found.tables()["effects"]["key_token"][2] == " Mary" and found.change[2] < -5
    assert found.said(2) == "attention from “·to” (position 14) to “·Mary” (position 2)"


def test_chosen_paths_are_cut_together_beside_other_parts(tiny_model, hf_model):
    """A grouped-query model: two heads that share their keys are cut one by one."""
    model, hf = tiny_model("llama"), hf_model("llama")
    assert model.n_kv_heads < model.n_heads
    also = ("L1H2@5→2", "attention 2@6->0", "attention@3→1")
    found = ablation(model, PROMPT, target="cat", layer=0, head=3, mode="zero", also=also)
    assert found.also == ("L1H2@5→2", "attention 2@6→0", "attention@3→1")
    edges = [(1, 2, 5, 2), (2, ALL, 6, 0), *everywhere(model, 3, 1)]
    assert found.baseline == pytest.approx(value_of(found, masked(hf, found.tokens.ids, edges)), abs=1e-4)
    assert found.baseline != pytest.approx(found.plain, abs=1e-4)


def test_the_text_equals_one_written_with_a_mask(mini, hf_model, caplog):
    hf = hf_model("loupe-mini")
    found = ablated_text(mini, NAMES, without=("attention@14→2", "attention@14→10"), max_new_tokens=5)
    ids, new = list(found.tokens.ids), []
    edges = [*everywhere(mini, 14, 2), *everywhere(mini, 14, 10)]
    for _ in range(5):
        new.append(int(masked(hf, [*ids, *new], edges)[-1].argmax()))
    assert found.written[1] == tuple(mini.texts(new)) and found.written[0] != found.written[1]
    assert not caplog.records, "its rows are read together at once"


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_what_is_cut_has_no_weight_and_the_rest_keeps_its_proportions(mini, data):
    tokens = mini.tokens(NAMES)
    query = data.draw(st.integers(1, len(tokens) - 1))
    key = data.draw(st.integers(0, query))
    layer = data.draw(st.integers(0, mini.n_layers - 1))
    head = data.draw(st.none() | st.integers(0, mini.n_heads - 1))
    name = hooks.pattern(layer)
    before = mini.run(tokens, [name])[name]
    after = run_with(mini, tokens, cut(mini, layer, head, query, key, len(tokens)).run(), [name])[name]
    heads = range(mini.n_heads) if head is None else [head]
    for one in range(mini.n_heads):
        row = before[one, query].clone()
        if one in heads:
            row[key] = 0
            row /= row.sum()
        torch.testing.assert_close(after[one, query], row, atol=1e-5, rtol=1e-4)
    others = [pos for pos in range(len(tokens)) if pos != query]
    torch.testing.assert_close(after[:, others], before[:, others], atol=0, rtol=0)


def test_a_learned_sink_keeps_its_place_in_the_row():
    """Scores 0, 1, 2 and a sink's −1: without the second, a softmax of the other three."""
    scores = torch.tensor([0.0, 1.0, 2.0, -1.0])
    row = scores.softmax(0)[:3]
    found = cut_of(sinks=True).without(row[None, None])[0, 0]
    kept = torch.tensor([0.0, -torch.inf, 2.0, -1.0]).softmax(0)[:3]
    torch.testing.assert_close(found, kept)


def cut_of(sinks):
    return Cut(EDGE, (0,), 0, 2, 1, sinks)


def test_a_row_with_nothing_else_is_named():
    row = torch.tensor([[[0.0, 1.0, 0.0]]])
    with pytest.raises(InputError, match="reads token 1 alone from token 2: with L0H0@2→1 cut it would read nothing"):
        cut_of(sinks=False).without(row)


def test_the_plan_is_what_is_swept_and_no_hook_is_left(mini):
    before = hooks_left(mini)
    found = ablation(mini, NAMES, site="edge", key_pos=2)
    ids, runs = planned(mini, **bound("ablation", {"prompt": NAMES, "site": "edge", "key_pos": 2}))
    assert len(runs) == len(found.components) == 16 and ids == found.tokens.ids
    assert hooks_left(mini) == before


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"site": "edge"}, "Say which token is no longer read", "key_pos"),
        ({"site": "key", "key_pos": 15}, "Token 14 cannot read token 15: choose one from 0 to 14", "key_pos"),
        ({"site": "key", "query_pos": 0}, "Token 0 is none that reads another: choose one from 1 to 14", "query_pos"),
        ({"site": "key", "query_pos": 40}, "There is no position 40", "query_pos"),
        ({"site": "key", "head": 1}, "A head belongs to a layer", "layer"),
        ({"site": "edge", "key_pos": 2, "layer": 9}, "There is no layer 9", "layer"),
        ({"site": "edge", "key_pos": 2, "layer": 1, "head": 9}, "There is no head 9", "head"),
        (
            {"site": "head", "key_pos": 2},
            "head has no key_pos: leave it out, or choose key, edge_layer and edge",
            "key_pos",
        ),
        ({"site": "key", "at": "pos"}, "is out at its own place only", "at"),
        ({"also": ("L3H0@2→8",)}, "Token 2 cannot read token 8", "also"),
        ({"also": ("L9H0@8→2",)}, "There is no layer 9", "also"),
        ({"pos": 0, "site": "key", "query_pos": 0}, "The only token here", "prompt"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        ablation(mini, NAMES, **chosen)
    assert caught.value.field == field
