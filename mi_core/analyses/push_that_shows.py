"""Which push visibly changes what the model writes here, and leaves it readable?"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.directions import push, steering_vector
from mi_core.directions.push import PushSpec
from mi_core.directions.spec import NEGATIVE, POSITIVE, SETTINGS, DirectionSpec
from mi_core.directions.steering_vector import SteeringVector
from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.models.model import Model
from mi_core.models.progress import silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import bits, quoted
from mi_core.result import Check, Reading, within
from mi_core.saes import highlights
from mi_core.saes import loading as saes
from mi_core.text import side_by_side
from mi_core.text.side_by_side import Text, Written

STRENGTHS = (0.3, 0.5, 0.75, 1.0, 1.3)
NEW_TOKENS = 20
CLEAR = 4.0  # bits of the next token's odds that count in full
OTHER_WORDS = 0.2  # share of the words that must be others
VISIBLE = 0.25  # of the most that a push can score: less is not seen at a glance
WORDS = ("love", "war", "money")  # pushed towards where a model has no features with names


@dataclass(frozen=True)
class TriedPush:
    """One direction at one strength, and what became of the prediction and the text."""

    label: str
    """What it is, for people."""
    direction: str
    """As `steering` takes it; so the next three."""
    sae: str | None
    positive: str
    negative: str
    strength: float
    """In mean lengths of the prompt's residuals."""
    kl: float
    """KL(steered ‖ unsteered) of the next token, in bits."""
    top_after: str
    """The likeliest next token with it."""
    new_words: float
    """Share of the text's words that the unsteered text has not, 0 to 1."""
    readable: bool
    """Whether the text is neither too surprising nor repeats itself."""
    perplexity: float
    """Of the text, to the plain model."""
    text: str
    reaches_foil: bool
    """Whether the token that the answer is compared with becomes the top guess."""

    def __post_init__(self) -> None:
        within(self, 0.0, 1.0, "new_words")

    @property
    def shows(self) -> float:
        """How well it can be seen, 0 to 1: half for the next token's odds, half for the words; 0 where the text cannot
        be read, or hardly changes."""
        seen = self.readable and self.new_words >= OTHER_WORDS
        return (min(self.kl, CLEAR) / CLEAR + self.new_words) / 2 if seen else 0.0

    @property
    def rank(self) -> tuple[bool, float]:
        """What shows and reaches the foil comes before all others; the rest by how well it shows."""
        return not (self.reaches_foil and self.shows >= VISIBLE), -self.shows

    @property
    def settings(self) -> dict[str, str | None]:
        """The direction as settings of `steering`: those that its kind reads."""
        read = SETTINGS[self.direction.partition(":")[0]]
        return {"direction": self.direction} | {name: getattr(self, name) for name in read}


@dataclass(frozen=True)
class PushThatShows:
    """Pushes tried on one prompt."""

    model: str
    tokens: Tokens
    top_before: str
    """The likeliest next token without a push."""
    unsteered: Text
    """What is written without one."""
    tried: tuple[TriedPush, ...]
    """The one that shows best first."""
    checks: tuple[Check, ...]
    units: str = "bits (KL); share of words; perplexity"
    column_units: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"tried": {"new_words": "share of the words", "shows": "share of the most there is"}}
    )

    def __post_init__(self) -> None:
        if not self.tried or any(a.rank > b.rank for a, b in itertools.pairwise(self.tried)):
            raise ValueError("pushes are ordered by how well they show, and there is one at least")

    @property
    def best(self) -> TriedPush | None:
        """The push that shows best; None where none can be seen."""
        return self.tried[0] if self.tried[0].shows >= VISIBLE else None

    def tables(self) -> dict[str, pd.DataFrame]:
        """`tried`: a row per push, the one that shows best first."""
        rows = [asdict(one) | {"shows": one.shows} for one in self.tried]
        return {"tried": pd.DataFrame(rows)}

    def reading(self) -> Reading:
        """Which push it is and what it does, and how it was found."""
        n = len({one.label for one in self.tried})
        how = f"{n} directions were tried, each at {len(self.tried) // n} strengths"
        if self.best is None:
            title = "No push that was tried visibly changes this text and leaves it readable"
            return Reading(title, (f"{how}: type another prompt, or choose a direction yourself.",))
        one = self.best
        before, after = quoted(self.top_before), quoted(one.top_after)
        turns = f"the top guess turns from {before} into {after}"
        guess = f"{before} stays the top guess" if before == after else turns
        does = f"With it {guess} ({bits(one.kl)}), and {one.new_words:.0%} of the words it writes are others."
        best = "makes it the top guess" if one.reaches_foil else "moves odds and words most"
        most = f"{how}; of those whose text changes and stays readable, this one {best}."
        return Reading(f"A push towards {one.label} shows here, at strength {one.strength:g}", (most, does))


def push_that_shows(
    model: Model,
    prompt: str,
    *,
    foil: str | None = None,
    prepend_bos: bool | None = None,
    progress: Callable[..., None] | None = None,
) -> PushThatShows:
    """Try a few directions at a few strengths, all as rows of one batch, and say which can be seen on this prompt.

    Tried are the features that the model's SAEs are known for, or else a few words; praise, as a contrast of prompts;
    and the token that comes second, or `foil`. A text counts as readable by the rule of `steering_sweep`. A push that
    shows is an example: it says nothing of the directions that were not tried.

    Args:
        model: The model.
        prompt: Text to continue.
        foil: A token to push towards; None for the model's second guess.
        prepend_bos: None follows the model's own habit.
        progress: Called after every token with (done, total).

    Returns:
        Every push with the KL of the next token in bits, and its text.

    Raises:
        InputError: A bad prompt or foil.
    """
    tokens = model.tokens(prompt, prepend_bos)
    report = progress or silent
    second = model.text(int(model.run(tokens).logits[-1].topk(2).indices[1]))
    found = _vectors(model, tokens, _candidates(model, foil, second), lambda: report(0, NEW_TOKENS))
    vectors = [vector for _, _, vector in found]
    pushes = [(label, spec, strength) for label, spec, _ in found for strength in STRENGTHS]
    rows = [[strength * (spec is one) for _, one, _ in found] for _, spec, strength in pushes]
    written = side_by_side.write(
        model,
        tokens,
        steering_vector.steering_hooks(vectors, rows, "all", tokens),
        lambda done, total, *_: report(done, total),
        max_new_tokens=NEW_TOKENS,
        temperature=0.0,
        seed=0,
        rows=["unsteered"] + [f"{label} {strength:g}" for label, _, strength in pushes],
    )
    tried = _tried(model, pushes, written, foil and model.text(model.token_id(foil, "foil")))
    return PushThatShows(
        model=model.id,
        tokens=tokens,
        top_before=model.text(int(written.first[0].argmax())),
        unsteered=written.texts[0],
        tried=tuple(sorted(tried, key=lambda one: one.rank)),
        checks=steering_vector.checks(model, tokens, vectors, written.first[0], len(written.texts)),
    )


def _candidates(model: Model, foil: str | None, second: str) -> list[tuple[str, DirectionSpec]]:
    """(label, direction) of what is tried."""
    named = [
        (one.name, DirectionSpec(f"feature:{one.feature}", sae=entry.name))
        for entry in saes.available(model.id)
        if not entry.refused
        for one in highlights.of(model.id, entry.name)
    ]
    word = foil or f'"{second}"'
    return [
        *(named or [(f"the word {word}", DirectionSpec(f"token:{word}")) for word in WORDS]),
        ("praise, by a contrast of prompts", DirectionSpec("contrast", positive=POSITIVE, negative=NEGATIVE)),
        (f"the token {quoted(foil or second)}", DirectionSpec(f"token:{word}")),
    ]


def _vectors(
    model: Model, tokens: Tokens, candidates: list[tuple[str, DirectionSpec]], between: Callable[[], None]
) -> list[tuple[str, DirectionSpec, SteeringVector]]:
    """Those that this model has, with their vectors; a word of several tokens is passed over."""
    found = []
    for label, spec in candidates:
        with suppress(InputError):
            (vector,) = push.steering_vectors(model, tokens, [PushSpec(**asdict(spec))], between=between)
            found.append((label, spec, vector))
    return found


def _tried(
    model: Model, pushes: list[tuple[str, DirectionSpec, float]], written: Written, foil: str | None
) -> list[TriedPush]:
    odds: Float[Tensor, "row d_vocab"] = written.first.double().log_softmax(-1)
    kl = distribution.kl_bits(odds[1:], odds[0]).clamp(min=0.0).tolist()
    tops = model.texts(torch.argmax(odds[1:], -1).tolist())
    plain, loops = written.texts[0], side_by_side.repeats(written.ids[0])
    return [
        TriedPush(
            label=label,
            direction=spec.direction,
            sae=spec.sae,
            positive=spec.positive,
            negative=spec.negative,
            strength=strength,
            kl=moved,
            top_after=top,
            new_words=new_words(text.text, plain.text),
            readable=not side_by_side.too_surprising(text, plain) and (loops or not side_by_side.repeats(ids)),
            perplexity=text.perplexity,
            text=text.text,
            reaches_foil=foil is not None and top == foil,
        )
        for (label, spec, strength), moved, top, text, ids in zip(
            pushes, kl, tops, written.texts[1:], written.ids[1:], strict=True
        )
    ]


def new_words(text: str, plain: str) -> float:
    """Share of the words of `text` that `plain` has not; 0 for no words."""
    words, known = (re.findall(r"\w+", one.casefold()) for one in (text, plain))
    return sum(word not in known for word in words) / len(words) if words else 0.0
