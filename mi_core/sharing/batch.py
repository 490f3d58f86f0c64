"""One analysis over a list of prompts, written as it goes, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.sharing import cells, output, prompt_list
from mi_core.sharing.conditions import Conditions
from mi_core.sharing.output import OutputPlan

FORMATS = ("csv", "csv-raw", "json")

if TYPE_CHECKING:
    from mi_core.result import Result


def run(plan: OutputPlan, settings: dict[str, Any], prompts: Path) -> None:
    """Compute every row of a CSV file and append its result to `plan.out`, or to the terminal.

    CSV output is one table with the columns `row` (0 for the first prompt) and `prompt` in front; JSON output is one
    object per line with these two as fields. Rows that the file already holds are skipped, if they were made under the
    same conditions (`Conditions`).

    Args:
        plan: What to compute; the format is csv, csv-raw or json.
        settings: For all rows; a column of the same name overrides one where its cell is not empty.
        prompts: The file, as `prompt_list.read` takes it.

    Raises:
        InputError: The file cannot be used, or some of its rows cannot, which are reported after all others are done;
            or the output holds rows made under other conditions.
    """
    kind = plan.kind(default="csv")
    if kind not in FORMATS:
        raise InputError(f"A list of prompts is written as csv or json, not as {kind}: choose with --format.", "format")
    output.check_out(plan.out, kind)
    requests = [output.checked(plan, settings | row) for row in prompt_list.read(prompts, plan.analysis)]
    done = _done(plan, kind, requests)
    failed = [(row, error) for row, error in _compute(plan, kind, requests, done, fresh=not done) if error is not None]
    if failed:
        row, error = failed[0]
        raise InputError(
            f"{len(failed)} of {len(requests)} prompts could not be used; the first is row {row}: {error.message}",
            error.field,
        )


def _done(plan: OutputPlan, kind: str, requests: list[Request]) -> set[int]:
    """The rows that the output holds and that need not be computed; what they were made with is kept beside it.

    Raises:
        InputError: The output holds something else, or rows made under other conditions.
    """
    if plan.out is None or (plan.out.exists() and not plan.out.is_file()):  # the terminal, a device or a pipe
        return set()
    now, done = Conditions.of(plan, kind, requests), set()
    if plan.anew:
        output.deliver(b"", plan.out)
    elif plan.out.exists() and plan.out.stat().st_size:
        held = _held(plan.out, kind, requests)
        before = Conditions.beside(plan.out)
        if before is None:
            raise InputError(
                f"Nothing beside {plan.out} says what its rows were made with: name another file with --out, or "
                "replace them with --anew.",
                "out",
            )
        before.check(now, {row for row, _, _ in held}, plan.out)
        done = _resume(plan.out, requests, held)
    now.keep(plan.out)
    return done


def _compute(
    plan: OutputPlan, kind: str, requests: list[Request], done: set[int], fresh: bool
) -> Iterator[tuple[int, InputError | None]]:
    """(row, None or what is wrong with it) for every row that was not done yet, each written before the next starts."""
    from tqdm import tqdm

    waiting = [row for row in range(len(requests)) if row not in done]
    with tqdm(waiting, initial=len(done), total=len(requests), unit="prompt", file=sys.stderr, mininterval=0.5) as bar:
        for row in bar:
            try:
                result = output.compute(requests[row])
            except InputError as error:
                if error.field == "model":  # no other row would fare better
                    raise
                yield row, error
                continue
            _append(_rendered(plan, kind, requests[row], row, result, header=fresh), plan.out)
            fresh = False
            yield row, None


def _rendered(plan: OutputPlan, kind: str, request: Request, row: int, result: Result, header: bool) -> bytes:
    from mi_core.sharing import export

    first = {"row": row, "prompt": dict(request.settings)["prompt"]}
    frames = result.tables()
    if plan.table is not None and plan.table not in frames:
        raise InputError(f"There is no table {plan.table}: choose one of {', '.join(frames)}.", "table")
    if kind == "json":
        return (export.dumps(first | export.as_dict(request, result)) + "\n").encode()
    frame = frames[plan.table or next(iter(frames))]
    for at, (name, value) in enumerate(first.items()):
        frame.insert(at, name, value)
    return cells.csv(frame, as_it_is=kind == "csv-raw", header=header)


def _append(block: bytes, out: Path | None) -> None:
    """All of a prompt's rows in one write; a file is left as it was if that fails."""
    if out is None:
        return output.deliver(block, None)
    with output.writing(out), out.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            if file.write(block) != len(block):
                raise OSError(28, "the disk is full")
        except OSError:
            file.truncate(size)
            raise
    return None


def _held(out: Path, kind: str, requests: list[Request]) -> list[tuple[int, str, int]]:
    """(row, prompt, first byte) of every prompt that the file holds whole or in part.

    Raises:
        InputError: The file is not the output of this list.
    """
    text = cells.harmless if kind == "csv" else str
    try:
        held = (_held_json if kind == "json" else _held_csv)(out.read_bytes())
        strangers = [row for row, prompt, _ in held if text(dict(requests[row].settings)["prompt"]) != prompt]
    except (ValueError, LookupError, TypeError) as error:
        raise _other_output(out) from error
    if strangers:
        raise _other_output(out)
    return held


def _resume(out: Path, requests: list[Request], held: list[tuple[int, str, int]]) -> set[int]:
    """Which rows the file holds. Its last one may be torn if the run was stopped: it is cut off, to be done again."""
    if len(held) < len(requests) or not out.read_bytes().endswith(b"\n"):
        end = held.pop()[2] if held else 0
        with output.writing(out), out.open("r+b") as file:
            file.truncate(end if held else 0)
    return {row for row, _, _ in held}


def _held_json(content: bytes) -> list[tuple[int, str, int]]:
    """(row, prompt, first byte) of every object."""
    held, start = [], 0
    for line in content.splitlines(keepends=True):
        if line.endswith(b"\n"):
            whole = json.loads(line)
            held.append((whole["row"], whole["prompt"], start))
        start += len(line)
    return held


def _held_csv(content: bytes) -> list[tuple[int, str, int]]:
    """(row, prompt, first byte) of every prompt's lines; a torn end is left out."""
    lines = list(io.StringIO(content.decode("utf-8", "surrogateescape"), newline=""))
    starts = list(accumulate((len(line.encode("utf-8", "surrogateescape")) for line in lines), initial=0))
    reader = csv.reader(lines, strict=True)
    header = next(reader, ["row", "prompt"])
    if header[:2] != ["row", "prompt"]:
        raise ValueError("another table")
    held: list[tuple[int, str, int]] = []
    while True:
        start = starts[reader.line_num]
        try:
            cells = next(reader)
        except (StopIteration, csv.Error):
            return held
        if len(cells) != len(header):
            return held
        if not held or held[-1][0] != int(cells[0]):
            held.append((int(cells[0]), cells[1], start))


def _other_output(out: Path) -> InputError:
    return InputError(f"{out} holds something else than results of this list: name another file with --out.", "out")
