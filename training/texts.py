"""Texts of every kind of the corpus, to search for those in which a part of the model fires most."""

import json
from pathlib import Path
from random import Random

from training.corpus.generate import GENERATORS, document
from training.corpus.markup import parse

EACH = 20  # of every kind


def texts(seed: int = 0) -> list[str]:
    """One kind after the other; none twice."""
    r = Random(f"texts {seed}")
    drawn = (parse(document(kind, r))[0].strip() for kind in GENERATORS for _ in range(EACH))
    return list(dict.fromkeys(drawn))


def write_texts(folder: Path, seed: int = 0) -> None:
    """Write ``texts.jsonl``, a text a line."""
    lines = [json.dumps(text, ensure_ascii=False) for text in texts(seed)]
    (folder / "texts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
