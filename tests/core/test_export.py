"""Results as files: exact numbers, exact text, strict JSON."""

import io
import json
from dataclasses import dataclass

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mi_core
from mi_core.errors import InputError
from mi_core.jobs.code_version import code_version
from mi_core.jobs.request import Request
from mi_core.result import Check, Reading
from mi_core.sharing import cells, export
from mi_core.sharing.workbook import workbook

FRAME = pd.DataFrame(
    {
        "pos": [0, 1, 2, 3],
        "token": [" Paris", "\n", '=1+"x",<b>', "é🙂"],
        "logit": np.array([0.1, np.nan, -np.inf, 3e-9], dtype=np.float32),
        "layer": pd.array([1, None, 3, 4], dtype="Int64"),
    }
)


@dataclass(frozen=True)
class Answer:
    model: str = "loupe-mini"
    checks: tuple[Check, ...] = (Check("sums to one", float("nan"), 1e-4), Check("rows agree", 1e-6, 1e-3))

    def tables(self):
        return {"main": FRAME}

    def reading(self):
        return Reading("A finding", ("One sentence.",))


def test_csv_keeps_text_and_numbers():
    read = pd.read_csv(io.BytesIO(export.frame_bytes(FRAME, "csv-raw")), dtype={"layer": "Int64"})
    assert read["token"].tolist() == FRAME["token"].tolist()
    assert read["logit"].astype(np.float32).equals(FRAME["logit"])
    assert read["layer"].equals(FRAME["layer"])


def test_csv_holds_no_text_that_a_spreadsheet_runs():
    read = pd.read_csv(io.BytesIO(export.frame_bytes(FRAME, "csv")), dtype={"layer": "Int64"})
    assert read["token"].tolist() == [" Paris", "'\n", '\'=1+"x",<b>', "é🙂"]
    assert read["logit"].astype(np.float32).equals(FRAME["logit"]), "-inf is a number"
    assert read["layer"].equals(FRAME["layer"])
    assert "=1" in FRAME["token"][2], "the table itself stays as it is"


@given(st.text(st.sampled_from("'=+-@\t\r\n＝a ")))
def test_text_made_harmless_can_be_had_back(text):
    cell = cells.harmless(text)
    assert not cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))
    assert cells.raw(cell) == text


def test_csv_for_excel_is_the_plain_one_with_its_mark():
    plain, marked = (export.frame_bytes(FRAME, form) for form in ("csv", "csv-excel"))
    assert marked == b"\xef\xbb\xbf" + plain and not plain.startswith(b"\xef")


def test_a_workbook_holds_text_as_text_and_numbers_as_numbers():
    odd = pd.DataFrame({"text": ["=1+1", "@SUM(A1)", "-3", "http://x.org", "a\x07b", "é🙂", "x" * 40_000]})
    book = openpyxl.load_workbook(io.BytesIO(workbook({"main": FRAME, "odd": odd}, ("Prompt: “=1”",))))
    assert book.sheetnames == ["main", "odd", "about"]
    cells = {cell.value: cell.data_type for cell in book["odd"]["A"][1:]}
    assert set(cells.values()) == {"s"}, "a formula would be 'f'"
    assert list(cells)[:4] == ["=1+1", "@SUM(A1)", "-3", "http://x.org"] and "é🙂" in cells
    assert max(map(len, cells)) == 32_767
    read = pd.read_excel(io.BytesIO(export.frame_bytes(FRAME, "xlsx")), keep_default_na=False, na_values=[""])
    assert read["token"].tolist() == FRAME["token"].tolist()
    assert read["pos"].tolist() == FRAME["pos"].tolist() and read["logit"][3] == pytest.approx(3e-9)
    assert book["about"]["A2"].value == "Prompt: “=1”"


def test_a_sheet_refuses_more_rows_than_it_holds():
    with pytest.raises(InputError, match="too many for a sheet: choose csv or parquet"):
        workbook({"main": pd.DataFrame({"pos": range(2**20)})})


def test_parquet_keeps_types():
    read = pd.read_parquet(io.BytesIO(export.frame_bytes(FRAME, "parquet")))
    assert read["token"].tolist() == FRAME["token"].tolist()
    assert read["logit"].dtype == np.float32 and read["logit"].equals(FRAME["logit"])


def test_json_rows_have_null_for_what_is_no_number():
    rows = json.loads(export.frame_bytes(FRAME, "json"), parse_constant=pytest.fail)
    assert rows[0] == {"pos": 0, "token": " Paris", "logit": float(np.float32(0.1)), "layer": 1}
    assert [row["logit"] for row in rows[1:3]] == [None, None]
    assert rows[1]["layer"] is None


def test_html_shows_text_as_text():
    page = export.html_page({"<t>": FRAME}, "Who & why", ("1 < 2",)) + export.frame_bytes(FRAME, "html").decode()
    assert "<b>" not in page and "&lt;b&gt;" in page
    assert "<h2>&lt;t&gt;</h2>" in page and "Who &amp; why" in page and "1 &lt; 2" in page
    assert "·Paris" in page and "↵" in page


def test_as_json_is_the_documented_contract():
    request = Request.of("predict", "loupe-mini", prompt="The", top_k=3)
    whole = json.loads(export.as_json(request, Answer()), parse_constant=pytest.fail)
    assert list(whole) == ["analysis", "model", "settings", "versions", "tables", "units", "checks"]
    assert whole["analysis"] == "predict" and whole["model"] == "loupe-mini"
    assert whole["settings"]["prompt"] == "The" and whole["settings"]["top_k"] == 3
    assert whole["settings"]["target"] is None
    assert {"python", "torch", "transformers", "transformer-lens"} <= set(whole["versions"])
    assert whole["versions"]["loupe"] == mi_core.__version__ == "0.2.0"
    assert whole["versions"]["loupe_code"] == code_version()
    assert whole["units"] == {"main": {"logit": "logits"}}
    assert whole["tables"]["main"] == export.rows(FRAME)
    assert whole["checks"] == [
        {"name": "sums to one", "error": None, "tolerance": 1e-4, "passed": False},
        {"name": "rows agree", "error": 1e-6, "tolerance": 1e-3, "passed": True},
    ]


def test_json_refuses_what_would_fill_the_memory(monkeypatch):
    monkeypatch.setattr(export, "ROWS_IN_JSON", 2)
    with pytest.raises(InputError, match="These 4 rows are too many for JSON: choose csv or parquet"):
        export.as_json(Request.of("predict", "loupe-mini", prompt="The"), Answer())


def test_text_for_a_terminal():
    many = pd.concat([FRAME] * 30)
    text = export.as_text({"main": many}, Answer())
    assert text.startswith("A finding\nOne sentence.\n")
    assert "·Paris" in text and "↵" in text
    assert "… and 60 more rows" in text
    assert "sums to one: DOES NOT HOLD" in text and "rows agree: holds" in text


def test_unknown_format():
    with pytest.raises(
        ValueError, match="format must be one of csv, csv-excel, csv-raw, xlsx, json, parquet, html, got 'xls'"
    ):
        export.frame_bytes(FRAME, "xls")
