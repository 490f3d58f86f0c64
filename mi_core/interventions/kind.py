"""What a part of the model is called: one grammar of names, which writes them and understands them.

`L3H0` is a head, `MLP 3` and `attention 3` whole layers, `L3N17` a neuron, `L3P4` the residual stream of one position
before a layer, `L3@4` and `L3H0@4` what is patched at one position, `feature 115` a feature of an autoencoder. A kind
may be written in several ways: the first of its `forms` is what Loupe writes, and all of them are understood, in
capitals or not.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass

NUMBER = r"\d{1,9}"


@dataclass(frozen=True)
class Kind:
    """A kind of part, such as heads: what it is called, and by which numbers one of them is told from the others."""

    name: str
    """What settings and tables call it."""
    forms: tuple[str, ...]
    """How one is written, with `{layer}` and the other numbers in braces."""
    noun: str
    """One of them, without an article."""
    plural: str
    """Several of them."""
    words: str
    """One of them in the middle of a sentence, with numbers in braces."""
    verb: str = "carries"
    """Of a sentence about one of them: ``"carry"`` where `words` are many things."""

    @functools.cached_property
    def axes(self) -> tuple[str, ...]:
        """Beside the layer, the numbers that say which one, by the columns that tables have for them."""
        return tuple(name for name in _fields(self.forms[0]) if name != "layer")

    def spell(self, **numbers: int) -> str:
        """The name of one of them. Numbers are `layer` and those of `axes`."""
        return self.forms[0].format(**numbers)

    def understand(self, name: str) -> dict[str, int] | None:
        """The numbers in a name; None where it is not one of this kind."""
        for form in self.forms:
            if match := _pattern(form).fullmatch(name.strip()):
                return {field: int(number) for field, number in match.groupdict().items()}
        return None


def parse(name: str, kinds: Iterable[Kind]) -> tuple[Kind, dict[str, int]] | None:
    """The kind that a name is written as, the first of `kinds` that fits, and its numbers; None where none fits."""
    for kind in kinds:
        if (numbers := kind.understand(name)) is not None:
            return kind, numbers
    return None


def _fields(form: str) -> list[str]:
    return [field for _, field, _, _ in string.Formatter().parse(form) if field]


@functools.cache
def _pattern(form: str) -> re.Pattern[str]:
    pieces = [
        re.escape(text) + (f"(?P<{field}>{NUMBER})" if field else "")
        for text, field, _, _ in string.Formatter().parse(form)
    ]
    return re.compile("".join(pieces), re.IGNORECASE)


FEATURE = Kind("feature", ("feature {feature}",), "feature", "features", "feature {feature}")
