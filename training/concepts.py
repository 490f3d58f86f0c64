"""Concepts that the generator knows of every token, and the features whose top contexts share one of them.

A token *is* of the classes whose word lists hold it ("is a country"), stands *before* the classes of the next token
("before a country": what the model has to guess there), and stands *in* a kind of text ("in reviews"). A feature is
called monosemantic where one of these holds at the peak of at least `SHARED` of its `PEAKS` strongest contexts, one per
document. Concepts that hold for more than `COMMON` of all tokens are left out: they would be shared by chance.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from random import Random

import numpy as np

from training.corpus import lists, prose
from training.sample import Document

SHARED, PEAKS, COMMON = 0.8, 10, 0.25
IN_CODE = ("a Python word", "a variable")


def classes() -> dict[str, set[str]]:
    """Class → its words; a name of several words counts by each of them."""
    words, pairs = lists.WORDS, lists.PAIRS
    found = {
        "a woman's name": lists.SHE,
        "a man's name": lists.HE,
        "a country": (row[0] for row in lists.COUNTRIES),
        "a state": (row[0] for row in lists.STATES),
        "a capital": (capital for _, capital in lists.CAPITALS),
        "another city": {city for city, *_ in (*lists.STATE_CITIES, *lists.CITIES)} - {c for _, c in lists.CAPITALS},
        "a landmark": (row[0] for row in lists.LANDMARKS),
        "a language": (row[2] for row in lists.COUNTRIES),
        "praise": words["positive"] + words["positive_verbs"],
        "a complaint": words["negative"] + words["negative_verbs"],
        "a plural": (many for one, many in pairs["plural"] if one != many),
        "a verb for one": (a for a, _ in pairs["singular_verbs"] + pairs["plain_verbs"]),
        "a verb for many": (b for _, b in pairs["singular_verbs"] + pairs["plain_verbs"]),
        "a French word": foreign("fr") | {b for _, b in pairs["french"]},
        "a German word": foreign("de") | {b for _, b in pairs["german"]},
        "a Python word": ["def", "return", "import", "class", "self", "print", "range", "for", "in", "if", "else"],
        "a variable": words["variables"],
        "she, her": ["she", "her", "herself"],
        "he, him, his": ["he", "him", "his", "himself"],
    }
    named = {
        "places": "a place", "objects": "a thing", "days": "a day", "months": "a month", "number_words": "a number",
        "lasting": "something that lasts", "feelings": "a feeling", "colors": "a colour", "adjectives": "an adjective",
        "animals": "an animal", "weather": "the weather", "intensifiers": "an intensifier",
    }  # fmt: skip
    found |= {name: words[key] for key, name in named.items()}
    return {name: {w for phrase in phrases for w in phrase.split()} for name, phrases in found.items()}


def foreign(language: str) -> set[str]:
    """The words of the sentences of one language."""
    texts = (text for texts in prose.FOREIGN[language].values() for text in texts)
    return {w.strip(".,!?") for text in texts for w in text.split()} - {"in", "a"}


@cache
def classes_of(text: str) -> tuple[str, ...]:
    """The classes of a token's text; digits are a number of their own."""
    word = text.strip()
    if word.isdigit():
        return ("digits",)
    known = _classes()
    return tuple(name for name, members in known.items() if word in members or word.lower() in members)


@cache
def _classes() -> dict[str, set[str]]:
    return classes()


def concepts_of(document: Document, pos: int, texts: list[str]) -> set[str]:
    """Everything that the generator knows of the token at a position."""
    found = {f"is {name}" for name in _here(document, pos, texts)} | {f"in {document.kinds[pos]}"}
    if pos + 1 < len(document.ids):
        found |= {f"before {name}" for name in _here(document, pos + 1, texts)}
    return found


def _here(document: Document, pos: int, texts: list[str]) -> list[str]:
    """The classes of a token where it stands: Python's words are English ones elsewhere."""
    found = classes_of(texts[document.ids[pos]])
    return [name for name in found if document.kinds[pos] == "code" or name not in IN_CODE]


def common(sample: list[Document], texts: list[str]) -> set[str]:
    """The concepts that hold for more than `COMMON` of the tokens."""
    tally, total = Counter(), 0
    for document in sample:
        for pos in range(1, len(document.ids)):
            tally.update(concepts_of(document, pos, texts))
            total += 1
    return {name for name, n in tally.items() if n > COMMON * total}


def shared(
    peaks: Iterable[tuple[int, int]], sample: list[Document], texts: list[str], left_out: set[str]
) -> tuple[str, float, int]:
    """(concept, share of the peaks that it holds for, number of peaks) of (document, position) pairs."""
    held = [concepts_of(sample[where], pos, texts) - left_out for where, pos in peaks]
    name = _commonest(held)
    return name, round(sum(name in each for each in held) / len(held), 3) if name else 0.0, len(held)


def things(
    peaks: Iterable[tuple[int, int]], sample: list[Document], texts: list[str], left_out: set[str]
) -> list[tuple[str, int]]:
    """How many things a feature or neuron fires for: the concepts that tell all of its peaks, each with how many
    further peaks it tells. The commonest comes first, then the commonest of the peaks that are left; "" tells those
    that have no concept. One that fires for one thing has one.
    """
    left, found = [concepts_of(sample[where], pos, texts) - left_out for where, pos in peaks], []
    while left:
        name = _commonest(left)
        others = [each for each in left if name not in each] if name else []
        found.append((name, len(left) - len(others)))
        left = others
    return found


def _commonest(held: list[set[str]]) -> str:
    """Of concepts shared alike, what the token is says more than what follows it, and that more than the kind of text;
    "" where there is none.
    """
    tally = Counter(name for each in held for name in each)
    rank = {name: (n, name.startswith("is "), name.startswith("before "), name) for name, n in tally.items()}
    return max(tally, key=rank.__getitem__, default="")


def peaks(document: np.ndarray, pos: np.ndarray, value: np.ndarray) -> list[tuple[int, int]]:
    """Where a feature fires most: its strongest position in each of the `PEAKS` documents with the strongest."""
    best: dict[int, int] = {}
    for i in np.lexsort((pos, document, -value)):
        best.setdefault(int(document[i]), int(pos[i]))
        if len(best) == PEAKS:
            break
    return list(best.items())


def monosemantic(row: dict) -> bool:
    """Whether a row of ``features.json`` names a feature whose top contexts share one concept."""
    return row["concept_contexts"] == PEAKS and row["concept_share"] >= SHARED


def by_chance(sample: list[Document], texts: list[str], left_out: set[str], n: int = 400) -> dict[str, float]:
    """Of imagined features, each firing at `PEAKS` random tokens: the share that would count as monosemantic, and for
    how many things one fires on average.
    """
    r, hits, told = Random("chance"), 0, 0
    places = [(d, pos) for d, document in enumerate(sample) for pos in range(1, len(document.ids))]
    for _ in range(n):
        drawn = r.sample(places, PEAKS)
        hits += shared(drawn, sample, texts, left_out)[1] >= SHARED
        told += len(things(drawn, sample, texts, left_out))
    return {"monosemantic_by_chance": hits / n, "things_by_chance": told / n}


def table(rows_of: dict[str, list[dict]], named: int = 6) -> str:
    """Hook by hook: live features, those whose top contexts share a concept, and the concepts shared most often."""
    lines = ["| hook | live | monosemantic | of them: is / before / in | most frequent |", "|---|---|---|---|---|"]
    for hook, rows in rows_of.items():
        live, ours = [row for row in rows if row["density"] > 0], [row for row in rows if monosemantic(row)]
        starts = [sum(row["concept"].startswith(way) for row in ours) for way in ("is ", "before ", "in ")]
        often = Counter(row["concept"] for row in ours).most_common(named)
        told = ", ".join(f"{name} ({n})" for name, n in often)
        lines.append(f"| `{hook}` | {len(live)} | {len(ours)} | {' / '.join(map(str, starts))} | {told} |")
    return "\n".join(lines)
