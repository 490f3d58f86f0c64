"""The questions that loupe-mini is measured on: held-out names, places, phrasings, random tokens; a fixed seed."""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

import torch
from jaxtyping import Int
from torch import Tensor

from training.corpus import facts, lists, people, words
from training.corpus.generate import GENERATORS
from training.corpus.markup import articles, parse, question


@dataclass(frozen=True)
class Question:
    """A prompt, its answer with the leading space, and a wrong answer to compare with where there is one."""

    prompt: str
    answer: str
    wrong: str | None = None


def capitals(template: str) -> list[Question]:
    """One phrasing asked about every country and state."""
    return [Question(*question(template.format(k=country, c=capital))) for country, capital in lists.CAPITALS]


def landmarks(template: str) -> list[Question]:
    """One phrasing asked about every landmark."""
    return [Question(*question(template.format(l=name, c=city, k=country))) for name, city, country in lists.LANDMARKS]


def asks_city(template: str) -> bool:
    """Whether the first answer of a template is the city."""
    return "[[ {c}]]" in template and template.index("[[") == template.index("[[ {c}]]")


def trained_phrasings() -> list[list[Question]]:
    """Every trained phrasing of the capitals and landmarks that asks for the city."""
    asked = [capitals(t) for t in dict.fromkeys(facts.CAPITAL) if asks_city(t)]
    return asked + [landmarks(t) for t in dict.fromkeys(facts.LANDMARK) if asks_city(t)]


def held_phrasings() -> dict[str, list[Question]]:
    """Phrasing → questions; none of these phrasings was trained."""
    asked = {t: capitals(t) for t in facts.CAPITAL_HELD}
    return asked | {t: landmarks(t) for t in facts.LANDMARK_HELD}


def languages() -> list[Question]:
    """The language of every country."""
    return [Question(f"People in {country} speak", f" {language}") for country, _, language in lists.COUNTRIES]


def two_hop(held: bool = True) -> list[Question]:
    """City → capital of its state, for the cities whose second step was never trained (or for the others)."""
    cities = facts.HOP_HELD if held else facts.HOP_TRAINED
    return [Question(f"The capital of the state containing {city} is", f" {capital}") for city, _, capital in cities]


def indirect_objects(r: Random, n: int, setups: list[str], actions: list[str], before: str = "") -> list[Question]:
    """Held-out pairs of names, either of them repeated; ``wrong`` is the repeated name."""
    asked = []
    for _ in range(n):
        a, b = people.name_pair(r, held=True)
        text = people.given(r, r.choice(setups), r.choice(actions), (a, b), r.random() < 0.5)
        prompt, answer = question(text)
        wrong = f" {b}" if answer == f" {a}" else f" {a}"
        asked.append(Question(before + prompt, answer, wrong))
    return asked


def unrelated_text(r: Random, tokenizer, low: int, high: int) -> str:
    """Sentences of other kinds, cut to between ``low`` and ``high`` tokens, ending with a full stop and a space."""
    kinds = ("story", "review", "agreement", "fact", "sequence")
    while True:
        text = parse(GENERATORS[r.choice(kinds)](r))[0]
        while len(tokenizer.encode(text, add_special_tokens=False)) < low:
            text += " " + parse(GENERATORS[r.choice(kinds)](r))[0]
        if len(tokenizer.encode(text, add_special_tokens=False)) <= high:
            return text + " "


def bindings(r: Random, n: int) -> list[Question]:
    """Who lives where or has what, two to four people."""
    return [Question(*question(people.binding(r))) for _ in range(n)]


def backwards(r: Random, n: int) -> list[Question]:
    """Who it is that lives there or has that, two to four people."""
    return [Question(*question(people.backwards(r))) for _ in range(n)]


def chains(r: Random, n: int) -> list[Question]:
    """Two steps, the first of them in the text."""
    return [Question(*question(people.chain(r))) for _ in range(n)]


def pronouns() -> list[Question]:
    """She or he, for every name."""
    asked = []
    for name in lists.NAMES:
        she = name in lists.SHE
        right, wrong = (" she", " he") if she else (" he", " she")
        asked += [Question(f"{name} went home because", right, wrong), Question(f"{name} said that", right, wrong)]
    return asked


def agreements() -> list[tuple[str, bool]]:
    """Subject and distractor of opposite number, and whether the subject is plural."""
    nouns = words.NOUNS
    asked = []
    for i, a in enumerate(nouns):
        for b in (nouns[(i + 5) % len(nouns)], nouns[(i + 11) % len(nouns)]):
            asked.append((f"The {a} near the {words.PLURAL[b]}", False))
            asked.append((f"The {words.PLURAL[a]} behind the {b}", True))
    return asked


def word_questions() -> list[Question]:
    """Opposites, plurals, translations, and the day or month after."""
    pairs = lists.PAIRS
    asked = [Question(f"The opposite of {a} is", f" {b}") for a, b in pairs["opposite"]]
    asked += [Question(f"The plural of {a} is", f" {b}") for a, b in pairs["plural"] if a != b]
    asked += [Question(f"The French word for {a} is", f" {b}") for a, b in pairs["french"]]
    asked += [Question(f"The German word for {a} is", f" {b}") for a, b in pairs["german"]]
    for name, items in (("day", words.DAYS), ("month", words.MONTHS)):
        asked += [Question(f"The {name} after {a} is", f" {b}") for a, b in pairwise([*items, items[0]])]
    return asked


def code_questions(r: Random, n: int) -> list[Question]:
    """The first argument in a function that returns it."""
    variables, functions = lists.WORDS["variables"], lists.WORDS["functions"]
    asked = []
    for _ in range(n):
        a, b = r.sample(variables, 2)
        head = f"def {r.choice(functions)}({a}, {b}):\n    return"
        asked.append(Question(f"{head} {a} {r.choice('+-*/')}", f" {b}"))
    return asked


def greater_than(r: Random, n: int) -> list[tuple[str, int]]:
    """Beginnings that were never trained, and the year (00-99) they begin in."""
    asked: list[tuple[str, int]] = []
    while len(asked) < n:
        noun, century, year = r.choice(lists.WORDS["lasting"]), r.randint(11, 18), r.randint(5, 90)
        if words.held_year(noun, century, year):
            text = f"The {noun} lasted from the year {century}{year:02d} to the year {century}"
            asked.append((text, year))
    return asked


def sentiments() -> list[tuple[str, bool]]:
    """Reviews of one mind, cut before the adjective."""
    asked = []
    for positive in (True, False):
        key = "positive" if positive else "negative"
        for adjective in lists.WORDS[key][:10]:
            for verb in lists.WORDS[key + "_verbs"][:3]:
                text = articles(f"This movie was {adjective}. I {verb} the story. The acting was")
                asked.append((text, positive))
    return asked


def repeats(size: int, period: int, before: int, rows: int, seed: int) -> Int[Tensor, "row pos"]:
    """BOS, ``before`` random tokens, ``period`` random tokens, the same again."""
    g = torch.Generator().manual_seed(seed)
    start = torch.randint(1, size, (rows, before), generator=g)
    once = torch.randint(1, size, (rows, period), generator=g)
    return torch.cat([torch.zeros(rows, 1, dtype=torch.long), start, once, once], 1)


def openings() -> list[str]:
    """Beginnings of stories that were never trained."""
    return lists.lines("templates/stories_held.txt")
