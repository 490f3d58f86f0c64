"""Sequences, years, agreement, opposites, plurals, translations."""

from hashlib import md5
from random import Random

from training.corpus.lists import CAPITALS, PAIRS, WORDS, lines

DAYS, MONTHS, NUMBERS = WORDS["days"], WORDS["months"], WORDS["number_words"]
LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
GREATER = lines("templates/greater_than.txt")
PLURAL = dict(PAIRS["plural"])
NOUNS = [noun for noun in PLURAL if PLURAL[noun] != noun]
NEAR = ["near", "behind", "beside", "next to", "in front of"]


def sequence(r: Random) -> str:
    """Days, months, letters and numbers in order, and what comes after or before."""
    kind = r.random()
    if kind < 0.35:
        items = r.choice([DAYS, MONTHS, NUMBERS, LETTERS])
        n, i = r.randint(3, 7), r.randrange(len(items))
        run = [items[(i + j) % len(items)] for j in range(n)] if items in (DAYS, MONTHS) else items[i : i + n]
        run = run if len(run) >= 3 else items[:4]
        comma = r.choice([", ", " "])
        return run[0] + comma.rstrip() + "[[ " + comma.join(run[1:]) + "]]."
    if kind < 0.55:
        i, step = r.randint(1, 85), r.choice([1, 1, 1, 2, 5, 10])
        run = [str(i + step * j) for j in range(6) if i + step * j < 100 or j < 2]
        return f"{run[0]}, {run[1]},[[ {', '.join(run[2:])}]]." if len(run) > 2 else f"{run[0]},[[ {run[1]}]]."
    if kind < 0.8:
        items = r.choice([DAYS, MONTHS])
        i = r.randrange(len(items))
        a, b, word = items[i], items[(i + 1) % len(items)], "day" if items is DAYS else "month"
        options = ["The {w} after {a} is[[ {b}]].", "{b} comes after[[ {a}]].", "The {w} before {b} is[[ {a}]]."]
        options += ["If today is {a}, tomorrow is[[ {b}]]."] if word == "day" else [options[0]]
        return r.choice(options).format(w=word, a=a, b=b)
    i = r.randrange(len(NUMBERS) - 1)
    text = r.choice(["The number after {a} is[[ {b}]].", "The number before {b} is[[ {a}]]."])
    return text.format(a=NUMBERS[i], b=NUMBERS[i + 1])


def held_year(noun: str, century: int, year: int) -> bool:
    """Whether this beginning never occurs in training (one in ten)."""
    return int(md5(f"{noun}|{century}|{year}".encode()).hexdigest()[:8], 16) % 10 == 0


def greater_than(r: Random) -> str:
    """Something lasted from one year to a later one of the same century."""
    while True:
        noun, century, year = r.choice(WORDS["lasting"]), r.randint(11, 18), r.randint(2, 96)
        if not held_year(noun, century, year):
            break
    later = r.randint(year + 2, 99)
    return r.choice(GREATER).format(n=noun, c=century, y=f"{year:02d}", z=f"{later:02d}")


def agreement(r: Random) -> str:
    """A verb that agrees with its subject, past a noun of either number."""
    a, b = r.sample(NOUNS, 2)
    many, many_b = r.random() < 0.5, r.random() < 0.5
    subject, other = PLURAL[a] if many else a, PLURAL[b] if many_b else b
    verb = r.choice(PAIRS["singular_verbs"])[many]
    tail = "a name" if verb in ("has", "have") else r.choice(["very old", "here", "small", "new", "quiet"])
    kind = r.random()
    if kind < 0.45:
        return f"The {subject} {r.choice(NEAR)} the {other}[[ {verb}]] {tail}."
    if kind < 0.6:
        return f"The {subject}[[ {verb}]] {tail}."
    if kind < 0.8:
        return f"The {subject} {r.choice(NEAR)} the {other}[[ {r.choice(PAIRS['plain_verbs'])[many]}]] every day."
    relative = r.choice(["like", "see", "know"]) + ("" if many_b else "s")
    return f"The {subject} that the {other} {relative}[[ {verb}]] {tail}."


def word_pair(r: Random) -> str:
    """Opposites, plurals, French and German words, colours, places of work, and lists of such pairs."""
    kind = r.random()
    if kind < 0.3:
        a, b = r.choice(PAIRS["opposite"])
        options = [f"The opposite of {a} is[[ {b}]].", f"{a} is the opposite of[[ {b}]].", f"Not {a}, but[[ {b}]]."]
        return r.choice(options)
    if kind < 0.48:
        a = r.choice(NOUNS)
        many = f"[[ {PLURAL[a]}]]."
        return r.choice([f"One {a}, two", f"The plural of {a} is", f"I have one {a}, but she has many"]) + many
    if kind < 0.68:
        pairs = r.choice([PAIRS["opposite"], PAIRS["plural"], PAIRS["french"], PAIRS["german"], CAPITALS])
        return "\n".join(f"{a} ->[[ {b}]]" for a, b in r.sample(pairs, r.randint(3, 5)))
    if kind < 0.87:
        a, b = r.choice(PAIRS["french"])
        if r.random() < 0.5:
            return f"The French word for {a} is[[ {b}]]."
        a, b = r.choice(PAIRS["german"])
        return f"The German word for {a} is[[ {b}]]."
    if kind < 0.94:
        a, b = r.choice(PAIRS["color"])
        if r.random() < 0.5:
            thing, b = r.choice(PAIRS["the_color"])
            a = "the " + thing
        return f"The color of {a} is[[ {b}]]."
    a, b = r.choice(PAIRS["job"])
    return f"The {a} works in the[[ {b}]]."
