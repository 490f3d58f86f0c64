"""Tours on the built-in model: every step opens, lights what is there, and finds the number that it says to expect."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.test_pages import ROOT, SECONDS, sentences, unescaped
from ui.tours.plan import TOURS

STEPS = [(tour, number) for tour in TOURS.values() for number in range(1, len(tour.steps) + 1)]


def turn(app: AppTest, tour, number: int) -> AppTest:
    """As by the link to a step."""
    link = tour.link(number)
    app.switch_page(link["page"])
    app.query_params = dict(link["query_params"])
    return app.run()


def begin() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)


def card(app: AppTest) -> str:
    """What the card says, without its marks."""
    said = "".join(box.proto.body for box in app.get("html") if "loupe-live" in box.proto.body and "<style>" not in box.proto.body)
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", said))


@pytest.fixture(scope="module")
def walked():
    """One session that walks all tours."""
    app = begin()
    found = {}
    for tour, number in STEPS:
        turn(app, tour, number)
        print(tour.name, number, app.exception, [e.value for e in app.error], card(app), [h.value for h in app.header][:1])
    return found


def test_x(walked):
    pass
