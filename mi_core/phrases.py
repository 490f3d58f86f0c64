"""Phrases that several readings share: how a token, a place and a number are said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mi_core.errors import shortened
from mi_core.models.tokens import Tokens, visible

LONGEST = 16  # characters of a token that a sentence shows


def quoted(text: str) -> str:
    """A token in running text: `" Paris"` → `“·Paris”`; very long ones are shortened."""
    return f"“{shortened(visible(text), LONGEST)}”"


def place(tokens: Tokens, pos: int) -> str:
    """A position: `“·is” (position 5)`."""
    return f"{quoted(tokens.texts[pos])} (position {pos})"


def after_layer(passed: int, n_layers: int, stage: str = "") -> str:
    """A stage of the residual stream that has passed so many blocks: layers count from 0, as heads' and MLPs' do."""
    if stage == "resid_mid":
        return f"between attention and MLP of layer {passed}"
    if passed == 0:
        return "before layer 0"
    return f"after layer {passed - 1}" + (", the last" if passed == n_layers else "")


def percent(probability: float) -> str:
    """`97.3%`; never rounded to a certainty that is not there."""
    if 0.9995 <= probability < 1:
        return "over 99.9%"
    return "under 0.1%" if 0 < probability < 0.0005 else f"{probability:.1%}"


def signed(value: float) -> str:
    """`+1.25` or `−1.25`, with a true minus sign; what is nothing at two places has none."""
    written = f"{value:+.2f}"
    return "0.00" if written[1:] == "0.00" else written.replace("-", "−")


def bits(value: float) -> str:
    """`0.14 bits`; never rounded to a nothing that is not there."""
    return "under 0.01 bits" if 0 < value < 0.005 else f"{value:.2f} bits"


def moves(before: float, after: float, write: Callable[[float], str]) -> bool:
    """Whether two numbers differ once they are written."""
    return write(float(before)) != write(float(after))


def goes(before: float, after: float, write: Callable[[float], str]) -> str:
    """`goes from 3.0% to 12.5%`; `stays at 3.0%` where both are written alike."""
    first, last = write(float(before)), write(float(after))
    if first != last:
        return f"goes from {first} to {last}"
    return f"stays {first}" if first.startswith(("over", "under")) else f"stays at {first}"


def instead(before: float, after: float, write: Callable[[float], str]) -> str:
    """`12.5% instead of 3.0%`; `3.0% as before` where both are written alike."""
    first, last = write(float(before)), write(float(after))
    return f"{last} instead of {first}" if first != last else f"{last} as before"


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


def among(plural: str, layers: Sequence[int]) -> str:
    """What a superlative is said of: `of all heads`, or `of all heads of layer 2` where they are all in that one."""
    one = set(layers)
    return f"of all {plural}" + (f" of layer {one.pop()}" if len(one) == 1 else "")


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def percent_of_gap(share: float) -> str:
    """A share of the gap, which may be negative or above 1: `−12%`, `104%`; what is nothing has no sign."""
    written = f"{share:.0%}"
    return "0%" if written == "-0%" else written.replace("-", "−")
