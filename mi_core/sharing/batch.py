"""One analysis over a list of prompts, written as it goes, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.result import Result
from mi_core.sharing import output, prompt_list
from mi_core.sharing.batch_file import FORMATS, BatchFile, Held
from mi_core.sharing.conditions import Conditions
from mi_core.sharing.output import OutputPlan


@dataclass(frozen=True)
class Step:
    """A row that was just dealt with: None, or what is wrong with it."""

    row: int
    error: InputError | None


@dataclass(frozen=True)
class Batch:
    """What is asked row by row, and the files that the answers go to.

    A row whose request is an error cannot be asked; it is told in its turn.
    """

    plan: OutputPlan
    requests: Sequence[Request | InputError]
    files: tuple[BatchFile, ...]
    fingerprint: str | None = None
    """Of the model that computes; None to read it from the model's files."""

    def resume(self) -> set[int]:
        """The rows that all files hold and that need not be computed; what was torn when a run was stopped is cut off.

        What the rows are made with is kept beside each file.

        Raises:
            InputError: A file holds something else, or rows made under other conditions.
        """
        kept = [(file, file.out) for file in self.files if file.out is not None and file.is_kept]
        now = [Conditions.of(self.plan, file.kind, self.requests, self.fingerprint) for file, _ in kept]
        held = [self._held(file, out, conditions) for (file, out), conditions in zip(kept, now, strict=True)]
        done = _in_all([whole for _, whole in held])
        for (file, out), conditions, (rows, _) in zip(kept, now, held, strict=True):
            if not done or len(done) < len(rows):
                file.cut(rows[len(done)].start if done else 0)
            conditions.keep(out)
        return set(done)

    def _held(self, file: BatchFile, out: Path, now: Conditions) -> tuple[list[Held], list[int]]:
        """What a file holds, and the rows of it that are surely whole: the last may be torn if a run was stopped."""
        if self.plan.anew:
            output.deliver(b"", out)
        held = file.held(self.requests)
        if file.size:
            before = Conditions.beside(out)
            if before is None:
                raise InputError(
                    f"Nothing beside {out} says what its rows were made with: name another file with --out, or "
                    "replace them with --anew.",
                    "out",
                )
            before.check(now, {one.row for one in held}, out)
        rows = [one.row for one in held]
        return held, rows if len(rows) == len(self.requests) and file.is_whole else rows[:-1]

    def steps(self, compute: Callable[[Request], Result], done: Collection[int]) -> Iterator[Step]:
        """Compute every row that is not `done`; each is written before the next starts. Stop asking to stop it.

        Args:
            compute: The result of a request; raises InputError for a row that cannot be used.
            done: What `resume` found.

        Raises:
            InputError: No other row would fare better, as where the model cannot be used; or a file
                cannot be written.
        """
        first = not done
        for row, request in enumerate(self.requests):
            if row in done:
                continue
            try:
                if isinstance(request, InputError):
                    raise request
                result = compute(request)
                blocks = [file.block(request, row, result, first=first) for file in self.files]
            except InputError as error:
                if error.field in ("model", "table"):
                    raise
                yield Step(row, error)
                continue
            for file, block in zip(self.files, blocks, strict=True):
                file.append(block)
            first = False
            yield Step(row, None)


def run(plan: OutputPlan, settings: dict[str, Any], prompts: Path) -> None:
    """Compute every row of a file and append its result to `plan.out`, or to the terminal.

    Rows that the file already holds are skipped, if they were made under the same conditions (`Conditions`).

    Args:
        plan: What to compute; the format is one of `FORMATS`.
        settings: For all rows; a column of the same name overrides one where its cell is not empty.
        prompts: The file, as `prompt_list.read` takes it.

    Raises:
        InputError: The file cannot be used, or some of its rows cannot, which are reported after all others are done;
            or the output holds rows made under other conditions.
    """
    from tqdm import tqdm

    kind = plan.kind(default="csv")
    if kind not in FORMATS:
        raise InputError(f"A list of prompts is written as csv or json, not as {kind}: choose with --format.", "format")
    output.check_out(plan.out, kind)
    requests = [output.checked(plan, settings | row) for row in prompt_list.read(prompts, plan.analysis)]
    batch = Batch(plan, requests, (BatchFile(kind, plan.out, plan.table),))
    done = batch.resume()
    failed: list[tuple[int, InputError]] = []
    bar = tqdm(total=len(requests), initial=len(done), unit="prompt", file=sys.stderr, mininterval=0.5)
    with bar:
        for step in batch.steps(output.compute, done):
            bar.update()
            if step.error is not None:
                failed.append((step.row, step.error))
    if failed:
        row, error = failed[0]
        raise InputError(
            f"{len(failed)} of {len(requests)} prompts could not be used; the first is row {row}: {error.message}",
            error.field,
        )


def _in_all(files: Sequence[Sequence[int]]) -> list[int]:
    """The rows that all files begin with, in the same order."""
    common = []
    for rows in zip(*files, strict=False):
        if len(set(rows)) > 1:
            break
        common.append(rows[0])
    return common
