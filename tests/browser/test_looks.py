"""A narrow screen, light and dark: everything fits and can be read."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screen import PAGES, ask, charts, field, finding, main, settled, sidebar

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# A solid colour behind an element, and the contrast of its text to it as WCAG 2 defines it
CONTRAST = """(element, property) => {
  const numbers = colour => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d')
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  let behind = element, ground = [0, 0, 0, 0]
  while (behind && (ground = numbers(getComputedStyle(behind).backgroundColor))[3] < 255) behind = behind.parentElement
  const luminance = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const text = numbers(getComputedStyle(element)[property])
  const [dark, light] = [luminance(text), luminance(ground)].sort((a, b) => a - b)
  return { ratio: (light + 0.05) / (dark + 0.05), ground: ground.slice(0, 3) }
}"""


def sideways(page: Page) -> list[int]:
    """Pixels by which the page and its main part could be scrolled sideways."""
    return page.evaluate(
        """['html', '[data-testid="stMain"]', '[data-testid="stMainBlockContainer"]'].map(where => {
            const e = document.querySelector(where); return e.scrollWidth - e.clientWidth })"""
    )


@pytest.mark.parametrize(("link", "path", "title"), PAGES, ids=[link for link, _, _ in PAGES])
def test_a_phone_shows_every_page(visitor, link, path, title):
    page = visitor(**PHONE)
    page.goto(f"/{path}")
    expect(finding(page)).to_be_visible()
    settled(page)
    assert sideways(page) == [0, 0, 0]
    finding(page).scroll_into_view_if_needed()
    expect(finding(page)).to_be_in_viewport()
    charts(page).first.scroll_into_view_if_needed()
    expect(charts(page).first).to_be_in_viewport()
    left, right = finding(page).evaluate("e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]")
    assert 0 <= left < right <= 390
    expect(sidebar(page)).not_to_be_in_viewport()


def test_a_phone_can_type_a_prompt(visitor):
    page = visitor(**PHONE)
    page.goto("/")
    expect(finding(page)).to_contain_text("“·Austin”")
    expect(field(page, "Prompt")).not_to_be_in_viewport()
    page.get_by_test_id("stExpandSidebarButton").tap()
    expect(field(page, "Prompt")).to_be_in_viewport()
    ask(page, "The capital of Japan is")
    sidebar(page).hover()
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").tap()
    expect(field(page, "Prompt")).not_to_be_in_viewport()
    expect(finding(page)).to_contain_text("“·Tokyo”")


def test_light_and_dark_differ_and_both_can_be_read(visitor):
    grounds = {}
    for scheme in ("light", "dark"):
        page = visitor(color_scheme=scheme)
        page.goto("/features")
        expect(finding(page)).to_be_visible()
        settled(page)
        sentences = main(page).get_by_test_id("stMarkdownContainer").locator("p")
        fields = sidebar(page).get_by_test_id("stMarkdownContainer").locator("p")
        for element in [finding(page), *sentences.all(), *fields.all()]:
            if not element.is_visible() or not element.inner_text().strip():
                continue
            measured = element.evaluate(CONTRAST, "color")
            assert measured["ratio"] >= 4.5, f"{scheme}: {element.inner_text()!r} {measured}"
        measured = finding(page).evaluate(CONTRAST, "color")
        assert measured["ratio"] >= 7
        grounds[scheme] = measured["ground"]
    assert min(grounds["light"]) > 200 and max(grounds["dark"]) < 60


def test_the_words_of_a_chart_can_be_read_on_both_grounds(visitor):
    for scheme in ("light", "dark"):
        page = visitor(color_scheme=scheme)
        page.goto("/attribution")
        expect(charts(page).first.locator("svg")).to_be_visible()
        settled(page)
        words = [word for word in charts(page).first.locator("svg text").all() if word.text_content().strip()]
        assert len(words) > 20
        for word in words[::4]:
            ratio = word.evaluate(CONTRAST, "fill")["ratio"]
            assert ratio >= 3, f"{scheme}: {word.text_content()!r} {ratio:.1f}"
