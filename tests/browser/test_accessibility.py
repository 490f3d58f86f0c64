"""For every reader: contrast, focus, headings and names on every page, in both themes; axe-core is asked too."""

import json
from collections.abc import Callable, Iterable

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, expect

from tests.browser.screen import PAGES, TEXTS, charts, finding, main, settled, sidebar

# What axe-core holds to be serious, and three that it counts as less: headings without gaps, tables with names in their
# heads, and names that begin with what is seen (WCAG 2.5.3).
ALSO = ("heading-order", "empty-table-header", "label-content-name-mismatch")
OPTIONS = {"resultTypes": ["violations"], "rules": {"label-content-name-mismatch": {"enabled": True}}}
# Everything on the page, within components too
EVERYTHING = """
const everything = (root = document) => [...root.querySelectorAll('*')]
  .flatMap(e => e.shadowRoot ? [e, ...everything(e.shadowRoot)] : [e])
const parent = e => e.parentElement ?? e.getRootNode().host
const isSeen = e => { const b = e.getBoundingClientRect(); return b.width > 1 && b.height > 1 && e.checkVisibility({
  opacityProperty: true, visibilityProperty: true }) }
"""
# Words (placeholders too) whose contrast to the ground is less than 4.5 as WCAG 2 defines it; those on the coloured
# marks of charts are held to it in tests/charts.
FAINT = (
    "() => {"
    + EVERYTHING
    + """
  const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const numbers = colour => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data
    return [r, g, b, a / 255]
  }
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1]
  const luminance = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const isBehind = (ground, e) => {  // the number above a slider's knob is not on it
    const [a, b] = [ground.getBoundingClientRect(), e.getBoundingClientRect()]
    return a.width >= b.width && a.height >= b.height
  }
  const measured = (e, colour) => {
    const grounds = []
    let share = 1
    for (let at = e; at; at = parent(at)) {
      const style = getComputedStyle(at)
      share *= style.opacity
      if (!isBehind(at, e)) continue
      const [r, g, b, a] = numbers(style.backgroundColor)
      grounds.push([r, g, b, a])
      if (a === 1) break
    }
    const ground = grounds.reduceRight((below, colour) => over(colour, below), [255, 255, 255, 1])
    const [r, g, b, a] = numbers(colour)
    const [dark, light] = [luminance(over([r, g, b, a * share], ground)), luminance(ground)].sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  }
  const found = []
  const note = (e, words, colour) => {
    const ratio = measured(e, colour)
    if (ratio < 4.5) found.push(`${words.trim().slice(0, 60)}: ${ratio.toFixed(2)}`)
  }
  for (const e of everything()) {
    const isIcon = getComputedStyle(e).fontFamily.includes('Material')  // of which 3 : 1 is asked
    if (isIcon || !isSeen(e) || e.matches(':disabled, :disabled *, [aria-disabled="true"] *, style, script')) continue
    const words = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join('')
    const isOnMark = e.closest('[aria-roledescription="text mark"]')
    if (words.trim() && !isOnMark) note(e, words, getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color'])
    if (e.placeholder && !e.value) note(e, e.placeholder, getComputedStyle(e, '::placeholder').color)
  }
  return found
}"""
)
# What can be reached by Tab and shows no line of two pixels around itself, or around its field, once it is
UNSEEN = (
    "() => {"
    + EVERYTHING
    + """
  const isClippedAway = e => e.clientWidth <= 1 && e.clientHeight <= 1 && getComputedStyle(e).overflow !== 'visible'
  const isLined = e => getComputedStyle(e).outlineStyle === 'solid' && parseFloat(getComputedStyle(e).outlineWidth) >= 2
  const unseen = []
  let reached = 0
  for (const e of everything()) {
    if (e.tabIndex < 0 || !e.checkVisibility({ visibilityProperty: true })) continue
    e.focus()
    if (e.getRootNode().activeElement !== e) continue
    reached += 1
    const around = [e, parent(e), parent(parent(e)), parent(parent(parent(e)))]
    const hidden = around.findLastIndex(isClippedAway)
    if (!around.slice(hidden + 1).some(isLined))
      unseen.push(`${e.tagName} ${e.getAttribute('aria-label') || e.textContent.slice(0, 40)}`)
  }
  document.activeElement?.blur()
  return { unseen, reached }
}"""
)
# Pictures, canvases and tables that a reader of the screen would not find by a name
NAMELESS = (
    "() => {"
    + EVERYTHING
    + """
  const name = e => e.getAttribute('aria-label')?.trim() || e.querySelector(':scope > caption')?.textContent.trim()
    || e.getAttribute('aria-labelledby') || e.getAttribute('alt')
  return everything().filter(e => e.matches('canvas, table, img, [role="img"], [role="grid"], [role="table"], ' +
      '[role="graphics-document"], [role="application"], [role="listbox"]'))
    .filter(e => !e.closest('[aria-hidden="true"], [role="presentation"]') && isSeen(e) && !name(e))
    .map(e => e.outerHTML.slice(0, 160))
}"""
)


def violations(page: Page) -> list[str]:
    """What axe-core finds, with where."""
    found = page.evaluate(f"axe.run(document, {json.dumps(OPTIONS)})")["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for rule in found
        if rule["impact"] in ("serious", "critical") or rule["id"] in ALSO
        for node in rule["nodes"]
    ]


def seen(page: Page) -> list[str]:
    """All that is wrong with a page as it stands."""
    return [
        *violations(page),
        *(f"too pale: {one}" for one in page.evaluate(FAINT)),
        *(f"without a name: {one}" for one in page.evaluate(NAMELESS)),
    ]


def reached(page: Page) -> list[str]:
    """What is wrong with a page for whom keys bring around it."""
    page.keyboard.press("Tab")  # the ring is shown to who uses keys
    focus = page.evaluate(UNSEEN)
    assert focus["reached"] > 20
    return [f"focus is not seen: {one}" for one in focus["unseen"]]


def in_both_themes(page: Page, look: Callable[[Page], Iterable[str]]) -> list[str]:
    """What is found on a page in light and in dark, to which the system's setting turns it while it is open."""
    found = []
    for scheme, ground in (("light", "rgb(253, 252, 250)"), ("dark", "rgb(23, 22, 20)")):
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", ground)
        settled(page)
        found += [f"{scheme}: {one}" for one in look(page)]
    return found


def test_every_page_can_be_used_by_everybody(visitor):
    page = visitor(reduced_motion="reduce")
    page.add_init_script(AXE_SCRIPT)
    found = []
    for name, path, _ in sorted(PAGES, key=lambda each: each[1] not in TEXTS):
        page.goto(f"/{path}")
        expect(finding(page)).to_be_visible()
        if path not in TEXTS:
            expect(charts(page).first.locator("svg")).to_be_visible()
        found += [f"{name}: {one}" for one in in_both_themes(page, lambda page: [*seen(page), *reached(page)])]
    for box in ("Checked", "Table", "Export"):  # as on every page
        main(page).get_by_role("button", name=box, exact=True).first.click()
        expect(page.get_by_test_id("stPopoverBody")).to_have_count(1)
        found += [f"{box}: {one}" for one in in_both_themes(page, seen)]
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    assert not found, "\n".join(dict.fromkeys(found))


def test_what_opens_later_can_be_used_by_everybody_too(visitor):
    page = visitor(color_scheme="dark", reduced_motion="reduce")
    page.add_init_script(AXE_SCRIPT)
    found = []

    def look(what: str, opens: Locator) -> None:
        settled(page)
        opens.click()
        settled(page)
        found.extend(f"{what}: {one}" for one in seen(page))

    page.goto("/patching?prompt=When+Mary+and+John+went+to+the+store,+John+gave+a+drink+to")
    expect(finding(page)).to_be_visible()
    look("tables for GPT-2", main(page).get_by_text("Expected on GPT-2 small"))
    look("a large chart", main(page).get_by_role("button", name="Large", exact=True).first)
    page.goto("/?prompt=" + "philharmonic+" * 20)
    expect(finding(page)).to_be_visible()
    look(
        "a long prompt in words, and a chart that is scrolled",
        main(page).get_by_role("button", name="words", exact=True),
    )
    page.goto("/?target=zzzzqq")
    expect(sidebar(page).get_by_role("alert")).to_be_visible()
    look("an error", page.get_by_role("combobox", name="Start token"))
    assert not found, "\n".join(dict.fromkeys(found))
