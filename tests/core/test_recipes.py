"""Edits as values: one spelling, there and back, and a sentence for every file that is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_core.editing import recipes
from mi_core.editing.recipes import Orthogonalise, Rome, canonical, parse
from mi_core.errors import InputError
from mi_core.jobs.request import Request

TEXT = st.text(max_size=20)
ROMES = st.builds(Rome, TEXT, TEXT, TEXT, st.none() | st.integers(0, 99))
DIRECTIONS = st.builds(Orthogonalise, TEXT, st.none() | TEXT, TEXT, TEXT, TEXT, st.none() | st.integers(0, 99))
BOSTON = {"kind": "rome", "prompt": "The capital of Texas is", "subject": "Texas", "target": "Boston"}


@given(st.lists(ROMES | DIRECTIONS, max_size=4))
def test_a_stack_survives_its_spelling_and_has_one(stack):
    text = canonical(stack)
    assert parse(text) == tuple(stack)
    assert canonical(text) == canonical(parse(text)) == text
    assert canonical(json.dumps(json.loads(text), indent=4) if text else "  ") == text
    assert (text == "") == (not stack)


def test_what_is_at_its_default_is_not_spelled():
    assert json.loads(canonical([BOSTON | {"layer": None}])) == [BOSTON]
    assert parse(BOSTON) == (Rome("The capital of Texas is", "Texas", "Boston"),)


def test_edits_that_were_saved_in_former_words_are_the_same_edits():
    saved = [
        {"kind": "orthogonalise", "direction": "token: Paris"},
        {"kind": "orthogonalise", "direction": "numbers", "numbers": "1 2"},
    ]
    assert parse(saved) == (Orthogonalise("token:Paris"), Orthogonalise("vector", vector="1 2"))
    assert canonical(saved) == canonical(parse(saved))
    assert "numbers" not in canonical(saved) and "token:Paris" in canonical(saved)


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("not json", "not JSON"),
        ("3", "are a list"),
        ('["rome"]', "Edit 1 has no known kind"),
        ([BOSTON, {"kind": "other"}], "Edit 2 has no known kind: write rome or orthogonalise"),
        ([{"kind": ["rome"]}], "no known kind"),
        ([{"kind": "rome", "prompt": "x"}], "Edit 1 is not complete: rome needs prompt, subject, target"),
        ([{"kind": "orthogonalise"}], "orthogonalise needs direction"),
        ([BOSTON | {"strength": 3}], "has a field “strength” that rome has not"),
        ([BOSTON | {"layer": "0"}], "The layer of edit 1 is not a whole number"),
        ([BOSTON | {"layer": True}], "not a whole number"),
        ([BOSTON | {"subject": 3}], "The subject of edit 1 is not text"),
        ([BOSTON | {"target": None}], "The target of edit 1 is not text"),
        ([BOSTON] * 17, "There are 17 edits: 16 at once are the most"),
    ],
)
def test_what_is_no_stack_gets_a_sentence(stack, said):
    with pytest.raises(InputError, match=said) as raised:
        parse(stack)
    assert raised.value.field == "edits"


def test_a_request_carries_its_edits_into_key_python_and_command():
    plain = Request.of("predict", "loupe-mini", prompt="x")
    edited = Request.of("predict", "loupe-mini", prompt="x", edits=[BOSTON])
    assert plain.edits == "" and plain != edited
    assert plain.key("weights") != edited.key("weights")
    assert edited == Request.of("predict", "loupe-mini", prompt="x", edits=json.dumps([BOSTON], indent=2))
    assert "edits" not in plain.as_python() + plain.as_command()
    assert f"edits={edited.edits!r}" in edited.as_python()
    assert f"--edits '{edited.edits}'" in edited.as_command()
    with pytest.raises(InputError, match="not JSON"):
        Request.of("predict", "loupe-mini", prompt="x", edits="nonsense")


def test_names_for_people():
    assert Rome("The capital of Texas is", "Texas", "Boston").name == "The capital of Texas is → Boston"
    assert Orthogonalise("token:Paris").name == "without the direction token:Paris"
    assert len(Rome("word " * 50, "x", "y").name) < 50
    assert recipes.settings(parse(BOSTON)[0])["kind"] == "rome"
