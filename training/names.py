"""The first names that the bigram lab learns from: names that are in use, written down by heart, and made ones.

    python -m training.names

The made ones are a stem and an ending that fit each other, at random but the same at every call. Nobody's list was
copied; that some made names are in use too, and others are not, is as it should be.
"""

import random
from pathlib import Path

LISTS = Path(__file__).parent / "corpus" / "lists"
TARGET = Path(__file__).parents[1] / "mi_core" / "labs" / "texts" / "names.csv"
MADE = 3200
SEED = 0


def names() -> list[str]:
    """All of them, in the order of the alphabet."""
    known, stems, endings = (_listed(name) for name in ("names_in_use", "name_stems", "name_endings"))
    draw, made = random.Random(SEED), set()
    while len(made) < MADE:
        name = draw.choice(stems) + draw.choice(endings)
        if name not in known and _can_be_said(name):
            made.add(name)
    return sorted({*known, *made})


def _listed(name: str) -> list[str]:
    return (LISTS / f"{name}.txt").read_text(encoding="utf-8").split()


def _can_be_said(name: str) -> bool:
    """Three to nine letters, no letter thrice, and neither four consonants nor three vowels in a row."""
    shape = "".join("v" if letter in "aeiouy" else "c" for letter in name)
    thrice = any(name[at] == name[at + 1] == name[at + 2] for at in range(len(name) - 2))
    return 3 <= len(name) <= 9 and not thrice and "cccc" not in shape and "vvv" not in shape


def write(target: Path = TARGET) -> None:
    """Write them as a table with the column `name`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(["name", *names()]) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
