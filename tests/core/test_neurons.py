"""What neurons add to the answer: against transformers' weights by hand, and against the MLP that they make up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.attribution import attribution
from mi_core.analyses.neurons import neurons
from mi_core.errors import InputError
from mi_core.models.loading import load
from tests.core.plain_hooks import activations
from tests.core.plain_reference import blocks, final_norm, mlp_projection, normalise, plain

PROMPT = " the cat sat on the dog, é"
FACT = "The capital of Texas is"


def by_hand(hf, found, layer: int) -> np.ndarray:
    """Every neuron's write through the norms at their held scales, dotted with the unembedding."""
    ids, pos = found.tokens.ids, found.pos
    run, post = plain(hf, ids), activations(hf, ids, "post")[layer][pos]
    weight = mlp_projection(hf, layer).weight
    writes = post[:, None] * (weight if hf.config.model_type == "gpt2" else weight.T)
    if hf.config.model_type == "gemma2":  # a norm of its own stands between the MLP and the stream
        whole = post @ weight.T
        writes = normalise(hf, blocks(hf)[layer].post_feedforward_layernorm, writes, at=whole)
    rows = hf.get_output_embeddings().weight
    direction = rows[found.target.token_id]
    if found.target.foil_id is not None:
        direction = direction - rows[found.target.foil_id]
    return (normalise(hf, final_norm(hf), writes, at=run.resid[-1][pos]) @ direction).numpy()


@pytest.mark.parametrize("foil", [None, "dog"])
def test_every_neuron_equals_its_write_by_hand(architecture, tiny_model, hf_model, foil):
    found = neurons(tiny_model(architecture), PROMPT, target="cat", foil=foil, top_k=1000)
    table = found.tables()["neurons"].set_index(["layer", "neuron"])["contribution"]
    assert len(table) == found.n_neurons
    for layer in range(3):
        np.testing.assert_allclose(
            table[layer].sort_index(), by_hand(hf_model(architecture), found, layer), rtol=1e-3, atol=1e-4
        )
    sizes = table.abs().to_numpy()
    assert (np.diff(sizes) <= 0).all() and all(check.passed for check in found.checks)
    share = sizes.cumsum() / sizes.sum()
    assert share[found.n_most - 1] >= 0.8 - 1e-6 and share[found.n_most - 2] < 0.8


def test_neurons_and_biases_are_the_mlps_of_the_attribution(architecture, tiny_model):
    model = tiny_model(architecture)
    found = neurons(model, PROMPT, target="cat", pos=3).tables()["layers"]
    parts = attribution(model, PROMPT, target="cat", pos=3).tables()["contributions"]
    expected = parts[parts["kind"] == "mlp"]["contribution"]
    np.testing.assert_allclose(found["mlp"], expected, atol=1e-4)
    np.testing.assert_allclose(found["neurons"] + found["bias"], expected, atol=1e-3)


def test_one_layer_has_its_own_neurons(mini):
    every, one = neurons(mini, FACT, top_k=2048), neurons(mini, FACT, layer=2, top_k=2048)
    table = every.tables()["neurons"]
    kept = table[table["layer"] == 2].reset_index(drop=True)
    assert one.n_neurons == 512 and every.n_neurons == 2048
    np.testing.assert_allclose(one.tables()["neurons"]["contribution"], kept["contribution"], atol=1e-6)


def test_what_is_known_of_the_built_in_neurons_goes_along(mini):
    found = neurons(mini, FACT, target="Austin", foil="Dallas")
    assert any(found.labels) and found.things.min() >= 1 and found.things.max() <= 10
    title, sentences = found.reading().title, found.reading().sentences
    assert title.startswith("Of 2,048 neurons, neuron 250 of layer 0 (in reviews) favours “·Austin” over “·Dallas”")
    assert f"{found.n_most:,} strongest make up 80%" in sentences[0]


@settings(max_examples=8, deadline=None)
@given(prompt=st.text("abcde THE.\n", min_size=1, max_size=20).filter(str.strip), target=st.integers(1, 3583))
def test_the_sum_holds_for_any_prompt(mini, prompt, target):
    found = neurons(mini, prompt, target=f'"{mini.text(target)}"', top_k=3)
    assert all(check.passed for check in found.checks)
    assert found.reading().title and len(found.neuron_ids) == 3


def test_an_mlp_that_does_more_is_left_out_and_said(tiny_folder):
    model = load(str(tiny_folder("llama")))
    model.bridge.blocks[1].mlp.out.original_component.register_forward_hook(lambda m, args, out: out.sin() + 0.5)
    found = neurons(model, PROMPT, target="cat", top_k=1000)
    assert found.whole_layers == (1,) and set(found.neuron_layers) == {0, 2}
    assert "The MLP of layer 1 is no plain sum of neurons" in found.reading().sentences[-1]
    with pytest.raises(InputError, match="look at another layer"):
        neurons(model, PROMPT, target="cat", layer=1)


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"layer": 4}, "There is no layer 4", "layer"),
        ({"top_k": 0}, "choose a number from 1 to 100,000", "top_k"),
        ({"pos": 15}, "There is no position 15", "pos"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        neurons(mini, FACT, **chosen)
    assert caught.value.field == field


def test_capped_logits_are_split_before_the_cap(tiny_model):
    found = neurons(tiny_model("gemma2"), PROMPT)
    assert found.units == "logits, before the soft cap" and "from before that" in found.reading().sentences[-1]


def test_reading_direction_is_felt_by_the_answer(mini, hf_model):
    """Half of the strongest neuron's write taken off moves the logit by half its contribution, at a held scale."""
    found = neurons(mini, FACT, target="Austin")
    hf, layer, number = hf_model("loupe-mini"), int(found.neuron_layers[0]), int(found.neuron_ids[0])
    last = plain(hf, found.tokens.ids).resid[-1][found.pos]
    write = float(found.activation[0]) * mlp_projection(hf, layer).weight[number]
    answer = hf.lm_head.weight[found.target.token_id]
    whole, half = (normalise(hf, final_norm(hf), x, at=last) @ answer for x in (last, last - write / 2))
    assert float(whole - half) == pytest.approx(found.contribution[0] / 2, abs=1e-4)
