"""Interventions against plain torch hooks on plain transformers; identities; and nothing left behind."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.errors import InputError
from mi_core.interventions import intervention
from mi_core.interventions.intervention import Intervention, intervening
from mi_core.models.hooks import SITES
from tests.core.plain_hooks import hooks_left, run_edited

PROMPT = " the cat sat on the dog, é"
PLAIN_SITES = ("resid_pre", "resid_post", "attn_out", "mlp_out", "post", "z")


def set_to(value, place):
    return lambda x: x.__setitem__(place, value)


@pytest.mark.parametrize("site", PLAIN_SITES)
def test_every_operation_equals_a_hook_written_by_hand(architecture, tiny_model, hf_model, site):
    model, hf = tiny_model(architecture), hf_model(architecture)
    tokens = model.tokens(PROMPT)
    head, width = (2, 8) if site == "z" else (None, model.n_neurons(1) if site == "post" else 32)
    place = (slice(1, 4), 2) if site == "z" else slice(1, 4)
    value = torch.randn(3, width, generator=torch.Generator().manual_seed(1))
    by_hand = {
        "set": lambda x: x.__setitem__(place, value),
        "add": lambda x: x.__setitem__(place, x[place] + value),
        "clamp": lambda x: x.__setitem__(place, x[place].clamp(-value.abs(), value.abs())),
        "map": lambda x: x.__setitem__(place, x[place].tanh() + 1),
    }
    plain = model.run(tokens, logits="all").logits

    def mapped(x, start):
        assert len(x) == 3 and start == 1
        return x.tanh() + 1

    for operation, function in by_hand.items():
        one = Intervention(site, 1, mapped if operation == "map" else value, head, 1, 4, operation)
        found = intervention.run_with(model, tokens, [one], logits="all").logits
        expected = run_edited(hf, tokens.ids, [(site, 1, function)])
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert (found - plain).abs().max() > 1e-2, operation
        assert torch.equal(found[0], plain[0]), "positions before the change stay as they were"


def test_several_in_one_run(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    tokens = model.tokens(PROMPT)
    together = [
        Intervention("z", 0, 0.0, head=1),
        Intervention("mlp_out", 1, 0.25, first=2, operation="add"),
        Intervention("resid_pre", 2, torch.ones(32), first=3, end=5),
    ]
    expected = run_edited(
        hf,
        tokens.ids,
        [
            ("z", 0, set_to(0.0, (slice(None), 1))),
            ("mlp_out", 1, lambda x: x.__setitem__(slice(2, None), x[2:] + 0.25)),
            ("resid_pre", 2, set_to(1.0, slice(3, 5))),
        ],
    )
    np.testing.assert_allclose(intervention.run_with(model, tokens, together, logits="all").logits, expected, atol=1e-4)


def test_one_neuron(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    tokens = model.tokens(PROMPT)
    value = torch.arange(3.0)[:, None]
    found = intervention.run_with(
        model, tokens, [Intervention("post", 1, value, first=2, end=5, neuron=7)], logits="all"
    ).logits
    expected = run_edited(hf, tokens.ids, [("post", 1, set_to(value[:, 0], (slice(2, 5), 7)))])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_rows_of_a_batch_are_changed_each_on_its_own(tiny_model):
    model = tiny_model("llama")
    tokens = model.tokens(PROMPT)
    cells = [(), (Intervention("z", 1, 0.0, head=3),), (Intervention("q", 0, 1.0, head=0, first=2),)]
    with torch.no_grad(), intervening(model, cells):
        batch = model.bridge(torch.tensor([tokens.ids] * 3))
    for row, cell in enumerate(cells):
        np.testing.assert_allclose(
            batch[row], intervention.run_with(model, tokens, cell, logits="all").logits, atol=1e-5
        )


def test_attention_forced_to_one_token_passes_on_its_value(tiny_model):
    """With the whole weight on key 2, a head's mix is that key's value."""
    model = tiny_model("gpt2")
    tokens = model.tokens(PROMPT)
    forced = torch.zeros(len(tokens), len(tokens))
    forced[:, 2] = 1
    names = [SITES["z"](1), SITES["v"](1)]
    acts = intervention.run_with(model, tokens, [Intervention("pattern", 1, forced, head=3)], names)
    np.testing.assert_allclose(acts[names[0]][:, 3], acts[names[1]][2, 3].expand(len(tokens), -1), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_its_own_activation_put_back_changes_nothing(mini, data):
    tokens = mini.tokens("The capital of Texas is")
    site = data.draw(
        st.sampled_from([site for site in SITES if mini.has(SITES[site](0)) and site not in mini.opening.unfelt])
    )
    layer = data.draw(st.integers(0, 3))
    first = data.draw(st.integers(0, len(tokens) - 1))
    plain = mini.run(tokens, [SITES[site](layer)], logits="all")
    own = plain[SITES[site](layer)]
    own = own[:, first:] if site == "pattern" else own[first:]
    found = intervention.run_with(mini, tokens, [Intervention(site, layer, own, first=first)], logits="all").logits
    assert torch.equal(found, plain.logits)


@pytest.mark.parametrize("fails", ["value", "caller"])
def test_nothing_is_left_whatever_fails(tiny_model, fails):
    model = tiny_model("gpt2")
    tokens = model.tokens(PROMPT)
    before, held = model.run(tokens, logits="all").logits, hooks_left(model)
    wrong = Intervention("mlp_out", 1, torch.zeros(5) if fails == "value" else 0.0)
    with pytest.raises((RuntimeError, ZeroDivisionError)), intervening(model, [[wrong]]):
        model.run(tokens)
        raise ZeroDivisionError
    assert hooks_left(model) == held
    assert torch.equal(model.run(tokens, logits="all").logits, before)


@pytest.mark.parametrize(
    ("name", "wrong", "message", "field"),
    [
        ("gpt2", Intervention("mlp_out", 3, 0.0), "There is no layer 3", "layer"),
        ("gpt2", Intervention("z", 1, 0.0, head=4), "There is no head 4", "head"),
        (
            "neox",
            Intervention("resid_mid", 1, 0.0),
            "has no residual stream between attention and MLP that Loupe can see: choose another",
            "site",
        ),
    ],
)
def test_what_is_not_there_gets_a_sentence(tiny_model, name, wrong, message, field):
    model = tiny_model(name)
    with pytest.raises(InputError, match=message) as caught:
        intervention.run_with(model, model.tokens(PROMPT), [wrong])
    assert caught.value.field == field
