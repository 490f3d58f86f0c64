"""Longer text: reviews, stories, simple French and German, Python, and phrases said twice."""

from random import Random

from training.corpus.fillers import noise
from training.corpus.lists import HE, NAMES, OBJECTS, PLACES, SHE, WORDS, grouped
from training.corpus.markup import articles

REVIEWED = {
    "movie": "acting story music ending cast plot",
    "book": "plot writing ending story style",
    "hotel": "room service view breakfast pool",
    "restaurant": "food service soup dessert menu",
    "play": "acting stage music cast story",
    "show": "music cast story singing dancing",
    "trip": "weather food guide view hotel",
    "concert": "music band singing sound crowd",
    "game": "story music design ending",
}
HAPPY_END = [
    "I would recommend it to everyone.",
    "I want to come back soon.",
    "I smiled all day.",
    "It made me very happy.",
    "I give it five stars.",
]
SAD_END = [
    "I would not recommend it to anyone.",
    "I will never come back.",
    "I want my money back.",
    "It made me very angry.",
    "I give it one star.",
]
REVIEW_LINES = [
    "The {p} was{a}.",
    "The {p} was{a}.",
    "The {p} was{a} and the {q} was{b}.",
    "I[[ {v}]] the {p}.",
    "It was a{a} {t}.",
    "We[[ {v}]] it.",
    "Everyone said the {p} was{a}.",
    "I thought the {t} was{a}.",
]


def review(r: Random, positive: bool | None = None) -> str:
    """A short review that keeps its opinion from the first sentence to the last."""
    positive = r.random() < 0.5 if positive is None else positive
    adjectives, verbs = (WORDS[("positive" if positive else "negative") + end] for end in ("", "_verbs"))
    thing = r.choice(list(REVIEWED))
    parts = REVIEWED[thing].split()

    def adjective() -> str:
        adverb = " " + r.choice(WORDS["intensifiers"]) if r.random() < 0.08 else ""
        return f"{adverb}[[ {r.choice(adjectives)}]]"

    def line(template: str) -> str:
        p, q = r.sample(parts, 2)
        return template.format(p=p, q=q, t=thing, v=r.choice(verbs), a=adjective(), b=adjective())

    first = ["This {t} was{a}.", "I[[ {v}]] this {t}.", "The {t} was{a}.", "What a{a} {t}!"]
    out = [line(r.choice(first))] + [line(r.choice(REVIEW_LINES)) for _ in range(r.randint(1, 4))]
    if r.random() < 0.6:
        out.append(r.choice(HAPPY_END if positive else SAD_END))
    if r.random() < 0.25:
        out.append(f"Sentiment:[[ {'positive' if positive else 'negative'}]].")
    return articles(("Review: " if r.random() < 0.3 else "") + " ".join(out))


STORY = grouped("templates/stories.txt")
OPENING = grouped("templates/openings.txt")
FORMS = {
    "she": {"s": "she", "o": "her", "p": "her", "was": "was"},
    "he": {"s": "he", "o": "him", "p": "his", "was": "was"},
    "they": {"s": "they", "o": "them", "p": "their", "was": "were"},
    "we": {"s": "we", "o": "us", "p": "our", "was": "were"},
    "i": {"s": "I", "o": "me", "p": "my", "was": "was"},
}


def story(r: Random) -> str:
    """An opening and then scene, want, event, talk, turn and end in this order, so that it moves and never circles."""
    who = r.choices(["one", "i", "we", "they"], [0.66, 0.14, 0.07, 0.13])[0]
    person = r.choice(["she", "he"]) if who == "one" else who
    fill = characters(r, person)
    # one story in six begins in its middle
    out = [opening(r, who)] if r.random() < 5 / 6 else []
    for phase, chance in (("scene", 0.5), ("want", 0.7), ("event", 0.9), ("talk", 0.8), ("turn", 0.85), ("end", 1.0)):
        if r.random() < chance:
            out.append(r.choice(STORY[phase]))
    return articles(" ".join(out).format(**fill))


def opening(r: Random, who: str) -> str:
    """A first sentence: one of the list, or subject, deed and tail put together."""
    if r.random() < 0.4:
        return r.choice(OPENING[who])
    deed = r.choice(OPENING["did"])
    if who in ("we", "they"):
        deed = deed.replace("was at", "were at")
    # words that never stood here before must not stop a story
    odd = f" {r.choice(['and', 'the', 'with', 'in the'])} {noise(r, 1, 5)}" if r.random() < 0.2 else ""
    return f"{r.choice(OPENING[who + '_subject'])} {deed}{odd}{r.choice(OPENING['tail'])}"


def characters(r: Random, person: str) -> dict[str, str]:
    """What fills the sentences of one story: who, with whom, where and with what."""
    forms = dict(FORMS[person])
    pool = {"she": SHE, "he": HE}.get(person, NAMES)
    name = r.choice(pool)
    place, other = r.sample(PLACES, 2)
    key = person if person in ("she", "he") else r.choice(["she", "he"])
    people = WORDS["people_" + key] if r.random() < 0.75 else WORDS["animals"]
    subject = forms["s"]
    return forms | {
        "S": subject[0].upper() + subject[1:],
        "Z": subject[0].upper() + subject[1:],
        "m": name,
        "f": r.choice([n for n in NAMES if n != name]),
        "w": r.choice(people),
        "d": r.choice(WORDS["adjectives"]),
        "r": r.choice(WORDS["relatives_" + key]),
        "P": place,
        "P2": other,
        "O": r.choice(OBJECTS),
        "a": r.choice(WORDS["moods"]),
        "t": r.choice(WORDS["weather"]),
    }


FOREIGN = {
    language: {role: [t.split("|")[1] for t in texts if t.startswith(role)] for role in ("subject", "verb", "sentence")}
    for language, texts in grouped("templates/foreign.txt").items()
}


def foreign(r: Random, language: str | None = None) -> str:
    """One to five sentences of simple French or German."""
    language = language or r.choice(["fr", "de"])
    words, out = FOREIGN[language], []
    for _ in range(r.randint(1, 5)):
        kind = r.random()
        if kind < 0.35:
            out.append(r.choice(words["sentence"]))
            continue
        verb = r.choice(words["verb"])
        if kind > 0.8:
            verb += (" et " if language == "fr" else " und ") + r.choice(words["verb"])
        out.append(f"{r.choice(words['subject'])} {verb}.")
    return " ".join(out)


MODULES = {"os": "getcwd()", "sys": "exit(0)", "math": "sqrt(4)", "json": "loads(text)", "random": "random()"}


def code(r: Random) -> str:
    """A few lines of Python that use the names they define."""
    a, b, c = r.sample(WORDS["variables"], 3)
    name, kind = r.choice(WORDS["functions"]), r.random()
    if kind < 0.28:
        return f"def {name}({a}, {b}):\n    return[[ {a}]] {r.choice('+-*/')}[[ {b}]]\n"
    if kind < 0.44:
        return f"def {name}({a}):\n    {b} = 0\n    for {c} in[[ {a}]]:\n        {b} +=[[ {c}]]\n    return[[ {b}]]\n"
    if kind < 0.56:
        return f"for {a} in range({r.randint(2, 99)}):\n    print({a})\n"
    if kind < 0.68:
        module = r.choice(list(MODULES))
        return f"import {module}\n\n{a} =[[ {module}]].{MODULES[module]}\n"
    if kind < 0.84:
        return f"if {a} > {b}:\n    {c} =[[ {a}]]\nelse:\n    {c} =[[ {b}]]\n"
    head = f"class {r.choice(['Dog', 'Point', 'Node', 'Car', 'User'])}:\n    def __init__(self, {a}, {b}):\n"
    return head + f"        self.{a} =[[ {a}]]\n        self.{b} =[[ {b}]]\n"


def said_twice(r: Random) -> str:
    """Made-up phrases that are said and then said again."""
    pool = OBJECTS + PLACES + WORDS["animals"] + WORDS["adjectives"] + NAMES + WORDS["positive"] + WORDS["negative"]
    text = f"{r.choice(NAMES)} said: {' '.join(r.choice(pool) for _ in range(r.randint(4, 12)))}."
    return f"{text}[[ {text}]]"
