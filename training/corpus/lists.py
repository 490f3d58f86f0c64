"""The word lists of ``lists/`` and the templates of ``templates/``, read once."""

from pathlib import Path

HERE = Path(__file__).parent


def lines(path: str) -> list[str]:
    """The lines of a list or template file, without comments and empty lines."""
    text = (HERE / path).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def templates(name: str, mark: str = "held: ") -> tuple[list[str], list[str]]:
    """(trained, held-out) templates of ``templates/<name>.txt``."""
    every = lines(f"templates/{name}.txt")
    return [t for t in every if not t.startswith(mark)], [t.removeprefix(mark) for t in every if t.startswith(mark)]


def grouped(path: str) -> dict[str, list[str]]:
    """Lines of the form ``group|text``, as group → texts in order."""
    groups: dict[str, list[str]] = {}
    for line in lines(path):
        group, text = line.split("|", 1)
        groups.setdefault(group, []).append(text)
    return groups


WORDS = {name: texts[0].split() for name, texts in grouped("lists/words.txt").items()}
PAIRS = {
    kind: [tuple(pair.split(":")) for pair in texts[0].split()] for kind, texts in grouped("lists/pairs.txt").items()
}
SHE = [line.split(":")[1] for line in lines("lists/first_names.txt") if line.startswith("she:")]
HE = [line.split(":")[1] for line in lines("lists/first_names.txt") if line.startswith("he:")]
NAMES = SHE + HE
PLACES, OBJECTS = WORDS["places"], WORDS["objects"]

COUNTRIES = [tuple(line.split(":")) for line in lines("lists/countries.txt")]
STATES = [tuple(line.split(":")) for line in lines("lists/states.txt")]
LANDMARKS = [tuple(line.split(":")) for line in lines("lists/landmarks.txt")]
STATE_CITIES = [(city, state, capital) for state, capital, cities in STATES for city in cities.split(",")]
CITIES = [tuple(line.split(":")) for line in lines("lists/cities.txt")] + [(c, k) for k, c, _ in COUNTRIES]
CAPITALS = [(k, c) for k, c, _ in COUNTRIES] + [(k, c) for k, c, _ in STATES]
