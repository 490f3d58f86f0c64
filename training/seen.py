"""The words that the corpus is made of, for telling a reader which of a prompt's words the model never saw."""

from pathlib import Path
from random import Random

from training.corpus.generate import GENERATORS, document
from training.corpus.markup import parse
from training.tokenizer import LETTERS

DOCUMENTS = 6000  # of each kind: a third of them has all words but three


def words(seed: int = 0) -> list[str]:
    """Every word, as it is written, in the order of their characters."""
    r = Random(f"words {seed}")
    texts = (parse(document(kind, r))[0] for kind in GENERATORS for _ in range(DOCUMENTS))
    return sorted({word for text in texts for word in LETTERS.findall(text)})


def write_words(folder: Path, seed: int = 0) -> None:
    """Write ``words.txt``, a word a line."""
    (folder / "words.txt").write_text("\n".join(words(seed)) + "\n", encoding="utf-8")
