"""The circuit page: found on what it opens with, a part of it by itself, edges, and what it says to bad input."""

import re

import pytest

import mi_core
from tests.pages.test_pages import sentences, unescaped, visit

CIRCUIT = "pages/intervene/circuit.py"
TEXAS, FRANCE = "The capital of Texas is", "The capital of France is"


def said(app) -> str:
    return unescaped("\n".join(each.value for each in (*app.header, *app.markdown)))


def frames(app) -> list:
    return [each.value for each in app.dataframe]


def test_the_circuit_of_what_it_opens_with_is_the_library_s():
    app = visit(CIRCUIT)
    assert not app.exception and not app.error
    result = mi_core.run("circuit", "loupe-mini", prompt=TEXAS, corrupted=FRANCE)
    assert unescaped(app.header[0].value) == result.reading().title
    n, of, share = map(int, re.match(r"(\d+) of (\d+) heads and MLPs keep (\d+)%", result.reading().title).groups())
    assert (n, of) == (result.size, result.n_parts) and share == round(100 * result.faithfulness)
    assert len(app.get("vega_lite_chart")) == 2
    pairs, nodes = frames(app)
    assert len(pairs) == 1 and nodes["kept"].sum() == n
    assert nodes.loc[nodes["kept"], "component"].tolist() == nodes["component"].head(n).tolist(), "the strongest"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"part": "L0H3"}, "L0H3 is in the circuit. Cut alone out of the whole model, the answer falls by"),
        ({"part": "tokens → L0H3 v"}, "tokens → L0H3 v is in the circuit."),
        ({"part": "L9H9"}, "L9H9 is not among the parts in the tables: click a node or an edge."),
        ({"made_of": "edge"}, " of 479 edges keep"),
        ({"outside": "zero"}, "replaced by zero"),
        ({"parts": "head"}, " of 16 heads keep"),
    ],
)
def test_choices_change_what_is_said(state, expected):
    app = visit(CIRCUIT, **state)
    assert not app.exception and not app.error
    assert expected in (said(app) + unescaped(sentences(app))).replace("**", "")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"corrupted": TEXAS}, "same"),
        ({"corrupted": "The capital of New York is"}, "equally long"),
        ({"family": "one cell only"}, "Row 1 of the family"),
        ({"family": "The {x} is | The {y} is"}, "that nothing fills"),
    ],
)
def test_what_is_no_pair_gets_a_sentence_and_is_kept(state, expected):
    app = visit(CIRCUIT, **state)
    assert not app.exception
    assert expected in unescaped(sentences(app))
    ((name, value),) = state.items()
    assert {each.key: each.value for each in (*app.text_input, *app.text_area)}[name] == value
