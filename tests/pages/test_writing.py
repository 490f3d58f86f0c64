"""The page of what a model writes: its text, the inside of a step, and a token that becomes the prompt's end."""

from urllib.parse import parse_qsl

from tests.pages.test_other_models import open_on
from tests.pages.test_pages import sentences, unescaped, visit

WRITING = "pages/look/writing.py"
FACT = "The capital of Texas is"


def test_a_written_token_is_looked_into_and_becomes_the_prompts_end():
    app = visit(WRITING, prompt=FACT, new_tokens=6)
    assert not app.exception and not app.error
    assert unescaped(app.header[0].value).startswith("It writes “Austin. ")
    assert app.code[0].value.startswith(" Austin.")
    assert app.subheader[0].value != "Inside"
    app.number_input(key="written").set_value(7).run()
    assert unescaped(app.subheader[0].value) == "Inside “.”, position 7"
    app.button(key="make-prompt").click().run()
    assert app.text_area(key="prompt").value == FACT + " Austin."
    assert app.number_input(key="written").value is None, "a place goes with the prompt that it was a place of"
    assert not unescaped(app.header[0].value).startswith("It writes “Austin.")


def test_a_step_leads_to_its_proof_with_the_prompt_before_it():
    app = visit(WRITING, prompt=FACT, new_tokens=6, written=7)
    links = {link.proto.page: dict(parse_qsl(link.proto.query_string)) for link in app.get("page_link")}
    assert links["ablation"]["to-prompt"] == FACT + " Austin" and links["ablation"]["to-target"] == '"."'
    assert links["ablation"]["to-site"] == "head" and {"to-layer", "to-head"} <= set(links["ablation"])
    assert links["attribution"]["to-prompt"] == FACT + " Austin"


def test_the_seed_is_asked_for_where_there_is_chance_and_a_place_outside_the_text_is_named():
    app = visit(WRITING, prompt=FACT, new_tokens=3, written=99)
    assert "seed" not in [box.key for box in app.number_input]
    assert "Written were positions 6 to 8; showing" in unescaped(sentences(app))
    app.slider(key="temperature").set_value(1.5).run()
    first = app.code[0].value
    app.number_input(key="seed").set_value(1).run()
    assert app.code[0].value != first and not app.exception


def test_a_model_without_features_shows_the_rest(tiny_folder):
    app = open_on(WRITING, tiny_folder("neox"), new_tokens=3, temperature=1.0)
    assert not app.exception and not app.error and app.header
    titles = [element.proto.spec for element in app.get("vega_lite_chart")]
    assert any("What heads add to" in spec for spec in titles)
    assert not any("Features where" in spec for spec in titles)
