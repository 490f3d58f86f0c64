"""The parts of a prompt that an answer is shared out among: tokens, words, sentences, matches, or spans set by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from mi_core.errors import InputError, choose, shortened
from mi_core.models.tokens import BYTES_SHOWN, Tokens

BY = ("token", "word", "sentence", "regex", "span")
WORD = r"(?w)\s*\S+?(?=\b|\s|$)"  # between the word boundaries of Unicode's annex 29, with the blanks before it
SENTENCE = r"(?s)\s*\S.*?(?:[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]|\n|$)"
SECONDS = 1.0  # for a pattern to be searched: some never end
SPAN = re.compile(r"\s*(\d+)\s*(?:[-–]\s*(\d+)\s*)?")


@dataclass(frozen=True)
class Player:
    """Some neighbouring tokens that are taken away together: their `positions`, and the `text` they make."""

    text: str
    positions: tuple[int, ...]


def players(tokens: Tokens, n_pos: int, by: str = "token", pattern: str = "", spans: str = "") -> tuple[Player, ...]:
    """The players among the first `n_pos` tokens. A special first token is none: it stays as it is.

    Args:
        tokens: The prompt.
        n_pos: Positions up to the one that is read, and with it.
        by: ``"token"``, ``"word"``, ``"sentence"``, ``"regex"`` (each match of `pattern`) or ``"span"`` (`spans`).
        pattern: A regular expression. A token belongs to the first match that holds some of it.
        spans: Positions, such as ``"1-3, 5"``: each range is one player.

    Raises:
        InputError: Nothing to be shared out among; a pattern that cannot be read, matches nothing or does not end; a
            span that is none, that others overlap, or that holds the start token.
    """
    choose(by, BY, "players", "kind of player")
    first = int(tokens.special[0])
    if n_pos <= first:
        raise InputError("There is only the start token up to this position: choose a later one.", "pos")
    if by == "token":
        groups = [(pos,) for pos in range(first, n_pos)]
    elif by == "span":
        groups = list(_spans(spans, first, n_pos))
    else:
        groups = _matched(tokens.texts[first:n_pos], first, by, pattern)
    return tuple(Player("".join(tokens.texts[pos] for pos in group), tuple(group)) for group in groups)


def _matched(texts: Sequence[str], first: int, by: str, pattern: str) -> list[tuple[int, ...]]:
    """Positions that belong to the same word, sentence or match."""
    pieces = [_bytes(text) for text in texts]
    text = b"".join(pieces).decode("utf-8", "surrogateescape")
    found = list({"word": _words, "sentence": _sentences, "regex": _matches}[by](text, pattern))
    owners = _owners(pieces, found)
    if by != "regex":  # blanks at the end belong to what they follow
        owners = [max((o for o in owners[: i + 1] if o is not None), default=0) for i in range(len(owners))]
    groups = ([first + i for i, owner in enumerate(owners) if owner == which] for which in range(len(found)))
    return [tuple(group) for group in groups if group]


def _bytes(text: str) -> bytes:
    """Of a token: one that is part of a character is shown by its bytes."""
    shown = BYTES_SHOWN.fullmatch(text)
    return bytes.fromhex(shown[1]) if shown else text.encode("utf-8", "replace")


def _owners(pieces: Sequence[bytes], found: Sequence[tuple[int, int]]) -> list[int | None]:
    """Of each token, the first of the ranges of bytes that holds some of it, blanks in front aside."""
    owners, end = [], 0
    for piece in pieces:
        start, end = end, end + len(piece)
        start += len(piece) - len(piece.lstrip()) if piece.strip() else 0
        owners.append(next((i for i, (low, high) in enumerate(found) if low < end and start < high), None))
    return owners


def _in_bytes(text: str, ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for low, high in ranges:
        start, end = (len(text[:at].encode("utf-8", "surrogateescape")) for at in (low, high))
        yield start, end


def _words(text: str, _: str) -> Iterator[tuple[int, int]]:
    return _in_bytes(text, (match.span() for match in regex.finditer(WORD, text)))


def _sentences(text: str, _: str) -> Iterator[tuple[int, int]]:
    return _in_bytes(text, (match.span() for match in regex.finditer(SENTENCE, text)))


def _matches(text: str, pattern: str) -> Iterator[tuple[int, int]]:
    if not pattern:
        raise InputError(
            "Type a pattern: each of its matches becomes one part, such as [A-Z]\\w+ for names.", "pattern"
        )
    try:
        found = [match.span() for match in regex.finditer(pattern, text, timeout=SECONDS) if match[0]]
    except regex.error as error:
        raise InputError(f"This pattern cannot be read: {error}. Correct it.", "pattern") from error
    except TimeoutError as error:
        raise InputError(
            "This pattern takes too long: it can match in too many ways. Make it simpler.", "pattern"
        ) from error
    if not found:
        raise InputError(f"“{shortened(pattern)}” matches nothing in this prompt: try another pattern.", "pattern")
    return _in_bytes(text, iter(found))


def _spans(typed: str, first: int, n_pos: int) -> Iterator[tuple[int, ...]]:
    taken: set[int] = set()
    for part in typed.split(",") if typed.strip() else []:
        span = SPAN.fullmatch(part)
        if span is None:
            raise InputError(f"“{shortened(part.strip())}” is no span: write positions such as 1-3, 5.", "spans")
        low, high = int(span[1]), int(span[2] or span[1])
        _check_span(low, high, first, n_pos)
        group = tuple(range(low, high + 1))
        if taken & set(group):
            raise InputError(f"Position {min(taken & set(group))} is in two spans: leave it in one of them.", "spans")
        taken |= set(group)
        yield group
    if not taken:
        raise InputError("Type the spans as positions, such as 1-3, 5: each becomes one part.", "spans")


def _check_span(low: int, high: int, first: int, n_pos: int) -> None:
    said = f"{low}-{high}"
    if high < low:
        raise InputError(f"The span {said} ends before it begins: write {high}-{low}.", "spans")
    if low < first:
        raise InputError(
            f"The span {said} holds the start token (position 0), which is always left as it is: begin at 1.", "spans"
        )
    if high >= n_pos:
        raise InputError(f"The span {said} goes beyond position {n_pos - 1}, which is read: end there.", "spans")
