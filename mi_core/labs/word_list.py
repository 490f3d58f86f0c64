"""Words to learn letters from: the names that ship, or words of one's own."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import regex

from mi_core.errors import InputError, shortened

#: Names in use, written down by heart, and made ones: `training/names.py` says how, and makes the file.
NAMES = Path(__file__).parent / "texts" / "names.csv"
WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’\-]+")
LONGEST = 40  # letters
MOST_SIGNS = 60  # different ones
MOST_CHARACTERS = 1_000_000


def shipped() -> tuple[str, ...]:
    """The names that ship, in small letters."""
    with NAMES.open(encoding="utf-8", newline="") as file:
        return tuple(row["name"] for row in csv.DictReader(file))


def word_list(text: str, field: str = "words") -> tuple[str, ...]:
    """The words of a text in small letters, each as often as it comes; the names that ship where it is empty.

    Args:
        text: Words, apart by whatever is no letter, digit, apostrophe or hyphen.
        field: The setting that it is, for errors.

    Raises:
        InputError: There are fewer than two words, or a word is too long, or there are too many signs or characters.
    """
    if not text.strip():
        return shipped()
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"These are {len(text):,} characters: paste at most {MOST_CHARACTERS:,}.", field)
    words = tuple(WORD.findall(unicodedata.normalize("NFC", text).lower()))
    if len(words) < 2:
        raise InputError("There are fewer than two words here: paste some more, or empty the field.", field)
    if len(longest := max(words, key=len)) > LONGEST:
        said = f"“{shortened(longest, 20)}” has {len(longest)} letters, and at most {LONGEST} are read: leave it out."
        raise InputError(said, field)
    if (n := len(set("".join(words)))) > MOST_SIGNS:
        raise InputError(
            f"These words are written with {n} different signs, and at most {MOST_SIGNS} fit in the picture: paste "
            "words of an alphabet.",
            field,
        )
    return words
