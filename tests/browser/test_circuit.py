"""A person finds a circuit on the prompts that the page opens with, looks at a part of it, and takes its table away."""

import io
import re

import pandas as pd
from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled
from tests.browser.test_results import box, fetched

# Where half of a line is on the screen
MIDDLE = """line => {
  const { x, y } = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM())
  return [x, y]
}"""


def test_a_circuit_is_found_a_part_is_clicked_and_its_tables_are_taken_away(page):
    page.goto("/circuit")
    expect(finding(page)).to_contain_text("of 20 heads and MLPs keep")
    expect(charts(page)).to_have_count(2)
    settled(page)
    n, share = map(int, re.match(r"(\d+) of 20 heads and MLPs keep (\d+)%", finding(page).inner_text()).groups())
    nodes = charts(page).first.locator("svg.marks path[aria-roledescription='point']")
    named = [re.search(r"component: (.*?);", label)[1] for label in nodes.evaluate_all(
        "marks => marks.map(mark => mark.getAttribute('aria-label'))"
    )]  # fmt: skip
    assert len(named) == n + 2 and {"tokens", "logits"} <= set(named)
    lines = charts(page).first.locator("svg.marks path[aria-roledescription='line mark']")
    edges = lines.evaluate_all("marks => marks.map(mark => mark.getAttribute('aria-label'))")

    nodes.nth(named.index("MLP 0")).click()
    expect(field(page, "One part of it")).to_have_value("MLP 0")
    in_address(page, "part", "MLP 0")
    told = main(page).get_by_text(re.compile("^MLP 0 is in the circuit"))
    expect(told).to_be_visible()
    settled(page)

    about = told.inner_text()
    page.mouse.click(*lines.first.evaluate(MIDDLE))
    expect(field(page, "One part of it")).to_have_value(re.search(r"edge: (.*?);", edges[0])[1])
    settled(page)
    page.locator(".st-key-circuit-export").get_by_role("button").click()
    frame = pd.read_csv(io.BytesIO(fetched(page, "Table as CSV")))
    kept = frame[frame["kept"]]
    names = [f"{start} → {end}" + ("" if via == "in" else f" {via}") for start, end, via in zip(
        kept["from"], kept["to"], kept["via"], strict=True
    )]  # fmt: skip
    assert [re.search(r"edge: (.*?);", label)[1] for label in edges] == names[:40], "what is drawn is what is kept"
    book = pd.read_excel(io.BytesIO(fetched(page, "All tables as XLSX")), sheet_name=None)
    parts = book["nodes"]
    assert set(parts.loc[parts["kept"].astype(bool), "component"]) == set(named) - {"tokens", "logits"}
    (mlp,) = parts.loc[parts["component"] == "MLP 0", "effect"]
    assert f"{mlp:+.2f} logits" in about
    page.keyboard.press("Escape")
    expect(box(page)).to_have_count(0)

    page.locator(".st-key-curve-export").get_by_role("button").click()
    curve = pd.read_csv(io.BytesIO(fetched(page, "Table as CSV"))).set_index("size")
    assert round(100 * curve.loc[n, "faithfulness"]) == share >= 80
    assert curve.loc[n, "random_highest"] < curve.loc[n, "faithfulness"], "better than chance"
    assert abs(curve.loc[20, "faithfulness"] - 1) < 1e-4 and abs(curve.loc[0, "faithfulness"]) < 1e-4
