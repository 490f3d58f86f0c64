"""A batch in Loupe's own folder, under a name of its conditions: the same question of the same rows is the same one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core.analyses._index import bound
from mi_core.disk import cache_folder
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.sharing import export
from mi_core.sharing.batch import Batch, Step
from mi_core.sharing.batch_file import BatchFile, prompt_of
from mi_core.sharing.conditions import Conditions
from mi_core.sharing.output import OutputPlan, is_unicode

MOST_BYTES = 5 * 10**9  # of all batches together; those not used for longest go first


@dataclass(frozen=True)
class KeptBatch:
    """A batch, and the folder that holds all there is of it: results as CSV and as JSON lines, and what failed."""

    batch: Batch
    folder: Path

    @classmethod
    def of(cls, plan: OutputPlan, requests: Sequence[Request | InputError], fingerprint: str) -> KeptBatch:
        """The batch of these rows, whatever is done of it.

        Args:
            plan: Analysis, model and table.
            requests: [row] As from `requests_of`.
            fingerprint: Of the model, which is open.
        """
        conditions = Conditions.of(plan, "", requests, fingerprint)
        prompts = [request.message if isinstance(request, InputError) else prompt_of(request) for request in requests]
        whole = json.dumps([conditions.shared, conditions.rows, prompts], sort_keys=True)
        folder = batches_folder() / hashlib.sha256(whole.encode()).hexdigest()[:16]
        names = {"csv": "results.csv", "json": "results.jsonl"}
        files = tuple(BatchFile(kind, folder / name, plan.table) for kind, name in names.items())
        return cls(Batch(plan, requests, files, fingerprint), folder)

    @property
    def csv(self) -> Path:
        """One table of all rows, the same bytes as the command line's."""
        return self.folder / "results.csv"

    @property
    def jsonl(self) -> Path:
        """An object a line, the same bytes as the command line's."""
        return self.folder / "results.jsonl"

    @property
    def total(self) -> int:
        """How many prompts there are."""
        return len(self.batch.requests)

    def prompt(self, row: int) -> str:
        """The text of a prompt that can be asked about."""
        request = self.batch.requests[row]
        return "" if isinstance(request, InputError) else prompt_of(request)

    def done(self) -> int:
        """How many prompts have a result."""
        if not self.jsonl.is_file():
            return 0
        with self.jsonl.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def failures(self) -> list[tuple[int, str]]:
        """(row, what is wrong with it) of every row that could not be used when it was last tried."""
        if not self._failures.is_file():
            return []
        lines = self._failures.read_text(encoding="utf-8").splitlines()
        return [tuple(json.loads(line)) for line in lines if line.endswith("]")]

    def forget_failures(self) -> None:
        """Before rows are tried again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._failures.write_bytes(b"")

    def note(self, step: Step) -> None:
        """Keep what is wrong with a row."""
        if step.error is not None:
            with self._failures.open("a", encoding="utf-8") as file:
                file.write(export.dumps([step.row, step.error.message]) + "\n")

    def forget(self) -> None:
        """Delete all there is of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _failures(self) -> Path:
        return self.folder / "failures.jsonl"


def requests_of(
    plan: OutputPlan, shared: Mapping[str, Any], rows: Iterable[Mapping[str, Any] | InputError]
) -> list[Request | InputError]:
    """What is asked row by row, or what is wrong with a row.

    Args:
        plan: Analysis and model.
        shared: Settings of all rows, and the edits; a row's own come first.
        rows: As from `prompt_list.settings`.
    """
    return [row if isinstance(row, InputError) else _request(plan, {**shared, **row}) for row in rows]


def _request(plan: OutputPlan, settings: dict[str, Any]) -> Request | InputError:
    try:
        for name, value in settings.items():
            if isinstance(value, str) and not is_unicode(value):
                raise InputError(f"The {name} is not valid text: check how it was typed or copied.", name)
        bound(plan.analysis, {name: value for name, value in settings.items() if name != "edits"})
        return Request.of(plan.analysis, plan.model, **settings)
    except InputError as error:
        return error


def batches_folder() -> Path:
    """Where batches are kept."""
    return cache_folder() / "batches"


def trim(in_use: Iterable[Path], most: int = MOST_BYTES) -> None:
    """Forget the batches that were not used for longest, but for those in use, until the others fit."""
    spared = set(in_use)
    kept = sorted(_sizes(), reverse=True)
    total = 0
    for _, size, folder in kept:
        total += size
        if total > most and folder not in spared:
            shutil.rmtree(folder, ignore_errors=True)


def _sizes() -> Iterator[tuple[float, int, Path]]:
    """(time of last use, bytes, folder) of every batch."""
    for folder in batches_folder().glob("*"):
        stats = [path.stat() for path in folder.glob("*") if path.is_file()]
        yield max((stat.st_mtime for stat in stats), default=0.0), sum(stat.st_size for stat in stats), folder
