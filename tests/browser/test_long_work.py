"""Long work says how far it is, can be stopped, and is started again only when asked."""

import pytest
from playwright.sync_api import expect

from tests.browser.screen import ask, main


@pytest.fixture
def page(visitor, serve):
    return visitor(serve("tests/browser/apps/long_work.py"))


def test_a_button_stops_long_work_and_keeps_what_there_is(page):
    page.goto("/")
    stop = page.get_by_role("button", name="Stop")
    expect(main(page)).to_contain_text("of 10,000, about")
    expect(main(page)).to_contain_text("word word")
    stop.click()
    expect(main(page)).to_contain_text("Stopped before it was finished.")
    expect(main(page)).to_contain_text("word word")
    expect(stop).to_have_count(0)
    expect(page.get_by_label("Prompt", exact=True)).not_to_have_value("")

    page.get_by_role("button", name="Run again").click()
    expect(main(page)).to_contain_text("of 10,000, about")
    ask(page, "Another prompt is")
    expect(main(page)).to_contain_text("of 10,000, about")
    stop.click()
    expect(main(page)).to_contain_text("Stopped before it was finished.")
