"""One output of a batch: rows are appended as they come, and found again when it goes on."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.result import Result
from mi_core.sharing import cells, output

FORMATS = ("csv", "csv-raw", "json")


class Held(NamedTuple):
    """What a file holds of one prompt, whole or in part: its row, its text as written, where it begins."""

    row: int
    prompt: str
    start: int


@dataclass(frozen=True)
class BatchFile:
    """Where the rows of a batch go, and how they are written there.

    CSV is one table with the columns `row` (0 for the first prompt) and `prompt` in front; JSON is one object per line
    with these two as fields.
    """

    kind: str
    """One of `FORMATS`."""
    out: Path | None
    """None for the terminal."""
    table: str | None = None
    """Which of a result's tables; None for all of them in JSON, else for the first."""

    @property
    def is_kept(self) -> bool:
        """Whether what is written stays: the terminal, a device or a pipe holds nothing."""
        return self.out is not None and (self.out.is_file() or not self.out.exists())

    def held(self, requests: Sequence[Request | InputError]) -> list[Held]:
        """What the file holds, in its order.

        Raises:
            InputError: It is not the output of this list.
        """
        if self.out is None or not self.out.exists():
            return []
        written = cells.harmless if self.kind == "csv" else str
        try:
            with self.out.open("rb") as file:
                held = list((_held_json if self.kind == "json" else _held_csv)(file))
            for one in held:
                request = requests[one.row]
                if isinstance(request, InputError) or written(prompt_of(request)) != one.prompt:
                    raise LookupError(one.row)
            return held
        except (ValueError, LookupError, TypeError, csv.Error) as error:
            raise InputError(
                f"{self.out} holds something else than results of this list: name another file with --out.", "out"
            ) from error

    def _header(self) -> list[str]:
        """The columns of its table."""
        if self.out is None:
            return []
        with self.out.open("rb") as file:
            return next(records(file), (0, []))[1]

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self.out.stat().st_size if self.out is not None and self.out.exists() else 0

    @property
    def is_whole(self) -> bool:
        """Whether its last line has an end."""
        if self.out is None or not self.size:
            return False
        with self.out.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def cut(self, end: int) -> None:
        """Leave only what stands before this byte."""
        if self.out is not None and self.out.exists():
            with output.writing(self.out), self.out.open("r+b") as file:
                file.truncate(end)

    def block(self, request: Request, row: int, result: Result, *, first: bool) -> bytes:
        """A prompt's rows as they are written; with the names of the columns where they are the file's `first`.

        Raises:
            InputError: The result has no such table, or one of other columns than the rows before.
        """
        from mi_core.sharing import export

        front = {"row": row, "prompt": prompt_of(request)}
        frames = result.tables()
        if self.table is not None and self.table not in frames:
            raise InputError(f"There is no table {self.table}: choose one of {', '.join(frames)}.", "table")
        if self.kind == "json":
            whole = export.as_dict(request, result)
            if self.table is not None:
                whole |= {part: {self.table: whole[part][self.table]} for part in ("tables", "units")}
            return (export.dumps(front | whole) + "\n").encode()
        frame = frames[self.table or next(iter(frames))]
        for at, (name, value) in enumerate(front.items()):
            frame.insert(at, name, value)
        if not first and self.is_kept and (before := self._header()) != [*frame.columns]:
            has, had = ", ".join(frame.columns), ", ".join(before)
            said = f"The table of this prompt has the columns {has}, and those before have {had}: ask about it apart."
            raise InputError(said, "prompts")
        return cells.csv(frame, as_it_is=self.kind == "csv-raw", header=first)

    def append(self, block: bytes) -> None:
        """All of a prompt's rows in one write; a file is left as it was if that fails."""
        if self.out is None:
            output.deliver(block, None)
            return
        with output.writing(self.out), self.out.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(block) != len(block):
                    raise OSError(28, "the disk is full")
            except OSError:
                file.truncate(size)
                raise


def prompt_of(request: Request) -> str:
    """The prompt that is asked about."""
    return dict(request.settings)["prompt"]


def records(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """(first byte, cells) of every row of a CSV file, the names of the columns among them, without reading it whole.

    Raises:
        csv.Error: It breaks off inside a quoted cell.
    """
    end = 0

    def lines() -> Iterator[str]:
        nonlocal end
        for line in file:
            end += len(line)
            yield line.decode("utf-8", "surrogateescape")

    reader = csv.reader(lines(), strict=True)
    start = 0
    for row in reader:
        yield start, row
        start = end


def _held_json(file: BinaryIO) -> Iterator[Held]:
    """Every whole line; a torn end is left out."""
    start = 0
    for line in file:
        if line.endswith(b"\n"):
            whole = json.loads(line)
            yield Held(whole["row"], whole["prompt"], start)
        start += len(line)


def _held_csv(file: BinaryIO) -> Iterator[Held]:
    """Every prompt's lines; a torn end is left out."""
    found = records(file)
    header = next(found, (0, ["row", "prompt"]))[1]
    if header[:2] != ["row", "prompt"]:
        raise ValueError("another table")
    row = None
    while True:
        try:
            start, cells = next(found)
        except (StopIteration, csv.Error):
            return
        if len(cells) != len(header):
            return
        if row != int(cells[0]):
            row = int(cells[0])
            yield Held(row, cells[1], start)
