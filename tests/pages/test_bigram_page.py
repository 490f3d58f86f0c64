"""The bigram lab: words of one's own, a letter that is clicked, a guess before the answer, and a real model."""

import pytest

from tests.pages.test_pages import sentences, unescaped, visit

BIGRAM = "pages/understand/bigram.py"


def said(app) -> str:
    return unescaped("\n".join(box.value for kind in (app.header, app.subheader, app.markdown) for box in kind))


def specs(app) -> str:
    return "".join(chart.proto.spec for chart in app.get("vega_lite_chart"))


def test_it_opens_on_names_whatever_the_sidebar_holds_and_keeps_the_answer_until_one_has_guessed():
    app = visit(BIGRAM, prompt="", model="no-such-model")
    assert not app.exception and not app.error
    assert "knows just what counting the letters would tell" in unescaped(app.header[0].value)
    assert len(app.header) == 1 and "5.79" not in said(app) and "What this does not show" in said(app)
    app.segmented_control(key="guess").set_value("longer").run()
    assert not app.exception and not app.error
    assert "just as long as those counted, to the last digit" in said(app)
    assert "never stops: its words are infinitely long" in unescaped(app.header[1].value)
    assert len(app.code) == 2 and all(line.endswith("…") for line in app.code[1].value.split("\n"))
    assert "What this does not show" in unescaped(app.subheader[-1].value)


def test_a_letter_a_seed_and_an_early_step_are_in_the_address_and_a_letter_that_is_none_is_forgotten():
    app = visit(BIGRAM, letter="q", training_steps=0, seed=3)
    assert not app.exception and not app.error
    assert "Before it learns, the model is" in unescaped(app.header[0].value)
    assert "What comes after \\u201cq\\u201d" in specs(app)
    app = visit(BIGRAM, letter="q", own_words="anna otto ada")
    assert not app.exception and app.selectbox(key="letter").value == "start"
    assert "It learned from 3 words" in said(app)


@pytest.mark.parametrize(
    ("cut", "letter", "title"),
    [
        ("column", "a", "Without the column of “a”, it writes words of"),
        ("row", "start", "Without the row of the start, it writes words of"),
        ("nothing", None, "It writes words of 5.80 letters on average"),
    ],
)
def test_any_part_can_be_taken_out(cut, letter, title):
    app = visit(BIGRAM, guess="same", cut=cut, **{"cut_letter": letter} if letter else {})
    assert not app.exception and not app.error
    assert title in unescaped(app.header[1].value)


@pytest.mark.parametrize(("typed", "wrong"), [("anna", "fewer than two words"), ("otto " + "x" * 50, "has 50 letters")])
def test_words_that_cannot_be_learned_from_get_a_sentence_and_are_kept(typed, wrong):
    app = visit(BIGRAM, own_words=typed)
    assert not app.exception and wrong in unescaped(app.error[0].value) and not app.header
    assert app.text_area(key="own_words").value == typed


def test_the_same_is_asked_of_a_real_model():
    app = visit(BIGRAM, lab="tokens")
    assert not app.exception and not app.error
    assert "embedding and unembedding alone say “·of”" in unescaped(app.header[0].value)
    assert len(app.get("vega_lite_chart")) == 4 and "What this does not show" in said(app)
    links = [link.proto.label for link in app.get("page_link")]
    assert any("knock out each MLP" in label for label in links)
    app.text_input(key="bigram_token").set_value("antidisestablishment").run()
    assert not app.exception and "tokens for this model" in unescaped(sentences(app))
