"""The charts of a training's checkpoints."""

from __future__ import annotations

from typing import Any

import altair as alt

from charts.figures.heads import ROLES
from charts.figures.table import table
from charts.head_grid import head_grid
from charts.lens_heatmap import lens_heatmap
from charts.lines import lines
from charts.shift import shift
from charts.step_lines import step_lines

SKILLS = {
    "capitals": "naming capitals",
    "indirect_object": "who is given something",
    "repeat_accuracy": "copying a repeated passage",
    "repeat_loss": "a passage that comes again",
}


def training_timeline(
    result: Any, *, title: str | None = None, show: str = "skills", step: int | None = None
) -> alt.LayerChart:
    """Over the checkpoints: shares right (``skills``), surprise (``loss``), or the clearest head's look (``roles``)."""
    if show == "roles":
        roles = table(result, "roles")
        best = roles.loc[roles.groupby(["step", "role"])["score"].idxmax()].rename(columns={"score": "weight"})
        best = best.assign(role=best["role"].map(lambda role: ROLES.get(role, role)))
        return step_lines(best.sort_values("step"), title=title or "Heads take their roles", value="weight", of="role",
                          unit="share of attention of the head that gives most", step=step)  # fmt: skip
    scores = table(result, "scores").assign(task=lambda rows: rows["metric"].map(_skill))
    loss = scores["unit"] == "bits per token"
    rows = scores.loc[loss if show == "loss" else ~loss].drop(columns="metric")
    if show == "loss":
        rows = rows.rename(columns={"value": "surprisal"})
        return step_lines(rows, title=title or "Surprise at a passage that comes again", value="surprisal", of="task",
                          unit="surprise (bits per token)", step=step)  # fmt: skip
    rows = rows.rename(columns={"value": "share_right"})
    return step_lines(rows, title=title or "What it can do, checkpoint by checkpoint", value="share_right", of="task",
                      unit="answered right", step=step)  # fmt: skip


def _skill(metric: str) -> str:
    return SKILLS.get(metric, metric.replace("_", " "))


def drift(result: Any, *, title: str | None = None, value: str = "cka") -> alt.LayerChart:
    """By layer, how alike two models' streams are (``cka``), or how far apart their guesses (``kl``)."""
    said = {"cka": "How alike the two models' streams are", "kl": "How far apart the two models' guesses are"}
    return lines(
        table(result, "layers"),
        title=title or said[value],
        value=value,
        subtitle=f"{result.model} and {result.other}, {result.n_tokens:,} tokens of text",
    )


def roles_at_step(result: Any, *, step: int, role: str) -> alt.LayerChart:
    """Every head's look at what a role asks for, at one checkpoint: from `training_timeline`."""
    roles = table(result, "roles")
    rows = roles.loc[(roles["step"] == step) & (roles["role"] == role)].rename(columns={"score": "weight"})
    return head_grid(
        rows,
        title=f"How much each head looks at {ROLES.get(role, role)}",
        subtitle=f"at step {step:,}, on random tokens that come twice",
        value="weight",
    )


def lens_timeline(
    result: Any, *, title: str | None = None, colour: str = "target_probability", step: int | None = None
) -> alt.LayerChart:
    """The top guess at every layer of every checkpoint."""
    lens = table(result, "lens").assign(stage="resid_pre")
    shown = lens.at[0, "target"]
    return lens_heatmap(
        lens,
        title=title or f"What the lens reads at position {result.pos}, layer by layer and step by step",
        subtitle=f"Bold: “{shown}”, the answer." if colour == "target_probability" else "",
        colour=colour,
        pos=step,
        answer=shown,
        columns_title="step of training (evenly spaced)",
        along="step",
    )


def checkpoint_comparison(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What both checkpoints expect next."""
    return shift(
        table(result, "predictions"),
        title=title or f"The next token at step {result.first:,} and at step {result.second:,}",
        names=(f"step {result.first:,}", f"step {result.second:,}"),
    )


def heads_that_changed(result: Any) -> alt.LayerChart:
    """The heads whose look changed most between two checkpoints: from `checkpoint_comparison`."""
    heads = table(result, "heads")
    named = zip(heads["layer"], heads["head"], heads["role"], strict=True)
    names = [f"L{layer}H{head}: {ROLES.get(role, role)}" for layer, head, role in named]
    return shift(
        heads.assign(name=names),
        title="Heads that changed most",
        label="name",
        before="before",
        after="after",
        names=(f"step {result.first:,}", f"step {result.second:,}"),
        unit="share of attention",
        most=8,
    )
