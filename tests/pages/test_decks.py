"""Each slide of a deck is what the page it comes from would pin now."""

from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.test_pages import ROOT
from tests.patience import SECONDS
from ui.decks.deck import DECKS

SLIDES = [(name, number) for name, deck in DECKS.items() for number in range(len(deck.pins))]


@pytest.mark.parametrize(("name", "number"), SLIDES)
def test_a_slide_is_what_its_page_pins(name, number):
    deck = DECKS[name]
    slide = deck.pins[number]
    (step,) = [step for step in deck.tour.steps if step.say.replace("*", "") == slide.note]
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS).switch_page(step.script)
    for key, values in parse_qs(slide.query).items():
        app.query_params[key] = values
    app.run()
    app.button(key=f"{step.lit}-pin").click().run()
    (pinned,) = app.session_state["_pins"].values()
    assert pinned.request.bound() == slide.request.bound() and pinned.request.model == slide.request.model
    assert (pinned.figure, pinned.view, pinned.table) == (slide.figure, slide.view, slide.table)
    assert pinned.how == slide.how, f"ui/decks/{name}.toml: the page explains its chart otherwise by now"


def test_three_decks_ship():
    assert list(DECKS) == ["two_heads_that_copy", "who_gets_the_drink", "where_a_fact_lives"]
