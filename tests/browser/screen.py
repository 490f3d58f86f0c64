"""What a person sees and does on any page of the dashboard, in their words."""

import re
import time
from collections.abc import Callable
from urllib.parse import quote_plus

from playwright.sync_api import Locator, Page, expect

from tests.patience import SECONDS

# The page's link in the sidebar, its address, its title
PAGES = (
    ("Start", "", "See inside a language model"),
    ("Investigate", "investigate", "Investigate"),
    ("Lenses", "logit_lens", "Lenses"),
    ("Writing", "writing", "Writing"),
    ("Attention", "attention", "Attention"),
    ("Heads", "heads", "Heads"),
    ("Attribution", "attribution", "Attribution"),
    ("Words", "input_attribution", "Words"),
    ("Features", "features", "Features"),
    ("Directions", "directions", "Directions"),
    ("Texts", "max_activating", "Texts"),
    ("Probing", "probing", "Probing"),
    ("Neurons", "neurons", "Neurons"),
    ("Ablation", "ablation", "Ablation"),
    ("Patching", "patching", "Patching"),
    ("Path patching", "path_patching", "Path patching"),
    ("Circuit", "circuit", "Circuit"),
    ("Graph", "attribution_graph", "Attribution graph"),
    ("Steering", "steering", "Steering"),
    ("Edits", "edits", "Edits"),
    ("Tours", "tours", "Tours"),
    ("Bigram", "bigram", "Bigram"),
    ("Superposition", "superposition", "Superposition"),
    ("IOI", "ioi", "Indirect object identification"),
    ("Timeline", "training_timeline", "Training timeline"),
    ("Glossary", "glossary", "Glossary"),
    ("Report", "report", "Report"),
    ("Batch", "batch", "Batch"),
)
LABS = {"bigram", "superposition", "ioi", "glossary"}  # which read no prompt, but letters or prompts of their own
TEXTS = {"tours", "report", "batch"}  # which are read, and compute nothing
CHARTED = tuple(page for page in PAGES if page[1] not in TEXTS)
READING = tuple(page for page in CHARTED if page[1] not in LABS)
SECOND_PROMPT = "The same prompt with its telling word exchanged"
# What was just done has reached the server: a field may keep its value to itself for a fifth of a second, and its timer
# began before this one. Then thrice in a row nothing is to come from the server, and nothing left to draw.
CALM = """async () => {
  const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds))
  const app = () => document.querySelector('[data-testid="stApp"]')?.dataset ?? {}
  await wait(300)
  for (let calm = 0, silent = 0; calm < 3; ) {
    // a page behind another may have no idle time
    await new Promise(done => requestIdleCallback(done, { timeout: 1000 }))
    await wait(30)
    const idle = app().testScriptState === "notRunning"
    silent = idle ? silent + 1 : 0  // not all that is sent has an answer
    calm = idle && (!window.unanswered || silent > 150) ? calm + 1 : 0
  }
}"""


def finding(page: Page) -> Locator:
    """The first finding: the sentence above the first chart."""
    return main(page).get_by_role("heading", level=2).first


def main(page: Page) -> Locator:
    return page.get_by_test_id("stMain")


def sidebar(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def field(page: Page, label: str) -> Locator:
    """A text or number field by its label, wherever it stands."""
    named = {"name": label, "exact": True}
    return page.get_by_role("textbox", **named).or_(page.get_by_role("spinbutton", **named))


def token(page: Page, pos: int) -> Locator:
    """The chip of the token at a position."""
    return page.get_by_role("option", name=re.compile(rf"^{pos} "))


def go(page: Page, name: str) -> None:
    """To another page by its link in the sidebar, until its finding stands."""
    title = next(title for link, _, title in PAGES if link == name)
    settled(page)  # Streamlit carries a link's values to the next page only once its first run is complete
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    settled(page)


def settled(page: Page) -> None:
    """Until the server has nothing more to say, and the browser has fetched the code of every kind of field."""
    page.evaluate(CALM)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Until what the test sees by its own means is so."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        page.wait_for_timeout(50)


def in_address(page: Page, name: str, value: str) -> None:
    """Until the address holds the value of a field: it is written after the run that the field set off."""
    expect(page).to_have_url(re.compile(rf"[?&]{name}={re.escape(quote_plus(value))}(&|$)"))


def ask(page: Page, prompt: str) -> None:
    """Type a prompt and apply it."""
    box = field(page, "Prompt")
    box.fill(prompt)
    box.press("Enter")


def fill(page: Page, label: str, text: str) -> None:
    """Type into a field of one line and apply it."""
    field(page, label).fill(text)
    field(page, label).press("Enter")


def charts(page: Page) -> Locator:
    return main(page).get_by_test_id("stVegaLiteChart")
