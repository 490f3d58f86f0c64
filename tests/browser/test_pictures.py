"""A chart taken away in every form: of the size and resolution that were chosen, with its caption and its data."""

import io
import json
import re
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pypdf
import pytest
import vl_convert
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.screen import field, fill, settled
from tests.browser.test_results import box, fetched, opened

ABOUT = ("Prompt: “The capital of Texas is”", "Model: loupe-mini · answer: “·Austin” · compared with: “·Paris”")
SVG = "{http://www.w3.org/2000/svg}"


def sized(page: Page, unit: str, width: str, ppi: str) -> None:
    """Choose a width of one's own in the box of exports."""
    if not field(page, "Width").count():
        box(page).get_by_role("combobox", name="Size").click()
        page.get_by_role("option", name="a width of my own").click()
    box(page).get_by_role("radio", name=unit, exact=True).click()
    settled(page)  # the unit brings its own usual width
    for label, number in (("Width", width), ("Resolution", ppi)):
        expect(field(page, label)).to_be_visible()
        fill(page, label, number)
        settled(page)


def plain(text: str) -> str:
    """Without spaces: a PDF breaks words where it likes."""
    return re.sub(r"\s+", "", text)


def drawn(png: bytes) -> Image.Image:
    """A picture on which there is something: many colours, and ink in every quarter of it but for the margins."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    ground = picture.getpixel((1, 1))
    assert len(picture.getcolors(picture.width * picture.height) or ()) > 50
    wide, high = picture.width // 2, picture.height // 2
    for left, top in ((0, 0), (wide, 0), (0, high), (wide, high)):
        colours = picture.crop((left, top, left + wide, top + high)).getcolors(wide * high) or []
        assert sum(count for count, colour in colours if colour != ground) > 0.005 * wide * high
    return picture


def test_pictures_have_their_size_their_resolution_and_their_caption(page):
    page.goto("/attribution?target=+Austin&foil=+Paris")
    opened(page, "Export")
    settled(page)
    sized(page, "mm", "100", "150")
    png = fetched(page, "Chart as PNG")
    assert drawn(png).width == pytest.approx(100 / 25.4 * 150, abs=1)
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)

    svg = ElementTree.fromstring(fetched(page, "Chart as SVG"))
    assert svg.tag == f"{SVG}svg" and svg.get("width") == "100mm"
    written = plain("".join(text for each in svg.iter(f"{SVG}text") for text in each.itertext()))
    assert all(plain(line) in written for line in ABOUT) and "L1H3" in written

    (sheet,) = pypdf.PdfReader(io.BytesIO(fetched(page, "Chart as PDF"))).pages
    assert float(sheet.mediabox.width) == pytest.approx(100 / 25.4 * 72, abs=1)
    said = plain(sheet.extract_text())
    assert all(plain(line) in said for line in ABOUT) and "L1H3" in said

    sized(page, "px", "1200", "96")
    png = fetched(page, "Chart as PNG")
    assert drawn(png).width == 1200
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.info["dpi"] == pytest.approx((96, 96), abs=0.1)

    fill(page, "Width", "3")
    expect(box(page).get_by_role("alert")).to_have_text("The width is 3 pixels: choose one from 300 to 10,000.")
    expect(box(page).get_by_role("button", name="Chart as PNG")).to_have_count(0)


def test_vega_lite_is_valid_and_holds_what_the_table_holds(page):
    page.goto("/attribution?target=+Austin&foil=+Paris")
    shown = shown_table(page)
    opened(page, "Export")
    frame = pd.read_csv(io.BytesIO(fetched(page, "Table as CSV")), dtype={"layer": "Int64", "head": "Int64"})
    spec = json.loads(fetched(page, "Chart as Vega-Lite"))
    alt.Chart.from_dict(spec, validate=True)
    assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/v")
    assert spec["usermeta"]["caption"][:2] == list(ABOUT)
    assert "path" in vl_convert.vegalite_to_svg(spec)
    (rows,) = [data for data in spec["datasets"].values() if "contribution" in data[0] and "component" in data[0]]
    held = dict(zip(frame["component"], frame["contribution"], strict=True))
    for row in rows:
        assert row["contribution"] == pytest.approx(held[row["component"]], rel=1e-6)

    assert shown["names"] == list(frame)
    assert len(frame) == shown["n_rows"]
    for row, cells in shown["rows"].items():
        for name, text in zip(shown["names"], cells, strict=True):
            value = frame[name][row]
            if pd.isna(value):
                assert text in ("", "None")
            elif name == "contribution":
                assert float(text.replace("−", "-")) == pytest.approx(value, abs=6e-5)
            else:
                assert text == str(value)


def shown_table(page: Page) -> dict:
    """The table on the page: its columns, how many rows it has, and those that are in sight."""
    grid = opened(page, "Table").get_by_role("grid", include_hidden=True)
    expect(grid.locator("[role=gridcell]").first).to_be_attached()
    found = grid.evaluate(
        """grid => ({
          names: [...grid.querySelectorAll("[role=columnheader]")].map(each => each.textContent),
          n_rows: Number(grid.getAttribute("aria-rowcount")) - 1,
          rows: [...grid.querySelectorAll("tbody [role=row]")].map(row => [
            Number(row.getAttribute("aria-rowindex")) - 2,
            [...row.querySelectorAll("[role=gridcell]")].map(cell => cell.textContent)]),
        })"""
    )
    page.keyboard.press("Escape")
    expect(box(page)).to_have_count(0)
    assert len(found["rows"]) > 5
    return found | {"rows": dict(found["rows"])}
