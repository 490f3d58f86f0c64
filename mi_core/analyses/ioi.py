"""How does the model find who receives: which heads do what, and who steps in for them?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from mi_core.attribution import logit_parts
from mi_core.errors import InputError, choose, shortened
from mi_core.heads import name_roles, name_runs
from mi_core.heads.name_prompts import NamePrompt, name_prompts
from mi_core.heads.name_roles import (
    BACKS_UP,
    BACKUP,
    LOOKS,
    MOVER,
    NEGATIVE,
    ROLES,
    SPEAKER,
    Known,
    NameRole,
    Reference,
)
from mi_core.heads.name_runs import Head, NameRuns
from mi_core.interventions.place import HEAD
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import goes, listed, percent, signed
from mi_core.result import Check, Reading, check_axes, same_length, within

NAMED = 4  # heads of a role that a sentence names
WORTH_SAYING = 0.005  # logits: less is written as nothing
QUESTIONS = ("drawn", "published")


@dataclass(frozen=True)
class Ioi:
    """What each head looks at and writes where a name is asked for that was said once, before and after a knockout."""

    model: str
    """Id of the model."""
    questions: str
    """``"drawn"`` by the seed, or the ``"published"`` ones."""
    prompts: tuple[NamePrompt, ...]
    """[prompt] What was asked."""
    others: tuple[str, ...]
    """Prompts of three different names, which the mean of a knocked-out head is taken over, sentence by sentence."""
    layers: tuple[int, ...]
    """[layer] Numbers of the layers with heads."""
    attention: Float[np.ndarray, "look layer head"]
    """[look, layer, head] Share of attention along each of `LOOKS`, a mean over prompts."""
    direct: Float[np.ndarray, "prompt layer head"]
    """[prompt, layer, head] What each head writes towards IO − S itself, in logits, with the final norm's scale of that
    run; NaN in layers that cannot be split into heads."""
    direct_out: Float[np.ndarray, "prompt layer head"]
    """The same with `without` knocked out."""
    total: Float[np.ndarray, " prompt"]
    """[prompt] IO − S in logits, before any soft cap: what heads and all other parts write together."""
    total_out: Float[np.ndarray, " prompt"]
    """The same with `without` knocked out."""
    logit_diff: Float[np.ndarray, " prompt"]
    """[prompt] IO − S of the model's own logits."""
    logit_diff_out: Float[np.ndarray, " prompt"]
    """The same with `without` knocked out."""
    found: Bool[np.ndarray, "role layer head"]
    """[role, layer, head] Who has which of `ROLES`."""
    without: tuple[str, ...]
    """Heads that are knocked out: at the last position the mean over `others` takes the place of their z."""
    least: float
    """Share of attention from which on a head has a role."""
    pushes: float
    """Share of the mean logit difference from which on a head speaks for IO or against it."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "logits; share of attention"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, prompt=len(self.prompts), layer=len(self.layers), look=len(LOOKS), role=len(ROLES))
        same_length(self, "prompts", "total", "logit_diff")
        within(self, 0, 1, "attention", "least", "pushes")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Logits, but for attention."""
        states = ("logit_diff", "knocked_out", "negative", "backups", "other_heads", "rest")
        return {
            "heads": {"attention": "share of attention", **dict.fromkeys(("direct", "direct_out", "gain"), "logits")},
            "prompts": dict.fromkeys(("logit_diff", "logit_diff_out"), "logits"),
            "knockout": dict.fromkeys(states, "logits") | {"right": "share of the prompts"},
            "known": dict.fromkeys(("known", "low", "high", "value"), "logits") | {"attention": "share of attention"},
        }

    @property
    def gain(self) -> Float[np.ndarray, "layer head"]:
        """Rise of each head's mean direct effect by the knockout, in logits."""
        return (self.direct_out - self.direct).mean(0)

    @property
    def strongest(self) -> Head:
        """Layer and head of the strongest direct effect, whatever its sign."""
        size = np.abs(np.nan_to_num(self.direct.mean(0)))
        layer, head = np.unravel_index(int(size.argmax()), size.shape)
        return self.layers[layer], int(head)

    def has(self, layer: int, head: int) -> bool:
        """Whether there is such a head."""
        return layer in self.layers and 0 <= head < self.direct.shape[-1]

    def named(self, role: NameRole) -> list[str]:
        """Heads of a role, the one with the strongest direct effect (of backups, the largest rise) first."""
        strength = self.gain if role is BACKUP else np.nan_to_num(self.direct.mean(0))
        if role not in (MOVER, NEGATIVE, SPEAKER, BACKUP):
            strength = self.attention[LOOKS.index(role.look)]
        layer, head = np.nonzero(self.found[ROLES.index(role)])
        order = np.argsort(-np.abs(strength[layer, head]), kind="stable")
        return [f"L{self.layers[layer[i]]}H{head[i]}" for i in order]

    def tables(self) -> dict[str, pd.DataFrame]:
        """`heads`: a row per role and head; `roles`: who has which; `prompts`: one by one; `knockout`: what the logit
        difference is made of, before and after; `known`: what is known of this model or published of GPT-2 small, and
        what is found here; `others`: prompts that means are taken over."""
        return {
            "heads": self._heads(),
            "roles": self._roles(),
            "prompts": self._prompts(),
            "knockout": self._knockout(),
            "known": self._known(),
            "others": pd.DataFrame({"prompt": self.others}),
        }

    def _heads(self) -> pd.DataFrame:
        role, layer, head = (axis.ravel() for axis in np.indices(self.found.shape))
        looks = [LOOKS.index(one.look) for one in ROLES]
        means = {"direct": self.direct.mean(0), "direct_out": self.direct_out.mean(0), "gain": self.gain}
        columns = {
            "layer": np.asarray(self.layers)[layer],
            "head": head,
            "role": np.asarray([one.name for one in ROLES], dtype=object)[role],
            "attention": self.attention[looks].ravel(),
            **{name: value[layer, head] for name, value in means.items()},
            "has_role": self.found.ravel(),
        }
        return pd.DataFrame(columns)

    def _roles(self) -> pd.DataFrame:
        published = name_roles.references()[0].known
        rows = [
            (
                role.name,
                ", ".join(self.named(role)),
                ", ".join(f"L{one.layer}H{one.head}" for one in published if one.role == role.name),
            )
            for role in ROLES
        ]
        return pd.DataFrame(rows, columns=["role", "heads", "published_of_gpt2_small"])

    def _prompts(self) -> pd.DataFrame:
        asked = self.prompts
        return pd.DataFrame(
            {
                "prompt": [one.text for one in asked],
                "order": [one.order for one in asked],
                "io": [one.target.text for one in asked],
                "s": [one.target.foil_text for one in asked],
                "io_pos": [one.io for one in asked],
                "s1_pos": [one.s1 for one in asked],
                "s2_pos": [one.s2 for one in asked],
                "end_pos": [one.end for one in asked],
                "logit_diff": self.logit_diff,
                "logit_diff_out": self.logit_diff_out,
            }
        )

    def _knockout(self) -> pd.DataFrame:
        groups = self._groups()
        rows = []
        for without, direct, total, own in (
            ("nothing", self.direct, self.total, self.logit_diff),
            (" + ".join(self.without), self.direct_out, self.total_out, self.logit_diff_out),
        ):
            each = np.nan_to_num(direct.mean(0))
            parts = {name: float(each[group].sum()) for name, group in groups.items()}
            rest = float(total.mean()) - float(each.sum())
            right = float((own > 0).mean())
            rows.append({"without": without, "logit_diff": float(own.mean()), "right": right, **parts, "rest": rest})
        return pd.DataFrame(rows)

    def _groups(self) -> dict[str, Bool[np.ndarray, "layer head"]]:
        """Every head in one of four groups."""
        out = np.zeros(self.found.shape[1:], dtype=bool)
        for layer, head in _parsed(self.without):
            out[self.layers.index(layer), head] = True
        negative = self.found[ROLES.index(NEGATIVE)] & ~out
        backups = self.found[ROLES.index(BACKUP)] & ~out & ~negative
        return {
            "knocked_out": out,
            "negative": negative,
            "backups": backups,
            "other_heads": ~(out | negative | backups),
        }

    def _known(self) -> pd.DataFrame:
        """A row per thing known, of this model and of GPT-2 small; a verdict only where it is of this very model."""
        columns = ["of", "role", "layer", "head", "known", "low", "high", "value", "attention", "verdict"]
        rows = [
            (about.title, *self._beside(one, about)) for about in name_roles.compared(self.model) for one in about.known
        ]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({"layer": "Int64", "head": "Int64", **dict.fromkeys(columns[4:9], float)})

    def _beside(self, one: Known, about: Reference) -> tuple[Any, ...]:
        """Something known, the range that counts as alike, what is found here, and the verdict."""
        value = attention = None
        verdict = ""
        low, high = _near(one.value, about.same if self.questions == "published" else about.near)
        if about.is_about(self.model):
            value, attention, has = self._here(one)
            inside = value is not None and low is not None and high is not None and low <= value <= high
            verdict = ("found" if has else "not found") if low is None else "within" if inside else "outside"
        return one.role, one.layer, one.head, one.value, low, high, value, attention, verdict

    def _here(self, one: Known) -> tuple[float | None, float | None, bool]:
        """Its value here, its attention and whether it has the role."""
        if one.layer is None or one.head is None:
            return float(self.logit_diff.mean()), None, False
        if one.layer not in self.layers:
            return None, None, False
        role = next(role for role in ROLES if role.name == one.role)
        at = self.layers.index(one.layer), one.head
        attention = float(self.attention[LOOKS.index(role.look)][at])
        return float(self.direct.mean(0)[at]), attention, bool(self.found[ROLES.index(role)][at])

    def reading(self) -> Reading:
        """Who answers and how sure, who prepares it, and what the knockout does."""
        return Reading(self._title(), (self._task(), *self._who(), *self._after(), *self._compared()))

    @property
    def done(self) -> float:
        """Share of the prompts in which IO is above S."""
        return float((self.logit_diff > 0).mean())

    def _title(self) -> str:
        movers, speakers = self.named(MOVER), self.named(SPEAKER)
        if self.logit_diff.mean() <= WORTH_SAYING:
            return f"This model does not find the other name: the logit difference is {signed(self.logit_diff.mean())}"
        if movers:
            what = "carries the other name" if len(movers) == 1 else "carry the other name"
            return f"{_some(movers)} {what} to the end, as name movers do"
        if speakers:
            one = len(speakers) == 1
            says, looks = ("speaks", "looks") if one else ("speak", "look")
            return f"{_some(speakers)} {says} for the other name, but {looks} elsewhere: no name movers here"
        return "No head alone speaks for the other name"

    def _task(self) -> str:
        return (
            f"In {percent(self.done)} of {len(self.prompts)} prompts the name that was said once is above the repeated "
            f"one, by {signed(self.logit_diff.mean())} logits on average."
        )

    def _who(self) -> list[str]:
        told = [
            f"{role.noun} {_some(names)}"
            for role in ROLES
            if role not in (MOVER, SPEAKER, BACKUP) and (names := self.named(role))
        ]
        return [f"By what they look at, these are candidates for the rest: {'; '.join(told)}."] if told else []

    def _after(self) -> list[str]:
        if not self.without:
            return []
        before, after = float(self.logit_diff.mean()), float(self.logit_diff_out.mean())
        said = f"With {listed(list(self.without))} knocked out, the difference {goes(before, after, signed)}"
        parts = self._knockout()["knocked_out"]
        lost = float(parts.iloc[0] - parts.iloc[1])
        if lost > WORTH_SAYING:
            said += f", while {'it' if len(self.without) == 1 else 'they'} alone had given {signed(lost)} of it"
        backups = self.named(BACKUP)
        if not backups:
            whose = "its" if len(self.without) == 1 else "their"
            return [f"{said}.", f"No other head speaks up clearly in {whose} place."]
        rise = float(self.gain[self.found[ROLES.index(BACKUP)]].sum())
        speaks = "speaks" if len(backups) == 1 else "speak"
        return [f"{said}.", f"{_some(backups)} then {speaks} up as backups: {signed(rise)} together."]

    def _compared(self) -> list[str]:
        verdicts = [verdict for verdict in self._known()["verdict"] if verdict]
        if not verdicts:
            return []
        inside = sum(verdict in ("within", "found") for verdict in verdicts)
        return [f"Of {len(verdicts)} things that are known of this model, {inside} are found again here."]


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return listed([*names[:NAMED], *more])


def _near(value: float | None, share: float) -> tuple[float | None, float | None]:
    """The range about a known value."""
    if value is None:
        return None, None
    reach = share * abs(value)
    return value - reach, value + reach


def _parsed(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    for name in names:
        numbers = HEAD.kind.understand(name)
        if numbers is not None:
            yield numbers["layer"], numbers["head"]


def ioi(
    model: Model,
    *,
    questions: Literal["drawn", "published"] = "drawn",
    n_prompts: int = 32,
    seed: int = 0,
    names: str = "",
    templates: str = "",
    without: tuple[str, ...] = (),
    least: float = name_roles.LEAST,
    pushes: float = name_roles.PUSHES,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Ioi:
    """Find the heads that do indirect object identification, by measurement, and knock out those that answer.

    “When Mary and John went to the store, John gave a drink to” asks for IO, the name that was said once, and not for
    S, the repeated one (Wang et al. 2022, "Interpretability in the Wild"). Of every head is measured how much it
    attends along the ways that the paper's roles take, and what it writes towards IO − S itself, the final norm's
    scale held (Elhage et al. 2021). Then some heads' z at the last position gives way to its mean over prompts of three
    different names, sentence by sentence, and all is measured again: whoever now writes more is a backup (McGrath et
    al. 2023, "The Hydra Effect", for the general case). It does not show to whom a head speaks: path patching does.

    Args:
        model: The model.
        questions: ``"drawn"`` from names and sentences, or ``"published"``: the eight prompts of TransformerLens'
            demo, on which GPT-2 small's values were published.
        n_prompts: How many are drawn, half of them with either name first.
        seed: Of the draw.
        names: Names to draw from, with commas between; the usual ones where it is empty. Each must be one token.
        templates: Sentences with {A}, {B} and {S}, and perhaps {P} (a place) and {O} (a thing), one per line.
        without: Heads that are knocked out, such as ``("L3H2",)``; none for the name movers, or where there are none,
            the other heads that speak for IO.
        least: Share of attention, from 0 to 1, from which on a head has a role.
        pushes: Share of the mean logit difference from which on a head speaks for IO or against it.
        prepend_bos: None follows the model's own habit.
        progress: Called between batches.

    Returns:
        Shares of attention, and direct effects in logits (before any soft cap), by head; logit differences by prompt.

    Raises:
        InputError: The model's logits or attention cannot be taken apart; too few names are single tokens in it; a bad
            sentence, head or number.
    """
    choose(questions, QUESTIONS, "questions", "kind of prompts")
    for field, share in (("least", least), ("pushes", pushes)):
        if not 0 < share <= 1:
            raise InputError(f"{field.capitalize()} must be above 0 and at most 1: choose another share.", field)
    if reason := logit_parts.obstacle(model):
        raise InputError(reason, "model")
    layers = model.layers(hooks.pattern)
    for name in without:
        _check_head(model, layers, name)
    drawn = name_prompts(
        model, questions=questions, n_prompts=n_prompts, seed=seed, names=names, templates=templates,
        prepend_bos=prepend_bos,
    )  # fmt: skip
    each, others = name_runs.n_batches(drawn), name_runs.n_other_batches(drawn)
    total = 2 * each + others
    plain = name_runs.measure(model, layers, drawn, {}, progress, 0, total)
    _check_split(model, plain)
    mean = name_runs.means(model, layers, drawn, progress, each, total)
    logit_diff, direct = float(plain.logit_diff.mean()), plain.direct.mean(0)
    found = name_roles.roles(plain.attention.mean(0), direct, logit_diff, least, pushes)
    knocked = [(layers.index(layer), head) for layer, head in _parsed(without)] or _answering(found)
    changes = name_runs.without(layers, drawn, mean, knocked) if knocked else {}
    after = name_runs.measure(model, layers, drawn, changes, progress, each + others, total)
    found[ROLES.index(BACKUP)] = _backups(plain, after, knocked)
    return Ioi(
        model=model.id,
        questions=questions,
        prompts=drawn.asked,
        others=tuple(text for text, *_ in drawn.others),
        layers=layers,
        attention=plain.attention.mean(0),
        direct=plain.direct,
        direct_out=after.direct,
        total=plain.total,
        total_out=after.total,
        logit_diff=plain.logit_diff,
        logit_diff_out=after.logit_diff,
        found=found,
        without=tuple(f"L{layers[layer]}H{head}" for layer, head in knocked),
        least=least,
        pushes=pushes,
        checks=name_runs.checks(model, drawn, plain, after, changes),
    )


def _check_head(model: Model, layers: Sequence[int], name: str) -> None:
    """Raises InputError unless it is a head of this model."""
    numbers = HEAD.kind.understand(name)
    if numbers is None:
        raise InputError(f"“{shortened(name, 40)}” is no head: write it like L3H0.", "without")
    layer = model.layer(numbers["layer"], "without")
    model.head(numbers["head"], "without")
    if layer not in layers:
        raise InputError(f"Layer {layer} of {model.id} has no heads: choose another.", "without")


def _check_split(model: Model, plain: NameRuns) -> None:
    """Raises InputError where no layer's attention is the sum of its heads."""
    if np.isnan(plain.direct).all():
        raise InputError(
            f"Attention of {model.id} cannot be split into heads, so nobody can be said to speak for a name: choose "
            "another model.",
            "model",
        )


def _answering(found: Bool[np.ndarray, "role layer head"]) -> list[Head]:
    """The name movers, or where there are none, all others that speak for IO."""
    for role in (MOVER, SPEAKER):
        heads = [(int(layer), int(head)) for layer, head in np.argwhere(found[ROLES.index(role)])]
        if heads:
            return heads
    return []


def _backups(plain: NameRuns, after: NameRuns, out: Sequence[Head]) -> Bool[np.ndarray, "layer head"]:
    """Who speaks for IO after a knockout, and clearly more than before."""
    before, now = plain.direct.mean(0), after.direct.mean(0)
    found = (now - before >= BACKS_UP * abs(float(plain.logit_diff.mean()))) & (now > 0)
    for layer, head in out:
        found[layer, head] = False
    return found
