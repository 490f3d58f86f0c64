"""Fresh text of the kinds that the built-in model was trained on, with the kind of every token.

Every text comes from ``training/corpus``: to widen a kind, add lines to its lists and templates; to add one, write a
function there and give it a share in ``training/corpus/generate.py``. The same seed gives the same text. It is drawn
anew with its own seed, so a sentence of few possibilities (a capital, say) can be one that was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from training.corpus.generate import KINDS, MIXTURE, document
from training.corpus.markup import parse

#: kind of the corpus → what a label calls it.
NAMES = {
    "repeat": "repeated random tokens",
    "fact": "facts",
    "indirect_object": "gifts",
    "binding": "who has what",
    "chain": "two-step questions",
    "said_twice": "phrases said twice",
    "sequence": "sequences",
    "greater_than": "years",
    "review": "reviews",
    "pronoun": "pronouns",
    "agreement": "verb agreement",
    "word_pair": "word pairs",
    "foreign": "French and German",
    "code": "code",
    "story": "stories",
    "backwards": "who has what",
    "swapped": "who has what",
}
#: Shares of the tokens; few repeats, whose tokens mean nothing.
SHARES = MIXTURE | {"repeat": 0.03}


@dataclass(frozen=True)
class Document:
    """`ids`: token ids, the beginning-of-sequence token first; `kinds`: what kind of text each belongs to."""

    ids: tuple[int, ...]
    kinds: tuple[str, ...]


def documents(tokenizer, n_tokens: int, seed: int, context: int = 128) -> list[Document]:
    """Documents of at most `context` tokens holding at least `n_tokens` in all, beginning tokens not counted."""
    found, so_far = [], 0
    drawn = _documents(tokenizer, Random(f"sample {seed}"), context)
    while so_far < n_tokens:
        found.append(next(drawn))
        so_far += len(found[-1].ids) - 1
    return found


def _documents(tokenizer, rng: Random, context: int) -> Iterator[Document]:
    """Kinds that have had less than their share of the tokens are drawn more often."""
    counts = dict.fromkeys(NAMES.values(), 1.0)
    while True:
        total = sum(counts.values())
        weights = [SHARES[k] * min(5.0, SHARES[k] * total / counts[NAMES[k]]) ** 2 for k in KINDS]
        kind = rng.choices(KINDS, weights)[0]
        made = repeat(rng, tokenizer, context) if kind == "repeat" else _page(rng, tokenizer, kind, context)
        for each in made.kinds[1:]:
            counts[each] += 1
        yield made


def _page(rng: Random, tokenizer, kind: str, context: int) -> Document:
    """One text of a kind, or, in 45 % of the pages, two to eight: of that kind alone or of any."""
    others = [kind] if rng.random() < 0.4 else KINDS[1:]
    more = rng.randint(1, 7) if rng.random() < 0.45 else 0
    page, starts = "", []
    for each in [kind] + [rng.choice(others) for _ in range(more)]:
        text = parse(document(each, rng))[0]
        if page and not page.endswith("\n"):
            page += "\n" if "\n" in text else " "
        starts.append((len(page), each))
        page += text
    coded = tokenizer(page, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    # a token can begin with the space before a text, so its end decides which text it belongs to
    kinds = [NAMES[[each for start, each in starts if start < end][-1]] for _, end in coded["offset_mapping"]]
    return Document((tokenizer.bos_token_id, *coded["input_ids"])[:context], (NAMES[kind], *kinds)[:context])


def repeat(rng: Random, tokenizer, context: int) -> Document:
    """Random tokens, then a random passage of 3 to 60 tokens that comes at least twice."""
    vocabulary = [i for i in range(len(tokenizer)) if i not in tokenizer.all_special_ids]
    before, period = rng.randint(0, 30), rng.randint(3, 45)
    passage = [rng.choice(vocabulary) for _ in range(period)]
    ids = [tokenizer.bos_token_id, *rng.choices(vocabulary, k=before), *passage * rng.randint(2, 4)][:context]
    return Document(tuple(ids), (NAMES["repeat"],) * len(ids))
