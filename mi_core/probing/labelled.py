"""Labelled texts: what a probe learns to tell apart, and which of them are alike."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mi_core.errors import InputError, shortened
from mi_core.probing import groups
from mi_core.text.corpus import MOST_BYTES, find_kept

HERE = Path(__file__).parent / "texts"
#: Sets that ship, by the name that stands for their file.
SHIPPED = ("sentiment", "language", "capital")
FORMATS = (".csv", ".tsv")
MOST_CLASSES, FEWEST_EACH, FEWEST = 10, 8, 4
MOST_TEXTS = 2000
SEPARATORS = "\t,;"


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with a class and a group each.

    A probe is tested on groups that it has not seen: texts of one group are alike, and would give each other away.
    """

    name: str
    """Of the file, or of the set that ships."""
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    """[text] The class of each."""
    groups: tuple[str, ...]
    """[text] The group of each."""
    found: bool
    """Whether the groups were found here, as the file names none."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order in which they come."""
        return tuple(dict.fromkeys(self.labels))

    @property
    def numbers(self) -> list[int]:
        """[text] The class of each, as a number."""
        at = {label: number for number, label in enumerate(self.classes)}
        return [at[label] for label in self.labels]


def read_labelled(file: str, field: str = "file") -> LabelledTexts:
    """The labelled texts of a file.

    Args:
        file: One of `SHIPPED`; or the path of a table (.csv, .tsv) with the columns `text`, `label` and, where it is
            known which texts are alike, `group`.
        field: The setting that the path is of, for errors.

    Raises:
        InputError: There is no such file, or it is too large, not UTF-8 or no such table; or its texts are too few, too
            many, of one class or of too many, or each class has a group of its own.
    """
    path = HERE / f"{file}.csv" if file in SHIPPED else Path(file)
    name = file if file in SHIPPED else path.name
    rows = _rows(_content(path, field), name, field)
    found = all(len(row) < 3 or not row[2] for row in rows)
    texts = tuple(row[0] for row in rows)
    labels = tuple(row[1] for row in rows)
    named = groups.found(texts) if found else [row[2] for row in rows]
    return _checked(LabelledTexts(name, texts, labels, tuple(named), found), field)


def named(key: str) -> LabelledTexts:
    """Labelled texts by a name that fits into a direction's words.

    Args:
        key: One of `SHIPPED`; or of texts that were `corpus.kept`, which is what the dashboard does with one's own.

    Raises:
        InputError: There are none of that name on this computer, or they cannot be used.
    """
    path = key if key in SHIPPED else find_kept(key)
    if path is None:
        raise InputError(
            f"There are no labelled texts “{shortened(key)}” on this computer: name one of {', '.join(SHIPPED)}, "
            "or open your own on the page Probing and choose its direction there.",
            "direction",
        )
    return read_labelled(str(path), "direction")


def _content(path: Path, field: str) -> str:
    """The file's text."""
    if not path.is_file():
        known = ", ".join(SHIPPED)
        raise InputError(f"There is no file {shortened(path.name)}: check its name, or use {known}.", field)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path.name} is neither .csv nor .tsv: save the texts as one of these.", field)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(
            f"{path.name} has {size / 1e6:,.0f} MB, and at most {MOST_TEXTS:,} texts are read: take a part of it.",
            field,
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not a text file in UTF-8: save it as one.", field) from error


def _rows(content: str, name: str, field: str) -> list[tuple[str, ...]]:
    """(text, label) or (text, label, group) of every row that holds a text."""
    if not content.strip():
        raise InputError(f"{name} is empty: give one text and its label in each line.", field)
    first = content.lstrip().partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    try:
        table = list(csv.reader(io.StringIO(content.lstrip()), delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"{name} is not a table that can be read ({error}): save it as CSV.", field) from error
    head = [cell.strip().lower() for cell in table[0]]
    if missing := [column for column in ("text", "label") if column not in head]:
        raise InputError(
            f"The first line names no column {missing[0]}: begin with text,label or text,label,group.", field
        )
    columns = [head.index(column) for column in ("text", "label", "group") if column in head]
    rows = []
    for number, row in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(columns) or not row[columns[0]].strip() or not row[columns[1]].strip():
            raise InputError(f"Line {number} of {name} lacks a text or a label: give both, or remove it.", field)
        if len(row) > len(head):
            raise InputError(
                f'Line {number} of {name} has more columns than the first: put "double quotes" around its text.', field
            )
        rows.append(tuple(row[column] if place == 0 else row[column].strip() for place, column in enumerate(columns)))
    return rows


def _checked(held: LabelledTexts, field: str) -> LabelledTexts:
    """Raises InputError where nothing can be learned or tested honestly from these texts."""
    n, count = len(held.texts), Counter(held.labels)
    if n < FEWEST:
        raise InputError(f"There are {n} texts: give at least {FEWEST_EACH} for each class.", field)
    if n > MOST_TEXTS:
        raise InputError(f"There are {n:,} texts: take at most {MOST_TEXTS:,} of them.", field)
    if len(count) == 1:
        raise InputError(
            f"All texts are of one class, “{shortened(held.labels[0])}”: give texts of another one too.", field
        )
    if len(count) > MOST_CLASSES:
        raise InputError(
            f"There are {len(count):,} classes: at most {MOST_CLASSES} can be told apart here. Is the label column "
            "the right one?",
            field,
        )
    few, times = min(count.items(), key=lambda item: item[1])
    if times < FEWEST_EACH:
        raise InputError(
            f"The class “{shortened(few)}” has {times} {'text' if times == 1 else 'texts'}: give each class at least "
            f"{FEWEST_EACH}.",
            field,
        )
    for label in count:
        own = {group for group, of in zip(held.groups, held.labels, strict=True) if of == label}
        if len(own) == 1:
            raise InputError(
                f"All texts of the class “{shortened(label)}” are of one group, so none of it would be left to learn "
                "from when that group is held out: "
                + ("word some of them otherwise." if held.found else "give each class at least two groups."),
                field,
            )
    return held
