"""The charts of attention and of heads."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.attention_heads import attention_heads as all_heads
from charts.attention_pattern import attention_pattern
from charts.bars import bars
from charts.figures.table import table
from charts.head_grid import head_grid
from charts.pair_grid import pair_grid
from charts.shift import shift
from mi_core.models.tokens import visible

ROLES = {
    "previous_token": "the token before",
    "induction": "what followed last time",
    "duplicate_token": "the same token earlier on",
    "first_token": "the first token",
    "current_token": "its own token",
}
READ_THROUGH = {"Q": "queries", "K": "keys", "V": "values"}


def attention(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What one head reads: the chosen head, or the one that the finding speaks of."""
    layer, head = result.clearest
    pattern = table(result, "pattern")
    pattern = pd.DataFrame(pattern[(pattern["layer"] == layer) & (pattern["head"] == head)])
    name = f"L{layer}H{head}"
    return attention_pattern(
        pattern,
        title=title or f"What {name} reads",
        subtitle=name if title else "",
        pos=result.pos,
        unit=result.units,
    )


def attention_heads(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What every head reads, as small pictures on one scale: from `attention`."""
    return all_heads(result.weight, result.layers, title=title or "Which tokens each head reads", unit=result.units)


def rollout(result: Any) -> alt.LayerChart:
    """How much of each token reaches each other through all layers: from `attention`."""
    return attention_pattern(table(result, "rollout"), title="Attention rollout", unit="share")


def head_roles(
    result: Any,
    *,
    title: str | None = None,
    role: str | None = None,
    measured: str = "random",
    least: float | None = None,
) -> alt.LayerChart:
    """How much of its attention each head gives to what a role asks for; by default the role that is clearest.

    Heads that give at least `least` have a dashed outline.
    """
    scores = table(result, "scores" if measured == "random" else "text")
    role = role or scores.loc[scores["score"].idxmax(), "role"]
    scores = scores.loc[scores["role"] == role].rename(columns={"score": "weight"})
    return head_grid(
        scores if least is None else scores.assign(_clear=scores["weight"] >= least),
        title=title or f"How much each head looks at {ROLES[role]}",
        subtitle="on random tokens that come twice" if measured == "random" else "in ordinary text",
        value="weight",
        outline=None if least is None else "_clear",
    )


def head_spread(result: Any, *, layer: int, head: int, role: str) -> alt.LayerChart:
    """In how many excerpts one head gives a role how much: from `head_roles`."""
    rows = table(result, "histogram")
    rows = rows[(rows["layer"] == layer) & (rows["head"] == head) & (rows["role"] == role)]
    names = [f"{low:.0%} to {high:.0%}" for low, high in zip(rows["from_score"], rows["to_score"], strict=True)]
    return bars(
        rows.assign(name=names),
        title=f"L{layer}H{head}’s attention to {ROLES[role]}, excerpt by excerpt",
        subtitle=f"{rows['excerpts'].sum():,} excerpts of ordinary text",
        label="name",
        value="excerpts",
        sort=False,
    )


def head_profile(result: Any, *, layer: int, head: int) -> alt.LayerChart:
    """What one head looks at, on random tokens and in text: from `head_roles`."""
    both = [table(result, name).set_index("role") for name in ("scores", "text")]
    random, text = (one[(one["layer"] == layer) & (one["head"] == head)]["score"] for one in both)
    frame = pd.DataFrame({"random": random, "text": text}).dropna().reset_index()
    return shift(
        frame.assign(role=frame["role"].map(ROLES.get)),
        title=f"What L{layer}H{head} looks at",
        label="role",
        before="random",
        after="text",
        names=("random tokens", "ordinary text"),
        unit="share of attention",
        sort=False,
        still=True,
    )


def head_circuit(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """The strongest pairs of a token read and a token said."""
    pairs = table(result, "ov")
    pairs = pairs.assign(pair=pairs["token"] + "  →  " + pairs["prediction"])
    title = title or f"What L{result.layer}H{result.head} says when it reads a token"
    return bars(pairs, title=title, label="pair", value="effect", unit="logits, before norms divide")


def attracted(result: Any) -> alt.LayerChart:
    """The strongest pairs of a token that asks and a token that attracts: from `head_circuit`."""
    pairs = table(result, "qk")
    pairs = pairs.assign(pair=pairs["query_token"] + "  ←  " + pairs["key_token"])
    title = f"Which token L{result.layer}H{result.head} looks for from which"
    return bars(pairs, title=title, label="pair", value="attraction", unit="attention score, before norms divide",
                subtitle=f"{result.distance} back" if result.turns else "")  # fmt: skip


def chosen_tokens(result: Any, *, side: str) -> alt.LayerChart:
    """Tokens that choose most sharply (`side` is ``asks``) or attract most (``is found by``): from `head_circuit`."""
    rows, name = table(result, "qk_tokens"), f"L{result.layer}H{result.head}"
    title, unit = {
        "asks": (f"Tokens from which {name} chooses most sharply", "spread of its attention scores over all tokens"),
        "is found by": (
            f"Tokens that {name} looks at most, whatever asks",
            "attention score above the average token",
        ),
    }[side]
    return bars(rows.loc[rows["side"] == side], title=title, label="token", value="attraction", unit=unit)


def drawn_by_distance(result: Any) -> alt.LayerChart:
    """What distance alone does to the attention score: from `head_circuit`."""
    positions = table(result, "positions")
    names = {0: "its own", 1: "1 back, the token before"}
    positions = positions.assign(name=[names.get(back, f"{back} back") for back in positions["distance"]])
    title = f"How L{result.layer}H{result.head} is drawn by position alone"
    unit = "attention score of the average token, before norms divide"
    return bars(positions.head(12), title=title, label="name", value="attraction", unit=unit, sort=False)


def composition(result: Any, *, title: str | None = None, kind: str | None = None) -> alt.LayerChart:
    """How far above chance each pair of heads fits; by default the kind of the pair that fits best."""
    scores = table(result, "scores")
    kind = kind or str(scores["kind"].iloc[0])
    return pair_grid(
        scores.loc[scores["kind"] == kind].drop(columns="kind").rename(columns={"score": "composition"}),
        title=title or f"How well what a head writes fits what another’s {READ_THROUGH[kind]} read",
        value="sd_above_chance",
        unit="sd above chance",
    )


def score_split(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """The pairs of parts that add most to one attention score."""
    pairs = table(result, "pairs")
    pairs = pairs.assign(pair=(pairs["query_part"] + "  ·  " + pairs["key_part"]).str.removesuffix("  ·  "))
    query, key = (visible(result.tokens.texts[pos]) for pos in (result.pos, result.key_pos))
    title = title or f"Why L{result.layer}H{result.head} looks from {query} at {key}"
    return bars(
        pairs, title=title, subtitle="Part at the first token · part at the second.", label="pair",
        value="contribution", unit=result.units, most=15,
    )  # fmt: skip


def score_side(result: Any, *, side: str = "key") -> alt.LayerChart:
    """What each part of one of the two tokens adds, with all of the other: from `score_split`."""
    pos = result.key_pos if side == "key" else result.pos
    title = f"Parts of {visible(result.tokens.texts[pos])}, which {'is read' if side == 'key' else 'reads'}"
    return bars(
        table(result, side), title=title, label=f"{side}_part", value="contribution", unit=result.units, most=10
    )
