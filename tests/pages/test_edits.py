"""The page of edits: measure, keep, see the edited model everywhere, take it back."""

import json

import pytest

from tests.pages.test_pages import EDITS, START, sentences, unescaped, visit

LENS = "pages/look/logit_lens.py"
BOSTON = '[{"kind":"rome","prompt":"The capital of Texas is","subject":"Texas","target":"Boston"}]'
ROME = '[{"kind":"rome","prompt":"The capital of France is","subject":"France","target":"Rome"}]'


def click(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception and not app.error
    return app


def finding(app) -> str:
    return unescaped(app.header[0].value)


def sidebar(app) -> str:
    return unescaped(" ".join(box.value for kind in (app.sidebar.markdown, app.sidebar.caption) for box in kind))


def test_an_edit_is_measured_kept_seen_on_every_page_and_undone():
    app = visit(EDITS)
    assert "now answers “·Boston” instead of “·Austin”" in finding(app)
    assert app.metric[0].value == "100%"
    assert "is on" not in sidebar(app)
    click(app, "Keep this edit")
    assert "now answers “·Boston”" in finding(app), "a kept edit is still measured against the model without it"
    assert "1 edit is on" in sidebar(app) and "Keep this edit" not in [button.label for button in app.button]
    app.switch_page(LENS).run()
    assert "“·Boston” becomes the top guess" in finding(app) and "1 edit is on" in sidebar(app)
    app.switch_page(START).run()
    assert "“·Boston”" in finding(app)
    click(app, "Undo last")
    assert "“·Austin”" in finding(app) and "is on" not in sidebar(app)


def test_other_sessions_see_nothing():
    editor, other = visit(EDITS), visit(LENS)
    before = finding(other)
    click(editor, "Keep this edit")
    other.run()
    assert finding(other) == before and "is on" not in sidebar(other)


def test_a_stack_of_two_and_remove_all():
    app = visit(LENS, edit_stack=BOSTON[:-1] + "," + ROME[1:], prompt="The capital of France is")
    assert "2 edits are on" in sidebar(app) and "“·Rome”" in finding(app)
    click(app, "Undo last")
    assert "1 edit is on" in sidebar(app) and "“·Paris”" in finding(app)
    click(app, "Remove all")
    assert "is on" not in sidebar(app)


def test_the_stack_is_offered_as_json():
    app = visit(EDITS, edit_stack=BOSTON)
    assert any("Save as JSON" in str(block.proto) for block in app.get("download_button"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"subject": "Nevada"}, "“Nevada” is not in the prompt"),
        ({"new_answer": "Austin"}, "answers “·Austin” already"),
        ({"new_answer": "Washingtonian"}, "tokens for this model"),
        ({"edit_layer": 3}, "No change at the subject in layer 3"),
        ({"edit_layer": 99}, "There is no layer 99"),
        ({"edit_kind": "orthogonalise", "edit_direction": "token", "edit_token": "Washingtonian"}, "tokens for"),
        ({"edit_kind": "orthogonalise", "feature": 999_999}, "no feature"),
        ({"edit_kind": "orthogonalise", "edit_direction": "vector", "edit_numbers": "1 2"}, "is 128 wide"),
        ({"edit_kind": "orthogonalise", "edit_direction": "contrast", "positive": " "}, "empty"),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_cannot_be_edited_is_said_beside_its_field_and_kept(state, said):
    app = visit(EDITS, **state)
    assert not app.exception
    assert len(app.error) == 1 and said in unescaped(app.error[0].value)
    for name, value in state.items():
        assert app.session_state[name] == value


def test_a_new_answer_of_several_tokens_is_repaired_by_one_click():
    app = visit(EDITS, new_answer="Washingtonian")
    app.button(key="repair-target").click().run()
    assert not app.exception and not app.error
    assert app.text_input(key="new_answer").value.startswith('"') and app.text_input(key="target").value == ""


@pytest.mark.parametrize("source", ["feature", "token", "contrast"])
def test_a_direction_is_removed_and_kept(source):
    app = visit(EDITS, edit_kind="orthogonalise", edit_direction=source)
    assert not app.exception and not app.error and "Without the direction" in finding(app)
    click(app, "Keep this edit")
    assert "1 edit is on" in sidebar(app)
    app.switch_page(LENS).run()
    assert not app.exception and not app.error and app.header


def test_edits_that_the_chosen_model_cannot_have_are_said_in_the_sidebar(tiny_folder):
    app = visit(LENS, edit_stack=BOSTON, model=str(tiny_folder("llama")), prompt="the cat")
    assert not app.exception
    assert "edits that are on cannot be made" in unescaped(app.error[0].value)
    click(app, "Remove all")
    assert app.header


def test_exports_name_the_edits():
    from mi_core.jobs.request import Request

    request = Request.of("predict", "loupe-mini", prompt="x", edits=BOSTON)
    assert json.loads(request.edits) == json.loads(BOSTON)
    assert "Texas" in sentences(visit(LENS, edit_stack=BOSTON))
