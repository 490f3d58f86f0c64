"""The charts of every analysis: one function makes each, for the page, its exports and the command line alike.

A figure takes a result, and by name what a reader may choose about how it is shown; `title` replaces its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd

from charts.attention_pattern import attention_pattern
from charts.bars import bars
from charts.effect_grid import effect_grid
from charts.gathered import gathered
from charts.head_grid import head_grid
from charts.lens_heatmap import lens_cells, lens_heatmap
from charts.lines import lines
from charts.shift import shift
from charts.strengths import strengths
from charts.token_strip import token_strip
from mi_core.models.tokens import visible, with_visible_tokens

Figure = Callable[..., alt.LayerChart]
RESTORED = {
    "probability": "share of the answer's probability restored",
    "kl": "share of the way to your prompt's guesses",
}
STRENGTHS = {
    "probability": ("The next token's odds", None),
    "kl": ("How far the odds move", "KL divergence (bits)"),
    "perplexity": ("How surprising the text is", "perplexity"),
}
TIMES = {"add": "strength (in mean residual norms)", "clamp": "times its largest activation"}


def _table(result: Any, name: str) -> pd.DataFrame:
    """A table of the result with whitespace in tokens made visible."""
    return with_visible_tokens(result.tables()[name])


def predict(result: Any, *, title: str = "Best guesses for the next token") -> alt.LayerChart:
    """The likeliest next tokens."""
    return bars(_table(result, "predictions"), title=title, label="token", value="probability")


def surprise(result: Any) -> alt.LayerChart:
    """How little the model expected each token of the prompt: from `predict`."""
    return token_strip(_table(result, "positions"), title="How much each token surprised the model", value="surprisal")


def logit_lens(
    result: Any, *, title: str = "The top guess after each layer", colour: str = "probability"
) -> alt.LayerChart:
    """The top guess of every layer and token, coloured by the column `colour` of `lens_cells`."""
    cells = lens_cells(_table(result, "lens"), _table(result, "target"))
    return lens_heatmap(cells, title=title, colour=colour, pos=result.pos, answer=visible(result.target.text))


def tuned_lens(
    result: Any, *, title: str = "The tuned lens' top guess after each layer", colour: str = "probability"
) -> alt.LayerChart:
    """The top guess of every layer and token, through learned translators."""
    return logit_lens(result, title=title, colour=colour)


def jacobian_lens(
    result: Any, *, title: str = "The Jacobian lens' top guess after each layer", colour: str = "probability"
) -> alt.LayerChart:
    """The top guess of every layer and token, by its average effect on the output."""
    return logit_lens(result, title=title, colour=colour)


def lens_difference(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """The second lens' top guess of every layer and token, coloured by how much likelier it finds the answer."""
    cells = _table(result, "difference")
    return lens_heatmap(
        cells.rename(columns={"second_prediction": "prediction"}).assign(stage="resid_pre"),
        title=title or f"How much likelier the {result.second} lens finds the answer than the {result.first} lens",
        colour="probability_change",
        pos=result.pos,
        answer=visible(result.target.text),
    )


def lens_training(result: Any, *, title: str = "How far the lens is from the model's final guess") -> alt.LayerChart:
    """The distance of the logit lens and of the trained one, by layer, on text that it was not trained on."""
    layers = _table(result, "layers")
    return shift(
        layers,
        title=title,
        label="stage",
        before="logit_kl",
        after="lens_kl",
        names=("logit lens", "trained lens"),
        unit="distance to the final guess: KL (bits)",
        most=len(layers),
        sort=False,
    )


def token_ranks(result: Any) -> alt.LayerChart:
    """The rank of the answer at every layer and token: from any lens."""
    cells = lens_cells(_table(result, "lens"), _table(result, "target"))
    name = visible(result.target.text)
    return lens_heatmap(
        cells.assign(prediction=cells["target_rank"].map("{:,}".format)),
        title=f"Where “{name}” ranks, after each layer and at each token",
        colour="target_probability",
        pos=result.pos,
        answer="1",
    )


def answer_by_layer(result: Any, *, follow: str = "probability") -> alt.LayerChart:
    """The answer's `follow` at the chosen token, layer by layer: from `logit_lens`."""
    target = _table(result, "target")
    return lines(
        target[target["pos"] == result.pos],
        title=f"“{visible(result.target.text)}”: {follow} by layer",
        value=follow,
        subtitle=f"at token {result.pos}, {visible(result.tokens.texts[result.pos])}",
    )


def attention(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What one head reads: the chosen head, or the one that the finding speaks of."""
    layer, head = result.clearest
    pattern = _table(result, "pattern")
    pattern = pattern[(pattern["layer"] == layer) & (pattern["head"] == head)]
    name = f"L{layer}H{head}"
    return attention_pattern(
        pattern,
        title=title or f"What {name} reads",
        subtitle=name if title else "",
        pos=result.pos,
        unit=result.units,
    )


def rollout(result: Any) -> alt.LayerChart:
    """How much of each token reaches each other through all layers: from `attention`."""
    return attention_pattern(_table(result, "rollout"), title="Attention rollout", unit="share")


def attribution(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each part adds to the answer."""
    return bars(
        _table(result, "contributions"), title=title or f"What each part adds to {result.target.label}",
        label="component", value="contribution", unit=result.units,
    )  # fmt: skip


def attribution_by_head(result: Any) -> alt.LayerChart:
    """What each head adds to the answer."""
    parts = _table(result, "contributions")
    title = f"What each head adds to {result.target.label}"
    return head_grid(parts[parts["kind"] == "head"], title=title, unit=result.units)


def attribution_by_layer(result: Any) -> alt.LayerChart:
    """What attention and MLP of each layer add, first layer to last."""
    layers = _table(result, "layers")
    layers = layers.assign(name=layers["kind"] + " " + layers["layer"].astype(str))
    title = f"What each layer adds to {result.target.label}"
    return bars(layers, title=title, label="name", value="contribution", unit=result.units, sort=False)


def attribution_sources(result: Any) -> alt.LayerChart:
    """Which tokens the chosen head, or layer, or all heads took it from."""
    layer, head = result.layer, result.head
    whose = "all heads together" if layer is None else f"layer {layer}" if head is None else f"L{layer}H{head}"
    title = f"Which tokens {whose} took it from"
    return token_strip(_table(result, "sources"), title=title, value="contribution", unit=result.units, pos=result.pos)


def features(result: Any, *, title: str = "The strongest features on the chosen token") -> alt.LayerChart:
    """The features that are active on the chosen token; a click selects one."""
    here = _table(result, "features")
    here = here[here["pos"] == result.pos]
    here = here.assign(name=_feature_names(here))
    return bars(here, title=title, label="name", value="activation", pick=("feature",))


def _feature_names(frame: pd.DataFrame) -> list[str]:
    return [f"#{number}  {label}".rstrip() for number, label in zip(frame["feature"], frame["label"], strict=True)]


def feature(result: Any, *, title: str = "Where it fires in the prompt") -> alt.LayerChart:
    """One feature's activation on every token."""
    return token_strip(_table(result, "activations"), title=title, value="activation")


def promoted(result: Any) -> alt.LayerChart:
    """The tokens that a feature makes likelier or less likely: from `feature`."""
    title = "Tokens it makes likelier or less likely"
    return bars(_table(result, "promoted"), title=title, label="token", value="effect")


def feature_effects(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each feature does to the answer, measured; a click selects one."""
    effects = _table(result, "effects")
    return bars(
        effects.assign(name=_feature_names(effects)), title=title or f"What features do to {result.target.label}",
        label="name", value="measured", unit="measured effect (logits)", pick=("feature",),
    )  # fmt: skip


def neurons(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What the strongest neurons add to the answer; a click selects one."""
    strongest = _table(result, "neurons")
    return bars(
        strongest.assign(name=_component_names(strongest)), title=title or f"What neurons add to {result.target.label}",
        label="name", value="contribution", unit=result.units, pick=("layer", "neuron"),
    )  # fmt: skip


def _component_names(frame: pd.DataFrame) -> list[str]:
    return [f"{name}  {label}".rstrip() for name, label in zip(frame["component"], frame["label"], strict=True)]


def neuron(result: Any, *, title: str = "Where it fires in the prompt") -> alt.LayerChart:
    """One neuron's activation on every token."""
    return token_strip(_table(result, "activations"), title=title, value="activation", pos=result.pos)


def neurons_and_features(result: Any, *, title: str = "In how few units the effect lies") -> alt.LayerChart:
    """The share of the effect in the strongest features and in the strongest neurons."""
    return gathered(_table(result, "curve"), title=title, series="kind", rule=0.8)


def strongest_units(result: Any, *, kind: str = "feature") -> alt.LayerChart:
    """What the strongest features, or neurons, add to the answer: from `neurons_and_features`."""
    strongest = _table(result, "strongest")
    strongest = strongest.loc[lambda rows: rows["kind"] == kind]
    title = f"What the strongest {kind}s add to {result.target.label}"
    names = _component_names(strongest)
    return bars(strongest.assign(name=names), title=title, label="name", value="contribution")


def steering(result: Any, *, title: str = "How the next token's probabilities move") -> alt.LayerChart:
    """The next token's probabilities without the direction and with it."""
    return shift(_table(result, "shift"), title=title)


def steering_sweep(result: Any, *, title: str | None = None, measure: str = "probability") -> alt.LayerChart:
    """`measure` (probability, kl or perplexity) at every strength."""
    own, unit = STRENGTHS[measure]
    odds = measure == "probability"
    return strengths(
        _table(result, "probabilities" if odds else "sweep"),
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
    effects = _table(result, "effects")
    given = f", with {' and '.join(result.also)} out already" if result.also else ""
    style = {
        "title": title or f"What each knockout does to {result.target.label}{given}",
        "value": measure,
        "unit": _logit_change(result) if measure == "change" else None,
    }
    if result.site == "head":
        return head_grid(effects, **style)
    if result.site == "position":
        return effect_grid(effects, **style)
    field = {"neuron": "neuron", "feature": "feature"}.get(result.site, "layer")
    if result.site == "feature":
        effects = effects.assign(component=_feature_names(effects))
    return bars(effects, label="component", most=30, pick=(field,), **style)


def foretold(result: Any) -> alt.LayerChart:
    """What direct effects foretell of each knockout, against what was measured: from `ablation`."""
    effects = _table(result, "effects").dropna(subset=["foretold"])
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
    effects = _table(result, "effects")
    style = {
        "title": title or "What each swap moves",
        "value": "best" if result.estimated else "restored",
        "unit": RESTORED.get(result.metric),
        "mark": "disagrees" if result.estimated else None,
    }
    if effects["pos"].notna().all():
        return effect_grid(effects, **style)
    shared = result.site in ("k", "v") and effects["head"].nunique() < result.n_heads
    return head_grid(effects, columns="key-value head" if shared else "head", **style)


def patched_run(result: Any, *, title: str = "What this one patch does to the model's guesses") -> alt.LayerChart:
    """The next token's probabilities without the patch and with it."""
    return shift(_table(result, "shift"), title=title)


def path_patching(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each path to the receiver moves."""
    effects, title = _table(result, "effects"), title or f"What each path to {result.place} moves"
    if result.site == "head":
        return head_grid(effects, title=title, value="moved")
    return bars(effects, title=title, label="component", value="moved", sort=False)


def counterpart(result: Any, *, title: str = "The answer's probability with one word exchanged") -> alt.LayerChart:
    """The answer's probability after each exchange."""
    swaps = _table(result, "swaps")
    names = [f"{pos} {old} → {new}" for pos, old, new in swaps[["pos", "token", "replacement"]].values]
    return bars(swaps.assign(swap=names), title=title, label="swap", value="probability", sort=False)


def edit(result: Any, *, title: str = "The next token before and after") -> alt.LayerChart:
    """The next token's probabilities before the edit and after it."""
    return shift(_table(result, "shift"), title=title)


def edit_elsewhere(result: Any) -> alt.LayerChart:
    """How far the edit moves each prompt: from `edit`."""
    prompts = _table(result, "prompts").round({"kl": 3})
    prompts = prompts.assign(name=prompts["role"] + ": " + prompts["prompt"])
    title = "What else the edit moves"
    return bars(prompts, title=title, label="name", value="kl", unit="bits (KL)", sort=False, most=40)


# The figure that stands for an analysis has its name.
FIGURES: dict[str, Figure] = {
    figure.__name__: figure
    for figure in (
        predict, logit_lens, tuned_lens, jacobian_lens, lens_difference, lens_training,
        attention, attribution, features, feature, steering, steering_sweep, ablation, patching,
        patched_run, path_patching, counterpart, edit,
        neurons, neuron, neurons_and_features, feature_effects,
    )
}  # fmt: skip
