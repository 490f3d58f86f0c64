"""A person on a tour: steps fill the page, one's own prompt is never lost, and a number outside is said to be."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.test_links import follow
from tests.pages.test_pages import START, sentences, unescaped, visit
from ui.tours.plan import TOURS

COPY = TOURS["two_heads_that_copy"]
JAPAN = "The capital of Japan is"
ABLATION = "pages/intervene/ablation.py"


def turn(app: AppTest, tour, number: int) -> AppTest:
    """As by the link to a step."""
    link = tour.link(number)
    app.switch_page(link["page"])
    app.query_params = dict(link["query_params"])
    app.run()
    assert not app.exception
    return app


def card(app: AppTest) -> str:
    """What the card says of where one is and of the number, without its marks."""
    said = [box.proto.body for box in app.get("html") if 'class="loupe-' in box.proto.body]
    return " ".join(re.sub("<[^>]*>", " ", " ".join(said)).split())


def steps(app: AppTest) -> dict[str, str]:
    """The card's links by what they say, with the step that each opens."""
    links = [link.proto for link in app.get("page_link")]
    return {link.label: link.query_string for link in links if "to-tour_step" in link.query_string}


def prompt(app: AppTest) -> str:
    return app.text_area(key="prompt").value


def test_a_step_fills_the_page_and_shows_its_number():
    app = turn(visit(START, pos=2), COPY, 5)
    assert prompt(app) == COPY.steps[4].prompt and app.text_input(key="target").value == " Tuesday"
    assert (app.number_input(key="layer").value, app.number_input(key="head").value) == (0, 0)
    assert app.number_input(key="pos").value is None
    assert "Two heads that copy Take the first head out step 5 of 7" in card(app)
    assert "without L0H0: −22.62 ✓ as expected expected −30.00 to −15.00." in card(app)
    assert {key: app.query_params[key] for key in ("tour", "tour_step", "layer", "head")} == {
        "tour": COPY.name, "tour_step": "5", "layer": "0", "head": "0",
    }  # fmt: skip
    assert {label: query[-1] for label, query in steps(app).items()} == {"Back": "4", "Next": "6"}
    turn(app, COPY, 7)  # on the same page: what the step does not have is empty again
    assert (
        app.number_input(key="layer").value is None
        and app.multiselect(key="also").value == COPY.steps[6].fields["also"]
    )
    assert set(steps(app)) == {"Back"}


def test_a_prompt_of_ones_own_comes_back_and_goes_along():
    app = visit(START, prompt=JAPAN, target=" Tokyo")
    turn(app, COPY, 3)
    assert prompt(app) == COPY.steps[2].prompt and "as expected" in card(app)
    app.button(key="own-prompt").click().run()
    assert prompt(app) == JAPAN and app.text_input(key="target").value == " Tokyo"
    assert "◇ outside" in card(app) and "here is another prompt" in card(app)
    turn(app, COPY, 5)
    assert prompt(app) == JAPAN and app.number_input(key="layer").value == 0
    app.button(key="tour-prompt").click().run()
    assert prompt(app) == COPY.steps[4].prompt and "as expected" in card(app)
    app.button(key="tour-leave").click().run()
    assert prompt(app) == COPY.steps[4].prompt and "step" not in card(app) and "tour" not in app.query_params
    assert JAPAN in unescaped(sentences(app))
    app.button(key="own-prompt").click().run()
    assert prompt(app) == JAPAN and JAPAN not in unescaped(sentences(app))


def test_a_prompt_that_is_typed_on_a_tour_is_kept_by_the_next_step():
    app = turn(visit(START), COPY, 2)
    app.text_area(key="prompt").set_value(JAPAN).run()
    turn(app, COPY, 3)
    assert prompt(app) == JAPAN
    turn(app, TOURS["a_later_year"], 1)  # another tour begins with its own
    assert "1732" in prompt(app) and app.button(key="own-prompt")


EDIT = '[{"kind":"rome","prompt":"The capital of Texas is","subject":"Texas","target":"Boston"}]'


@pytest.mark.parametrize(
    ("name", "key", "value", "said"),
    [
        ("where_a_fact_lives", "edit_stack", EDIT, "here is an edit that is on."),
        ("a_later_year", "pos", 4, "A setting is another one."),
    ],
)
def test_why_a_number_is_outside_is_said(name, key, value, said):
    app = turn(visit(START), TOURS[name], 1)
    assert "✓ as expected" in card(app)
    app.session_state[key] = value
    app.run()
    assert not app.exception and "◇ outside" in card(app) and said in card(app)


def test_the_tour_waits_while_one_looks_around():
    app = turn(visit(START), COPY, 3)
    app.switch_page(ABLATION)
    app.query_params = {}
    app.run()
    assert app.query_params["tour_step"] == "3" and "step 3 of 7" in card(app) and "expected" not in card(app)
    assert steps(app)["Go to this step"].endswith("3")
    app.button(key="tour-leave").click().run()
    app.switch_page("pages/understand/tours.py")
    app.query_params = {}
    app.run()
    assert not app.exception and len(app.header) == len(TOURS)
    assert steps(app)["Go on at step 3"].endswith("3")
    assert sum(label.startswith("Start, ") for label in steps(app)) >= 3


def test_a_link_with_values_of_its_own_shows_those():
    app = follow("ablation", {"tour": COPY.name, "tour_step": "5", "prompt": JAPAN, "layer": "2", "head": "1"})
    assert prompt(app) == JAPAN and app.number_input(key="layer").value == 2 and "step 5 of 7" in card(app)
    bare = follow("ablation", {"tour": COPY.name, "tour_step": "5"})
    assert prompt(bare) == COPY.steps[4].prompt and bare.number_input(key="layer").value == 0


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"tour": "round_the_world", "tour_step": "1"}, "asks for tour=round_the_world, which is not known here"),
        ({"tour": COPY.name, "tour_step": "9"}, "asks for tour_step=9, which is not a whole number from 1 to 7"),
    ],
)
def test_a_tour_or_step_that_is_none_is_named(query, said):
    app = follow("", query)
    assert not app.exception and said in unescaped(sentences(app))


def test_a_model_of_ones_own_comes_back_after_the_tour(tiny_folder):
    model = str(tiny_folder("gpt2"))
    app = turn(visit(START, model=model, prompt="the cat sat on"), COPY, 2)
    assert app.selectbox(key="model").value == "loupe-mini" and "as expected" in card(app)
    app.button(key="tour-leave").click().run()
    app.button(key="own-prompt").click().run()
    assert not app.exception and prompt(app) == "the cat sat on" and app.selectbox(key="model").value == model
