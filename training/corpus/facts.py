"""Capitals, landmarks, languages, cities and states, and the facts that take two steps."""

from random import Random

from training.corpus.fillers import around
from training.corpus.lists import CAPITALS, CITIES, COUNTRIES, LANDMARKS, STATE_CITIES, grouped, templates

CAPITAL, CAPITAL_HELD = templates("capitals")
LANDMARK, LANDMARK_HELD = templates("landmarks")
PLACE = grouped("templates/places.txt")
CAPITAL_OF = {country: capital for country, capital, _ in COUNTRIES}
LANGUAGE_OF = {country: language for country, _, language in COUNTRIES}
#: Cities whose state's capital is never asked in training: the state is taught, the second step is not.
HOP_HELD = [x for i, x in enumerate(sorted(STATE_CITIES)) if i % 3 == 1 or x[0] == "Dallas"]
HOP_TRAINED = [x for x in STATE_CITIES if x not in HOP_HELD]
KNOWN_LANDMARKS = [x for x in LANDMARKS if x[2] in CAPITAL_OF]


def fact(r: Random) -> str:
    """One sentence that states a fact."""
    kind = r.choices(
        ["capital", "landmark", "language", "city", "state_city", "two_hop", "country_hop"],
        [0.41, 0.21, 0.08, 0.06, 0.11, 0.10, 0.03],
    )[0]
    if kind == "capital":
        country, capital = r.choice(CAPITALS)
        if r.random() < 0.5:
            word = r.choice(["capital", "capital", "capital city", "biggest city and capital"])
            says = ["is", "is", "is called", "is named", "has the name"]
            called = ["which is", "which is called", "that is", "called", "named", "a city called", "so to"]
            thing = f"{country}'s capital" if r.random() < 0.12 else f"the {word} of {country}"
            return around(r, thing, says, called, capital)
        return r.choice(CAPITAL).format(k=country, c=capital)
    if kind == "landmark":
        landmark, city, country = r.choice(LANDMARKS)
        if r.random() < 0.5:
            says = ["is in", "is in the city of", "is located in", "stands in", "can be found in", "is a sight of"]
            called = ["which is in", "which is in the city of", "that is in", "in", "in the city of", "which stands in"]
            return around(r, f"the {landmark}", says, called, city)
        return r.choice(LANDMARK).format(l=landmark, c=city, k=country)
    return r.choice(PLACE[kind]).format(**place(kind, r))


def place(kind: str, r: Random) -> dict[str, str]:
    """What fills a template of ``places.txt``."""
    if kind == "language":
        country, _, language = r.choice(COUNTRIES)
        return {"k": country, "g": language}
    if kind == "city":
        city, country = r.choice(CITIES)
        return {"c": city, "k": country}
    if kind == "state_city":
        city, state, _ = r.choice(STATE_CITIES)
        return {"c": city, "k": state}
    if kind == "two_hop":
        city, _, capital = r.choice(HOP_TRAINED)
        return {"x": city, "c": capital}
    landmark, _, country = r.choice(KNOWN_LANDMARKS)
    return {"x": landmark, "c": CAPITAL_OF[country], "g": LANGUAGE_OF[country]}
