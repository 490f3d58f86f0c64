"""What is seen first: on the first screen, on a phone, from the last row of a hall, and at twice the size."""

from playwright.sync_api import Page, expect

from tests.browser.screen import CHARTED, charts, field, finding, main, settled, sidebar, token, until

STORY = "Who gets the drink?"
LEADS = ("Watch the answer form", "See who pushed the answer", "See the concepts")


def top(locator) -> float:
    return locator.bounding_box()["y"]


def bottom(locator) -> float:
    box = locator.bounding_box()
    return box["y"] + box["height"]


def opened(page: Page, path: str) -> Page:
    page.goto(path)
    expect(finding(page)).to_be_visible()
    expect(charts(page).first.locator("svg")).to_be_visible()
    settled(page)
    return page


def test_the_first_screen_shows_a_prompt_its_answer_a_finding_and_where_to_go_next(visitor):
    page = opened(visitor(viewport={"width": 1280, "height": 800}), "/")
    sentence = main(page).locator(".loupe-completion")
    expect(sentence).to_contain_text("The capital of Texas is")
    expect(sentence.locator("strong").first).to_have_text("Austin")
    leads = [page.get_by_role("link", name=name) for name in LEADS]
    story = page.get_by_role("button", name=STORY)
    for seen in (field(page, "Prompt"), token(page, 5), sentence, finding(page), *leads, story):
        assert 0 <= top(seen) < bottom(seen) <= 800
    assert float(sentence.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 24
    assert top(token(page, 5)) < top(sentence) < top(finding(page)) < top(leads[0]) < top(story)
    story.click()
    expect(sentence.locator("strong").first).to_have_text("Mary")
    expect(main(page)).to_contain_text("Two names, one giver")
    page.set_viewport_size({"width": 390, "height": 844})
    settled(page)
    assert bottom(finding(page)) <= 844, "a phone shows the finding"
    assert bottom(finding(page)) < top(story), "and the stories below it"


def letters(page: Page, text: str) -> float:
    """How high the letters of a word in the first chart are on the screen."""
    word = charts(page).first.locator("svg text").filter(has_text=text).first
    return word.evaluate("e => e.getBoundingClientRect().height")


def root_size(page: Page) -> float:
    return page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")


def test_one_key_makes_the_page_fit_for_a_projector(visitor):
    page = opened(visitor(viewport={"width": 1280, "height": 800}), "/")
    before = letters(page, "probability")
    box = field(page, "Prompt")
    box.fill("")
    box.press_sequentially("Pip")  # a letter that is typed is a letter
    box.press("Control+Enter")
    expect(main(page).locator(".loupe-completion")).to_contain_text("Pip")
    settled(page)
    assert root_size(page) == 16
    token(page, 1).focus()
    page.keyboard.press("p")
    expect(sidebar(page)).not_to_be_visible()
    settled(page)
    assert root_size(page) == 24
    until(page, lambda: abs(letters(page, "probability") / before - 1.5) < 0.1)
    assert top(finding(page)) < top(charts(page).first) < min(800, top(token(page, 1)))
    page.get_by_role("link", name=LEADS[0]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lenses")
    settled(page)
    expect(sidebar(page)).not_to_be_visible()  # the next page too
    leave = page.get_by_role("button", name="Leave")
    assert leave.bounding_box()["x"] + leave.bounding_box()["width"] <= 1280
    page.keyboard.press("p")
    expect(sidebar(page)).to_be_visible()
    settled(page)
    assert root_size(page) == 16
    page.get_by_role("button", name="Projector").click()
    expect(sidebar(page)).not_to_be_visible()


def test_charts_fit_and_are_hit_where_they_are_seen_on_a_projector(visitor):
    page = opened(visitor(viewport={"width": 1280, "height": 800}), "/features")
    page.keyboard.press("p")
    expect(sidebar(page)).not_to_be_visible()
    settled(page)
    drawn = charts(page).first.locator("svg")
    until(page, lambda: 900 < drawn.bounding_box()["width"] < 1280)
    bar = drawn.locator("[aria-roledescription='bar']").nth(2)
    bar.hover()
    expect(page.locator("#vg-tooltip-element")).to_contain_text("306")
    page.mouse.move(0, 0)
    opened(page, "/attention").keyboard.press("p")
    expect(sidebar(page)).not_to_be_visible()
    settled(page)
    heads = page.get_by_role("application").locator("canvas")
    heads.scroll_into_view_if_needed()
    box = heads.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20)
    expect(finding(page)).to_contain_text("L3H3")


def test_at_twice_the_size_every_page_shows_a_chart_at_once(visitor):
    page = visitor(viewport={"width": 640, "height": 400})
    for name, path, _ in CHARTED:
        if path == "investigate":  # whose sentences are what it shows, with a chart at their end
            continue
        opened(page, f"/{path}")
        assert top(finding(page)) < top(charts(page).first) < 320, name
        page.keyboard.press("p")
        expect(page.get_by_role("button", name="Leave")).to_be_visible()
        settled(page)
        assert top(finding(page)) < top(charts(page).first) < 360, f"{name}, on a projector"
