"""The steps of an investigation: what each asks, and the findings that answer it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mi_core.analyses._investigation.finding import Finding, finding
from mi_core.analyses._investigation.inquiry import Inquiry
from mi_core.analyses.patching import Patching, cell_words
from mi_core.errors import InputError
from mi_core.heads.roles import ROLES
from mi_core.metrics.agreement import agreement
from mi_core.phrases import percent, percent_of_gap, place, quoted, signed

CARRIES = 0.5  # of the gap: where the best place restores less, no single place carries what decides
AGREES = 0.9  # Pearson's r of estimated and exact shares from which on an estimate may be read
REPAIRED = 0.5  # of what a head writes: where less is lost without it, others have stepped in
ENOUGH = 0.5  # of the answer: where the rest keeps more, a circuit is not what it hangs on


@dataclass(frozen=True)
class Step:
    """What is asked, and what answers it."""

    question: str
    findings: Callable[[Inquiry], Iterator[Finding]]


def _says(asked: Inquiry) -> Iterator[Finding]:
    found = asked.predict
    answer = found.tables()["answer"].iloc[0]
    next_best = found.tables()["predictions"].iloc[1]
    control = f"The next best, {quoted(next_best['token'])}, gets {percent(next_best['probability'])}."
    yield finding(found, "says", "observed", answer["probability"], "probability", control=control)


def _lens(asked: Inquiry) -> Iterator[Finding]:
    found = asked.lens
    rank = found.target_rank[:, found.pos]
    behind = np.flatnonzero(rank > 1)
    since = min(int(behind[-1]) + 1 if behind.size else 0, len(rank) - 1)
    answer = quoted(found.target.text)
    control = f"One layer earlier, the lens ranks {answer} {rank[since - 1]:,}." if since else ""
    yield finding(found, "lens", "correlated", rank[since], "rank there", control=control, page="logit_lens")


def _writes(asked: Inquiry) -> Iterator[Finding]:
    found = asked.attribution
    parts = found.tables()["contributions"]
    parts = parts.loc[parts["kind"].isin(["head", "mlp"])]
    adds = parts["contribution"].to_numpy()
    best = parts.iloc[int(np.abs(adds).argmax())]
    control = f"The middle one of all {len(parts)} heads and MLPs adds {signed(float(np.median(adds)))} logits."
    yield Finding(
        "writes",
        "correlated",
        f"Of all heads and MLPs, {best['component']} writes most: {signed(float(best['contribution']))} logits of the "
        f"{signed(found.total)} for {found.target.label}.",
        float(best["contribution"]),
        "logits",
        control,
        found.checks,
        "attribution",
    )


def _reads(asked: Inquiry) -> Iterator[Finding]:
    layer, head = _writer(asked)
    found = asked.attention(layer, head)
    looks = found.tables()["pattern"].query("query_pos == @found.pos")["weight"].to_numpy()
    n_seen = found.pos + 1
    control = f"Spread evenly, its attention would give each of {n_seen} tokens {percent(1 / n_seen)}."
    fields = {"layer": layer, "head": head}
    yield finding(
        found, "reads", "correlated", float(looks.max()), "share of attention", control=control, page="attention",
        fields=fields,
    )  # fmt: skip


def _role(asked: Inquiry) -> Iterator[Finding]:
    layer, head = _writer(asked)
    found = asked.roles
    scores = found.tables()["scores"]
    own = scores.loc[(scores["layer"] == layer) & (scores["head"] == head)]
    best = own.iloc[int(own["score"].to_numpy().argmax())]
    does = next(role.does for role in ROLES if role.name == best["role"])
    yield Finding(
        "role",
        "correlated",
        f"On random tokens that come twice, L{layer}H{head} most {does}: {percent(best['score'])} of its attention, "
        f"rank {best['rank']} of {found.random[0].size} heads.",
        float(best["score"]),
        "share of attention",
        f"A head that looks everywhere alike gives {percent(best['even'])}.",
        found.checks,
        "heads",
        {"layer": layer, "head": head},
    )


def _holds(asked: Inquiry) -> Iterator[Finding]:
    found = asked.features
    rows = found.tables()["features"]
    best = rows[(rows["pos"] == found.pos) & (rows["rank"] == 1)]
    if best.empty:
        yield Finding("holds", "missing", f"No feature of the autoencoder fires at {place(found.tokens, found.pos)}.")
        return
    row = best.iloc[0]
    label = f" ({row['label']})" if row["label"] else ""
    dense = f"Of all tokens of its corpus, {percent(row['density'])} make it fire." if row["density"] > 0 else ""
    yield Finding(
        "holds",
        "correlated",
        f"Feature {row['feature']}{label} is strongest at {place(found.tokens, found.pos)}.",
        float(row["activation"]),
        "activation",
        dense,
        found.checks,
        "features",
        {"feature": int(row["feature"])},
    )


def _carries(asked: Inquiry) -> Iterator[Finding]:
    found, fields = asked.patching(estimate=False), {"corrupted": asked.corrupted}
    cell = _first_place(found)
    share = float(found.restored[cell])
    if not np.isfinite(share):
        raise InputError("Both prompts give the same answer: choose a second prompt that gives another.", "corrupted")
    usual = percent_of_gap(float(np.median(found.restored)))
    yield Finding(
        "carries",
        "measured" if share >= CARRIES else "contradicted",
        f"{found.reading().title}. The residual stream {cell_words(found, cell)}, put into “{asked.corrupted}”, alone "
        f"restores {percent_of_gap(share)} of the difference.",
        share,
        "share of the gap",
        f"The middle one of all {found.restored.size} places restores {usual}.",
        found.checks,
        "patching",
        fields,
    )
    yield from _estimate(asked.patching(estimate=True), found, fields)


def _estimate(estimated: Patching, exact: Patching, fields: Mapping[str, Any]) -> Iterator[Finding]:
    r = agreement(estimated.restored, exact.restored)
    if np.isnan(r):
        return
    agrees = r >= AGREES
    said = "A gradient foretells these shares well" if agrees else "A gradient does not foretell these shares"
    yield Finding(
        "carries",
        "measured" if agrees else "contradicted",
        f"{said}: estimated and exact ones correlate at {signed(r)}.",
        r,
        "Pearson’s r",
        f"{signed(AGREES)} is asked for.",
        estimated.checks,
        "patching",
        {**fields, "estimate": "true"},
    )


def _needs(asked: Inquiry) -> Iterator[Finding]:
    found = asked.ablation
    index, change = found.strongest, found.change
    others = np.abs(np.delete(change, index))
    control = f"The middle one of the other {others.size} moves it by {signed(float(np.median(others)))[1:]}."
    fields = {"layer": found.component_layers[index], "head": found.component_heads[index]}
    yield finding(
        found, "needs", "measured", change[index], "logits", control=control if others.size else "", page="ablation",
        fields=fields,
    )  # fmt: skip
    yield from _repair(asked)


def _repair(asked: Inquiry) -> Iterator[Finding]:
    """Whether what the strongest writer writes is what is lost without it."""
    (layer, head), found = _writer(asked), asked.ablation
    at = [found.component_layers, found.component_heads]
    index = next((i for i, one in enumerate(zip(*at, strict=True)) if one == (layer, head)), None)
    if index is None or not np.isfinite(found.direct[index]):
        return
    direct, change = float(found.direct[index]), float(found.change[index])
    lost = -change / direct if direct else 0.0
    if lost < REPAIRED:
        said = "so others step in, or it was not needed: what writes most is not what most hangs on"
    elif lost > 1 / REPAIRED:
        said = "so it works through the parts that read it, more than by what it writes itself"
    else:
        said = "so what it writes itself is what counts"
    yield Finding(
        "needs",
        "contradicted" if lost < REPAIRED else "measured",
        f"L{layer}H{head} writes {signed(direct)} logits more than its mean; without it the answer moves by "
        f"{signed(change)}, {said}.",
        change,
        "logits",
        f"With nothing else reacting it would move by {signed(-direct)}.",
        found.checks,
        "ablation",
        {"layer": layer, "head": head},
    )


def _circuit(asked: Inquiry) -> Iterator[Finding]:
    found = asked.circuit
    fields = {"corrupted": asked.corrupted}
    control = f"A random circuit of equal size keeps {percent_of_gap(found.random_faithfulness)}."
    evidence = "measured" if found.reached else "contradicted"
    yield finding(
        found, "circuit", evidence, found.faithfulness, "share of the answer", control=control, page="circuit",
        fields=fields,
    )  # fmt: skip
    rest = found.completeness
    hangs = rest < ENOUGH
    said = "so the answer hangs on them" if hangs else "so they are not all that the answer hangs on"
    yield Finding(
        "circuit",
        "measured" if hangs else "contradicted",
        f"Without these {found.size} parts the model keeps {percent_of_gap(rest)} of the answer, {said}.",
        rest,
        "share of the answer",
        "With everything in place it is 100%, with nothing 0%. One pair of prompts was asked: add more on its page.",
        found.checks,
        "circuit",
        fields,
    )


def _writer(asked: Inquiry) -> tuple[int, int]:
    """(layer, head) of the head that writes most towards the answer."""
    heads = asked.attribution.tables()["contributions"].query("kind == 'head'")
    if heads.empty:
        raise InputError("What single heads write cannot be told apart in this model.")
    best = heads.loc[heads["contribution"].idxmax()]
    return int(best["layer"]), int(best["head"])


def _first_place(found: Patching) -> tuple[int, int]:
    """The best place of the first layer where one carries what decides; behind the first, where the token itself does.

    The best place there is where none does.
    """
    best = np.nan_to_num(found.restored).max(1)
    start = min(1, len(best) - 1)
    enough = np.flatnonzero(best[start:] >= CARRIES)
    layer = start + int(enough[0] if enough.size else best[start:].argmax())
    return layer, int(np.nan_to_num(found.restored[layer]).argmax())


#: By name, in order.
STEPS: dict[str, Step] = {
    "says": Step("What does the model say?", _says),
    "lens": Step("When does it know?", _lens),
    "writes": Step("Which part writes the answer?", _writes),
    "reads": Step("Where does the head that writes most take it from?", _reads),
    "role": Step("What does that head do elsewhere?", _role),
    "holds": Step("Which concept does the model hold here?", _holds),
    "carries": Step("Which place carries what decides?", _carries),
    "needs": Step("Which head does the answer need?", _needs),
    "circuit": Step("Which few parts are enough?", _circuit),
}
