"""A list of prompts brought, computed behind the pages, stopped and gone on with; its files are opened."""

import csv
import io
import json
from pathlib import Path

import openpyxl
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

import mi_core
from tests.browser.screen import finding, go, main, settled
from tests.browser.test_accessibility import in_both_themes, seen

ODD = ['=HYPERLINK("http://x")', "<script>alert(1)</script> **b** is", "‮right to left is", "The\ncapital of Texas is"]
N = 300


@pytest.fixture
def listed(tmp_path) -> Path:
    """A list that takes some seconds; one of its rows has no prompt, one an answer of several tokens."""
    texts = [*ODD, *(f"The capital of Texas, said {at} people, is" for at in range(N - len(ODD)))]
    rows = [["Prompt", "TARGET", "notes"], *([text, "", f"<b>{at}</b>"] for at, text in enumerate(texts))]
    rows[11][0], rows[12][1] = " ", "Washingtonian"
    path = tmp_path / "my list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    return path


def brought(page: Page, path: Path) -> None:
    page.goto("/batch?rows_from=file")
    expect(finding(page)).to_have_text("Bring a list of prompts")
    settled(page)
    page.locator("input[type=file]").set_input_files(path)
    expect(main(page)).to_contain_text(f"{N} prompts: what each column does")
    settled(page)


def button(page: Page, name: str):
    return main(page).get_by_role("button", name=name, exact=True)


def saved(page: Page, name: str) -> bytes:
    with page.expect_download() as download:
        button(page, name).click()
    return Path(download.value.path()).read_bytes()


def test_a_list_is_computed_stopped_gone_on_with_and_taken_away(page, listed):
    brought(page, listed)
    uses = main(page).get_by_role("table").first
    expect(uses.get_by_role("row", name="TARGET")).to_contain_text("sets the answer")
    expect(uses.get_by_role("row", name="notes")).to_contain_text("is not used")
    expect(main(page)).to_contain_text(f"{N} prompts take")
    button(page, "Start").click()
    button(page, "Cancel").click()
    expect(main(page)).to_contain_text(f"of {N} prompts are done; the others take")

    brought(page, listed)  # a new session: what was done stands on disk
    expect(main(page)).to_contain_text(f"of {N} prompts are done; the others take")
    button(page, "Go on").click()
    expect(button(page, "Cancel")).to_be_visible()
    go(page, "Attention")
    go(page, "Batch")
    expect(main(page)).to_contain_text(f"{N - 2} of {N} prompts are done; 2 could not be used.")
    expect(finding(page)).to_contain_text("The largest probability of each prompt: median")
    main(page).get_by_text("2 prompts could not be used").click()
    failed = main(page).get_by_role("row")
    expect(failed.filter(has_text="The prompt is empty")).to_contain_text("10")
    expect(failed.filter(has_text="is 2 tokens for this model")).to_contain_text("Texas")
    settled(page)

    table = list(csv.DictReader(io.StringIO(saved(page, "Raw text as CSV").decode(), newline="")))
    assert [int(line["row"]) for line in table] == [row for row in range(N) if row not in (10, 11) for _ in range(10)]
    assert [table[10 * at]["prompt"] for at in range(len(ODD))] == ODD
    alone = mi_core.run("predict", "loupe-mini", prompt=ODD[3]).tables()["predictions"]
    mine = [line for line in table if line["row"] == "3"]
    assert [line["token"] for line in mine] == alone["token"].tolist()
    assert [float(line["probability"]) for line in mine] == pytest.approx(alone["probability"].tolist(), rel=1e-4)
    safe = list(csv.DictReader(io.StringIO(saved(page, "Table as CSV").decode(), newline="")))
    assert safe[0]["prompt"] == f"'{ODD[0]}" and safe[10]["prompt"] == ODD[1]
    assert [line["probability"] for line in safe] == [line["probability"] for line in table]
    lines = [json.loads(line) for line in saved(page, "JSON lines").decode().splitlines()]
    assert [line["row"] for line in lines] == [row for row in range(N) if row not in (10, 11)]
    assert all(check["passed"] for line in lines for check in line["checks"])
    sheet = openpyxl.load_workbook(io.BytesIO(saved(page, "Table as XLSX")), read_only=True)["predictions"]
    cells = list(sheet.iter_rows(values_only=True))
    assert len(cells) == 1 + len(table) and cells[1][1] == ODD[0]


def test_what_comes_of_it_can_be_used_by_everybody(visitor):
    page = visitor(reduced_motion="reduce")
    page.add_init_script(AXE_SCRIPT)
    page.goto("/batch")
    expect(finding(page)).to_be_visible()
    settled(page)
    button(page, "Use an example").click()
    expect(main(page)).to_contain_text("5 prompts take")
    main(page).get_by_text("Settings for every row").click()
    found = in_both_themes(page, seen)
    button(page, "Start").click()
    expect(finding(page)).to_contain_text("The largest probability of each prompt")
    found += in_both_themes(page, seen)
    assert not found, "\n".join(dict.fromkeys(found))
