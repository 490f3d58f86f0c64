"""A report on paper: a PDF of A4 pages, made without a browser."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pypdf
import vl_convert

from charts.export import Style, image
from charts.report.html import SHEET, date
from charts.report.paper import BODY, CODE, HEADING, LABEL, SMALL, TITLE, Paper
from charts.unseen import seen

STYLE = Style(size="page", ground="white")
FEW_ROWS = 12  # of a table where there is no chart


def pdf(document: Mapping[str, Any]) -> bytes:
    """The file of a report: a first page, then each result from the top of a page on.

    Args:
        document: As from `mi_core.sharing.report.document`. Its texts may hold anything.
    """
    paper, results = Paper(), document["results"]
    version = document["versions"]["loupe"]
    paper.skip(80)
    paper.y += 80
    paper.text(seen(document["title"]), TITLE)
    paper.skip(8)
    count = f"{len(results)} result{'' if len(results) == 1 else 's'}"
    paper.text(f"{count} · {date(document['written'])} · Loupe {version}", SMALL)
    paper.skip(24)
    for number, result in enumerate(results, 1):
        paper.text(f"{number}  {seen(result['finding'])}", BODY)
        paper.skip(3)
    for number, result in enumerate(results, 1):
        paper.turn()
        _result(paper, number, result)
    return _merged(paper, seen(document["title"]), f"Loupe {version}")


def _result(paper: Paper, number: int, result: Mapping[str, Any]) -> None:
    """Everything of one result: finding, sentences, note, chart, caption, claim sheet, self-checks, command."""
    paper.text(f"{number}  {seen(result['finding'])}", HEADING)
    paper.skip(4)
    paper.text(seen(" ".join(result["sentences"])))
    if note := seen(result["pin"]["note"].strip()):
        paper.skip(8)
        paper.text(note, left=10, rule=True)
    paper.skip(12)
    if result["chart"] is not None:
        paper.picture(image(result["chart"], "svg", (), STYLE).decode())
    else:
        _table(paper, result["table"])
    paper.skip(6)
    for line in result["caption"]:
        paper.text(seen(line), SMALL)
    for name, heading in SHEET.items() if result["sheet"] else ():
        _part(paper, heading, seen(result["sheet"][name].strip()) or "–")
    if result["checks"]:
        _part(paper, "Self-checks", "\n".join(map(_check, result["checks"])))
    _part(paper, "The same on the command line", seen(result["command"]), code=True)


def _part(paper: Paper, heading: str, text: str, *, code: bool = False) -> None:
    paper.skip(10)
    paper.text(heading, LABEL, keep=BODY.line)
    paper.text(text, CODE if code else BODY)


def _check(check: Mapping[str, Any]) -> str:
    error = "none" if check["error"] is None else f"{check['error']:.1e}"
    verdict = "holds" if check["passed"] else "does not hold"
    return seen(f"{verdict}: {check['name']} (largest error {error}, allowed {check['tolerance']:.1e})")


def _table(paper: Paper, table: Mapping[str, Any]) -> None:
    """The first rows of a table."""
    paper.text(" · ".join(table["columns"]), LABEL)
    for row in table["rows"][:FEW_ROWS]:
        paper.text(seen(" · ".join(_cell(value) for value in row)), SMALL)
    if (more := len(table["rows"]) - FEW_ROWS) > 0:
        paper.text(f"and {more:,} more rows in the HTML report", SMALL)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "–" if value is None else str(value)


def _merged(paper: Paper, title: str, producer: str) -> bytes:
    writer = pypdf.PdfWriter()
    for svg in paper.documents(title):
        writer.append(io.BytesIO(vl_convert.svg_to_pdf(svg)))
    writer.add_metadata({"/Title": title, "/Creator": producer, "/Producer": producer})
    writer.compress_identical_objects()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
