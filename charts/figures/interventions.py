"""The charts of what changes when the model is changed."""

from __future__ import annotations

from typing import Any

import altair as alt

from charts.bars import bars
from charts.effect_grid import effect_grid
from charts.figures.table import table
from charts.figures.units import _feature_names
from charts.head_grid import head_grid
from charts.placebo import placebo as cloud
from charts.shift import shift
from charts.strengths import strengths

RESTORED = {
    "probability": "share of the answer's probability restored",
    "kl": "share of the way to your prompt's guesses",
}
STRENGTHS = {
    "probability": ("The next token's odds", None),
    "kl": ("How far the odds move", "KL divergence (bits)"),
    "perplexity": ("How surprising the text is", "perplexity"),
}
MOST_HEADS = 12
TIMES = {
    "add": "strength (in mean residual norms)",
    "clamp": "times its largest activation",
    "hold": "held at (in mean residual norms)",
}


def steering(result: Any, *, title: str = "How the next token's probabilities move") -> alt.LayerChart:
    """The next token's probabilities without the direction and with it."""
    return shift(table(result, "shift"), title=title)


def steering_sweep(result: Any, *, title: str | None = None, measure: str = "probability") -> alt.LayerChart:
    """`measure` (probability, kl or perplexity) at every strength."""
    own, unit = STRENGTHS[measure]
    odds = measure == "probability"
    return strengths(
        table(result, "probabilities" if odds else "sweep"),
        title=title or own,
        value=measure,
        x_title=TIMES[result.operation],
        series="token" if odds else None,
        unit=unit,
        rule=result.limit if measure == "perplexity" else None,
        rule_label=f"broken above {result.limit:,.1f}",
    )


def ablation(result: Any, *, title: str | None = None, measure: str = "change") -> alt.LayerChart:
    """What each knockout does, by the column `measure`; a click selects a part."""
    effects = table(result, "effects")
    given = f", with {' and '.join(result.also)} out already" if result.also else ""
    style = {
        "title": title or f"What each knockout does to {result.target.label}{given}",
        "value": measure,
        "unit": _logit_change(result) if measure == "change" else None,
    }
    if result.site in ("head", "edge"):
        return head_grid(effects, **style)
    if result.site == "position":
        return effect_grid(effects, **style)
    if result.site == "key":
        read = [f"{pos} {token}" for pos, token in effects[["key_pos", "key_token"]].values]
        return bars(effects.assign(read=read), label="read", sort=False, most=40, pick=("key_pos",), **style)
    field = {"neuron": "neuron", "feature": "feature"}.get(result.site, "layer")
    if result.site == "feature":
        effects = effects.assign(component=_feature_names(effects))
    return bars(effects, label="component", most=30, pick=(field,), **style)


def investigate(result: Any, *, title: str = "Heads: as foretold, and as measured") -> alt.LayerChart:
    """What heads seem to do, and what is lost without them: the strongest, by either."""
    heads = table(result, "heads").dropna(subset=["foretold"])
    strongest = heads[["foretold", "change"]].abs().max(axis=1).nlargest(MOST_HEADS).index
    return shift(
        heads.loc[strongest],
        title=title,
        label="component",
        before="foretold",
        after="change",
        names=("foretold by what it writes", "measured without it"),
        unit=_logit_change(result),
    )


def foretold(result: Any) -> alt.LayerChart:
    """What direct effects foretell of each knockout, against what was measured: from `ablation`."""
    effects = table(result, "effects").dropna(subset=["foretold"])
    return shift(
        effects.assign(component=_feature_names(effects)) if result.site == "feature" else effects,
        title="Foretold by the direct effect, and measured",
        label="component",
        before="foretold",
        after="change",
        names=("foretold", "measured"),
        unit=_logit_change(result),
    )


def _logit_change(result: Any) -> str:
    return f"change of the {result.target.quantity} (logits)"


def patching(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each swap moves; estimates that were run show what the run gave."""
    effects = table(result, "effects")
    style = {
        "title": title or "What each swap moves",
        "value": "best" if result.estimated else "restored",
        "unit": RESTORED.get(result.metric),
        "mark": "disagrees" if result.estimated else None,
    }
    if not effects["pos"].hasnans:
        return effect_grid(effects, **style)
    shared = result.site in ("k", "v") and effects["head"].nunique() < result.n_heads
    return head_grid(effects, columns="key-value head" if shared else "head", **style)


def patched_run(result: Any, *, title: str = "What this one patch does to the model's guesses") -> alt.LayerChart:
    """The next token's probabilities without the patch and with it."""
    return shift(table(result, "shift"), title=title)


def path_patching(result: Any, *, title: str | None = None, picked: str = "") -> alt.LayerChart:
    """What each path to the receiver moves; the head `picked` has an outline."""
    effects, title = table(result, "effects"), title or f"What each path to {result.place} moves"
    if result.site == "head":
        marked = effects.assign(_picked=effects["component"] == picked)
        return head_grid(marked, title=title, value="moved", outline="_picked" if picked else None)
    return bars(effects, title=title, label="component", value="moved", sort=False)


def counterpart(result: Any, *, title: str = "The answer's probability with one word exchanged") -> alt.LayerChart:
    """The answer's probability after each exchange."""
    swaps = table(result, "swaps")
    names = [f"{pos} {old} → {new}" for pos, old, new in swaps[["pos", "token", "replacement"]].values]
    return bars(swaps.assign(swap=names), title=title, label="swap", value="probability", sort=False)


def edit(result: Any, *, title: str = "The next token before and after") -> alt.LayerChart:
    """The next token's probabilities before the edit and after it."""
    return shift(table(result, "shift"), title=title)


def edit_elsewhere(result: Any) -> alt.LayerChart:
    """How far the edit moves each prompt: from `edit`."""
    prompts = table(result, "prompts").round({"kl": 3})
    prompts = prompts.assign(name=prompts["role"] + ": " + prompts["prompt"])
    title = "What else the edit moves"
    return bars(prompts, title=title, label="name", value="kl", unit="bits (KL)", sort=False, most=40)


def placebo(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """An intervention beside what chance does in its place, a row for each kind of chance."""
    unit = {
        "change": f"change of the {result.target.quantity} of {result.target.label} (logits)",
        "kl": "next token: KL (bits)",
    }[result.measure]
    return cloud(
        table(result, "trials").rename(columns={"kind": "operation"}),
        title=title or f"{result.said[0].upper()}{result.said[1:]}, beside chance",
        value=result.measure,
        unit=unit,
        others="chance",
    )
