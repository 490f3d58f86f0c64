"""The steering page opens on a push that shows on this very prompt, and leaves the prompt alone."""

import pytest

from mi_core.saes import highlights
from mi_core.saes import loading as saes
from tests.pages.test_pages import sentences, unescaped, visit
from ui.parts.presets import PRESETS

PAGE = "pages/intervene/steering.py"
OWN = ("The capital of Ohio is", "Hello", "El perro come en la casa")
ASKED = [(preset.prompt, preset.foil) for preset in PRESETS] + [(prompt, "") for prompt in OWN]


def texts(app) -> list[str]:
    return [code.value for code in app.code[:2]]


@pytest.mark.parametrize(("prompt", "foil"), ASKED)
def test_it_changes_the_text_which_can_still_be_read(prompt, foil):
    app = visit(PAGE, prompt=prompt, foil=foil)
    assert not app.exception and not app.error
    assert not any("steered text" in box.value for box in app.warning)
    plain, steered = (set(text.split()) for text in texts(app))
    assert len(steered - plain) >= 0.15 * len(steered)
    assert "directions were tried" in unescaped(sentences(app))
    assert app.text_area(key="prompt").value == prompt


def test_the_slider_is_the_first_control_and_follows_the_prompt_until_it_is_moved():
    app = visit(PAGE, prompt="The French word for dog is")
    controls = [block for block in app.main if block.type in ("slider", "button_group", "selectbox", "number_input")]
    assert [block.type for block in controls][:2] == ["slider", "button_group"]
    found = app.slider(key="strength").value
    app.slider(key="strength").set_value(0.0).run()
    assert texts(app)[0] == texts(app)[1], "a hand on the slider is obeyed"
    app.text_area(key="prompt").set_value("Hello").run()
    assert texts(app)[0] != texts(app)[1], "another prompt has a push of its own"
    app.text_area(key="prompt").set_value("The French word for dog is").run()
    assert app.slider(key="strength").value == found


def test_a_strength_that_a_link_brings_is_kept():
    app = visit(PAGE, prompt="Hello", strength=0.1)
    assert app.slider(key="strength").value == 0.1


def test_an_example_never_replaces_the_prompt_that_was_typed():
    known = highlights.of("loupe-mini", saes.pick("loupe-mini").hook)[0]
    app = visit(PAGE, prompt="My own words", source="feature")
    app.button(key=f"try-{known.feature}").click().run()
    assert not app.exception and not app.error
    assert app.text_area(key="prompt").value == "My own words"
    assert app.number_input(key="feature").value == known.feature
    assert app.slider(key="strength").value == known.strength


def test_where_nothing_shows_an_example_is_offered_and_taken_by_a_click(monkeypatch):
    from mi_core.analyses import push_that_shows

    monkeypatch.setattr(push_that_shows, "STRENGTHS", (0.0,))
    app = visit(PAGE, prompt="Nothing moves this one")
    assert "No push that was tried visibly changes" in unescaped(sentences(app))
    assert app.text_area(key="prompt").value == "Nothing moves this one"
    app.button(key="instead").click().run()
    assert app.text_area(key="prompt").value != "Nothing moves this one"
    assert not app.exception and not app.error and texts(app)[0] != texts(app)[1]
