"""Markup, formulas and letters that turn the line around are text wherever they arrive: page, files, report, talk."""

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pypdf
from playwright.sync_api import Page, expect

from charts.unseen import seen
from mi_core.models.tokens import readable
from mi_core.sharing import cells, report
from tests.browser.screen import ask, field, finding, main, settled, token
from tests.browser.test_report import download, offline, pin, stood  # noqa: F401, a fixture
from tests.browser.test_results import box, fetched

PROMPT = "=1+1 </script><img src=x onerror='window.ran=1'> **b** {{ 7 * 7 }} $x^2$ \u202eabc\u202c <!--"
NOTE = "=HYPERLINK(1) <b onclick='window.ran=2'>n</b> # h \u202egpj.exe\u202c ![](x) <!-- @SUM(A1)"
LABELS = ("=1+1<img src=x onerror='window.ran=3'>", "**b** \u202ecba\u202c </script>")
NAME = "<img src=x onerror='window.ran=4'> **b** =1+1 {{7}}"
SHAPES = {"svg", "g", "path", "rect", "text", "line", "defs", "clipPath"}
TURNED = {"\u202e": "⟨E2⟩⟨80⟩⟨AE⟩", "\u202c": "⟨E2⟩⟨80⟩⟨AC⟩"}  # by tokens of a byte each


def check_is_text(page: Page) -> None:
    """Nothing that was typed has become an element, and none of it ran."""
    expect(main(page).locator("img[src=x], [onerror], [onclick], .katex")).to_have_count(0)
    expect(main(page).locator("b, strong").filter(has_text=re.compile("^[bn]$"))).to_have_count(0)
    expect(main(page).locator("script", has_text="window.ran")).to_have_count(0)
    assert page.evaluate("window.ran === undefined")


def test_a_prompt_is_text_in_every_file(page):
    page.goto("/")
    expect(finding(page)).to_be_visible()
    ask(page, PROMPT)
    expect(token(page, 20)).to_be_visible()
    expect(page.locator(".st-key-surprise-frame svg.marks")).to_be_visible()
    settled(page)
    check_is_text(page)
    page.locator(".st-key-surprise-export").get_by_role("button").click()
    with page.expect_download() as taken:
        box(page).get_by_role("button", name="Table as CSV").click()
    assert re.fullmatch(r"predict-positions-1-1-script-img-src-x-onerror[\w-]*\.csv", taken.value.suggested_filename)
    text = Path(taken.value.path()).read_text("utf-8")
    tokens = [line["token"] for line in csv.DictReader(io.StringIO(text, newline=""))]
    assert tokens[1] == "'=", "what a spreadsheet would run has an apostrophe in front"
    assert not [each for each in tokens if each.startswith(tuple("=+-@\t\r\n"))]
    by_tokens = PROMPT.translate(str.maketrans(TURNED))
    assert "".join(map(cells.raw, tokens[1:])) == by_tokens

    book = openpyxl.load_workbook(io.BytesIO(fetched(page, "All tables as XLSX")))
    assert {cell.data_type for sheet in book for row in sheet for cell in row} <= {"s", "n"}, "nothing is a formula"
    names, *rows = book["positions"].iter_rows(values_only=True)
    assert "".join(row[names.index("token")] for row in rows[1:]) == by_tokens
    everything = json.loads(fetched(page, "Everything as JSON"))
    assert everything["settings"]["prompt"] == PROMPT
    svg = ElementTree.fromstring(fetched(page, "Chart as SVG"))
    assert {each.tag.rpartition("}")[2] for each in svg.iter()} <= SHAPES
    said = "".join("".join(svg.itertext()).split())
    assert "".join(seen(PROMPT).split()) in said and "\u202e" not in said


def test_notes_and_names_are_text_in_the_report_the_talk_and_on_paper(page, offline, tmp_path):  # noqa: F811
    page.goto("/")
    expect(finding(page)).to_be_visible()
    ask(page, PROMPT)
    expect(token(page, 20)).to_be_visible()
    settled(page)
    pin(page, "surprise")
    page.get_by_role("link", name=re.compile("^Report")).click()
    stood(page, 1)
    field(page, "Title").fill(NOTE)
    field(page, "Note").fill(NOTE)
    field(page, "Note").press("Control+Enter")
    settled(page)
    check_is_text(page)
    path = download(page, "Report as HTML", tmp_path)
    assert re.fullmatch(r"hyperlink-1-b-onclick[\w-]*\.html", path.name)
    html = path.read_text("utf-8")
    document = json.loads(report.DATA.search(html)[1])
    assert document["title"] == NOTE and document["results"][0]["pin"]["note"] == NOTE
    file = offline(path)
    shown = readable(NOTE)
    expect(file.get_by_role("heading", level=1)).to_have_text(shown)
    expect(file.locator("body")).to_contain_text(shown)
    assert "\u202e" not in file.locator("body").inner_text()
    assert file.locator("img, b, [onclick], [onerror]").count() == 0
    file.keyboard.press("d")
    expect(file.locator("html.deck")).to_have_count(1)
    with file.expect_popup() as notes:
        file.keyboard.press("s")
    file.keyboard.press("ArrowRight")
    expect(file.locator(".slide.on svg")).to_be_visible()
    expect(notes.value.locator("body")).to_contain_text(shown)
    assert notes.value.locator("img, b").count() == 0
    assert file.evaluate("window.ran === undefined") and notes.value.evaluate("window.ran === undefined")
    paper = pypdf.PdfReader(download(page, "Report as PDF", tmp_path))
    said = "".join("".join(each.extract_text().split()) for each in paper.pages)
    assert "".join(shown.split()) in said and paper.metadata.title.startswith("=HYPERLINK(1) <b")


def test_labels_are_text_in_the_chart_and_its_files(page):
    things = ("food", "film", "play", "song", "day", "cat", "dog", "sea")
    rows = [
        (f"The {thing} was {end}", label, thing)
        for thing in things
        for end, label in zip(("good", "bad"), LABELS, strict=True)
    ]
    listed = io.StringIO()
    csv.writer(listed).writerows([("text", "label", "group"), *rows])
    page.goto("/probing?texts=pasted")
    box_of_texts = field(page, "Texts with their labels")
    expect(box_of_texts).to_be_visible()
    settled(page)
    box_of_texts.fill(listed.getvalue())
    box_of_texts.press("Control+Enter")
    expect(finding(page)).to_contain_text(f"“{LABELS[0][:24]}…” or “{seen(LABELS[1])}” is read")
    settled(page)
    check_is_text(page)
    page.locator(".st-key-confusion-export").get_by_role("button").click()
    book = openpyxl.load_workbook(io.BytesIO(fetched(page, "All tables as XLSX")))
    assert {cell.data_type for sheet in book for row in sheet for cell in row} <= {"s", "n", "b"}
    held = {cell.value for sheet in book for row in sheet for cell in row}
    assert set(LABELS) <= held, "whole and as they were typed"
    table = csv.reader(io.StringIO(fetched(page, "Table as CSV").decode(), newline=""))
    texts = {cell for row in table for cell in row}
    assert f"'{LABELS[0]}" in texts and LABELS[1] in texts


def test_the_name_of_a_file_is_text(page):
    page.goto("/max_activating")
    expect(finding(page)).to_be_visible()
    settled(page)
    main(page).get_by_text("Search a file of your own").click()
    content = "\n".join(json.dumps(f"The capital of {state} is") for state in ("Ohio", "Texas", "Spain", "Japan"))
    main(page).locator("input[type=file]").set_input_files(
        {"name": f"{NAME}.jsonl", "mimeType": "application/jsonl", "buffer": content.encode()}
    )
    expect(main(page)).to_contain_text(f"texts of {NAME}.jsonl")
    settled(page)
    check_is_text(page)
