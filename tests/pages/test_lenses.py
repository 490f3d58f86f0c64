"""The lenses' page: each lens, the difference of two, a searched token, and one that is trained there."""

import pytest

from tests.pages.test_other_models import open_on
from tests.pages.test_pages import sentences, unescaped, visit

LENSES = "pages/look/logit_lens.py"
FACT = "The capital of Texas is"
SENTENCE = "The capital of Texas is Austin. Mary gave a drink to John. One day a cat sat on a mat."


@pytest.mark.parametrize(
    ("read_by", "title"),
    [("logit", "the top guess"), ("tuned", "the tuned lens' top guess"), ("jacobian", "the Jacobian lens' top guess")],
)
def test_each_lens_has_its_finding(read_by, title):
    app = visit(LENSES, prompt=FACT, read_by=read_by)
    assert not app.exception and not app.error
    assert f"becomes {title}" in unescaped(app.header[0].value)


def test_two_lenses_are_compared_and_a_token_is_found():
    app = visit(LENSES, prompt=FACT, read_by="tuned", against="logit", find="Texas")
    assert not app.exception and not app.error
    assert "the tuned lens gives “·Austin”" in unescaped(app.header[0].value)
    charts = [element.proto.spec for element in app.get("vega_lite_chart")]
    assert any("ranks, after each layer" in spec and "Texas" in spec for spec in charts)


def test_a_lens_is_compared_with_others_only():
    app = visit(LENSES, prompt=FACT, read_by="tuned", against="tuned")
    assert not app.exception and not app.error and app.session_state["against"] is None


def test_a_lens_that_is_not_there_is_trained_on_a_file(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    app = open_on(LENSES, tiny_folder("llama"), read_by="tuned")
    assert "There is no tuned lens for" in unescaped(sentences(app)) and not app.header
    text = "\n".join(f"{number} {SENTENCE}" for number in range(40))
    app.file_uploader(key="lens_file").set_value(("mine.txt", text.encode(), "text/plain")).run()
    app.button(key="train").click().run(timeout=120)
    assert not app.exception and not app.error
    assert "The tuned lens is nearer to the model's output than the logit lens" in unescaped(app.header[0].value)
    assert "tuned lens' top guess" in unescaped(app.header[1].value)
    assert any("was trained here" in each.value for each in app.markdown)


def test_a_file_that_is_no_text_gets_a_sentence(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    app = open_on(LENSES, tiny_folder("llama"), read_by="tuned")
    app.file_uploader(key="lens_file").set_value(("mine.txt", "é".encode("latin-1"), "text/plain")).run()
    app.button(key="train").click().run(timeout=120)
    assert not app.exception and "is not a text file in UTF-8" in unescaped(sentences(app))
