"""One neuron: its activations and its tokens by hand, and what is known of it."""

import json
from shutil import copytree

import numpy as np
import pytest

from mi_core.analyses.neuron import neuron
from mi_core.analyses.neurons import neurons
from mi_core.errors import InputError
from mi_core.models.loading import load
from tests.core.plain_hooks import activations
from tests.core.plain_reference import final_norm, mlp_projection, norm_weight

PROMPT = " the cat sat on the dog, é"
FACT = "The capital of Texas is"


def test_activations_and_promoted_tokens_by_hand(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = neuron(model, PROMPT, layer=1, neuron=7, target="cat")
    np.testing.assert_allclose(
        found.activations, activations(hf, found.tokens.ids, "post")[1][:, 7], rtol=1e-3, atol=1e-4
    )
    assert all(check.passed for check in found.checks)
    if hf.config.model_type == "gemma2":  # whose own norm divides by a scale of this prompt: see the check
        return
    weight = mlp_projection(hf, 1).weight
    row = weight[7] if hf.config.model_type == "gpt2" else weight[:, 7]
    centred = row - row.mean() if hf.config.model_type in ("gpt2", "gpt_neox") else row
    effects = (centred * norm_weight(hf, final_norm(hf))) @ hf.get_output_embeddings().weight.T
    effects = effects - effects.mean()
    np.testing.assert_allclose(found.promotion.promoted_effects[0], effects.topk(8).values, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.promotion.suppressed_effects[0], -(-effects).topk(8).values, rtol=1e-3, atol=1e-4)


def test_it_adds_what_the_ranking_says(architecture, tiny_model):
    model = tiny_model(architecture)
    ranked = neurons(model, PROMPT, target="cat", foil="dog")
    layer, number = int(ranked.neuron_layers[0]), int(ranked.neuron_ids[0])
    one = neuron(model, PROMPT, layer=layer, neuron=number, target="cat", foil="dog")
    assert one.contribution == pytest.approx(float(ranked.contribution[0]), abs=1e-5)
    assert one.activations[one.pos] * one.of_one_unit == pytest.approx(one.contribution, abs=1e-5)


def test_what_ships_of_a_built_in_neuron(mini):
    found = neuron(mini, FACT, layer=0, neuron=250, target="Austin", foil="Dallas")
    assert found.label == "in reviews" and found.contexts and 0 < found.density < 1
    context = found.contexts[0]
    assert context.activations[context.peak] == pytest.approx(found.max_activation, abs=1e-3)
    assert sum(n for _, n in found.things) == 10
    assert found.tables()["things"]["peaks"].sum() == 10 and not found.tables()["contexts"].empty
    reading = found.reading()
    assert reading.title.startswith("Neuron 250 of layer 0 (in reviews) fires most on “")
    assert reading.sentences[-1] == (
        "In the sample text, its 10 strongest peaks are of one thing: the token is a verb for one; "
        "random tokens would be of 6.3."
    )
    several = neuron(mini, FACT, layer=0, neuron=3)
    assert f"are of {len(several.things)} unrelated things: the token " in several.reading().sentences[-1]


def test_a_model_of_which_nothing_is_known(tiny_model):
    found = neuron(tiny_model("llama"), PROMPT, layer=1, neuron=7, target="cat")
    assert (found.label, found.contexts, found.things) == ("", (), ()) and np.isnan(found.density)
    assert len(found.reading().sentences) == 2


def test_damaged_notes_are_the_same_as_none(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("qwen3"), tmp_path / "qwen3")
    (folder / "neurons").mkdir()
    (folder / "neurons" / "layer_1.json").write_text('{"neurons": [')
    (folder / "neurons" / "layer_2.json").write_text(json.dumps({"neurons": [{"neuron": 7, "label": "told"}]}))
    model = load(str(folder))
    assert neuron(model, PROMPT, layer=1, neuron=7).label == ""
    assert neuron(model, PROMPT, layer=2, neuron=7).label == "told"


def test_a_neuron_that_is_silent_says_so(mini):
    silent = next(
        found
        for number in range(512)
        if (found := neuron(mini, "Hello", layer=3, neuron=number)).activations.max() <= 0
    )
    assert "fires on no token of this prompt" in silent.reading().title


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"layer": 4, "neuron": 1}, "There is no layer 4", "layer"),
        ({"layer": 1, "neuron": 512}, "There is no neuron 512 in layer 1: it has neurons 0 to 511", "neuron"),
        ({"layer": 1, "neuron": 1, "top_k": 0}, "choose a number from 1 to 100", "top_k"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        neuron(mini, FACT, **chosen)
    assert caught.value.field == field
