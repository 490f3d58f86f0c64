"""Texts of a user's own file, one after the other: plain text, a table, or JSON lines."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from mi_core.disk import cache_folder, whole
from mi_core.errors import InputError

FILE = "file"
#: The path of a file with texts, as a setting: what the file holds is part of what was asked (`jobs.request`).
TextFile = Annotated[str, FILE]

KEY = re.compile(r"[0-9a-f]{16}")  # of a text that was kept
MOST_BYTES = 50_000_000
FORMATS = (".txt", ".csv", ".tsv", ".jsonl")


def kept(content: bytes, name: str) -> Path:
    """A file of this name that holds this, in a folder by its content: the same text is the same file."""
    path = _kept() / hashlib.sha256(content).hexdigest()[:16] / Path(name).name[-80:]
    if not path.is_file():
        with whole(path) as unfinished:
            unfinished.write_bytes(content)
    return path


def find_kept(key: str) -> Path | None:
    """A file that was `kept`, by the name of its folder; None where there is none."""
    return next((_kept() / key).glob("*.*"), None) if KEY.fullmatch(key) else None


def is_kept(path: str) -> bool:
    """Whether a path is that of a file which was `kept`."""
    return Path(path).resolve().is_relative_to(_kept().resolve())


def _kept() -> Path:
    return cache_folder() / "texts"


def read_texts(path: Path, field: str = "file") -> Iterator[str]:
    """The texts of a file, in its order, without reading all of it at once; empty ones are passed over.

    Args:
        path: ``.txt``: texts separated by empty lines, or a text a line where there are none. ``.csv``, ``.tsv``: the
            column `text`. ``.jsonl``: a string a line, or an object with `text`.
        field: The setting that the path is of, for errors.

    Raises:
        InputError: There is no such file, or it is empty, too large, of another kind, not UTF-8, or without texts.
    """
    check_file(path, field)
    texts = {".csv": _table, ".tsv": _table, ".jsonl": _lines_of_json}.get(path.suffix.lower(), _plain)
    is_empty = True
    try:
        for text in texts(path, field):
            if text.strip():
                is_empty = False
                yield text
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not a text file in UTF-8: save it as one.", field) from error
    except csv.Error as error:
        raise InputError(f"{path.name} is not a table that can be read ({error}): save it as CSV.", field) from error
    if is_empty:
        raise InputError(f"{path.name} holds no text: choose another file.", field)


def check_file(path: Path, field: str = "file") -> None:
    """Raises InputError where the file cannot be what `read_texts` reads; its content is not looked at."""
    if not path.is_file():
        raise InputError(f"There is no file {path.name}: check its name.", field)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path.name} is none of {', '.join(FORMATS)}: save the texts as one of these.", field)
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path.name} is empty: choose another file.", field)
    if size > MOST_BYTES:
        raise InputError(
            f"{path.name} has {size / 1e6:,.0f} MB, and at most {MOST_BYTES / 1e6:.0f} MB are read: take a part of it.",
            field,
        )


def _plain(path: Path, field: str) -> Iterator[str]:
    has_paragraphs = any(not line.strip() for line in _lines(path))
    paragraph: list[str] = []
    for line in _lines(path):
        if has_paragraphs and line.strip():
            paragraph.append(line)
        elif has_paragraphs:
            yield "".join(paragraph)
            paragraph = []
        else:
            yield line.rstrip("\n")
    yield "".join(paragraph)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        yield from file


def _table(path: Path, field: str) -> Iterator[str]:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter=separator, strict=True)
        if "text" not in (rows.fieldnames or ()):
            raise InputError(f"{path.name} has no column named text: add one, in the first line.", field)
        for row in rows:
            yield row["text"] or ""


def _lines_of_json(path: Path, field: str) -> Iterator[str]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            held = json.loads(line)
        except ValueError as error:
            raise InputError(f"Line {number} of {path.name} is not JSON: correct or remove it.", field) from error
        text = held.get("text") if isinstance(held, dict) else held
        if not isinstance(text, str):
            raise InputError(f"Line {number} of {path.name} has no text: give it a string, or “text”.", field)
        yield text
