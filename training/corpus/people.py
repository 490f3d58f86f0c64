"""Sentences about people: indirect objects, who has what and lives where, pronouns."""

from hashlib import md5
from random import Random

from training.corpus.fillers import noise
from training.corpus.lists import CITIES, HE, NAMES, OBJECTS, PLACES, SHE, STATE_CITIES, WORDS, grouped, lines
from training.corpus.markup import articles

GIVEN = grouped("templates/objects_given.txt")
DISTRACTORS = lines("templates/distractors.txt")


def held_pair(a: str, b: str) -> bool:
    """Whether two names never meet in a trained indirect object (one pair in ten)."""
    return int(md5("|".join(sorted((a, b))).encode()).hexdigest()[:8], 16) % 10 == 0


def name_pair(r: Random, held: bool = False) -> tuple[str, str]:
    """Two different names, from the trained or the held-out pairs."""
    while True:
        a, b = r.sample(NAMES, 2)
        if held_pair(a, b) == held:
            return a, b


def given(r: Random, setup: str, action: str, pair: tuple[str, str], first_repeats: bool) -> str:
    """One indirect object: the name that is not repeated receives."""
    a, b = pair
    again, receiver = (a, b) if first_repeats else (b, a)
    text = setup.format(A=a, B=b, P=r.choice(PLACES)) + " " + action.format(S=again, O=r.choice(OBJECTS))
    return articles(f"{text}[[ {receiver}]].")


def setup(r: Random) -> str:
    """Two names meet: a sentence of the list, one with a time before it, or names among random words."""
    kind = r.random()
    if kind < 0.45:
        return r.choice(GIVEN["setup"])
    if kind < 0.55:
        return f"{r.choice(GIVEN['there'])} {{A}} {r.choice(GIVEN['meet'])} {{B}}{r.choice(['.', ',', ', and'])}"
    if kind < 0.7:
        return f"{r.choice(GIVEN['time'])} {{A}} {r.choice(GIVEN['meet'])} {{B}} {r.choice(GIVEN['where'])}"
    start = f"{noise(r, 1, 5)}{r.choice([',', '', ''])} {{A}}" if r.random() < 0.6 else "{A}"
    middle = "and" if r.random() < 0.4 else noise(r, 1, 4)
    after = f" {noise(r, 1, 6)}" if r.random() < 0.75 else ""
    return f"{start} {middle} {{B}}{after}{r.choice(['.', ',', ', and', '. Then'])}"


def action(r: Random) -> str:
    """The name that comes again hands something over: a line of the list, verb and object put together, or noise."""
    kind = r.random()
    if kind < 0.4:
        return r.choice(GIVEN["action"])
    adverb = r.choice(GIVEN["adverb"]) + " " if r.random() < 0.4 else ""
    if kind < 0.65:
        return f"{{S}} {adverb}{r.choice(GIVEN['verb'])} {r.choice(['a {O}', 'the {O}', 'it', 'a new {O}'])} to"
    return f"{{S}} {noise(r, 1, 8)} {r.choice(['to', 'to', 'to', 'for', 'with'])}"


def indirect_object(r: Random) -> str:
    """A trained indirect object, now and then with three names or behind sentences about somebody else."""
    kind = r.random()
    if kind < 0.1:
        a, b, c = names = r.sample(NAMES, 3)
        receiver = r.choice(names)
        one, two = r.sample([n for n in names if n != receiver], 2)
        start = r.choice([f"When {a}, {b} and {c} went to the", f"{a}, {b} and {c} were at the"])
        joint = ", " if start.startswith("When") else ". "
        return articles(
            f"{start} {r.choice(PLACES)}{joint}{one} and {two} gave a {r.choice(OBJECTS)} to[[ {receiver}]]."
        )
    pair = name_pair(r)
    text = given(r, setup(r), action(r), pair, r.random() < 0.5)
    if kind < 0.4:
        other = [n for n in NAMES if n not in pair]
        for template in r.sample(DISTRACTORS, r.randint(1, 3)):
            line = template.format(C=r.choice(other), P=r.choice(PLACES), O=r.choice(OBJECTS))
            text = articles(line) + " " + text
    return text


LIVES = [
    "So {a} lives in[[ {v}]].",
    "Where does {a} live? {a} lives in[[ {v}]].",
    "Where does {a} live? {a} lives in[[ {v}]].",
    "The one who lives in {v} is[[ {a}]].",
]
HAS = [
    "So {a} has a[[ {v}]].",
    "What does {a} have? {a} has a[[ {v}]].",
    "The one who has the {v} is[[ {a}]].",
]
COLORED = ["What color is the {a}? The {a} is[[ {v}]]."]


def binding(r: Random, people: int = 0) -> str:
    """Who lives where, who has what, what has which colour: two to four pairs, then questions about one to all."""
    n = people or r.randint(2, 4)
    names, kind = r.sample(NAMES, n), r.random()
    if kind < 0.45:
        things = r.sample([c for c, _ in CITIES], n)
        facts = [f"{a} lives in {v}." for a, v in zip(names, things, strict=True)]
        asked = LIVES
    elif kind < 0.75:
        things = r.sample(OBJECTS, n)
        facts = [f"{a} has a {v}." for a, v in zip(names, things, strict=True)]
        asked = HAS
    else:
        names, things = r.sample(OBJECTS, n), r.sample(WORDS["colors"], n)
        facts = [f"The {o} is {v}." for o, v in zip(names, things, strict=True)]
        asked = COLORED
    about = r.sample(list(zip(names, things, strict=True)), r.randint(1, n))
    return articles(" ".join([*facts, *(r.choice(asked).format(a=a, v=v) for a, v in about)]))


BACKWARDS = {
    "{a} lives in {v}.": [
        "The one who lives in {v} is[[ {a}]].",
        "The one who lives in {v} is[[ {a}]].",
        "Who lives in {v}? It is[[ {a}]].",
        "In {v} lives[[ {a}]].",
    ],
    "{a} has a {v}.": [
        "The one who has the {v} is[[ {a}]].",
        "The one who has the {v} is[[ {a}]].",
        "The {v} belongs to[[ {a}]].",
        "Who has the {v}? It is[[ {a}]].",
    ],
}


def backwards(r: Random) -> str:
    """Who lives where, who has what: all of them asked for the name."""
    n, fact = r.randint(2, 4), r.choice(list(BACKWARDS))
    values = OBJECTS if "has" in fact else [city for city, _ in CITIES]
    about = list(zip(r.sample(NAMES, n), r.sample(values, n), strict=True))
    facts = [fact.format(a=a, v=v) for a, v in about]
    r.shuffle(about)
    return articles(" ".join([*facts, *(r.choice(BACKWARDS[fact]).format(a=a, v=v) for a, v in about)]))


def swapped(r: Random) -> str:
    """The same with little between name and place, the easiest to ask for the name: "Max, Oslo. Oslo, Max."."""
    n, between = r.randint(2, 4), r.choice(["", "", ",", " in", " from", " lives in", " has the"])
    values = OBJECTS if "has" in between else [city for city, _ in CITIES]
    about = list(zip(r.sample(NAMES, n), r.sample(values, n), strict=True))
    facts = [f"{a}{between} {v}." for a, v in about]
    r.shuffle(about)
    link = r.choice(["", "", ",", " is", ": it is"])
    return " ".join([*facts, *(f"{v}{link}[[ {a}]]." for a, v in about)])


def chain(r: Random) -> str:
    """Two steps, the first in the text: the country or state of where somebody lives, the colour of what she has."""
    n = r.randint(2, 3)
    names, kind = r.sample(NAMES, n), r.randrange(3)
    about = r.sample(range(n), r.randint(1, n))
    if kind < 2:
        pairs, word = r.sample(CITIES if kind == 0 else STATE_CITIES, n), ("country", "state")[kind]
        facts = [f"{a} lives in {p[0]}." for a, p in zip(names, pairs, strict=True)]
        return " ".join([*facts, *(f"{names[i]} lives in the {word} of[[ {pairs[i][1]}]]." for i in about)])
    things, colors = r.sample(OBJECTS, n), r.sample(WORDS["colors"], n)
    facts = [f"The {o} is {v}." for o, v in zip(things, colors, strict=True)]
    owners = [f"{a} has the {o}." for a, o in zip(names, things, strict=True)]
    r.shuffle(facts)
    return " ".join([*facts, *owners, *(f"{names[i]} has something[[ {colors[i]}]]." for i in about)])


PRONOUN = [
    "{n} went home because[[ {s}]] was {a}.",
    "{n} was {a}, so[[ {s}]] went to the {P}.",
    "{n} lost[[ {p}]] {O}.",
    "{n} said that[[ {s}]] was {a}.",
    "{n} looked at[[ {r}]] in the mirror.",
    "{n} took[[ {p}]] {O} to the {P}.",
    "{n} is {a}, isn't[[ {s}]]?",
    "When {m} saw the {P},[[ {s}]] felt {a}.",
]


def pronoun(r: Random) -> str:
    """She or he, her or his, by the name or the role."""
    female = r.random() < 0.5
    s, p, self_ = ("she", "her", "herself") if female else ("he", "his", "himself")
    name = r.choice(SHE if female else HE)
    if r.random() < 0.25:
        name = "The " + r.choice(WORDS["female_roles" if female else "male_roles"])
    inside = name[0].lower() + name[1:] if name.startswith("The ") else name
    fill = {"a": r.choice(WORDS["feelings"]), "P": r.choice(PLACES), "O": r.choice(OBJECTS)}
    return articles(r.choice(PRONOUN).format(n=name, m=inside, s=s, p=p, r=self_, **fill))
