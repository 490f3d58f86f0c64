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
#: Of the heads that find who receives: where a role looks.
NAME_ROLES = {
    "previous_token": "from the token after the repeated name’s first mention back at it",
    "duplicate_token": "from the repeated name’s second mention at the first",
    "induction": "from the repeated name’s second mention at what followed the first",
    "s_inhibition": "from the end at the repeated name’s second mention",
    "name_mover": "from the end at the name that was said once",
    "negative_name_mover": "from the end at the name that was said once",
    "speaker": "from the end at the name that was said once",
    "backup": "from the end at the name that was said once",
}
#: The parts of a logit difference, by their column in the table `knockout`.
NAME_PARTS = {
    "logit_diff": "all together",
    "knocked_out": "the heads knocked out",
    "backups": "backups",
    "negative": "negative name movers",
    "other_heads": "all other heads",
    "rest": "MLPs, embeddings, biases",
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


def ioi(result: Any, *, title: str | None = None, knocked: bool = False) -> alt.LayerChart:
    """What each head writes towards the name that was said once, as it is or with some heads knocked out.

    Heads that speak clearly have a dashed outline, of a model with heads knocked out the backups; these bear a “≠”.
    """
    value = "direct_out" if knocked else "direct"
    speak = ("backup",) if knocked else ("name_mover", "negative_name_mover", "speaker")
    heads = table(result, "heads")
    clear = heads["has_role"] & heads["role"].isin(speak)
    each = heads.assign(_clear=clear).groupby(["layer", "head"], as_index=False).agg({value: "first", "_clear": "any"})
    names = [f"L{layer}H{head}" for layer, head in zip(each["layer"], each["head"], strict=True)]
    left = f" without {', '.join(result.without)}" if knocked and result.without else ""
    return head_grid(
        each.rename(columns={value: "direct"}).assign(_out=[knocked and name in result.without for name in names]),
        title=title or f"What each head writes for the name said once{left}",
        subtitle=f"Its logit less the repeated name’s, mean of {len(result.prompts)} prompts.",
        value="direct",
        mark="_out",
        outline="_clear",
    )


def ioi_attention(result: Any, *, role: str) -> alt.LayerChart:
    """How much each head looks where a role asks it to: from `ioi`. Heads with the role have a dashed outline."""
    heads = table(result, "heads")
    rows = heads.loc[heads["role"] == role].rename(columns={"attention": "weight"})
    return head_grid(
        rows[["layer", "head", "weight"]].assign(_clear=rows["has_role"]),
        title=f"How much each head looks {NAME_ROLES[role]}",
        subtitle=f"Mean of {len(result.prompts)} prompts.",
        value="weight",
        outline="_clear",
    )


def ioi_knockout(result: Any) -> alt.LayerChart:
    """What the logit difference is made of, before the knockout and after it: from `ioi`."""
    before, after = (table(result, "knockout").iloc[row] for row in (0, 1))
    rows = [(says, float(before[name]), float(after[name])) for name, says in NAME_PARTS.items()]
    frame = pd.DataFrame(rows, columns=["part", "before", "after"])
    return shift(
        frame,
        title="What the logit difference is made of, before and after the knockout",
        subtitle="The parts below the first row sum to it.",
        label="part",
        before="before",
        after="after",
        names=("nothing out", "knocked out"),
        unit="the name said once less the repeated one (logits)",
        sort=False,
        still=True,
    )


def ioi_gain(result: Any) -> alt.LayerChart:
    """Which heads write more for the name once others are knocked out, and which less: from `ioi`."""
    heads = table(result, "heads")
    heads = heads.loc[heads["role"] == "backup"].drop(columns=["role", "has_role"])
    heads = heads.assign(name=[f"L{layer}H{head}" for layer, head in zip(heads["layer"], heads["head"], strict=True)])
    return bars(
        pd.DataFrame(heads[~heads["name"].isin(result.without)]),
        title="Who writes more, and who less, once they are out",
        label="name",
        value="gain",
        most=12,
        pick=("layer", "head"),
    )


def ioi_prompts(result: Any) -> alt.LayerChart:
    """The logit difference of every prompt, before the knockout and after it: from `ioi`."""
    prompts = table(result, "prompts")
    return shift(
        prompts.assign(name=prompts["order"] + "  …" + prompts["prompt"].str[-34:]),
        title="Every prompt by itself",
        label="name",
        before="logit_diff",
        after="logit_diff_out",
        names=("nothing out", "knocked out"),
        unit="the name said once less the repeated one (logits)",
        most=len(prompts),
        sort=False,
        still=True,
    )
