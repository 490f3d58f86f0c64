"""Two results beside each other: what is drawn and taken away as their difference is the difference of their tables."""

import io
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.browser.screen import field, finding, go, in_address, main, settled
from tests.browser.test_results import box, fetched

FRANCE = "The capital of France is"
NUMBER = r"(−?[\d.]+(?:e[+−]\d+)?%?)"  # as Vega writes it into the label of a mark


def table(page: Page, key: str) -> pd.DataFrame:
    """The table of a chart, taken away as CSV and opened."""
    page.locator(f".st-key-{key}-export").get_by_role("button").click()
    expect(box(page).get_by_role("button", name="Table as CSV")).to_be_visible()
    taken = fetched(page, "Table as CSV")
    page.keyboard.press("Escape")
    expect(box(page)).to_have_count(0)
    return pd.read_csv(io.BytesIO(taken), keep_default_na=False, na_values=[""])


def joined(first: pd.DataFrame, second: pd.DataFrame, names: list[str], value: str) -> pd.DataFrame:
    """The rows of both tables by `names`: `a`, `b` and `change`."""
    exact = {value: np.float32}  # numbers are 32-bit floats, written as short as tells them apart
    one, other = (frame[[*names, value]].set_index(names).astype(exact).astype(float) for frame in (first, second))
    both = one.join(other, how="inner", lsuffix="_a", rsuffix="_b", validate="1:1").set_axis(["a", "b"], axis=1)
    return both.assign(change=both["b"] - both["a"])


def three(page: Page, key: str, names: list[str], value: str) -> list[pd.DataFrame]:
    """The tables A and B, taken away; the difference that is taken away is that of these two."""
    first, second, difference = (table(page, f"{key}{side}") for side in ("", "-b", "-difference"))
    both = joined(first, second, names, value)
    held = difference.set_index(names).join(both, validate="1:1")
    assert len(held) == len(both) > 10 and not held["change"].isna().any()
    assert np.abs(held[f"{value}_difference"] - held["change"]).max() < 1e-9
    assert np.abs(both["change"]).max() > 0.1, "they do differ"
    return [first, second]


def check_drawn(page: Page, key: str, mark: str, row_of: Callable[[str], pd.Series]) -> int:
    """Every mark of the chart of the difference is B − A, and names both; returns how many there are."""
    marks = page.locator(f".st-key-{key}-difference-frame svg.marks [aria-roledescription='{mark}']")
    labels = marks.evaluate_all("marks => marks.map(mark => mark.getAttribute('aria-label'))")
    for label in labels:
        read = re.match(rf"\w+: {NUMBER}; at: (.*); A: {NUMBER}; B: {NUMBER}(?:;|$)", label)
        assert read, label
        change, a, b = (float(read[i].rstrip("%").replace("−", "-")) for i in (1, 3, 4))
        row = row_of(read[2])
        assert (a, b) == (pytest.approx(row["a"], rel=6e-3, abs=1e-9), pytest.approx(row["b"], rel=6e-3, abs=1e-9))
        if read[1].endswith("%"):
            assert change == pytest.approx(100 * row["change"], abs=0.51), label
        else:
            assert change == pytest.approx(row["change"], abs=1e-5), label
    return len(labels)


def test_another_prompt_goes_along_and_its_difference_is_that_of_the_tables(page):
    page.goto("/logit_lens")
    expect(finding(page)).to_be_visible()
    settled(page)
    main(page).get_by_role("button", name="Compare", exact=True).click()
    field(page, "Another prompt").fill(FRANCE)
    box(page).get_by_role("button", name="Compare", exact=True).click()
    in_address(page, "b.prompt", FRANCE)
    expect(page.locator(".st-key-lens-difference-frame svg.marks")).to_be_visible()
    settled(page)
    page.keyboard.press("Escape")
    lenses = three(page, "lens", ["layer", "pos", "prediction"], "probability")
    guesses = joined(*(one[one["rank"] == 1] for one in lenses), ["layer", "pos"], "probability")
    n_layers = guesses.index.get_level_values("layer").max()

    def cell(at: str) -> pd.Series:
        row, _, column = at.partition(", ")
        layer = 0 if row == "embeddings" else 1 + int(re.match(r"after (\d+)", row)[1])
        return guesses.loc[layer, int(column.split()[0])]

    assert check_drawn(page, "lens", "rect mark", cell) == len(guesses) == 6 * (n_layers + 1)
    go(page, "Attribution")
    in_address(page, "b.prompt", FRANCE)
    expect(page.locator(".st-key-components-difference-frame svg.marks")).to_be_visible()
    settled(page)
    main(page).get_by_role("button", name="Stop comparing").click()
    expect(page.locator(".st-key-components-difference-frame")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("b\\.prompt"))
    expect(page.locator(".st-key-components-frame svg.marks")).to_be_visible()


def test_another_model_is_subtracted_bar_by_bar(page):
    page.goto("/attribution?b.model=loupe-mini@2500")
    expect(page.locator(".st-key-components-difference-frame svg.marks")).to_be_visible()
    settled(page)
    both = joined(*three(page, "components", ["component"], "contribution"), ["component"], "contribution")
    assert check_drawn(page, "components", "bar", lambda at: both.loc[at]) == 15


def test_another_head_is_subtracted_cell_by_cell(page):
    page.goto("/attention?layer=1&head=2&b.setting=head&b.value=0")
    expect(page.locator(".st-key-pattern-difference-frame svg.marks")).to_be_visible()
    settled(page)
    places = ["query_pos", "key_pos"]
    both = joined(*three(page, "pattern", places, "weight"), places, "weight")

    def cell(at: str) -> pd.Series:
        query, _, key = at.partition(", ")
        return both.loc[int(query.split()[0]), int(key.split()[0])]

    assert check_drawn(page, "pattern", "rect mark", cell) == 6 * 7 / 2, "all that a head can read"
