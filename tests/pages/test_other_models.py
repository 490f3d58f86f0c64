"""Every page on a model that is not the built-in one: other architectures, no sparse autoencoder."""

import re

import pytest

from tests.pages.test_pages import PAGES, sentences, unescaped, visit

PROMPT, OTHER = "the cat sat on the dog", "the dog sat on the dog"
FEATURES, STEERING = "pages/look/features.py", "pages/intervene/steering.py"
TIMELINE = "pages/understand/training_timeline.py"


def open_on(page: str, folder, **state):
    own = {"subject": "the dog", "new_answer": "cat", "plus": "cat", "less": "dog", "onto": "on"}
    named = {"names": "cat, dog, sat, on, the", "templates": "! {A} ! {B} ! {S} !"}
    return visit(page, model=str(folder), prompt=PROMPT, corrupted=OTHER, **own | named | state)


@pytest.mark.parametrize("architecture", ["llama", "neox", "gemma2"])
@pytest.mark.parametrize("page", [page for page in PAGES if page not in (FEATURES, TIMELINE)])
def test_a_page_works_on_another_architecture(tiny_folder, page, architecture):
    app = open_on(page, tiny_folder(architecture))
    assert not app.exception and not app.error
    assert app.header, "no finding"
    assert app.get("vega_lite_chart"), "no chart"
    assert not any("Check failed" in str(block.proto) for block in app.get("popover"))


def test_features_without_an_autoencoder_are_explained(tiny_folder):
    app = open_on(FEATURES, tiny_folder("llama"))
    assert not app.exception and not app.error and not app.header
    assert "no sparse autoencoder" in unescaped(sentences(app))


def test_a_training_without_checkpoints_is_explained(tiny_folder):
    app = open_on(TIMELINE, tiny_folder("llama"))
    assert not app.exception and not app.error and not app.header
    assert "There are no checkpoints of" in unescaped(sentences(app))


def test_steering_without_an_autoencoder_offers_a_contrast(tiny_folder):
    app = open_on(STEERING, tiny_folder("llama"))
    assert not app.exception and not app.error
    ways = list(app.segmented_control(key="source").options)
    assert ways == ["found for this prompt", "a contrast of prompts", "a token", "a probe", "pasted numbers"]
    app.segmented_control(key="source").set_value("contrast").run()
    assert not app.exception and app.text_area(key="positive").value and app.header


def test_half_layers_of_a_parallel_model_get_a_sentence(tiny_folder):
    app = open_on("pages/look/logit_lens.py", tiny_folder("neox"), half=True)
    assert not app.exception
    assert re.search(r"side by side|parallel", unescaped(sentences(app)))
    assert app.text_area(key="prompt").value == PROMPT


def test_changing_the_model_keeps_the_prompt(tiny_folder):
    folder = str(tiny_folder("llama"))
    app = visit("pages/look/logit_lens.py", prompt=PROMPT)
    before = app.header[0].value
    app.session_state["model"] = folder
    app.run()
    assert not app.exception and not app.error
    assert app.text_area(key="prompt").value == PROMPT
    assert app.header[0].value != before
