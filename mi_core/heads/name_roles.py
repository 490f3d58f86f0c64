"""What heads do where a name is to be found that was said once: the roles of Wang et al. 2022, told by measurement.

A role is an attention from one place of the prompt to another and, for those that speak, a sign of the direct effect.
Both are necessary for it and neither is proof: path patching shows to whom a head speaks.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mi_core.models import catalogue

#: Where a head may look, as (from, to) of a prompt: the axis `look`.
LOOKS = ("s1_next_to_s1", "s2_to_s1", "s2_to_s1_next", "end_to_s2", "end_to_io", "end_to_s1")
LEAST = 0.3  # of its attention
PUSHES = 0.1  # of the logit difference, towards IO or away from it
BACKS_UP = 0.05  # of the logit difference: a rise from there on is help


@dataclass(frozen=True)
class NameRole:
    """One role: its `name` in tables, `noun` in sentences, `does` after “a head that …”, and where it looks."""

    name: str
    noun: str
    does: str
    look: str


PREVIOUS = NameRole("previous_token", "previous token", "looks back from the token after S1 to S1", LOOKS[0])
DUPLICATE = NameRole("duplicate_token", "duplicate token", "looks from S2 at S1, the same name", LOOKS[1])
INDUCTION = NameRole("induction", "induction", "looks from S2 at what followed S1", LOOKS[2])
INHIBITION = NameRole("s_inhibition", "S-inhibition", "looks from the end at S2 and itself says little", LOOKS[3])
MOVER = NameRole("name_mover", "name mover", "looks from the end at IO and speaks for it", LOOKS[4])
NEGATIVE = NameRole("negative_name_mover", "negative name mover", "looks from the end at IO and speaks against it",
                    LOOKS[4])  # fmt: skip
SPEAKER = NameRole("speaker", "other speaker", "speaks for IO, and looks at something else", LOOKS[4])
BACKUP = NameRole("backup", "backup", "speaks up for IO once others are knocked out", LOOKS[4])
ROLES = (PREVIOUS, DUPLICATE, INDUCTION, INHIBITION, MOVER, NEGATIVE, SPEAKER, BACKUP)


def roles(
    attention: Float[np.ndarray, "look layer head"],
    direct: Float[np.ndarray, "layer head"],
    logit_diff: float,
    least: float = LEAST,
    pushes: float = PUSHES,
) -> Bool[np.ndarray, "role layer head"]:
    """Which heads have which of `ROLES`; backups, which only a knockout shows, are nobody yet.

    Previous-token, duplicate-token and induction heads give at least `least` of their attention where the role asks.
    S-inhibition heads do so towards S2 with a direct effect below the mark, and stand before the last layer, since they
    work through later heads. Movers look at IO, and more than at both mentions of S. Speakers push IO without that.

    Args:
        attention: Mean attention along each of `LOOKS`.
        direct: Mean direct effect on IO − S, in logits; NaN where it cannot be said.
        logit_diff: Mean of IO − S, in logits.
        least: Share of attention.
        pushes: The mark: share of the logit difference.
    """
    look: dict[str, np.ndarray] = dict(zip(LOOKS, attention, strict=True))
    mark = pushes * abs(logit_diff)
    reads_io = (look["end_to_io"] >= least) & (look["end_to_io"] > look["end_to_s1"] + look["end_to_s2"])
    early = np.arange(len(direct)) < len(direct) - 1
    helps, harms = direct >= mark, direct <= -mark
    found = {
        MOVER: reads_io & helps,
        NEGATIVE: reads_io & harms,
        SPEAKER: ~reads_io & helps,
        INHIBITION: (look["end_to_s2"] >= least) & (np.abs(direct) < mark) & early[:, None],
        BACKUP: np.zeros_like(helps),
    }
    return np.stack([found.get(role, look[role.look] >= least) for role in ROLES])


@dataclass(frozen=True)
class Known:
    """Something that is known of a model: `role` of a head and, where it was measured, a number."""

    role: str
    """One of `ROLES`' names; ``"logit_diff"`` for the mean of IO − S over all prompts."""
    layer: int | None
    head: int | None
    value: float | None
    """Direct effect in logits, or the logit difference; None where only the role is known."""


@dataclass(frozen=True)
class Reference:
    """What is known of one model."""

    model: str
    """Id in the catalogue."""
    title: str
    source: str
    near: float
    """How far, as a share, a value on other prompts may be from the known one."""
    same: float
    """The same on the published prompts."""
    known: tuple[Known, ...]

    def is_about(self, model_id: str) -> bool:
        """Whether it is known of the very model."""
        return model_id in (self.model, catalogue.find(self.model).hub_id)


@cache
def references() -> tuple[Reference, ...]:
    """What is known of the models that were looked at; the first is the published circuit."""
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        return tuple(_reference(**row) for row in tomllib.load(file)["reference"])


def _reference(logit_diff: float, heads: list[dict[str, Any]], **about: Any) -> Reference:
    known = [Known("logit_diff", None, None, logit_diff)]
    known += [Known(row["role"], row["layer"], row["head"], row.get("value")) for row in heads]
    return Reference(**about, known=tuple(known))


def compared(model_id: str) -> list[Reference]:
    """What a model is shown beside: what is known of itself, and the published circuit."""
    published, *others = references()
    return [*(one for one in others if one.is_about(model_id)), published]
