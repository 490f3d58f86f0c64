"""A person searches a file of their own for one feature, and goes on to steering with it, in a real browser."""

import json
import re

from playwright.sync_api import expect

from tests.browser.screen import charts, field, fill, finding, in_address, main, settled

CITIES = [f"The capital of {state} is" for state in ("Ohio", "Texas", "Spain", "Japan")]
OTHERS = [f"One day a cat sat on mat number {number}." for number in range(40)]


def test_the_texts_of_ones_own_file_for_one_feature(page):
    page.goto("/max_activating")
    expect(finding(page)).to_contain_text("Feature 66 (“·is”) fires most on “·is”")
    settled(page)
    expect(charts(page)).to_have_count(1)
    main(page).get_by_text("Search a file of your own").click()
    content = "\n".join(json.dumps(text) for text in [*OTHERS, *CITIES])
    main(page).locator("input[type=file]").set_input_files(
        {"name": "mine.jsonl", "mimeType": "application/jsonl", "buffer": content.encode()}
    )
    expect(main(page)).to_contain_text("texts of mine.jsonl")
    settled(page)
    first = main(page).locator(".loupe-context").first
    expect(first).to_contain_text(re.compile(r"text 4[0-3]The·capital·of·\w+·is"))
    expect(first.locator(".peak")).to_have_text("·is")
    fill(page, "Feature", "306")
    expect(finding(page)).to_contain_text("Feature 306")
    in_address(page, "feature", "306")
    settled(page)
    main(page).get_by_role("link", name="steer along it and read what the model writes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Steering")
    expect(field(page, "Feature")).to_have_value("306")
    expect(main(page).get_by_role("alert")).to_have_count(0)
