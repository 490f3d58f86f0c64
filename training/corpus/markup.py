"""Marked text: ``[[ Paris]]`` is an answer, which the training loss weighs more and the evaluation asks for."""

import re

MARK = re.compile(r"\[\[|\]\]")
ARTICLE = re.compile(r"\b([Aa])((?:\[\[)? (?:\[\[)?)(?=[aeiou])")


def parse(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the (start, end) character spans of its answers."""
    plain: list[str] = []
    spans: list[tuple[int, int]] = []
    length = start = 0
    opening = True
    for index, piece in enumerate(MARK.split(text)):
        if index:
            if opening:
                start = length
            else:
                spans.append((start, length))
            opening = not opening
        plain.append(piece)
        length += len(piece)
    return "".join(plain), spans


def question(text: str) -> tuple[str, str]:
    """(prompt, answer) of a marked text: what stands before its first answer, and that answer."""
    prompt, _, rest = text.partition("[[")
    return prompt, rest.partition("]]")[0]


def articles(text: str) -> str:
    """ "a apple" → "an apple", also across the mark of an answer."""
    return ARTICLE.sub(r"\1n\2", text)
