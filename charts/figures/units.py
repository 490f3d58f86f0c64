"""The charts of features and neurons."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.bars import bars
from charts.figures.table import table
from charts.gathered import gathered
from charts.histogram import histogram
from charts.token_strip import token_strip

PARTS = {
    "features": "earlier features", "bias": "the autoencoder’s bias", "error": "what it misses",
    "start_token": "start token", "not_linear": "no straight line",
}  # fmt: skip


def features(result: Any, *, title: str = "The strongest features on the chosen token") -> alt.LayerChart:
    """The features that are active on the chosen token; a click selects one."""
    here = table(result, "features")
    here = pd.DataFrame(here[here["pos"] == result.pos])
    here = here.assign(name=_feature_names(here))
    return bars(here, title=title, label="name", value="activation", pick=("feature",))


def feature_list(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """The features that are listed, in their order; a click selects one."""
    where = "on the chosen token" if result.over == "token" else "in the prompt"
    own = {
        "activation": f"The strongest features {where}",
        "effect": f"The features {where} with the largest effect on {result.target.label}, estimated",
        "density": f"The rarest features {where}",
    }[result.sort]
    rows = table(result, "features")
    more = f"The first {len(rows)} of {result.n_wanted:,}." if len(rows) < result.n_wanted else ""
    return bars(
        rows.assign(name=_feature_names(rows)), title=title or own, label="name", value=result.sort, subtitle=more,
        sort=result.sort != "density", most=len(rows), pick=("feature",),
    )  # fmt: skip


def _feature_names(frame: pd.DataFrame) -> list[str]:
    return [f"#{number}  {label}".rstrip() for number, label in zip(frame["feature"], frame["label"], strict=True)]


def feature(result: Any, *, title: str = "Where it fires in the prompt") -> alt.LayerChart:
    """One feature's activation on every token."""
    return token_strip(table(result, "activations"), title=title, value="activation")


def promoted(result: Any) -> alt.LayerChart:
    """The tokens that a feature makes likelier or less likely: from `feature`."""
    title = "Tokens it makes likelier or less likely"
    return bars(table(result, "promoted"), title=title, label="token", value="effect")


def feature_effects(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each feature does to the answer, measured; a click selects one."""
    effects = table(result, "effects")
    return bars(
        effects.assign(name=_feature_names(effects)), title=title or f"What features do to {result.target.label}",
        label="name", value="measured", unit="measured effect (logits)", pick=("feature",),
    )  # fmt: skip


def feature_pairs(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What later features lose without earlier ones, measured; a click selects a pair."""
    pairs = table(result, "pairs")
    ends = [
        _feature_names(pairs.rename(columns={f"{end}_feature": "feature", f"{end}_label": "label"}))
        for end in ("from", "to")
    ]
    return bars(
        pairs.assign(name=[" → ".join(both) for both in zip(*ends, strict=True)]),
        title=title or "What a later feature loses without an earlier one",
        label="name", value="measured", unit="lost of the later activation", names=150,
        pick=("from_feature", "to_feature"),
    )  # fmt: skip


def feature_sums(result: Any) -> alt.LayerChart:
    """What the later feature of the strongest pair is made of: from `feature_pairs`."""
    number = int(result.to_ids[result.strongest])
    row = table(result, "sums").set_index("to_feature").loc[number]
    parts = pd.DataFrame({"part": [*PARTS.values()], "activation": [row[name] for name in PARTS]})
    title = f"What makes the {row['activation']:.2f} of feature {number}"
    return bars(parts, title=title, label="part", value="activation", unit=result.units, sort=False)


def neurons(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What the strongest neurons add to the answer; a click selects one."""
    strongest = table(result, "neurons")
    return bars(
        strongest.assign(name=_component_names(strongest)), title=title or f"What neurons add to {result.target.label}",
        label="name", value="contribution", unit=result.units, pick=("layer", "neuron"),
    )  # fmt: skip


def _component_names(frame: pd.DataFrame) -> list[str]:
    return [f"{name}  {label}".rstrip() for name, label in zip(frame["component"], frame["label"], strict=True)]


def neuron(result: Any, *, title: str = "Where it fires in the prompt") -> alt.LayerChart:
    """One neuron's activation on every token."""
    return token_strip(table(result, "activations"), title=title, value="activation", pos=result.pos)


def neurons_and_features(result: Any, *, title: str = "In how few units the effect lies") -> alt.LayerChart:
    """The share of the effect in the strongest features and in the strongest neurons."""
    return gathered(table(result, "curve"), title=title, series="kind", rule=0.8)


def strongest_units(result: Any, *, kind: str = "feature") -> alt.LayerChart:
    """What the strongest features, or neurons, add to the answer: from `neurons_and_features`."""
    strongest = table(result, "strongest")
    strongest = strongest.loc[lambda rows: rows["kind"] == kind]
    title = f"What the strongest {kind}s add to {result.target.label}"
    names = _component_names(strongest)
    return bars(strongest.assign(name=names), title=title, label="name", value="contribution")


def max_activating(result: Any, *, title: str = "How many tokens have which activation") -> alt.LayerChart:
    """The activations of all tokens that were read; half of the largest is marked."""
    silent = f"{result.zeros / result.n_tokens:.1%} of the tokens, where it is exactly 0, are left out."
    best = result.strongest[0].activation if result.strongest else 0.0
    return histogram(
        table(result, "histogram"), title=title, value="activation", count="tokens", unit=result.measure,
        subtitle=silent if result.zeros else "", rule=best / 2 if best > 0 else None, rule_label="half of the largest",
    )  # fmt: skip
