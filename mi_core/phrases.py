"""Phrases that several readings share: how a token, a place and a number are said."""

from __future__ import annotations

from mi_core.errors import shortened
from mi_core.models.tokens import Tokens, visible

LONGEST = 16  # characters of a token that a sentence shows


def quoted(text: str) -> str:
    """A token in running text: `" Paris"` → `“·Paris”`; very long ones are shortened."""
    return f"“{shortened(visible(text), LONGEST)}”"


def place(tokens: Tokens, pos: int) -> str:
    """A position: `“·is” (position 5)`."""
    return f"{quoted(tokens.texts[pos])} (position {pos})"


def after_layer(layer: int, n_layers: int) -> str:
    """A stage of the residual stream, by how many blocks it has passed."""
    return "before the first layer" if layer == 0 else f"after layer {layer} of {n_layers}"


def percent(probability: float) -> str:
    """`97.3%`; never rounded to a certainty that is not there."""
    if 0.9995 <= probability < 1:
        return "over 99.9%"
    return "under 0.1%" if 0 < probability < 0.0005 else f"{probability:.1%}"


def signed(value: float) -> str:
    """`+1.25` or `−1.25`, with a true minus sign."""
    return f"{value:+.2f}".replace("-", "−")


def entropy_in_words(entropy: float) -> str:
    """An entropy in bits as the number of tokens a blind pick would be among (its perplexity)."""
    choices = 2.0 ** float(entropy)
    if choices < 1.25:
        return "has hardly any doubt"
    return (
        f"is as unsure as a blind pick among {choices:,.1f} tokens"
        if choices < 10
        else (f"is as unsure as a blind pick among {choices:,.0f} tokens")
    )


def duration(seconds: float) -> str:
    """`less than a second`, `12 seconds`, `4 minutes`."""
    if seconds < 1:
        return "less than a second"
    number, unit = (seconds, "second") if seconds < 100 else (seconds / 60, "minute")
    return f"{number:.0f} {unit}" + ("" if round(number) == 1 else "s")


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def percent_of_gap(share: float) -> str:
    """A share of the gap, which may be negative or above 1: `−12%`, `104%`."""
    return f"{share:.0%}".replace("-", "−")
