"""Labelled texts that ship for probes, made of the corpus' own words: `python -m training.probing` writes them.

Texts of one group are alike but for some words, so that a probe can be asked about groups it has not seen: `sentiment`
holds out ways to say it, `language` what is said, `capital` states.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from training.corpus.lists import STATES, WORDS
from training.corpus.prose import FOREIGN

ROOT = Path(__file__).parents[1] / "mi_core" / "probing" / "texts"
Row = tuple[str, str, str]

ADJECTIVES = 8  # of each kind
REVIEWS = (
    "This movie was {a}.",
    "I saw a {a} movie",
    "It was a {a} book to read",
    "Everyone said the show was {a} today",
    "The {a} food was on the table",
    "We had a {a} day at the hotel",
)
# What the French and German lists say, in their order.
SUBJECTS = (
    "The cat", "The dog", "My father", "My mother", "The boy", "The girl", "The king", "The teacher", "My friend",
    "The woman",
)  # fmt: skip
VERBS = (
    "eats bread", "has water", "goes to school", "sleeps in the house", "likes a book", "loves music",
    "sees the sea", "speaks with the king", "walks in the street", "sings in the garden", "is very small",
    "is in the kitchen",
)  # fmt: skip
SUBJECTS_EACH = 3


def sentiment() -> Iterator[Row]:
    """Praise and complaints: every adjective in every template; a group is a template."""
    for number, template in enumerate(REVIEWS, start=1):
        for label in ("positive", "negative"):
            for adjective in WORDS[label][:ADJECTIVES]:
                yield articles(template.format(a=adjective)), label, f"template {number}"


def articles(text: str) -> str:
    """`a` before a vowel is `an`."""
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}")
    return text


def language() -> Iterator[Row]:
    """The same sentences in three languages; a group is what is done."""
    languages = {
        "English": (SUBJECTS, VERBS),
        "French": (FOREIGN["fr"]["subject"], FOREIGN["fr"]["verb"]),
        "German": (FOREIGN["de"]["subject"], FOREIGN["de"]["verb"]),
    }
    for verb, group in enumerate(VERBS):
        for label, (subjects, verbs) in languages.items():
            for turn in range(SUBJECTS_EACH):
                subject = subjects[(verb + turn * 4) % len(subjects)]
                yield f"{subject} {verbs[verb]}.", label, group


def capital() -> Iterator[Row]:
    """A state's capital and another of its cities, in the same words; a group is a state."""
    for state, city, others in STATES:
        yield f"They live in {city}", "capital", state
        yield f"They live in {others.split(',')[0]}", "other city", state


SETS = {function.__name__: function for function in (sentiment, language, capital)}


def write(folder: Path = ROOT) -> None:
    """Write each set as a table with the columns `text`, `label` and `group`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in SETS.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("text", "label", "group"))
            writer.writerows(rows())


if __name__ == "__main__":
    write()
