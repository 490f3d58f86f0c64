"""A prompt with a word exchanged for another of its kind, token for token."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from difflib import SequenceMatcher

from mi_core.models.model import Model
from mi_core.models.neighbours import neighbours, spelling
from mi_core.models.tokens import Tokens

TRIED = 8  # neighbours of a word
ALIKE = 0.4  # share of tokens in common, below which no second prompt can be made of the first


def aligned(clean: Tokens, corrupted: Tokens) -> list[tuple[int | None, int | None]]:
    """Which position of one prompt stands beside which of the other; None where a prompt has nothing there.

    Prompts of equal length are paired position by position, as patching does; others by their longest common parts.
    """
    if len(clean) == len(corrupted):
        return [(pos, pos) for pos in range(len(clean))]
    pairs: list[tuple[int | None, int | None]] = []
    for _, a, a_end, b, b_end in _match(clean, corrupted).get_opcodes():
        pairs += itertools.zip_longest(range(a, a_end), range(b, b_end))
    return pairs


def of_equal_length(model: Model, clean: Tokens, corrupted: Tokens) -> str | None:
    """The corrupted prompt, changed so that it has a token for each of the clean one's; None where none is near.

    Exchanges of as many tokens stay, and all else becomes as in the clean prompt. Where there is no such exchange, the
    clean prompt's last token of the last place that differs gives way to a near one.
    """
    match = _match(clean, corrupted)
    if match.ratio() < ALIKE:
        return None
    parts = match.get_opcodes()
    kept = [part[0] == "replace" and part[2] - part[1] == part[4] - part[3] for part in parts]
    unequal = [i for i, part in enumerate(parts) if part[0] == "replace" and not kept[i]]
    if not any(kept) and not unequal:
        return None
    choices = [
        [corrupted.ids[b:b_end] if kept[i] else clean.ids[a:a_end]] for i, (_, a, a_end, b, b_end) in enumerate(parts)
    ]
    if not any(kept):
        choices[unequal[-1]] = _near(model, clean, corrupted, parts[unequal[-1]])
    for parts_ids in itertools.product(*choices):
        ids = tuple(itertools.chain.from_iterable(parts_ids))
        if ids != clean.ids and (text := text_of(model, ids, clean)) is not None:
            return text
    return None


def text_of(model: Model, ids: Sequence[int], like: Tokens) -> str | None:
    """The text that this model reads as exactly these tokens, with or without a start token as `like`; else None."""
    own = list(ids[1:] if like.has_bos else ids)
    text = model.tokenizer.decode(own, clean_up_tokenization_spaces=False)
    same = text.strip() and model.tokens(text, like.has_bos).ids == tuple(ids)
    return text if same else None


def _match(clean: Tokens, corrupted: Tokens) -> SequenceMatcher:
    return SequenceMatcher(None, clean.ids, corrupted.ids, autojunk=False)


def _near(model: Model, clean: Tokens, corrupted: Tokens, part: tuple[str, int, int, int, int]) -> list[tuple]:
    """The clean tokens of a part with the last exchanged: near it, and near the corrupted ones that are whole words."""
    _, a, a_end, b, b_end = part
    before, after = clean.ids[a:a_end], corrupted.ids[b:b_end]
    whole = all(spelling(text) and text.startswith(" ") for text in corrupted.texts[b:b_end])
    near = neighbours(model, [before[-1], *(after if whole else ())], TRIED, like=before[-1])
    return [(*before[:-1], token_id) for token_id in near]


def single_swaps(
    model: Model, tokens: Tokens, positions: Sequence[int], k: int
) -> list[tuple[int, int, tuple[int, ...], str]]:
    """(position, new token, all ids, text) for the words at these positions and each of their `k` nearest neighbours.

    Only those that the model reads back as these very tokens.
    """
    exchanges = []
    for pos in positions:
        for other in neighbours(model, [tokens.ids[pos]], k):
            ids = (*tokens.ids[:pos], other, *tokens.ids[pos + 1 :])
            if (text := text_of(model, ids, tokens)) is not None:
                exchanges.append((pos, other, ids, text))
    return exchanges
