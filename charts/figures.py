"""The charts of every analysis: one function makes each, for the page, its exports and the command line alike.

A figure takes a result, and by name what a reader may choose about how it is shown; `title` replaces its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd

from charts.arrow_panels import arrow_panels
from charts.arrows import arrows
from charts.attention_pattern import attention_pattern
from charts.backbone import backbone
from charts.bars import bars
from charts.confusion import confusion
from charts.cosine_grid import cosine_grid
from charts.effect_grid import effect_grid
from charts.gathered import gathered
from charts.head_grid import head_grid
from charts.histogram import histogram
from charts.interference import interference
from charts.learning_curve import learning_curve
from charts.lengths import lengths
from charts.lens_heatmap import lens_cells, lens_heatmap
from charts.letter_grid import letter_grid
from charts.letter_row import letter_row
from charts.lines import lines
from charts.loss_curves import loss_curves
from charts.method_rows import method_rows
from charts.pair_grid import pair_grid
from charts.placebo import placebo
from charts.probe_layers import probe_layers
from charts.shift import shift
from charts.step_lines import step_lines
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
WRITTEN = {
    "entropy": "How unsure it was before each token",
    "probability": "How likely each token was that it wrote",
    "surprisal": "How much each token surprised the model that wrote it",
}
SKILLS = {
    "capitals": "naming capitals",
    "indirect_object": "who is given something",
    "repeat_accuracy": "copying a repeated passage",
    "repeat_loss": "a passage that comes again",
}
ROLES = {
    "previous_token": "the token before",
    "induction": "what followed last time",
    "duplicate_token": "the same token earlier on",
    "first_token": "the first token",
    "current_token": "its own token",
}
READ_THROUGH = {"Q": "queries", "K": "keys", "V": "values"}
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
    scores = _table(result, "scores" if measured == "random" else "text")
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
    rows = _table(result, "histogram")
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
    both = [_table(result, name).set_index("role") for name in ("scores", "text")]
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
    pairs = _table(result, "ov")
    pairs = pairs.assign(pair=pairs["token"] + "  →  " + pairs["prediction"])
    title = title or f"What L{result.layer}H{result.head} says when it reads a token"
    return bars(pairs, title=title, label="pair", value="effect", unit="logits, before norms divide")


def attracted(result: Any) -> alt.LayerChart:
    """The strongest pairs of a token that asks and a token that attracts: from `head_circuit`."""
    pairs = _table(result, "qk")
    pairs = pairs.assign(pair=pairs["query_token"] + "  ←  " + pairs["key_token"])
    title = f"Which token L{result.layer}H{result.head} looks for from which"
    return bars(pairs, title=title, label="pair", value="attraction", unit="attention score, before norms divide",
                subtitle=f"{result.distance} back" if result.turns else "")  # fmt: skip


def chosen_tokens(result: Any, *, side: str) -> alt.LayerChart:
    """Tokens that choose most sharply (`side` is ``asks``) or attract most (``is found by``): from `head_circuit`."""
    rows, name = _table(result, "qk_tokens"), f"L{result.layer}H{result.head}"
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
    positions = _table(result, "positions")
    names = {0: "its own", 1: "1 back, the token before"}
    positions = positions.assign(name=[names.get(back, f"{back} back") for back in positions["distance"]])
    title = f"How L{result.layer}H{result.head} is drawn by position alone"
    unit = "attention score of the average token, before norms divide"
    return bars(positions.head(12), title=title, label="name", value="attraction", unit=unit, sort=False)


def composition(result: Any, *, title: str | None = None, kind: str | None = None) -> alt.LayerChart:
    """How far above chance each pair of heads fits; by default the kind of the pair that fits best."""
    scores = _table(result, "scores")
    kind = kind or str(scores["kind"].iloc[0])
    return pair_grid(
        scores.loc[scores["kind"] == kind].drop(columns="kind").rename(columns={"score": "composition"}),
        title=title or f"How well what a head writes fits what another’s {READ_THROUGH[kind]} read",
        value="sd_above_chance",
        unit="sd above chance",
    )


def score_split(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """The pairs of parts that add most to one attention score."""
    pairs = _table(result, "pairs")
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
        _table(result, side), title=title, label=f"{side}_part", value="contribution", unit=result.units, most=10
    )


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


def input_attribution(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each method gives each part of the prompt, and how its row fares; a click selects a part."""
    return method_rows(
        _table(result, "scores"), _table(result, "grades"), result.labels,
        title=title or f"What each part of the prompt does for {result.answer.label}",
        subtitle=f"Scores in {result.answer.unit}, but for gradient norm and rollout. Σ: the row's sum as a share of "
        "all that is shared out. lost: of that, without the parts the row puts first. τ: agreement with leave-one-out.",
    )  # fmt: skip


def features(result: Any, *, title: str = "The strongest features on the chosen token") -> alt.LayerChart:
    """The features that are active on the chosen token; a click selects one."""
    here = _table(result, "features")
    here = here[here["pos"] == result.pos]
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
    rows = _table(result, "features")
    more = f"The first {len(rows)} of {result.n_wanted:,}." if len(rows) < result.n_wanted else ""
    return bars(
        rows.assign(name=_feature_names(rows)), title=title or own, label="name", value=result.sort, subtitle=more,
        sort=result.sort != "density", most=len(rows), pick=("feature",),
    )  # fmt: skip


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


def feature_pairs(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What later features lose without earlier ones, measured; a click selects a pair."""
    pairs = _table(result, "pairs")
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


PARTS = {
    "features": "earlier features", "bias": "the autoencoder’s bias", "error": "what it misses",
    "start_token": "start token", "not_linear": "no straight line",
}  # fmt: skip


def feature_sums(result: Any) -> alt.LayerChart:
    """What the later feature of the strongest pair is made of: from `feature_pairs`."""
    number = int(result.to_ids[result.strongest])
    row = _table(result, "sums").set_index("to_feature").loc[number]
    parts = pd.DataFrame({"part": [*PARTS.values()], "activation": [row[name] for name in PARTS]})
    title = f"What makes the {row['activation']:.2f} of feature {number}"
    return bars(parts, title=title, label="part", value="activation", unit=result.units, sort=False)


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


def writing(result: Any, *, title: str | None = None, value: str = "entropy", pos: int | None = None) -> alt.LayerChart:
    """`value` (entropy, surprisal or probability) of every written token; `pos` is outlined."""
    steps = _table(result, "steps").drop(columns="text")
    return token_strip(steps, title=title or WRITTEN[value], value=value, pos=result.least_sure if pos is None else pos)


def writing_lens(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """The lens' top guess after every layer, inside each step: from `writing`."""
    return lens_heatmap(
        _table(result, "lens"),
        title="The top guess after each layer, before each token was written",
        pos=result.least_sure if pos is None else pos,
        own=True,
        columns_title="token written (position · text)",
    )


def _of_step(result: Any, table: str, pos: int | None) -> tuple[pd.DataFrame, str]:
    """The rows of one step, and the token it wrote."""
    at, rows = result.least_sure if pos is None else pos, _table(result, table)
    return rows.loc[rows["pos"] == at], f"“{visible(result.tokens.texts[at])}”"


def writing_guesses(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """What could have been written in place of one token: from `writing`."""
    rows, name = _of_step(result, "guesses", pos)
    return bars(rows, title=f"Best guesses before {name}", label="prediction", value="probability")


def writing_heads(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """The heads that push one written token most: from `writing`."""
    rows, name = _of_step(result, "heads", pos)
    return bars(rows, title=f"What heads add to {name}", label="component", value="contribution")


def writing_features(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """The features that are strongest where one token was predicted: from `writing`."""
    rows, name = _of_step(result, "features", pos)
    rows = rows.assign(name=_feature_names(rows))
    return bars(rows, title=f"Features where {name} was predicted", label="name", value="activation")


def probing(
    result: Any, *, title: str = "How many texts a probe tells right, layer by layer", layer: int | None = None
) -> alt.LayerChart:
    """The accuracy at every layer, beside its controls; a click selects a layer."""
    texts, classes = len(result.held.texts), len(result.held.classes)
    c = f"C = {result.among[0]:g}" if len(result.among) == 1 else "C chosen within the texts learned from"
    return probe_layers(
        _table(result, "layers"),
        title=title,
        subtitle=f"{texts} texts, {classes} classes, {c}. Bars: 95 % intervals.",
        rules={"the words alone": result.words_alone, "most frequent class": result.majority},
        layer=result.best if layer is None else layer,
    )


def probe_confusion(result: Any, *, layer: int) -> alt.LayerChart:
    """Which class one layer's probe takes for which: from `probing`."""
    cells = _table(result, "confusion")
    return confusion(
        pd.DataFrame(cells[cells["layer"] == layer]),
        title="Which class is taken for which",
        subtitle="Rows: what a text is. Columns: what it is taken for.",
    )


def probe_use(result: Any, *, title: str | None = None, measure: str = "kl") -> alt.LayerChart:
    """How far the probe's direction and random ones move the prediction, by the column `measure`."""
    own = f"The direction to “{result.label}” and {result.kl.shape[1] - 1} random directions that change as much"
    unit = {
        "kl": "how far the next token's odds move: KL (bits)",
        "change": f"change of the {result.target.quantity} of {result.target.label} (logits)",
        "side_kl": "how far other texts' odds move: KL (bits)",
    }[measure]
    return placebo(_table(result, "trials"), title=title or own, value=measure, unit=unit)


def max_activating(result: Any, *, title: str = "How many tokens have which activation") -> alt.LayerChart:
    """The activations of all tokens that were read; half of the largest is marked."""
    silent = f"{result.zeros / result.n_tokens:.1%} of the tokens, where it is exactly 0, are left out."
    best = result.strongest[0].activation if result.strongest else 0.0
    return histogram(
        _table(result, "histogram"), title=title, value="activation", count="tokens", unit=result.measure,
        subtitle=silent if result.zeros else "", rule=best / 2 if best > 0 else None, rule_label="half of the largest",
    )  # fmt: skip


def analogy(result: Any, *, title: str | None = None, query: str = "arithmetic") -> alt.LayerChart:
    """The tokens nearest to a − b + c, or to ``c alone``; the inputs are named as such."""
    rows = _table(result, "nearest")
    rows = rows[rows["query"] == query]
    names = [
        f"{token} ({which})" if which else token for token, which in zip(rows["token"], rows["input"], strict=True)
    ]
    what = result.label if query == "arithmetic" else f"“{visible(result.words[2])}” alone"
    return bars(rows.assign(name=names), title=title or f"Nearest to {what}", label="name", value="cosine", most=12)


def directions(result: Any, *, title: str = "How alike the directions are") -> alt.LayerChart:
    """The cosine of each direction with each."""
    return cosine_grid(_table(result, "cosines"), title=title, subtitle=f"By chance about ±{result.chance:.2f}.")


def nearest_tokens(result: Any, *, name: str | None = None) -> alt.LayerChart:
    """The tokens nearest to one direction, the first if none is named: from `directions`."""
    rows, name = _table(result, "nearest"), name or result.names[0]
    return bars(rows.loc[rows["direction"] == name], title=f"Tokens nearest to {name}", label="token", value="cosine")


def bigram(
    result: Any, *, title: str | None = None, of: str = "probability", letter: str | None = None
) -> alt.LayerChart:
    """Which letter follows which, by the trained model, or as ``counted``; a click selects a letter's row."""
    own = "What the model has learned" if of == "probability" else "What was counted"
    frame = _table(result, "pairs").drop(columns="difference")
    top = max(frame[["counted", "probability"]].to_numpy().ravel().tolist())  # the same for both
    return letter_grid(
        frame, title=title or own, value=of, top=top, letter=letter, subtitle="Row: a letter. Column: the next."
    )


def bigram_loss(result: Any) -> alt.LayerChart:
    """The loss, step by step, above that of the counts: from `bigram`."""
    return learning_curve(
        _table(result, "loss"),
        title="Its surprise at the words, step by step",
        unit="surprise (bits per letter)",
        floor_name=f"counting: {result.floor:.2f} bits",
    )


def bigram_row(result: Any, *, letter: str = "start") -> alt.LayerChart:
    """What comes after one letter: from `bigram`."""
    pairs = _table(result, "pairs")
    title = "How words start" if letter == "start" else f"What comes after “{letter}”"
    return letter_row(pairs.loc[pairs["letter"] == letter].drop(columns=["letter", "difference"]), title=title)


def bigram_rules(result: Any) -> alt.LayerChart:
    """What the model knows, surest first: from `bigram`."""
    rules = _table(result, "rules")
    names = [f"{rule}  ({count:,} of {seen:,})" for rule, count, seen in rules[["rule", "count", "seen"]].values]
    title = "The rulebook: what the model is surest of"
    return bars(
        rules.assign(rule=names).drop(columns="rank"), title=title, label="rule", value="probability", most=15,
        subtitle="In brackets: how often it was so in the words.",
    )  # fmt: skip


def bigram_backbone(result: Any) -> alt.LayerChart:
    """The likeliest next letter of each: from `bigram`."""
    return backbone(
        _table(result, "backbone"),
        title="The backbone: always the likeliest letter",
        subtitle="On the right of each letter stands the one that is likeliest to follow it.",
    )


def bigram_ablation(result: Any, *, title: str = "How long the words are") -> alt.LayerChart:
    """The share of words of each length: in the words, of the whole model, and without the part."""
    makers = {"words": "the words it learned from", "whole": "the whole model"}
    without = {} if result.cut == "nothing" else {"without": f"without {result.part}"}
    return lengths(_table(result, "lengths"), title=title, makers=makers | without)


def bigram_of_model(result: Any, *, title: str | None = None, source: str = "alone") -> alt.LayerChart:
    """The likeliest next tokens by one source: ``alone``, ``first block``, ``whole`` or ``counted``."""
    rows = _table(result, "next")
    own = {
        "alone": "Embedding and unembedding alone",
        "first block": "With the first block",
        "whole": "The whole model",
        "counted": "Counted in its own text",
    }[source]
    rows = rows.loc[rows["source"] == source]
    return bars(rows if source == "counted" else rows.drop(columns="count"), title=title or own, label="prediction",
                value="probability", most=6)  # fmt: skip


def superposition(
    result: Any, *, title: str | None = None, start: int | None = None, slider: bool = True
) -> alt.LayerChart:
    """The arrows of a plane at every step of training; of more dimensions, or one, what each feature has to itself."""
    start = result.best + 1 if start is None else start
    if result.W.shape[1] != 2:
        return dimensionality(result, title=title, start=start)
    path = _of_start(result, "path", start)
    return arrows(
        path if slider else path.loc[path["step"] == path["step"].max()].drop(columns="step"),
        title=title or "Features as arrows, step by step",
        subtitle=f"Start {start}. Circle: the length of a whole feature.",
    )


def _of_start(result: Any, table: str, start: int | None) -> pd.DataFrame:
    """The rows of one start, of the best if none is named; features by their names."""
    rows = _table(result, table)
    return pd.DataFrame(rows.loc[rows["start"] == (result.best + 1 if start is None else start)]).drop(columns="start")


def dimensionality(result: Any, *, title: str | None = None, start: int | None = None) -> alt.LayerChart:
    """D of each feature: from `superposition`."""
    rows = _of_start(result, "features", start)
    rows = rows.assign(name=[f"feature {number}" for number in rows["feature"]])
    title = title or "What each feature has to itself"
    return bars(rows, title=title, label="name", value="dimensionality", sort=False)


def superposition_starts(result: Any) -> alt.LayerChart:
    """The arrows that each start ended with; a click selects one: from `superposition`, in a plane."""
    path, starts = _table(result, "path"), _table(result, "starts")
    fitting = zip(starts["start"], starts["features_that_fit"], strict=True)
    says = {int(start): f"start {start}: {count} fit" for start, count in fitting}
    says[result.best + 1] += " (best)"
    ends = pd.DataFrame(path.loc[path["step"] == path["step"].max()])
    return arrow_panels(ends, says, title="How each start ended")


def superposition_losses(result: Any) -> alt.LayerChart:
    """The loss of every start while it was trained: from `superposition`."""
    return loss_curves(_table(result, "losses"), title="The loss of each start")


def feature_interference(result: Any, *, start: int | None = None) -> alt.LayerChart:
    """What each feature adds where another is read: from `superposition`."""
    return interference(_of_start(result, "interference", start), title="What each feature adds to each")


def hidden_meanings(result: Any, *, hidden: int = 1, start: int | None = None) -> alt.LayerChart:
    """The features that one dimension carries: from `superposition`."""
    rows = _of_start(result, "weights", start)
    rows = rows.loc[rows["hidden"] == hidden]
    rows = rows.assign(name=[f"feature {number}" for number in rows["feature"]])
    return bars(rows, title=f"What dimension {hidden} stands for", label="name", value="w", sort=False)


def unpacking(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """How near the nearest direction comes to each feature, random and learned."""
    features = _table(result, "features")
    return shift(
        features.assign(name=[f"feature {number}" for number in features["feature"]]),
        title=title or "How near the nearest direction comes to each feature",
        label="name",
        before="random_cosine",
        after="cosine",
        names=("random directions", "learned directions"),
        unit="best cosine",
        most=20,
        sort=False,
        still=True,
    )


def unpacked_arrows(result: Any) -> alt.LayerChart:
    """True arrows and learned directions in a plane: from `unpacking`."""
    units = _table(result, "units").pivot(index="unit", columns="hidden", values="w")
    units = units.set_axis(["x", "y"], axis=1).reset_index()
    true = pd.DataFrame({"feature": range(1, len(result.fits) + 1), "x": result.W[0], "y": result.W[1]})
    title = "The features, and the directions that were learned"
    return arrows(true, title=title, subtitle="Dashed: learned directions.", names=units)


# The figure that stands for an analysis has its name.
def training_timeline(
    result: Any, *, title: str | None = None, show: str = "skills", step: int | None = None
) -> alt.LayerChart:
    """Over the checkpoints: shares right (``skills``), surprise (``loss``), or the clearest head's look (``roles``)."""
    if show == "roles":
        roles = _table(result, "roles")
        best = roles.loc[roles.groupby(["step", "role"])["score"].idxmax()].rename(columns={"score": "weight"})
        best = best.assign(role=best["role"].map(lambda role: ROLES.get(role, role)))
        return step_lines(best.sort_values("step"), title=title or "Heads take their roles", value="weight", of="role",
                          unit="share of attention of the head that gives most", step=step)  # fmt: skip
    scores = _table(result, "scores").assign(task=lambda rows: rows["metric"].map(_skill))
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


def roles_at_step(result: Any, *, step: int, role: str) -> alt.LayerChart:
    """Every head's look at what a role asks for, at one checkpoint: from `training_timeline`."""
    roles = _table(result, "roles")
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
    lens = _table(result, "lens").assign(stage="resid_pre")
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
        _table(result, "predictions"),
        title=title or f"The next token at step {result.first:,} and at step {result.second:,}",
        names=(f"step {result.first:,}", f"step {result.second:,}"),
    )


def heads_that_changed(result: Any) -> alt.LayerChart:
    """The heads whose look changed most between two checkpoints: from `checkpoint_comparison`."""
    heads = _table(result, "heads")
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


FIGURES: dict[str, Figure] = {
    figure.__name__: figure
    for figure in (
        predict, logit_lens, tuned_lens, jacobian_lens, lens_difference, lens_training,
        attention, head_roles, head_circuit, composition, score_split, attribution, input_attribution, features,
        feature, steering, steering_sweep, ablation, patching,
        patched_run, path_patching, counterpart, edit, probing, probe_use, writing, analogy, directions,
        neurons, neuron, neurons_and_features, feature_effects, feature_pairs, feature_list, max_activating,
        bigram, bigram_ablation, bigram_of_model, superposition, unpacking, training_timeline, lens_timeline,
        checkpoint_comparison,
    )
}  # fmt: skip
