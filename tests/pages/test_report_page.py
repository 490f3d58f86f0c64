"""The page Report: pins of any page, in order, with notes; files that are opened; and what cannot be computed here."""

import json
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from charts import figures
from charts.ready import ready, with_rows
from charts.report.html import page as html
from mi_core.analyses.predict import predict
from mi_core.jobs.request import Request
from mi_core.sharing import report
from mi_core.sharing.pin import Pin
from tests.pages.test_pages import START, sentences, unescaped, visit
from ui import pins

REPORT = "pages/share/report.py"
ATTENTION = "pages/look/attention.py"
PROMPT = "The capital of Texas is"


def turn(app: AppTest, page: str, **query: str) -> AppTest:
    app.switch_page(page)
    app.query_params = query
    app.run()
    assert not app.exception
    return app


def findings(app: AppTest) -> list[str]:
    return [unescaped(header.value) for header in app.header]


def held(app: AppTest) -> list[Pin]:
    return list(app.session_state["_pins"].values())


@pytest.fixture
def two() -> AppTest:
    """A session that has pinned a result of each of two pages, and looks at its report."""
    app = visit(START)
    app.button(key="predictions-pin").click().run()
    turn(app, ATTENTION, layer="1")
    app.button(key="pattern-pin").click().run()
    return turn(app, REPORT)


def test_without_pins_the_page_says_what_to_do():
    app = visit(REPORT)
    assert findings(app) == ["Nothing is pinned yet"]
    assert {"Two heads that copy", "Who gets the drink?", "Where a fact lives"} <= {
        unescaped(button.label) for button in app.button
    }
    assert not app.error and not app.get("download_button")


def test_results_of_two_pages_stand_in_the_report_with_their_charts(two):
    first, second = held(two)
    assert findings(two)[0].startswith("1  After") and findings(two)[1].startswith("2  L1H")
    assert first.request == Request.of("predict", "loupe-mini", **dict(first.request.settings))
    assert (first.page, first.figure, second.page, second.figure) == ("", "predict", "attention", "attention")
    assert dict(second.request.settings)["layer"] == 1 and "layer=1" in second.query
    assert len(two.get("vega_lite_chart")) == 2
    assert [button.proto.label for button in two.get("download_button")] == ["Report as HTML", "Report as PDF"]
    links = {link.proto.label: link.proto.url for link in two.get("link_button")}
    assert links["Open its page: result 2"] == f"attention?{second.query}"


def test_a_result_is_pinned_once(two):
    turn(two, START)
    assert two.button(key="predictions-pin").label == "Pinned" and two.button(key="surprise-pin").label == "Pin"
    two.button(key="predictions-pin").click().run()
    assert len(held(two)) == 2 and "pinned already" in two.toast[0].value
    assert "pin" not in {button.key.split("-")[-1] for button in turn(two, REPORT).button if button.key}


def test_pins_are_moved_and_taken_off(two):
    first, second = held(two)
    two.button(key=f"down-{first.id}").click().run()
    assert [pin.id for pin in held(two)] == [second.id, first.id]
    assert findings(two)[0].startswith("1  L1H")
    assert two.button(key=f"up-{second.id}").disabled and two.button(key=f"down-{first.id}").disabled
    two.button(key=f"off-{second.id}").click().run()
    assert [pin.id for pin in held(two)] == [first.id] and len(two.get("vega_lite_chart")) == 1
    two.button(key="report-clear").click().run()
    assert not held(two) and findings(two) == ["Nothing is pinned yet"]


def test_what_is_written_stays_with_its_pin(two):
    first, second = held(two)
    two.text_area(key=f"note-{second.id}").set_value("<b>mine</b> *so*").run()
    two.text_area(key=f"claim-{second.id}").set_value("It rests there").run()
    two.text_input(key="report_title").set_value("What I saw").run()
    evidence = two.text_area(key=f"evidence-{second.id}").value
    assert evidence.startswith(findings(two)[1].removeprefix("2  ")) and "self-check" in evidence
    two.button(key=f"up-{second.id}").click().run()
    turn(turn(two, START), REPORT)
    assert two.text_area(key=f"note-{second.id}").value == "<b>mine</b> *so*"
    assert two.text_area(key=f"note-{first.id}").value == ""
    assert two.text_input(key="report_title").value == "What I saw"
    assert held(two)[0].evidence is None, "evidence that nobody touched follows the result"
    two.text_area(key=f"evidence-{second.id}").set_value("my own").run()
    assert held(two)[0].evidence == "my own" and held(two)[0].sheet["evidence"] == "my own"


@pytest.mark.parametrize("name", ["Two heads that copy", "Who gets the drink?", "Where a fact lives"])
def test_a_deck_is_computed_here(name):
    app = visit(REPORT)
    next(button for button in app.button if unescaped(button.label) == name).click().run()
    assert not app.exception and not app.error and not app.warning
    assert len(findings(app)) == len(held(app)) == len(app.get("vega_lite_chart")) >= 5
    assert len(set(findings(app))) == len(findings(app)), "no sentence twice"
    assert app.text_input(key="report_title").value == name and all(pin.note and pin.how for pin in held(app))


def opened(app: AppTest, document: dict) -> AppTest:
    """As by the field that reads a file."""
    session = {}
    for pin in (read := report.read(html(document).encode())).pins:
        session[pin.id] = pin
    app.session_state["_pins"] = session
    app.session_state["_pins_stored"] = dict(read.stored)
    return app.run()


def entry(mini, model="loupe-mini", **settings) -> dict:
    result = predict(mini, PROMPT)
    pin = Pin(Request.of("predict", model, prompt=PROMPT, **settings), "predictions", "predict", note="kept")
    return report.entry(pin, report.made(pin, result, with_rows(ready(figures.predict(result)))))


def test_a_report_that_is_opened_is_computed_anew_and_compared(mini):
    good = entry(mini)
    app = opened(visit(REPORT), report.document("t", [good]))
    assert "Computed anew here: the same numbers as stored." in unescaped(sentences(app))
    other = json.loads(json.dumps(good))
    other["table"]["rows"][0][other["table"]["columns"].index("probability")] -= 0.5
    app = opened(visit(REPORT), report.document("t", [other]))
    assert "differs from the stored numbers by up to 5.0e-01 in probability." in unescaped(sentences(app))


def test_what_cannot_be_computed_here_is_shown_as_it_is_stored_and_said_to_be(mini):
    app = opened(visit(REPORT), report.document("t", [entry(mini, model="gpt2-small"), entry(mini, target="no such")]))
    said = unescaped(sentences(app))
    assert "Stored, not computed here: The model gpt2-small is not on this computer." in said
    assert said.count("These are the numbers that the report was written with.") == 2
    assert len(app.get("vega_lite_chart")) == 2 and findings(app)[0].startswith("1  After")
    assert app.text_area(key=f"note-{held(app)[0].id}").value == "kept"
    assert len(app.get("download_button")) == 2, "and goes into the next report"


def test_a_pin_whose_numbers_are_nowhere_says_so_and_is_not_lost():
    app = visit(REPORT)
    pin = Pin(Request.of("predict", "gpt2-small", prompt=PROMPT), "predictions", "predict", note="kept")
    app.session_state["_pins"] = {pin.id: pin}
    app.run()
    assert "open it with “Open a report”" in unescaped(sentences(app)) and not app.exception
    assert app.text_area(key=f"note-{pin.id}").value == "kept" and not app.get("download_button")


class Browser:
    """The session's side of what a browser kept."""

    def __init__(self, monkeypatch) -> None:
        self.state = {}
        monkeypatch.setattr(pins, "st", SimpleNamespace(session_state=self.state))

    def arrive(self, kept, whole=False) -> list[Pin]:
        pins._arrive(kept if isinstance(kept, str) else json.dumps(kept), whole)
        return list(pins.current())


def written(**change) -> dict:
    pin = Pin(Request.of("predict", "loupe-mini", prompt=PROMPT), "predictions", "predict", page="logit_lens")
    return pin.as_dict() | change


def test_pins_that_a_browser_kept_are_looked_at_before_they_are_taken(monkeypatch):
    browser = Browser(monkeypatch)
    damaged = [
        written(figure="_table"), written(figure="pd"), written(figure="Callable"), written(figure="nothing"),
        written(view={"magic": 1}), written(page="https://example.org"), written(analysis="astrology"), 7,
    ]  # fmt: skip
    (pin,) = browser.arrive({"title": "mine", "pins": [*damaged, written(note="kept")]})
    assert pin.note == "kept" and pins.title() == "mine"
    assert pins.remark() == "8 pins that this browser kept are damaged, or of another version, and left out."
    assert pins.remark() == "", "it is said once"
    for nonsense in ("", "[", "3", "{}", '{"pins": 3}', "[" * 100_000):
        browser.arrive(nonsense)
        assert "are damaged" in pins.remark() and pins.current() == (pin,)


def test_pins_of_this_visit_follow_those_of_before_and_another_tab_has_the_last_word(monkeypatch):
    browser = Browser(monkeypatch)
    browser.arrive({"pins": [written(table="positions")]})
    first, second = browser.arrive({"pins": [written()]})
    assert (first.table, second.table) == ("predictions", "positions")
    assert [pin.table for pin in browser.arrive({"pins": [written(table="positions")]}, whole=True)] == ["positions"]
    assert browser.arrive({"pins": []}, whole=True) == []
