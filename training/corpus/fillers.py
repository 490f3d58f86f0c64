"""Openers, relative clauses and runs of random words, so that what a sentence asks never depends on its wording."""

from random import Random

from training.corpus.lists import OBJECTS, PAIRS, PLACES, WORDS, grouped

PIECES = grouped("templates/fillers.txt")
ANY_WORD = [
    *OBJECTS,
    *PLACES,
    *WORDS["animals"],
    *WORDS["adjectives"],
    *WORDS["colors"],
    *WORDS["weather"],
    *WORDS["lasting"],
    *(word for pair in PAIRS["opposite"] for word in pair),
    *(word for pair in PAIRS["singular_verbs"] + PAIRS["plain_verbs"] for word in pair),
    *WORDS["common"] * 2,
]


def noise(r: Random, low: int, high: int) -> str:
    """Random words without meaning."""
    return " ".join(r.choices(ANY_WORD, k=r.randint(low, high)))


def clause(r: Random) -> str:
    """What may stand between two commas after a place."""
    kind = r.random()
    if kind < 0.25:
        return noise(r, 1, 6)
    if kind < 0.45:
        return r.choice(PIECES["aside"])
    word, verbs = r.choice([("which", "doing"), ("where", "staying")])
    text = f"{word} {r.choice(PIECES['subject'])} {r.choice(PIECES[verbs])}"
    return f"{text} {r.choice(PIECES['when'])}" if r.random() < 0.6 else text


def around(r: Random, thing: str, says: list[str], called: list[str], answer: str) -> str:
    """A sentence about ``thing``, put together from an opener or a journey, a clause, and a way to name the answer."""
    kind = r.random()
    inside = f", {clause(r)}," if r.random() < 0.5 else ""
    if kind < 0.35:
        text = f"{r.choice(PIECES['motion'])} {thing}{inside or ','} {r.choice(called)}"
        return f"{text}[[ {answer}]]."
    if kind < 0.6:
        return f"{r.choice(PIECES['opener'])} {thing}{inside} {r.choice(says)}[[ {answer}]]."
    if kind < 0.75:
        return f"{noise(r, 2, 8)} {thing}{inside} {r.choice(says)}[[ {answer}]]."
    return f"{thing[0].upper()}{thing[1:]}{inside} {r.choice(says)}[[ {answer}]]."
