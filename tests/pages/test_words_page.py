"""The page of words: what it takes away, what it asks for, and what it leads to."""

import pytest

from tests.pages.test_pages import sentences, unescaped, visit

PAGE = "pages/look/input_attribution.py"
FRANCE = {"prompt": "The capital of France is", "target": " Paris", "foil": " Rome"}


def said(app) -> str:
    return unescaped("\n".join(box.value for kind in (app.header, app.markdown) for box in kind))


def test_the_finding_names_the_part_that_counts_most():
    app = visit(PAGE, **FRANCE, players="word", baseline="corrupted", corrupted="The capital of Italy is")
    assert not app.exception and not app.error
    assert "“·France” (position 4) counts most" in said(app)
    assert "with the exchanged prompt in place of every part" in said(app)
    assert "Trust the row that deletion agrees with" in said(app)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"players": "span"}, "Type the positions of each part"),
        ({"players": "regex"}, "Type a pattern above"),
        ({"players": "span", "spans": "0-2"}, "holds the start token"),
        ({"players": "regex", "pattern": "(a"}, "This pattern cannot be read"),
        ({"n_steps": 0}, "0 steps cannot be used"),
        ({"baseline": "token"}, "Type the token"),
    ],
)
def test_what_is_missing_or_wrong_gets_a_sentence(state, sentence):
    app = visit(PAGE, **FRANCE, **state)
    assert not app.exception
    assert sentence in unescaped(sentences(app))


def test_an_answer_of_several_tokens():
    app = visit(PAGE, prompt="The capital of France is", target=" Paris, the", metric="log_probability")
    assert not app.exception and not app.error
    assert "the log-probability of “·Paris,·the”" in said(app)
    app = visit(PAGE, prompt="The capital of France is", target=" Paris, the")
    assert "an answer is one" in unescaped(sentences(app))


def test_approximations_are_rows_when_they_are_asked_for():
    app = visit(PAGE, **FRANCE, approximations=True)
    assert not app.exception and "LIME’s straight line explains" in said(app)
    assert "LIME’s straight line explains" not in said(visit(PAGE, **FRANCE))
