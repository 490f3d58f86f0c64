"""A person makes the pentagon come true, plays its training, and looks at another start."""

import re

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled, until


def test_the_pentagon_comes_true_and_its_training_is_played(page):
    page.goto("/superposition")
    expect(finding(page)).to_have_text("2 of 5 features fit into 2 dimensions")
    settled(page)
    main(page).get_by_role("radio", name="4").click()
    expect(finding(page)).to_have_text("All 5 features fit into 2 dimensions, 72° apart")
    expect(main(page)).to_contain_text("0.40 of a dimension to itself (D); together they take up 2.00 of 2 dimensions")
    expect(main(page)).to_contain_text("You said 4: 5 fit.")
    in_address(page, "density", "0.05")
    settled(page)
    play, slider = page.get_by_role("button", name="Play the training"), main(page).locator('input[type="range"]').last
    expect(play).to_be_visible()  # and so it has been played
    assert slider.get_attribute("max") == slider.input_value() == "1000"
    ends = drawn(page)
    slider.evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input', { bubbles: true })) }")
    until(page, lambda: drawn(page) != ends)
    play.click()
    until(page, lambda: drawn(page) == ends)
    expect(play).to_be_visible()
    before = field(page, "Look at start").get_attribute("placeholder")
    other = "1" if before.startswith("2") else "2"
    panels = charts(page).filter(has_text=re.compile("How each start ended"))
    panels.get_by_text(f"start {other}:").click(force=True)  # what is clicked lies over the words
    settled(page)
    expect(field(page, "Look at start")).to_have_value(other)
    expect(charts(page).first).to_contain_text(f"Start {other}.")
    expect(main(page).get_by_role("alert")).to_have_count(0)


def drawn(page) -> list[str]:
    """The arrows' heads, as they stand."""
    return charts(page).first.locator("svg path").evaluate_all("all => all.map(e => e.getAttribute('transform'))")
