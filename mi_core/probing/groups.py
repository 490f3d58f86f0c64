"""Which texts are alike: equal after masking the words that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

MASK = "…"
LONGEST_MASK = 3  # words, such as the name of a city

Masked = tuple[tuple[str, ...], tuple[str, ...]]


def found(texts: Sequence[str]) -> list[str]:
    """The group of each text, called by what its texts share: ``The … was wonderful.``

    One run of up to three words is masked, never more than is left. Of a text's masks that counts which makes it equal
    to most others; a text that is like no other is a group of its own. Where all texts are one group, their wording
    cannot be held out: the words that fill it can, and are the groups.
    """
    masks = [list(_masks(text.split())) for text in texts]
    count = Counter(mask for each in masks for mask in each)
    named = []
    for text, each in zip(texts, masks, strict=True):
        best = max(each, key=lambda mask: (count[mask], len(mask[0]) + len(mask[1])), default=None)
        named.append(text if best is None or count[best] == 1 else " ".join([*best[0], MASK, *best[1]]))
    return fillers(texts, named) if len(set(named)) == 1 else named


def _masks(words: list[str]) -> Iterator[Masked]:
    """What is left on both sides of every run of words that may be masked."""
    for length in range(1, LONGEST_MASK + 1):
        if len(words) < 2 * length:
            return
        for start in range(len(words) - length + 1):
            yield tuple(words[:start]), tuple(words[start + length :])


def fillers(texts: Sequence[str], groups: Sequence[str]) -> list[str]:
    """The words of each text that not all texts of its group have: what fills the group's template.

    A text whose group has no other words is its own filler.
    """
    shared: dict[str, set[str]] = {}
    for text, group in zip(texts, groups, strict=True):
        words = set(text.split())
        shared[group] = shared[group] & words if group in shared else words
    own = [
        " ".join(word for word in text.split() if word not in shared[group]).strip(".,;:!?")
        for text, group in zip(texts, groups, strict=True)
    ]
    return [filler or text for filler, text in zip(own, texts, strict=True)]
