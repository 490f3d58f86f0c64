"""The neurons' page: the ranking, one neuron, the comparison with features, and links that prove."""

from shutil import copytree
from urllib.parse import parse_qsl

import pytest

from mi_core.models import hooks
from tests.core.sae_folders import save_sae
from tests.pages.test_other_models import open_on
from tests.pages.test_pages import sentences, unescaped, visit

NEURONS = "pages/look/neurons.py"
FACT = {"prompt": "The capital of Texas is", "target": "Austin", "foil": "Dallas"}


def findings(app) -> list[str]:
    return [unescaped(box.value) for box in app.header]


def test_the_strongest_neuron_is_followed_until_another_is_chosen():
    app = visit(NEURONS, **FACT)
    assert not app.exception and not app.error
    ranked, one, both = findings(app)
    assert ranked.startswith("Of 2,048 neurons, neuron 250 of layer 0") and one.startswith("Neuron 250 of layer 0")
    assert both.startswith("Features are the smaller unit here: ")
    app.number_input(key="layer").set_value(1).run()
    assert findings(app)[1].startswith("Neuron 21 of layer 1"), "the strongest there"
    app.number_input(key="neuron").set_value(3).run()
    assert findings(app)[0] == ranked and findings(app)[1].startswith("Neuron 3 of layer 1")
    (proof,) = [link.proto for link in app.get("page_link") if link.proto.label.startswith("Prove it: ")]
    assert dict(parse_qsl(proof.query_string)) == {"to-site": "neuron", "to-layer": "1", "to-neuron": "3"}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [({"layer": 9}, "There is no layer 9"), ({"layer": 1, "neuron": 700}, "There is no neuron 700 in layer 1")],
)
def test_a_place_that_is_not_there_gets_a_sentence_and_the_ranking_stays(chosen, said):
    app = visit(NEURONS, **FACT, **chosen)
    assert not app.exception and said in unescaped(sentences(app)) and len(findings(app)) == 1


def test_an_autoencoder_before_all_neurons_is_no_match():
    app = visit(NEURONS, **FACT, sae=hooks.resid_pre(0))
    assert not app.exception and len(findings(app)) == 2
    assert "nothing to compare its features with: choose a later one" in unescaped(sentences(app))


def test_a_model_without_an_autoencoder_says_so(tiny_folder):
    app = open_on(NEURONS, tiny_folder("llama"))
    assert not app.exception and len(findings(app)) == 2
    assert "no sparse autoencoder" in unescaped(sentences(app))


def test_an_own_autoencoder_is_compared(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("gemma2"), tmp_path / "gemma2")
    save_sae(folder, hooks.resid_post(2), "topk")
    app = open_on(NEURONS, folder)
    assert not app.exception and not app.error and "make up 80%" in findings(app)[2]
    assert not any("Check failed" in str(block.proto) for block in app.get("popover"))
