"""Journeys through the dashboard: type a prompt and read every page, follow a story, open a link, come back."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screen import (
    READING,
    SECOND_PROMPT,
    ask,
    charts,
    field,
    fill,
    finding,
    go,
    in_address,
    main,
    settled,
    token,
)

JAPAN = "The capital of Japan is"
DRINK = "When Mary and John went to the store, John gave a drink to"
# What each page's finding says of JAPAN, and would not say of the prompt that the page opens with.
ABOUT_JAPAN = {
    "Start": "“·Tokyo”",
    "Investigate": "“·Tokyo”",
    "Lenses": "“·Tokyo”",
    "Writing": "It writes “Tokyo",
    "Attention": "“·Japan”",
    "Heads": "6 of 16 heads have a clear role",  # of the model, whatever the prompt
    "Attribution": "“·Tokyo”",
    "Words": "“·Tokyo”",
    "Features": "“·is”",
    "Directions": "comes nearest to “·Rome”",  # of the model, whatever the prompt
    "Texts": "Feature 350 fires most on",
    "Probing": "“·Tokyo”",
    "Neurons": "“·Tokyo”",
    "Ablation": "“·Tokyo”",
    "Patching": "“·Japan”",
    "Path patching": "speaks to the answer most",
    "Circuit": "of 20 heads and MLPs keep",
    "Graph": "“·Tokyo”",
    "Steering": "“·Tokyo”",
    "Timeline": "Naming capitals comes first",  # of the model, whatever the prompt
    "Edits": "now answers “·Rome” instead of “·Tokyo”",
}


# Words of the prompts before, said of this one; sample text may name a Mary of its own.
STALE = re.compile("Texas is|“·Mary”|Mary[ ·]and[ ·]John")


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query, keep_blank_values=True).items()}


def test_a_typed_prompt_is_read_on_every_page(page):
    page.goto("/")
    expect(finding(page)).to_contain_text("“·Austin”")
    settled(page)
    page.get_by_role("button", name="Who gets the drink?").click()
    expect(finding(page)).to_contain_text("“·Mary”")
    ask(page, JAPAN)
    expect(finding(page)).to_contain_text("“·Tokyo”")
    for name, _, _ in [*READING[1:], READING[0]]:
        go(page, name)
        if name == "Patching":
            fill(page, SECOND_PROMPT, "The capital of France is")
        if name == "Edits":
            fill(page, "Subject", "Japan")
            fill(page, "New answer", "Rome")
        about = main(page) if name == "Probing" else finding(page)  # whose first finding is about its own texts
        expect(about).to_contain_text(ABOUT_JAPAN[name])
        expect(field(page, "Prompt")).to_have_value(JAPAN)
        expect(token(page, 4)).to_contain_text("·Japan")
        expect(charts(page).first).to_be_visible()
        in_address(page, "prompt", JAPAN)
        expect(main(page)).not_to_contain_text(STALE)
        expect(main(page).get_by_role("alert")).to_have_count(0)


def test_a_clicked_token_is_the_position_everywhere(page):
    page.goto(f"/?prompt={JAPAN}")
    last = "After “·is”"
    expect(finding(page)).to_contain_text(last)
    token(page, 4).click()
    expect(finding(page)).to_contain_text("After “·Japan”")
    for name, _, _ in READING[1:]:
        go(page, name)
        expect(token(page, 4)).to_have_attribute("aria-selected", "true")
        expect(token(page, 5)).to_have_attribute("aria-selected", "false")
        expect(field(page, "Position")).to_have_value("4")
        in_address(page, "pos", "4")
    go(page, "Start")
    expect(finding(page)).to_contain_text("After “·Japan”")
    expect(finding(page)).not_to_contain_text(last)


def test_a_newcomer_reaches_a_finding_in_three_clicks(page):
    page.goto("/")
    expect(finding(page)).to_contain_text("“·Austin”")
    page.get_by_role("button", name="Who gets the drink?").click()
    expect(finding(page)).to_contain_text("the model expects “·Mary”")
    page.get_by_role("link", name="See who pushed the answer").click()
    expect(finding(page)).to_contain_text("favours “·Mary” over “·John”")
    expect(field(page, "Prompt")).to_have_value(DRINK)
    expect(field(page, "Layer")).not_to_have_value("")
    expect(field(page, "Head")).not_to_have_value("")
    expect(main(page)).not_to_contain_text("Austin")


LINKS = [
    ("logit_lens", "target=+Mary&foil=+John&pos=10&norm=frozen&half=true&follow=logit", {"Half layers": "true"}),
    ("attention", "pos=9&layer=2&head=1&weighted=true", {"Layer": "2", "Head": "1"}),
    ("attribution", "target=+Mary&foil=+John&layer=1&head=2", {"Layer": "1", "Compared with": " John"}),
    ("features", "pos=4&feature=115", {"Feature": "115", "Position": "4"}),
    ("path_patching", "receiver=L3H0&input=values&straight=true", {"Who receives": "L3H0", "Hold MLPs still": "true"}),
    ("steering", "feature=115&strength=0.8&new_tokens=12", {"Feature": "115", "Strength": "0.80", "New tokens": "12"}),
    ("steering", "source=a+contrast+of+prompts&layer=1&new_tokens=12", {"Layer": "1"}),
    (
        "steering",
        "feature=115&strength=0.4&source2=a+token&token2=dog&strength2=0.8&layer2=3&new_tokens=12",
        {"Token": "dog", "Strength of direction 2": "0.80", "Strength": "0.40"},
    ),
    ("steering", "feature=115&operation=clamped&times=3&new_tokens=12", {"Times its largest activation": "3.00"}),
    ("", "target=+Mary&foil=+John&bos=off&pos=-1", {"Start token": "off", "Position": "-1"}),
]
FIELDS = """() => Object.fromEntries([...document.querySelectorAll(
    'input, textarea, [role=radio], [role=slider], [role=switch]')].map((e, i) => [
    (e.getAttribute('aria-label') || e.closest('label')?.textContent || e.textContent || '').trim() || 'nameless ' + i,
    e.getAttribute('aria-checked') ?? e.getAttribute('aria-valuetext') ?? e.getAttribute('aria-valuenow')
    ?? (['checkbox', 'radio'].includes(e.type) ? String(e.checked) : e.value)]))"""


def picture(page: Page) -> dict:
    """All that a person sees: headings, field values, chosen token, and the words in the charts."""
    expect(finding(page)).to_be_visible()
    settled(page)
    expect(charts(page).first.locator("svg")).to_be_visible()
    return {
        "headings": main(page).get_by_role("heading").all_inner_texts(),
        "fields": page.evaluate(FIELDS),
        "token": page.locator('[role="option"][aria-selected="true"]').all_inner_texts(),
        "chart": charts(page).first.locator("svg text").all_text_contents(),
        "query": query(page),
    }


@pytest.fixture(scope="module")
def plain() -> dict[str, list[str]]:
    """The words in each page's chart when nothing is set but the prompt, as far as they were needed."""
    return {}


@pytest.mark.parametrize(("path", "settings", "fields"), LINKS, ids=[f"{path} {rest}" for path, rest, _ in LINKS])
def test_a_link_shows_the_same_picture_to_another_person(visitor, plain, path, settings, fields):
    one, other = visitor(), visitor()
    one.goto(f"/{path}?prompt={DRINK}&{settings}")
    seen = picture(one)
    assert {name: seen["fields"].get(name) for name in fields} == fields
    assert set(parse_qs(settings)) <= set(seen["query"])
    other.goto(one.url)
    assert picture(other) == seen
    if path not in plain:
        other.reload()
        assert picture(other) == seen
        other.goto(f"/{path}?prompt={DRINK}")
        plain[path] = picture(other)["chart"]
    assert seen["chart"] != plain[path], "the settings changed nothing"


def test_back_and_forward_keep_the_prompt(page):
    page.goto(f"/?prompt={JAPAN}")
    expect(finding(page)).to_contain_text("“·Tokyo”")
    go(page, "Lenses")
    go(page, "Attribution")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lenses")
    expect(finding(page)).to_contain_text("“·Tokyo”")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("Attribution")
    expect(finding(page)).to_contain_text("“·Tokyo”")
    expect(field(page, "Prompt")).to_have_value(JAPAN)
    expect(main(page)).not_to_contain_text("Austin")


def test_two_people_never_see_each_others_results(visitor):
    prompts = {"The capital of Japan is": "“·Tokyo”", "The capital of France is": "“·Paris”"}
    people = {prompt: visitor() for prompt in prompts}
    for person in people.values():
        person.goto("/logit_lens")
        expect(finding(person)).to_be_visible()
    for prompt, person in people.items():
        field(person, "Prompt").fill(prompt)
    for person in people.values():
        field(person, "Prompt").press("Control+Enter")
    for prompt, person in people.items():
        other = next(answer for asked, answer in prompts.items() if asked != prompt)
        expect(finding(person)).to_contain_text(prompts[prompt])
        for name in ("Attribution", "Start"):
            go(person, name)
            expect(finding(person)).to_contain_text(prompts[prompt])
            expect(finding(person)).not_to_contain_text(other)
            expect(field(person, "Prompt")).to_have_value(prompt)
