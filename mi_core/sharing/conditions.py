"""What a batch's output was made with, kept in a small file beside it: its rows are of one model and one question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core.errors import InputError, shortened
from mi_core.jobs.request import Request
from mi_core.sharing import export, output
from mi_core.sharing.output import OutputPlan

WORDS = {"loupe_code": "Loupe's code", "fingerprint": "the model's files", "sae_files": "the files of its SAEs"}


@dataclass(frozen=True)
class Conditions:
    """All that a row depends on but its prompt, as JSON knows it."""

    shared: dict[str, Any]
    """What holds for every row."""
    rows: list[dict[str, Any]]
    """[row] Its settings, defaults filled in, but for the prompt."""

    @classmethod
    def of(
        cls, plan: OutputPlan, kind: str, requests: Sequence[Request | InputError], fingerprint: str | None = None
    ) -> Conditions:
        """Of the rows that are asked for now; a model that has to be downloaded first is.

        Args:
            plan: What to compute.
            kind: The format.
            requests: [row] What is asked; or what is wrong with the row.
            fingerprint: Of a model that is open; None to read it from the model's files.

        Raises:
            InputError: The model cannot be had, or a setting is none.
        """
        shared = {
            "analysis": plan.analysis,
            "model": plan.model or None,
            **_fingerprints(plan.model, fingerprint),
            "edits": json.loads(edits) if (edits := _edits(requests)) else None,
            "format": kind,
            "table": plan.table,
            "versions": export.versions(),
        }
        rows = [_but_the_prompt(request) for request in requests]
        return cls(*json.loads(json.dumps([shared, rows])))

    @classmethod
    def beside(cls, out: Path) -> Conditions | None:
        """Those that the rows of a file were made under; None where nothing readable says so."""
        try:
            kept = json.loads(place(out).read_text(encoding="utf-8"))
            return cls({name: value for name, value in kept.items() if name != "rows"}, list(kept["rows"]))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def keep(self, out: Path) -> None:
        """Write them beside a file."""
        output.deliver((export.dumps({**self.shared, "rows": self.rows}) + "\n").encode(), place(out))

    def check(self, now: Conditions, done: set[int], out: Path) -> None:
        """See that rows made under other conditions would be the same `now`.

        Raises:
            InputError: They would not; the first difference is named.
        """
        differing = _difference(self.shared, now.shared)
        for row in sorted(done) if differing is None else ():
            before = self.rows[row] if row < len(self.rows) else {}
            if (differing := _difference(before, now.rows[row])) is not None:
                differing = f"{differing} in row {row}"
                break
        if differing is not None:
            raise InputError(
                f"{out} holds rows made under other conditions: {differing}. Name another file with --out, or "
                "replace these rows with --anew.",
                "out",
            )


def place(out: Path) -> Path:
    """Where the conditions of a file are kept: ``results.csv.conditions.json`` beside ``results.csv``."""
    return out.with_name(f"{out.name}.conditions.json")


def _but_the_prompt(request: Request | InputError) -> dict[str, Any]:
    settings = {} if isinstance(request, InputError) else request.bound()
    return {name: value for name, value in settings.items() if name != "prompt"}


def _edits(requests: Sequence[Request | InputError]) -> str:
    """Those that are on, the same for all rows."""
    return next((request.edits for request in requests if isinstance(request, Request)), "")


def _fingerprints(model: str, known: str | None) -> dict[str, str]:
    """Of the model, and of what lies beside it; nothing for an analysis that looks at none."""
    if not model:
        return {}
    from mi_core.models import loading
    from mi_core.saes.loading import stamp

    if known is not None:
        return {"fingerprint": known, "sae_files": stamp(model)}
    folder = loading.locate(model, output.show_download)
    loading.check(folder, model)
    return {"fingerprint": loading.fingerprint(folder), "sae_files": stamp(model)}


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """What differs, in words: the first of the names that does."""
    same_model = before.get("fingerprint") == now.get("fingerprint")
    for name in now | before:
        then, today = before.get(name), now.get(name)
        if then == today or (name == "model" and same_model):
            continue
        if isinstance(then, dict) and isinstance(today, dict):
            return _difference(then, today)
        if name in WORDS:
            return f"{WORDS[name]} have changed" if name != "loupe_code" else f"{WORDS[name]} has changed"
        return f"{name} was {_said(then)}, and is {_said(today)}"
    return None


def _said(value: Any) -> str:
    return "not set" if value is None else shortened(value if isinstance(value, str) else json.dumps(value))
