"""Holds the sentences of a result against its tables: every number, every name, every superlative.

`faults` says what is wrong, in words; nothing where all holds. Quoted tokens and names are left out before numbers are
looked for. A number is written from some number of the tables, or from one of `DERIVED`, which are computed here from
the tables anew; a superlative names the extreme of its column, by `EXTREMES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from mi_core.models.tokens import visible
from mi_core.result import Reading

SHORT = 16  # characters of a token that a sentence shows
NAMES = r"L\d+(?:[HNP]\d+)?(?:@\d+)?|(?:MLP|attention|attention bias|[Ll]ayer|[Ff]eature|neuron|position) \d+|#\d+"
NUMBER = re.compile(r"(?<![\w.])(?:over |under )?[−+]?\d[\d,]*(?:\.\d+)?(?:%|(?![\w]))")
PARTS = r"L\d+H\d+|MLP \d+|attention \d+|feature \d+"
Tables = dict[str, pd.DataFrame]


def faults(result: Any) -> list[str]:
    """What the sentences of a result say that its tables do not."""
    reading, tables = result.reading(), result.tables()
    kind = _kind(result)
    found = [*_standing_still(reading), *_tokens(result, reading), *_layers(result, reading), *_heads(result, reading)]
    known = _numbers(tables, result) + DERIVED.get(kind, lambda tables, result: [])(tables, result)
    for said in (reading.title, *reading.sentences):
        found += [f"{number} is in no table: {said}" for number in _numerals(said) if not _is_written(number, known)]
        for pattern, extreme in EXTREMES.get(kind, []):
            if match := re.search(pattern, said):
                wanted = extreme(tables, result)
                if match[1] not in (wanted if isinstance(wanted, tuple) else (wanted,)):
                    found.append(f"{match[1]} is named, the extreme is {wanted}: {said}")
    return found


def _kind(result: Any) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(result).__name__).lower()


def _said(reading: Reading) -> str:
    return "\n".join((reading.title, *reading.sentences))


# That something moves ------------------------------------------------------------------------------------------------


def _standing_still(reading: Reading) -> Iterator[str]:
    for said in _said(reading).split("\n"):
        for pattern in (
            r"from ((?:over |under )?[\d.,%−+]+) to \1(?![\d.])",
            r"((?:over |under )?[\d.,%−+]+) instead of \1",
        ):
            if match := re.search(pattern, said):
                yield f"“{match[0]}” is said to move: {said}"
        if re.search(r"(?:falls|rises|falls most|rises most)\b[^:]*: [−+]?0\.00", said):
            yield f"nothing falls or rises by 0.00: {said}"
        if re.search(r"[−+]0(?:\.0+)?(?![\d.])|(?<![\d.])-\d", said):
            yield f"a sign before nothing, or no true minus: {said}"


# Tokens, layers, heads -----------------------------------------------------------------------------------------------


def _tokens(result: Any, reading: Reading) -> Iterator[str]:
    """“token” (position 4) is what stands there."""
    for text, pos in re.findall(r"“([^“”]*)” \(position (\d+)\)", _said(reading)):
        there = visible(result.tokens.texts[int(pos)])
        if text != there and not (len(there) > SHORT and text == there[:SHORT] + "…"):
            yield f"“{there}” stands at position {pos}, not “{text}”"


def _layers(result: Any, reading: Reading) -> Iterator[str]:
    """Layers count from 0, and the tables hold each that is named; the residual stream after layer L is their L + 1."""
    held = {int(number) for table in result.tables().values() if "layer" in table for number in table["layer"].dropna()}
    for when, number in re.findall(r"(after |before |up to )?layer (\d+)", _said(reading)):
        layer = int(number) + (when == "after ")
        if held and layer not in held:
            yield f"no table holds {when}layer {number}"


def _heads(result: Any, reading: Reading) -> Iterator[str]:
    tables = [table for table in result.tables().values() if {"layer", "head"} <= set(table)]
    held = {f"L{row.layer}H{row.head}" for table in tables for row in table[["layer", "head"]].dropna().itertuples()}
    outside = {*getattr(result, "also", ()), getattr(result, "receiver", ""), getattr(result, "cell", "").split("@")[0]}
    outside |= {*getattr(result, "shared_with", ()), *getattr(result, "without", ())}
    for name in re.findall(r"L\d+H\d+", _said(reading)):
        if held and name not in held | outside:
            yield f"no table holds {name}"


# Numbers -------------------------------------------------------------------------------------------------------------


def _numerals(said: str) -> list[str]:
    bare = re.sub(r"“[^“”]*”|\((?:in|often|after|before|right)[^()]*\)", "“”", said)
    return NUMBER.findall(re.sub(NAMES, "", bare))


def _is_written(numeral: str, known: list[float]) -> bool:
    bound = re.match(r"over |under |", numeral)[0]
    plain = numeral[len(bound) :].replace(",", "").replace("−", "-")
    share = plain.endswith("%")
    value, decimals = float(plain.rstrip("%")), len(plain.rstrip("%").partition(".")[2])
    values = np.asarray(known) * (100 if share else 1)
    if bound:
        return bool(((values > value) if bound == "over " else (values > 0) & (values < value)).any())
    near = 0.5000001 * 10.0**-decimals + 1e-9
    signs = values if plain[0] in "+-" else np.abs(values)
    return bool((np.abs(signs - value) <= near).any())


def _numbers(tables: Tables, result: Any) -> list[float]:
    """All numbers of all tables, how many rows they have, and the settings that are numbers."""
    found = [float(len(table)) for table in tables.values()]
    for table in tables.values():
        for column in table.select_dtypes("number"):
            values = pd.to_numeric(table[column], errors="coerce").astype(float).to_numpy()
            found += values[np.isfinite(values)].tolist()
    for value in vars(result).values():
        if isinstance(value, int | float) and np.isfinite(value):
            found.append(float(value))
    return found


# What sentences compute from the tables ------------------------------------------------------------------------------


def _of_predict(tables: Tables, result: Any) -> list[float]:
    entropy = tables["positions"]["entropy"].iloc[result.pos]
    logits = tables["answer"]["logit"]
    return [2.0**entropy, abs(logits.iloc[0] - logits.iloc[-1])]


def _of_logit_lens(tables: Tables, result: Any) -> list[float]:
    here = tables["target"][tables["target"]["pos"] == result.pos]
    return [2.0 ** here["entropy"].iloc[-1]]


def _of_tuned_lens(tables: Tables, result: Any) -> list[float]:
    return _of_logit_lens(tables, result)


def _of_lens_difference(tables: Tables, result: Any) -> list[float]:
    cells = tables["difference"]
    cells = cells[cells["layer"] < cells["layer"].max()]
    nearer = (cells["second_kl"] < cells["first_kl"]).sum()
    return [float(nearer), float(len(cells)), float(len(cells) - nearer)]


def _of_attention(tables: Tables, result: Any) -> list[float]:
    weight = result.pattern[:, :, result.pos] * result.value_norm
    share = weight / weight.sum(-1, keepdims=True)
    return [*share.ravel(), float((share[..., 0] > 0.5).sum()), float(share[..., 0].size)]


def _of_head_roles(tables: Tables, result: Any) -> list[float]:
    scores = tables["scores"]
    clear = scores[scores["score"] >= 0.4]
    own = clear[clear["role"] != "first_token"].groupby(["layer", "head"]).ngroups
    more = [float(n - 3) for n in clear["role"].value_counts()]
    return [float(own), float(scores.groupby(["layer", "head"]).ngroups), *more, float(len(result.excerpts))]


def _of_composition(tables: Tables, result: Any) -> list[float]:
    return [5.0]


def _of_head_circuit(tables: Tables, result: Any) -> list[float]:
    return [10.0, *tables["positions"]["distance"]]


def _of_score_split(tables: Tables, result: Any) -> list[float]:
    size = np.abs(result.contribution)
    missed = [np.asarray([name == "SAE error" for name in names]) for names in (result.query_parts, result.key_parts)]
    return [size[np.logical_or.outer(*missed)].sum() / size.sum(), float(result.pos), float(result.key_pos)]


def _of_attribution(tables: Tables, result: Any) -> list[float]:
    return [tables["contributions"]["contribution"].sum()]


def _of_input_attribution(tables: Tables, result: Any) -> list[float]:
    scores = tables["scores"]
    sampled = scores["standard_error"].max()
    return [0.0 if np.isnan(sampled) else float(sampled)]


def _of_features(tables: Tables, result: Any) -> list[float]:
    return [*result.n_active, result.d_sae]


def _of_feature(tables: Tables, result: Any) -> list[float]:
    values = tables["activations"]["activation"]
    density = [1 / result.density] if result.density > 0 else []
    return [float((values.fillna(0) != 0).sum()), float(values.notna().sum()), 1.0, *density]


def _of_feature_list(tables: Tables, result: Any) -> list[float]:
    hidden = tables["hidden"].set_index("reason")["features"].drop("beyond the list")
    return [hidden.sum(), result.max_density, result.n_silent - len(result.silent)]


def _of_feature_pairs(tables: Tables, result: Any) -> list[float]:
    pairs = tables["pairs"]
    without = [*(pairs["activation"] - pairs["measured"]), *(pairs["activation"] - pairs["estimate"])]
    alike = (np.sign(pairs["estimate"]) == np.sign(pairs["measured"])).sum()
    return [*without, alike, len(pairs), result.left_out]


def _of_neurons(tables: Tables, result: Any) -> list[float]:
    return [0.8, tables["layers"]["neurons"].sum(), tables["layers"]["bias"].sum()]


def _of_neuron(tables: Tables, result: Any) -> list[float]:
    return [tables["things"]["peaks"].sum()]


def _of_neurons_and_features(tables: Tables, result: Any) -> list[float]:
    return [0.8]


def _of_ablation(tables: Tables, result: Any) -> list[float]:
    return [*(-tables["effects"]["foretold"].dropna()), *(tables["effects"]["value"] - tables["baseline"]["value"][0])]


def _of_alignment(tables: Tables, result: Any) -> list[float]:
    pairs = tables["pairs"]
    return [float(pairs["differs"].sum()), pairs["pos"].count(), pairs["corrupted_pos"].count(), *pairs["pos"].dropna()]


def _of_patching(tables: Tables, result: Any) -> list[float]:
    effects = tables["effects"]
    shares = _effect(tables, result)
    done = [float(effects[name].notna().sum()) for name in ("exact",) if name in effects]
    wrong = [float(effects["disagrees"].sum())] if "disagrees" in effects else []
    return [*shares, *done, *wrong, 0.1, 1.0, result.correlation or 0.0]


def _of_path_patching(tables: Tables, result: Any) -> list[float]:
    ends = (result.corrupted, result.clean) if result.direction == "denoise" else (result.clean, result.corrupted)
    return [(value - ends[0]) / (ends[1] - ends[0]) for value in result.whole]


def _of_patched_run(tables: Tables, result: Any) -> list[float]:
    return [0.0, 1.0]


def _of_steering(tables: Tables, result: Any) -> list[float]:
    plain, steered = tables["texts"]["perplexity"]
    return [steered / plain]


def _of_steering_sweep(tables: Tables, result: Any) -> list[float]:
    return [result.limit, 4.0, float(sum(state == "fine" for state in tables["sweep"]["state"])),
            *result.unsteered_probability]  # fmt: skip


def _of_edit(tables: Tables, result: Any) -> list[float]:
    prompts = tables["prompts"]
    counts = [float((prompts["role"] == role).sum()) for role in set(prompts["role"])]
    took = prompts[(prompts["role"] == "rephrased") & (prompts["after"] == result.target)]
    kept = prompts[(prompts["role"] == "other subject") & (prompts["before"] == prompts["after"])]
    return [*counts, float(len(took)), float(len(kept)), prompts[prompts["role"] == "unrelated"]["kl"].mean()]


def _of_counterpart(tables: Tables, result: Any) -> list[float]:
    return [1.0]


def _of_push_that_shows(tables: Tables, result: Any) -> list[float]:
    tried = tables["tried"]
    return [tried["label"].nunique(), tried["strength"].nunique()]


def _of_writing(tables: Tables, result: Any) -> list[float]:
    return [*(2.0 ** tables["steps"]["entropy"]), 1.0]


def _of_max_activating(tables: Tables, result: Any) -> list[float]:
    texts, random = tables["texts"], tables["random"]
    times = texts["token"].value_counts()
    rest = float(len(times) - len(times[times > 1][:3]))
    reached = float((random["activation"] >= texts["activation"].max() / 2).sum())
    above = tables["histogram"].loc[lambda rows: rows["to_activation"] > 0, "tokens"].sum()
    return [*times, rest, reached, above / tables["histogram"]["tokens"].sum()]


def _of_directions(tables: Tables, result: Any) -> list[float]:
    n = len(result.names)
    pairs = np.abs(result.cosine[np.triu_indices(n, 1)])
    return [float(len(pairs)), float((pairs > 3 * result.chance).sum())]


def _of_superposition(tables: Tables, result: Any) -> list[float]:
    best = tables["starts"].loc[tables["starts"]["loss"].idxmin()]
    return [360 / max(best["features_that_fit"], 1), float(result.W.shape[1]), float(result.W.shape[2])]


def _of_unpacking(tables: Tables, result: Any) -> list[float]:
    return [0.95, float((~result.fits).sum()), float(len(result.directions))]


def _of_probing(tables: Tables, result: Any) -> list[float]:
    return [float(len(result.held.classes))]


def _of_bigram_ablation(tables: Tables, result: Any) -> list[float]:
    same = tables["words"]["whole"] == tables["words"]["without"]
    return [float(same.sum())]


def _of_bigram_of_model(tables: Tables, result: Any) -> list[float]:
    return [float(tables["next"]["count"].sum())]


DERIVED: dict[str, Callable[[Tables, Any], list[float]]] = {
    name.removeprefix("_of_"): function for name, function in list(globals().items()) if name.startswith("_of_")
}


# Superlatives --------------------------------------------------------------------------------------------------------


def _row(table: str, column: str, name: str, most: str = "idxmax", size: bool = False) -> Callable:
    """The name, in column `name`, of the row where `column` is largest (smallest, or furthest from 0 by `size`)."""

    def extreme(tables: Tables, result: Any) -> str | tuple[str, ...]:
        frame = tables[table].dropna(subset=[column])
        values = frame[column].abs() if size else frame[column]
        best = getattr(values, most.removeprefix("idx"))()
        names = frame.loc[np.isclose(values, best, rtol=1e-6, atol=1e-12), name]
        return tuple(visible(str(text)) if name == "token" else str(text) for text in names)

    return extreme


def _effect(tables: Tables, result: Any) -> np.ndarray:
    share = tables["effects"]["best" if result.estimated else "restored"].to_numpy(float)
    return share if result.direction == "denoise" else 1 - share


def _largest_share(tables: Tables, result: Any) -> str:
    return f"{_effect(tables, result).max():.0%}"


def _best_head(tables: Tables, result: Any) -> str:
    row = tables["effects"].iloc[int(_effect(tables, result).argmax())]
    return f"L{row['layer']}H{row['head']}"


def _first_patch(tables: Tables, result: Any) -> str:
    return _largest_share(tables, result)


def _settled(tables: Tables, result: Any) -> str:
    """Before or after which layer the answer becomes the top guess for good, or is one for the last time."""
    here = tables["target"][tables["target"]["pos"] == result.pos]
    tops = (here["rank"] == 1).to_numpy()
    turns = np.flatnonzero(tops != tops[-1])  # before the last unbroken run, whatever that is of
    stage = here.iloc[int(turns[-1]) + tops[-1] if len(turns) else 0]
    if stage["stage"] == "resid_mid":
        return f"between attention and MLP of layer {stage['layer']}"
    return "before layer 0" if stage["layer"] == 0 else f"after layer {stage['layer'] - 1}"


def _furthest(tables: Tables, result: Any) -> str:
    fine = tables["sweep"]["state"].to_numpy() == "fine"
    moved = np.abs(result.probability - result.unsteered_probability).max(1) * fine
    return f"{result.strengths[int(moved.argmax())]:.4g}".replace("-", "−")


def _strongest_part(tables: Tables, result: Any) -> str:
    """Of leave-one-out, towards the difference that is shared out."""
    first = tables["scores"][tables["scores"]["method"] == "leave_one_out"]
    return visible(first.loc[(first["score"] * np.sign(result.full - result.empty)).idxmax(), "token"])


def _best_layer(tables: Tables, result: Any) -> str:
    best = tables["layers"].iloc[int(tables["layers"]["accuracy"].argmax())]
    return "embeddings" if best["layer"] == 0 else best["stage"]


def _strongest_text(tables: Tables, result: Any) -> tuple[str, ...]:
    return _row("texts", "activation", "token")(tables, result)


def _strongest_feature(tables: Tables, result: Any) -> str:
    here = tables["features"][tables["features"]["pos"] == result.pos]
    return str(here.loc[here["activation"].abs().idxmax(), "feature"])


def _surest_rule(tables: Tables, result: Any) -> tuple[str, ...]:
    pairs = tables["pairs"][tables["pairs"]["count"] > 0]
    surest = pairs.loc[np.isclose(pairs["probability"], pairs["probability"].max())]
    return tuple(f"“{row['letter']}” " + ("the word is over" if row["next"] == "end" else f"comes “{row['next']}”")
                 for _, row in surest.iterrows())  # fmt: skip


def _most_frequent(tables: Tables, result: Any) -> tuple[str, ...]:
    counted = tables["next"].dropna(subset=["count"])
    return tuple(map(visible, counted.loc[counted["count"] == counted["count"].max(), "prediction"]))


EXTREMES: dict[str, list[tuple[str, Callable]]] = {
    "predict": [
        (r"the model expects “(.*)”:", _row("predictions", "probability", "token")),
        (r"surprised it most at “(.*)” \(", _row("positions", "surprisal", "token")),
    ],
    "logit_lens": [(r"top guess (.*?)(?:, the last)?(?: and loses it.*)?$", _settled)],
    "attribution": [
        (r"^(?:The )?(.*?) (?:pushes|favours) .* most: \+", _row("contributions", "contribution", "component")),
        (r"(?:\. |^)(?:The )?([\w ]+) works against it most",
         _row("contributions", "contribution", "component", "idxmin")),
        (r"takes? most in its favour from “(.*)” \(", _row("sources", "contribution", "token")),
    ],
    "input_attribution": [(r"^“(.*)” \(.*counts most", _strongest_part)],
    "features": [(r"^Feature (\d+).* is strongest on", _strongest_feature)],
    "feature_effects": [(r"^Feature (\d+).* most: ", _row("effects", "measured", "feature", size=True))],
    "feature_list": [(r"^Feature (\d+).* is the strongest ", _row("features", "activation", "feature", size=True)),
                     (r"^Feature (\d+).* moves ", _row("features", "effect", "feature", size=True)),
                     (r"^Feature (\d+).* is the rarest ", _row("features", "density", "feature", "idxmin"))],
    "feature_pairs": [(r"^Feature (\d+) .* most$", _row("pairs", "measured", "from_feature", size=True)),
                      (r"^Feature .* feature (\d+) .* most$", _row("pairs", "measured", "to_feature", size=True))],
    "max_activating": [(r"(?:fires most on|writes most at|goes furthest at) “(.*)”:", _strongest_text)],
    "neurons": [(r"^Of .*, neuron (\d+) of layer", _row("neurons", "contribution", "neuron", size=True))],
    "ablation": [
        (rf"[Ww]ithout ({PARTS}).* falls most, of all", _row("effects", "change", "component", "idxmin")),
        (rf"Without ({PARTS}).* it rises most", _row("effects", "change", "component")),
    ],
    "patching": [
        (r"alone carries (\d+%)", _largest_share),
        (r"^(L\d+H\d+) alone carries", _best_head),
        (r"the largest share of the difference: (\d+%)", _largest_share),
        (r"most: .*?\((\d+%)\)", _first_patch),
    ],
    "path_patching": [
        (r"^(\S+(?: \d+)?) (?:speaks|feeds)", _row("effects", "moved", "component", size=True)),
        (r"^Strongest paths: (\S+(?: \d+)?) \(", _row("effects", "moved", "component", size=True)),
    ],
    "steering": [
        (r"“([^“”]*)” gains most", _row("shift", "change", "token")),
        (r"“([^“”]*)” loses most", _row("shift", "change", "token", "idxmin")),
    ],
    "steering_sweep": [(r"strength (\S+) moves a probability furthest", _furthest)],
    "writing": [
        (r"is least sure at “(.*)” \(", _row("steps", "entropy", "token")),
        (r"It is surest at “(.*)” \(", _row("steps", "entropy", "token", "idxmin")),
    ],
    "superposition": [(r"start (\d+) ended with the lowest loss", _row("starts", "loss", "start", "idxmin"))],
    "probing": [(r"is read best (?:in the )?(.*?): ", _best_layer)],
    "bigram": [(r"Its surest rule: after (.*) \(", _surest_rule)],
    "bigram_of_model": [(r"itself, “(.*)” follows it", _most_frequent)],
    "push_that_shows": [(r"A push towards (.*) shows here", lambda tables, result: tables["tried"].iloc[0]["label"])],
}  # fmt: skip
