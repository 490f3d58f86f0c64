"""The features' page: the list and what it hides, pairs of places, and links to where features are described."""

import json
from shutil import copytree
from urllib.parse import parse_qsl

import pytest

from mi_core.models import hooks
from tests.core.sae_folders import save_sae
from tests.pages.test_other_models import open_on
from tests.pages.test_pages import sentences, unescaped, visit

FEATURES, WRITING = "pages/look/features.py", "pages/look/writing.py"
FACT = {"prompt": "The capital of Texas is", "target": "Austin"}


def titles(app) -> list[str]:
    """Of the charts."""
    found = [json.loads(chart.proto.spec)["title"]["text"] for chart in app.get("vega_lite_chart")]
    return [" ".join(lines) for lines in found]


def test_the_list_is_sorted_narrowed_down_and_searched_and_what_is_hidden_is_counted():
    app = visit(FEATURES, **FACT)
    assert not app.exception and titles(app)[0] == "The strongest features on the chosen token"
    assert "hidden" not in sentences(app)
    app.selectbox(key="sort").set_value("effect").run()
    app.segmented_control(key="over").set_value("prompt").run()
    assert titles(app)[0] == "The features in the prompt with the largest effect on “·Austin”, estimated"
    app.number_input(key="dense").set_value(5.0).run()
    assert "70 features hidden: active on more than 5.0% of all tokens." in unescaped(sentences(app))
    app.text_input(key="label").set_value("facts").run()
    assert "features hidden: 70 active on more than 5.0% of all tokens and" in unescaped(sentences(app))
    assert "With it in the label, but not active here: #" in unescaped(sentences(app))
    app.text_input(key="label").set_value("no such thing").run()
    assert not app.exception and "No feature to list is active on this prompt." in unescaped(sentences(app))
    assert "skip_first" not in [toggle.key for toggle in app.toggle]


def test_pairs_of_two_places_lead_to_the_other_feature_and_to_the_proof():
    app = visit(FEATURES, **FACT)
    found = [unescaped(box.value) for box in app.header]
    assert found[-1].startswith("Feature 66 (“·is”) before layer 2 feeds feature 66 (in facts) before layer 3")
    assert titles(app)[-2:] == [
        "What a later feature loses without an earlier one",
        "What makes the 11.40 of feature 66",
    ]
    proof = dict(parse_qsl(app.get("page_link")[-1].proto.query_string))
    assert proof == {"to-site": "feature", "to-sae": hooks.resid_pre(2), "to-feature": "66"}
    app.selectbox(key="other_sae").set_value(hooks.resid_pre(1)).run()
    assert "before layer 1" in unescaped(app.header[-1].value) and "before layer 2" in unescaped(app.header[-1].value)
    number = int(app.button(key="follow-other").label.split()[2])
    app.button(key="follow-other").click().run()
    assert not app.exception and app.selectbox(key="sae").value == hooks.resid_pre(1)
    assert app.number_input(key="feature").value == number
    assert unescaped(app.header[1].value).startswith(f"Feature {number} ")


@pytest.fixture
def own(tiny_folder, tmp_path):
    """The folder of a tiny model with one SAE, which names its page on Neuronpedia."""
    folder = copytree(tiny_folder("neox"), tmp_path / "neox")
    config = save_sae(folder, hooks.resid_post(0), "topk") / "cfg.json"
    written = json.loads(config.read_text())
    config.write_text(json.dumps(written | {"metadata": written["metadata"] | {"neuronpedia_id": "tiny/0-res"}}))
    return folder


def test_one_autoencoder_without_notes_says_what_is_missing_and_links_to_its_page(own):
    app = open_on(FEATURES, own, over="prompt")
    assert not app.exception and not app.error
    said = unescaped(sentences(app))
    assert "This needs autoencoders at two places of the model; here there is one." in said
    assert app.number_input(key="dense").disabled and "density" not in app.selectbox(key="sort").options
    app.toggle(key="skip_first").set_value(True).run()
    assert "active on the first token only" in unescaped(sentences(app))
    (link,) = [one.proto for one in app.get("link_button")]
    assert link.url.startswith("https://www.neuronpedia.org/tiny/0-res/")


def test_what_is_written_shows_the_features_of_the_place_that_is_chosen(tiny_folder):
    app = visit(WRITING, prompt=FACT["prompt"], new_tokens=2)
    first = titles(app)
    features = app.get("vega_lite_chart")[-1].proto.spec
    assert first[-1].startswith("Features where") and app.selectbox(key="sae").value == hooks.resid_pre(2)
    app.selectbox(key="sae").set_value(hooks.resid_post(3)).run()
    assert titles(app) == first and app.get("vega_lite_chart")[-1].proto.spec != features
    without = open_on(WRITING, tiny_folder("neox"), new_tokens=1)
    assert not without.exception and "sae" not in [box.key for box in without.selectbox]
