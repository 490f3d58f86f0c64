"""Links to every page: former words show the same picture, and what is not understood is named and changes nothing."""

import re
from functools import cache

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.test_pages import ROOT, sentences, unescaped
from ui import words

LOOK = ("logit_lens", "attention", "attribution", "features", "neurons")
FOLDERS = {"": "start"} | dict.fromkeys(LOOK, "look")
SCRIPTS = {page: f"pages/{FOLDERS.get(page, 'intervene')}/{page or 'start'}.py" for page in words.PAGES}
# Each option by the word that it had when addresses held what stood on the screen
FORMER = {
    "logit_lens": {"colour": "doubt (entropy)", "norm": "frozen", "follow": "rank"},
    "ablation": {"site": "attention layers", "mode": "nothing (zero)", "metric": "all probabilities (KL)"},
    "patching": {"patch": "heads by position", "metric": "all guesses (KL)", "direction": "what is needed"},
    "path_patching": {"receiver": "L3H0", "input": "values", "direction": "what is needed", "site": "MLPs"},
    "steering": {"source": "a contrast of prompts", "source2": "a token", "push": "the prompt only", "sweep": "true",
                 "measure": "surprise of the text", "new_tokens": "5"},
    "edits": {"edit_kind": "remove a direction", "edit_direction": "a token"},
}  # fmt: skip
MARKUP = "<b>bold</b> $x^2$ :smile: \x00"


def follow(page: str, query: dict) -> AppTest:
    """A new person who opens a link to a page."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.switch_page(SCRIPTS[page])
    app.query_params = dict(query)
    return app.run()


def picture(app: AppTest) -> dict:
    """What the page finds and holds; without the sentence on its link."""
    assert not app.exception and not app.error
    return {
        "findings": [box.value for box in app.header],
        "said": [box.value for box in app.markdown if "<style>" not in box.value],
        "texts": [code.value for code in app.code],
        "fields": {
            box.key: box.value
            for kind in (app.segmented_control, app.selectbox, app.number_input, app.text_input, app.text_area,
                         app.slider, app.toggle, app.multiselect)
            for box in kind
        },
    }  # fmt: skip


@cache
def plain(page: str) -> dict:
    app = follow(page, {})
    assert "The link" not in sentences(app)
    return picture(app)


def bogus(field: words.Field) -> str | None:
    """A value that this field cannot have; None where it can have any."""
    if isinstance(field, words.Number):
        return "1e9" if field.high < words.BIGGEST else "x"
    return {words.Options: "bogus", words.Switch: "maybe", words.Model: "no-such-model"}.get(type(field))


@pytest.mark.parametrize("page", words.PAGES)
def test_values_that_are_none_are_named_and_left_out(page):
    query = {key: bogus(field) for key, field in words.of_page(page).items() if bogus(field)}
    app = follow(page, query)
    assert picture(app) == plain(page)
    said = unescaped(sentences(app))
    assert "The link asks for model=no-such-model, which is not known here; showing Loupe mini." in said
    assert "The link asks for pos=x, which is not a whole number; it is left out." in said
    assert len(query) == 3 or re.search(rf"{len(query) - 3} more of its values (is|are) left out too", said)


@pytest.mark.parametrize("page", words.PAGES)
def test_keys_that_are_none_and_values_given_twice_are_named_and_left_out(page):
    twice = {key: ["1", "2"] for key, field in words.of_page(page).items() if not words.is_several(field)}
    odd = {MARKUP: MARKUP, "to-" + MARKUP: "1", "embed": "true", "far_too_long": "x" * 100_000}
    app = follow(page, odd | twice)
    assert picture(app) == plain(page)
    said = unescaped(sentences(app))
    assert "The link asks for <b>bold</b>·$x^2$·:smile:·␀=<b>bold</b>·$x^2$·:smile:·␀, which is not known here" in said
    assert f"far_too_long={'x' * 40}…, which is not known here" in said and "embed=" not in said
    assert f"{len(twice)} more of its values are left out too" in said


@pytest.mark.parametrize("page", sorted(FORMER))
def test_a_link_with_former_words_shows_what_it_always_showed(page):
    query = FORMER[page]
    fields = words.of_page(page)
    today = {
        key: fields[key].understood(text) if isinstance(fields[key], words.Options) else text
        for key, text in query.items()
    }
    former, now = follow(page, query), follow(page, today)
    assert picture(former) == picture(now) and "The link" not in sentences(former)
    assert picture(now)["fields"] != plain(page)["fields"]


def test_the_address_of_a_former_word_stays_until_another_is_chosen():
    app = follow("ablation", {"site": "attention layers"})
    assert app.segmented_control(key="site").value == "attn_out"
    assert app.query_params["site"] == "attention layers"
    app.segmented_control(key="site").set_value("mlp_out").run()
    assert app.query_params["site"] == "mlp_out"
    app.segmented_control(key="site").set_value("head").run()
    assert "site" not in app.query_params, "the usual one needs no word"


def test_a_word_that_is_none_is_named_until_another_is_chosen():
    app = follow("ablation", {"site": "bogus"})
    named = "The link asks for site=bogus, which is not known here; showing heads."
    assert named in unescaped(sentences(app)) and app.segmented_control(key="site").value == "head"
    app.query_params["site"] = "bogus"
    app.number_input(key="layer").set_value(1).run()
    assert named in unescaped(sentences(app)) and not app.exception
    app.segmented_control(key="site").set_value("mlp_out").run()
    assert "The link" not in sentences(app) and app.query_params["site"] == "mlp_out"


def test_an_autoencoder_is_read_by_its_hook_or_by_its_name_and_named_where_the_model_has_none():
    hook, name = "blocks.2.hook_resid_pre", "residual stream before layer 2"
    for said in (hook, name):
        app = follow("features", {"sae": said})
        assert app.selectbox(key="sae").value == hook and "The link" not in sentences(app)
    app = follow("features", {"sae": "blocks.77.hook_resid_pre"})
    assert not app.exception and app.header
    assert "sae=blocks.77.hook_resid_pre, which this model does not have; showing" in unescaped(sentences(app))


def test_features_are_named_as_missing_where_the_model_has_no_autoencoder(tiny_folder):
    model = str(tiny_folder("gemma2"))
    app = follow("ablation", {"model": model, "prompt": "the cat sat on the dog", "site": "features"})
    assert not app.exception and not app.error and app.segmented_control(key="site").value == "head"
    said = unescaped(sentences(app))
    assert "The link asks for site=features, which this model does not have; showing heads." in said


def test_a_model_is_read_by_its_id_and_by_its_title():
    for said in ("loupe-mini", "Loupe mini"):
        app = follow("", {"model": said})
        assert app.selectbox(key="model").value == "loupe-mini" and "The link" not in sentences(app)


def test_a_choice_goes_along_to_other_pages_and_back():
    app = follow("ablation", {"site": "mlp_out", "mode": "zero"})
    app.switch_page(SCRIPTS["attention"])
    app.query_params = {}
    app.run()
    app.switch_page(SCRIPTS["ablation"])
    app.query_params = {}
    app.run()
    assert app.segmented_control(key="site").value == "mlp_out" and app.selectbox(key="mode").value == "zero"
    assert app.query_params["site"] == "mlp_out" and app.query_params["mode"] == "zero"


@pytest.mark.parametrize("page", words.PAGES)
def test_every_field_that_an_address_may_fill_is_known(page):
    """What Streamlit binds to the address is in the list of words, with the same limits."""
    asked = {"operation": "clamp", "sweep": "true", "source2": "token"} if page == "steering" else {}
    app = follow(page, asked)
    fields = words.of_page(page)
    drawn = [box for kind in (app.segmented_control, app.selectbox, app.number_input, app.text_input, app.text_area,
                              app.slider, app.toggle, app.multiselect) for box in kind]  # fmt: skip
    bound = [box for box in drawn if box.proto.query_param_key]
    assert {box.key for box in bound} <= set(fields) and len(bound) >= len(words.SIDEBAR)
    for box in bound:
        field = fields[box.key]
        if isinstance(field, words.Number) and box.key != "pos":
            assert box.proto.min == field.low
            assert box.proto.max == field.high or not getattr(box.proto, "has_max", True)
