"""Prompts of one's own find something on the pages that need more than a prompt: a pair, or a fact to rewrite."""

import pytest

from mi_core.models.loading import load
from tests.pages.test_pages import EDITS, PAIRED, sentences, unescaped, visit
from ui.parts.presets import PRESETS

OWN = ("The capital of Ohio is", "Hello", "El perro come en la casa", "My friend lives in")


@pytest.mark.parametrize("page", PAIRED)
@pytest.mark.parametrize("prompt", OWN)
def test_a_second_prompt_is_taken_at_once_and_can_be_changed(page, prompt):
    app = visit(page, prompt=prompt)
    assert not app.exception and not app.error and app.header
    taken = app.text_input(key="corrupted").placeholder
    mini = load("loupe-mini")
    ids = [mini.tokens(text).ids for text in (prompt, taken)]
    assert len(ids[0]) == len(ids[1]) and sum(a != b for a, b in zip(*ids, strict=True)) == 1
    assert "Found for your prompt" in sentences(app)
    app.text_input(key="corrupted").set_value(prompt).run()
    assert "Both prompts are the same" in unescaped(app.error[0].value), "what is typed counts"
    assert "Found for your prompt" not in sentences(app)


def test_a_prompt_without_a_word_to_exchange_is_asked_for_one():
    app = visit(PAIRED[0], prompt=" dog")
    assert not app.exception and not app.error and not app.header
    assert "one word exchanged" in sentences(app) and app.selectbox(key="patch")


@pytest.mark.parametrize("prompt", [preset.prompt for preset in PRESETS], ids=[preset.title for preset in PRESETS])
def test_every_preset_has_a_fact_that_is_rewritten(prompt):
    app = visit(EDITS, prompt=prompt)
    assert not app.exception and not app.error
    assert "The model now answers" in unescaped(app.header[0].value)
    assert app.text_input(key="subject").placeholder in prompt


@pytest.mark.parametrize("prompt", [*OWN, " dog"])
def test_edits_has_a_subject_and_a_new_answer_for_a_prompt_of_ones_own(prompt):
    app = visit(EDITS, prompt=prompt)
    assert not app.exception and (app.header or app.error)
    subject, answer = (app.text_input(key=key) for key in ("subject", "new_answer"))
    assert subject.placeholder and subject.placeholder in prompt and answer.placeholder


def test_a_kept_edit_of_a_found_fact_stays_the_one_that_is_shown():
    app = visit(EDITS, prompt="The capital of Ohio is")
    finding = app.header[0].value
    next(button for button in app.button if button.label == "Keep this edit").click().run()
    assert not app.error and app.header[0].value == finding
    assert "Keep this edit" not in [button.label for button in app.button]
