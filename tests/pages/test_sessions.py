"""Many people at once, and one person going from page to page."""

import pytest

from tests.pages.test_pages import PAGES, START, unescaped, visit

CAPITALS = {"Texas": "Austin", "Japan": "Tokyo", "France": "Paris", "Italy": "Rome"}


def test_people_in_turns_each_see_their_own_answer():
    """Sessions open at once that run in turns; at the same moment they meet in tests/browser and tests/core/engine."""
    people = {country: visit("pages/look/logit_lens.py", prompt=f"The capital of {country} is") for country in CAPITALS}
    for _ in range(2):
        for country, app in people.items():
            app.run()
            assert not app.exception and not app.error
            finding = unescaped(app.header[0].value)
            assert f"“·{CAPITALS[country]}”" in finding
            assert not any(f"“·{other}”" in finding for other in CAPITALS.values() if other != CAPITALS[country])


def test_values_survive_every_page():
    app = visit(START, prompt="The capital of Japan is", target=" Tokyo", foil=" Rome", pos=5)
    for page in [*PAGES, *PAGES]:
        app.switch_page(page).run()
        assert not app.exception and not app.error
        assert app.text_area(key="prompt").value == "The capital of Japan is"
        assert app.text_input(key="target").value == " Tokyo"
        assert app.text_input(key="foil").value == " Rome"
        assert app.number_input(key="pos").value == 5


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("target", "", None),
        ("target", "   ", None),
        ("target", "☃☃☃", "token"),
        ("target", "<b>x</b>", "token"),
        ("foil", "Washingtonian", "token"),
        ("pos", -99, "positions 0 to"),
    ],
)
@pytest.mark.parametrize("page", ["pages/look/attribution.py", "pages/look/logit_lens.py"])
def test_an_odd_value_beside_the_prompt_gets_a_sentence_and_is_kept(page, field, value, said):
    app = visit(page, **{field: value})
    assert not app.exception
    kind = app.number_input if field == "pos" else app.text_input
    assert kind(key=field).value == value
    shown = unescaped("\n".join(box.value for boxes in (app.error, app.info, app.caption) for box in boxes))
    if said is None:
        assert app.header and not app.error
    else:
        assert said in shown


@pytest.mark.parametrize("page", PAGES)
def test_without_the_start_token_every_page_stands(page):
    app = visit(page, bos="off", prompt="The capital of Japan is", corrupted="The capital of France is",
                subject="Japan", new_answer="Rome")  # fmt: skip
    assert not app.exception and not app.error
    assert app.header
