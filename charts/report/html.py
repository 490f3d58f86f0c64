"""A report as one HTML file that needs nothing else: charts that answer the pointer, tables, notes, and a talk."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from charts import theme
from charts.report.vega import vega
from charts.unseen import seen
from mi_core.models.tokens import TOKEN_COLUMNS, VISIBLE

HERE = Path(__file__).parent
PADDING = {"left": 2, "top": 2, "right": 6, "bottom": 6}  # pixels: letters reach beyond what Vega reckons with
SHEET = {"claim": "Claim", "evidence": "Evidence", "control": "Control", "limits": "Limits"}


def page(document: Mapping[str, Any]) -> str:
    """The file of a report.

    Args:
        document: As from `mi_core.sharing.report.document`. Its texts may hold anything: they are shown as text.

    Returns:
        HTML with all that it shows inside: Vega once, the results as JSON. By its own policy it fetches nothing, and
        runs no script but the two that it was written with.
    """
    scripts = (vega(), _script())
    return _template().render(
        document=document,
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        data=Markup(in_script(document)),
        look=Markup(in_script(_look())),
        sheet=SHEET,
        written=date(document["written"]),
    )


def in_script(value: Any) -> str:
    """JSON that no text within it can end early: `<` is spelled by its number."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _policy(scripts: tuple[str, ...]) -> str:
    """What the file may do: nothing but run these scripts, and show what is within it."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _look() -> dict[str, Any]:
    """What the script needs to draw as Loupe does."""
    return {
        "config": {name: theme.config(dark=name == "dark") | {"padding": PADDING} for name in ("light", "dark")},
        "filling": theme.FILLING.to_dict(),
        "tokens": sorted(TOKEN_COLUMNS),
        "visible": VISIBLE,
    }


@functools.cache
def _script() -> str:
    parts = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("report.js", "deck.js"))
    return f"(() => {{\n{parts}}})()"  # Vega's own names are everywhere


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(HERE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, finalize=_seen, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["emphasised"] = _emphasised
    return environment.get_template("report.html.j2")


def _seen(value: Any) -> Any:
    return seen(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _emphasised(text: str) -> Markup:
    """What Loupe's own explanations set apart with asterisks; everything else is text."""
    escaped = str(escape(seen(text)))
    strong = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", escaped)
    return Markup(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", strong))


def date(written: str) -> str:
    """`2026-05-04T10:15+02:00` → `4 May 2026, 10:15`; as it is where it is no date."""
    try:
        when = datetime.datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{when.day} {when:%B %Y, %H:%M}"
