"""What does the model say when a direction is added to its thoughts?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from mi_core.directions import push, steering_vector
from mi_core.directions.push import OPERATIONS, PushSpec, check_positions
from mi_core.directions.steering_vector import SteeringVector
from mi_core.errors import choose
from mi_core.metrics import distribution
from mi_core.metrics.shift import Shift, gains_and_losses, shift
from mi_core.models.model import Model
from mi_core.models.progress import silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import bits, goes, moves, percent, quoted
from mi_core.result import Check, Reading
from mi_core.text import side_by_side
from mi_core.text.generation import check_length
from mi_core.text.side_by_side import ROWS, Text

COLUMNS = (
    "token", "token_id", "probability_before", "probability_after", "change", "logit_before", "logit_after",
)  # fmt: skip


@dataclass(frozen=True)
class Push:
    """One direction of a run: what it is, where it acts and how hard.

    Added, it is ``strength × scale`` long; a feature that is clamped, or the component along a direction that is held,
    is set to ``strength × scale``.
    """

    direction: str
    """As it was asked for: ``feature:123``, ``token:Paris``, ``contrast`` or ``vector``."""
    label: str
    """What it is, for people."""
    operation: str
    """``add``, ``clamp`` or ``hold``."""
    hook: str
    """Where it acts."""
    layer: int
    """Blocks passed there, 0 to n_layers."""
    sae: str | None
    """Hook name of the SAE whose feature it is, or None."""
    feature: int | None
    """The feature, or None."""
    strength: float
    """In units of `scale`."""
    scale: float
    """Mean length of the prompt's residuals there, or the largest activation of a feature that is clamped."""
    scale_from: str
    """Where a largest activation is known from; empty where the direction is added."""

    def __post_init__(self) -> None:
        choose(self.operation, OPERATIONS, "operation")
        if self.operation == "clamp" and self.feature is None:
            raise ValueError("only a feature can be clamped")


@dataclass(frozen=True)
class Steering:
    """Directions put into one run together, and what became of the prediction."""

    model: str
    tokens: Tokens
    """The prompt."""
    pushes: tuple[Push, ...]
    """What was pushed, at least one."""
    positions: str
    """On which tokens: ``all``, ``prompt`` or ``new``."""
    temperature: float
    """Of the texts; 0 takes the likeliest token."""
    seed: int
    kl: float
    """KL(steered ‖ unsteered) of the next token, in bits."""
    shift: Shift
    """[run, token] The next token's biggest movers, gains first: without the directions, and with them."""
    top_before: str
    """The likeliest next token without the directions."""
    top_after: str
    """The same with them."""
    texts: tuple[Text, ...]
    """The unsteered continuation and the steered one."""
    notes: tuple[str, ...]
    """What a person should know before believing the steered text."""
    checks: tuple[Check, ...]
    units: str = "probability; logits; bits (KL); perplexity"

    def __post_init__(self) -> None:
        if not self.pushes or len(self.texts) != len(ROWS) or not self.kl >= 0:
            raise ValueError(f"{len(self.pushes)} pushes, {len(self.texts)} texts, {self.kl} bits")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`shift`: the next token's biggest movers. `texts`: what was written without and with the directions.
        `directions`: what was pushed."""
        texts = [(text.which, text.text, text.perplexity, text.n_tokens) for text in self.texts]
        return {
            "shift": self.shift.table(COLUMNS),
            "texts": pd.DataFrame(texts, columns=["which", "text", "perplexity", "n_tokens"]),
            "directions": pd.DataFrame([asdict(push) for push in self.pushes]),
        }

    def reading(self) -> Reading:
        """Whether the next token changed, which one gained most, and whether the text still makes sense."""
        before, after = quoted(self.top_before), quoted(self.top_after)
        if all(push.operation == "add" and push.strength == 0 for push in self.pushes):
            title = f"At strength 0 nothing changes: {before} stays the top guess"
        elif self.top_before == self.top_after:
            odds = f"the odds move by {bits(self.kl)}" if self.kl > 0 else "the odds do not move"
            title = f"{before} stays the top guess; {odds}"
        else:
            title = f"Steering turns the top guess from {before} into {after}"
        return Reading(title, (*self.notes[:2], *self._text(), *self._movement())[:4])

    def _text(self) -> tuple[str, ...]:
        """Whether what is written changes, which the next token alone does not tell."""
        plain, steered = (text.text for text in self.texts)
        if plain == steered:
            return ("The text that it writes stays the same.",)
        return ("The text changes later on.",) if self.top_before == self.top_after else ()

    def _movement(self) -> tuple[str, ...]:
        gain = self.shift.change
        best, worst = int(gain.argmax()), int(gain.argmin())
        before, after = self.shift.probabilities
        said = [
            f"{quoted(self.shift.texts[token])} {verb} most and {goes(before[token], after[token], percent)}"
            for token, verb in ((best, "gains"), (worst, "loses"))
            if moves(before[token], after[token], percent)
        ]
        if not said:
            return ("To a tenth of a percent, no token's probability moves.",) if gain[best] > 0 else ()
        return (f"{'; '.join(said)}.", f"All in all the next token's probabilities move by {bits(self.kl)}.")


def steering(
    model: Model,
    prompt: str,
    *,
    direction: str,
    sae: str | None = None,
    positive: str = "",
    negative: str = "",
    vector: str = "",
    layer: int | None = None,
    operation: Literal["add", "clamp", "hold"] = "add",
    strength: float = 0.5,
    largest: float | None = None,
    also: tuple[str, ...] = (),
    positions: Literal["all", "prompt", "new"] = "all",
    max_new_tokens: int = 30,
    temperature: float = 0.0,
    seed: int = 0,
    top_k: int = 10,
    prepend_bos: bool | None = None,
    progress: Callable[..., None] | None = None,
) -> Steering:
    """Push the residual stream in one or several directions and compare what the model predicts and writes.

    ``strength × mean residual norm × unit direction`` is added before block `layer` (Turner et al. 2023, "Steering
    Language Models With Activation Engineering"); or a feature is clamped to `strength` times its largest activation,
    the SAE's error term kept (Templeton et al. 2024, "Scaling Monosemanticity", whose Claude spoke of the Golden Gate
    Bridge); or the component along the direction is held at a value. The steered and the plain text are two rows of
    one batch, drawn with the same random numbers. Unlike a correlation, a change here shows that the direction matters
    to the model; that it means what its label says takes more than one prompt.

    Args:
        model: The model.
        prompt: Text to continue.
        direction: ``"feature:123"``, the decoder direction of an SAE feature; ``"token:Paris"``, what the output reads
            for a token: its unembedding taken back through the final norm's weight, the gradient of its logit at the
            end of the stream; ``"contrast"``, the mean last-token activation of the `positive` prompts less that of the
            `negative` ones; ``"probe:sentiment/positive"``, where a probe of labelled texts finds a class, the texts a
            set that ships or one's own by their key; or ``"vector"``, the numbers in `vector`. The same words are the
            same vector in an edit; see `mi_core.directions.spec`, also for a JSON object that says all in one string.
        sae: Hook name of the SAE the feature belongs to; None for the model's only one, or the middle one.
        positive: Prompts for the contrast, one per line.
        negative: What they are contrasted with, one per line.
        vector: d_model numbers, separated by commas, spaces or lines, such as a probe's weights.
        layer: Blocks passed before the direction is added, 0 to n_layers; None for where the SAE reads, or the middle.
        operation: ``"add"``; or ``"clamp"`` for a feature: its activation is set to `strength` times its largest, at
            the SAE's own place. At 0 that switches the feature off. Or ``"hold"``, of any direction: the component of
            the residual stream along it is set to `strength` times the mean residual norm, at every chosen position,
            and what is orthogonal to it stays. At 0 that takes the direction out.
        strength: Added or held, in units of the mean residual norm, so that it means the same in every layer and model;
            negative values push the other way. About 0.3 to 0.5 keeps most models grammatical, above 1 they repeat
            themselves. Clamped, in units of the feature's largest activation.
        largest: The largest activation of a feature that is clamped; None for what the SAE's notes say, or else its
            largest in a few built-in sentences.
        also: Further directions, up to three, summed with the first: each a JSON object with any of the settings from
            `direction` to `largest`, such as ``{"direction": "token:Paris", "layer": 3, "strength": 0.2}``.
        positions: ``"all"``; ``"prompt"``, only while reading; ``"new"``, from the prompt's last position on, which is
            the first that writes. Never the beginning-of-sequence token.
        max_new_tokens: The most tokens to write in each text.
        temperature: 0 takes the likeliest token; 1 draws from the model's own distribution.
        seed: Of the draws.
        top_k: How many tokens to keep that lose, and that gain, most probability.
        prepend_bos: None follows the model's own habit.
        progress: Called after every token with (done, total, (unsteered text, steered text)).

    Returns:
        Probabilities before and after at the prompt's last position, and two texts with their perplexity under the
        plain model. The mean residual norm leaves out the first position, whose norm is tens of times larger in most
        models.

    Raises:
        InputError: A bad prompt, direction, layer, strength or number of tokens.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    first = PushSpec(direction, sae, positive, negative, vector, layer, operation, strength, largest)
    wanted = push.pushes(first, also)
    check_length(max_new_tokens)
    check_positions(positions)
    tokens = model.tokens(prompt, prepend_bos)
    report = progress or silent
    between = functools.partial(report, 0, max_new_tokens)
    vectors = push.steering_vectors(model, tokens, wanted, prepend_bos=prepend_bos, between=between)
    hooks = steering_vector.steering_hooks(vectors, [[one.strength for one in wanted]], positions, tokens)
    options = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    pair = side_by_side.write(model, tokens, hooks, report, **options)
    return Steering(
        model=model.id,
        tokens=tokens,
        pushes=tuple(_push(one, vector) for one, vector in zip(wanted, vectors, strict=True)),
        positions=positions,
        temperature=temperature,
        seed=seed,
        **_next_token(model, pair.first, top_k),
        texts=pair.texts,
        notes=side_by_side.warnings(pair, model.n_ctx - len(tokens) + 1, max_new_tokens),
        checks=steering_vector.checks(
            model, tokens, vectors, pair.first[0], len(ROWS), [one.strength for one in wanted]
        ),
    )


def _push(one: PushSpec, vector: SteeringVector) -> Push:
    chosen = vector.direction
    return Push(
        direction=one.direction,
        label=chosen.label,
        operation=one.operation,
        hook=vector.hook,
        layer=chosen.layer,
        sae=chosen.sae,
        feature=chosen.feature,
        strength=one.strength,
        scale=vector.scale,
        scale_from=vector.scale_from,
    )


def _next_token(model: Model, first: Float[Tensor, "row d_vocab"], k: int) -> dict:
    """How the steered row's next token differs from the unsteered one's."""
    log_probability = first.double().log_softmax(-1)
    probability = log_probability.exp()
    return {
        "kl": float(distribution.kl_bits(log_probability[1], log_probability[0]).clamp(min=0.0)),
        "shift": shift(model, gains_and_losses(probability, k), probability, first),
        "top_before": model.text(int(probability[0].argmax())),
        "top_after": model.text(int(probability[1].argmax())),
    }
