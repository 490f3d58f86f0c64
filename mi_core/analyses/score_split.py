"""Why does a head look there: which parts of the two tokens make one attention score?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError, choose
from mi_core.heads.scoring import Scoring, scoring
from mi_core.heads.stream_parts import StreamParts, by_component, by_feature, sites, whole
from mi_core.heads.weights import reading_norm
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.norm import Norm
from mi_core.models.tokens import Tokens
from mi_core.phrases import percent, place, quoted, signed
from mi_core.result import Check, Reading, check_axes, within
from mi_core.saes.loading import available, load_sae
from mi_core.saes.sae import Sae

Parts = Literal["auto", "features", "components"]
MOST_PAIRS = 400  # rows of the table; the rest is one more


@dataclass(frozen=True)
class ScoreSplit:
    """One attention score as the sum over pairs of a part of the query's stream and a part of the key's."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    layer: int
    head: int
    pos: int
    """The query's position."""
    key_pos: int
    """The key's position."""
    parts: str
    """``"features"`` of an SAE, or ``"components"`` that wrote before."""
    sae: str
    """The SAE; "" where there is none."""
    query_parts: tuple[str, ...]
    """[query_part] Parts of the stream at the query, biases last."""
    key_parts: tuple[str, ...]
    """[key_part] Parts of the stream at the key, biases last."""
    contribution: Float[np.ndarray, "query_part key_part"]
    """[query part, key part] What each pair adds to the score."""
    by_distance: float
    """What the distance alone takes off the score (ALiBi); 0 elsewhere."""
    score: float
    """The model's own attention score, before any cap."""
    mean_score: float
    """The mean of this query's scores over all keys that it may read."""
    weight: float
    """The share of attention that came of it."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "attention score"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, query_part=len(self.query_parts), key_part=len(self.key_parts))
        within(self, 0, 1, "weight")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """All are scores."""
        return {table: {"contribution": self.units} for table in ("pairs", "query", "key")}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`pairs`: the largest, and all others as one; `query` and `key`: what each part adds with all of the other."""
        order = np.argsort(-np.abs(self.contribution), axis=None, kind="stable")
        query, key = np.unravel_index(order[:MOST_PAIRS], self.contribution.shape)
        rows = {
            "query_part": [self.query_parts[i] for i in query],
            "key_part": [self.key_parts[j] for j in key],
            "contribution": self.contribution[query, key],
        }
        pairs = pd.DataFrame(rows)
        others = float(self.contribution.sum(dtype=np.float64) - pairs["contribution"].sum())
        rest = [("all other pairs", "", others)] if len(order) > MOST_PAIRS else []
        rest += [("distance", "", -self.by_distance)] if self.by_distance else []
        return {
            "pairs": pd.concat([pairs, pd.DataFrame(rest, columns=pairs.columns)], ignore_index=True)
            if rest
            else pairs,
            "query": self._side("query_part", self.query_parts, 1),
            "key": self._side("key_part", self.key_parts, 0),
        }

    def _side(self, column: str, names: tuple[str, ...], over: int) -> pd.DataFrame:
        frame = pd.DataFrame({column: names, "contribution": self.contribution.sum(over)})
        return frame.sort_values("contribution", key=np.abs, ascending=False, kind="stable").reset_index(drop=True)

    def reading(self) -> Reading:
        """The pair that adds most, the score beside the other keys', what works against it, and what is not named."""
        name = f"L{self.layer}H{self.head}"
        query, key = (quoted(self.tokens.texts[pos]) for pos in (self.pos, self.key_pos))
        title = f"{name} looks from {query} at {key}: {self._pair(int(self.contribution.argmax()))}"
        return Reading(
            title,
            (
                f"At {place(self.tokens, self.pos)} it gives {place(self.tokens, self.key_pos)} {percent(self.weight)} "
                f"of its attention, by a score of {signed(self.score)}; all keys have {signed(self.mean_score)} on "
                "average.",
                *self._against(),
                self._unexplained(),
            ),
        )

    def _pair(self, number: int) -> str:
        query, key = np.unravel_index(number, self.contribution.shape)
        adds = signed(float(self.contribution[query, key]))
        return f"“{self.query_parts[query]}” there meets “{self.key_parts[key]}” here and adds {adds}"

    def _against(self) -> list[str]:
        least = int(self.contribution.argmin())
        return [f"Against it: {self._pair(least)}."] if self.contribution.flat[least] < 0 else []

    def _unexplained(self) -> str:
        if self.parts == "components":
            return "Parts are what embeddings, heads and MLPs of earlier layers wrote."
        size = np.abs(self.contribution)
        missed = [name == "SAE error" for name in self.query_parts], [name == "SAE error" for name in self.key_parts]
        share = float(size[np.logical_or.outer(*map(np.asarray, missed))].sum() / size.sum())
        return f"Pairs with what the SAE misses make up {percent(share)} of all sizes: so much no feature explains."


def score_split(
    model: Model,
    prompt: str,
    *,
    layer: int,
    head: int,
    pos: int | None = None,
    key_pos: int | None = None,
    parts: Parts = "auto",
    prepend_bos: bool | None = None,
) -> ScoreSplit:
    """Split one attention score exactly over pairs of parts: aᵢ aⱼ dᵢᵀ W_Q W_Kᵀ dⱼ, errors and biases included.

    With the scales of the norms held at this run's values, queries and keys are sums over the parts of the stream, so
    the score is a sum over pairs. It explains a score, not where attention goes: that depends on the other keys' scores
    too, and what adds alike to all of them changes nothing. Taking a feature or head out shows what the model needs.

    Args:
        model: The model.
        prompt: Text to read.
        layer: Layer of the head.
        head: The head.
        pos: The query's position; None for the last.
        key_pos: The key's position; None for the one that the query reads most, the start token apart.
        parts: ``"features"`` of the SAE on the stream before the layer, or ``"components"``: what embeddings, heads and
            MLPs before it wrote; ``"auto"``: features where there is such an SAE.
        prepend_bos: None follows the model's own habit.

    Returns:
        What each pair adds to the score before any soft cap, and the score beside the mean over all keys.

    Raises:
        InputError: No such head or position, a key after the query, no SAE there; or scores that cannot be taken apart.
    """
    choose(parts, get_args(Parts), "parts", "way to split a score")
    layer, head, tokens = model.layer(layer), model.head(head), model.tokens(prompt, prepend_bos)
    query = model.position(tokens, pos)
    key = None if key_pos is None else model.position(tokens, key_pos, "key_pos")
    if key is not None and key > query:
        raise InputError(f"Position {key} comes after {query}, which cannot read it: choose an earlier one.", "key_pos")
    sae = _sae(model, layer, parts)
    way = scoring(model, layer, len(tokens))
    norm = reading_norm(model, layer)
    own = [hooks.resid_pre(layer), *(site(layer) for site in (hooks.attn_in, hooks.q, hooks.k, hooks.pattern))]
    acts = model.run(tokens, [*own, *(sites(model, layer) if sae is None else [])])
    pattern = acts[hooks.pattern(layer)][head, query]
    key = _most_read(pattern, tokens) if key is None else key
    x = acts[hooks.resid_pre(layer)]
    split = [_parts(model, acts, layer, at, sae, tokens) for at in (query, key)]
    ready = [_read(norm, x[at], part) for at, part in zip((query, key), split, strict=True)]
    q = _queries(model, acts, layer, head, query, ready[0], way)
    k = _keys(model, acts, layer, head, key, ready[1], way)
    pairs = way.scale * way.turn(q[:, None], query)[:, 0] @ way.turn(k[:, None], key)[:, 0].mT
    raw = _scores(model, acts, layer, head, way)[query, : query + 1]
    slope = 0.0 if way.slope is None else float(way.slope[head]) * (query - key)
    score = float(raw[key]) - slope
    off = abs(float(pairs.double().sum()) - slope - score) / max(1.0, abs(score))
    return ScoreSplit(
        model=model.id,
        tokens=tokens,
        layer=layer,
        head=head,
        pos=query,
        key_pos=key,
        parts="components" if sae is None else "features",
        sae="" if sae is None else sae.name,
        query_parts=(*split[0].names, "bias"),
        key_parts=(*split[1].names, "bias"),
        contribution=pairs.numpy(force=True),
        by_distance=slope,
        score=score,
        mean_score=float(raw.mean()) - _mean_slope(way, head, query),
        weight=float(pattern[key]),
        checks=(
            Check("all pairs together are the model’s own score (share of it)", off, 1e-4),
            Check("queries and keys give the model’s own attention (share of the largest score)", way.error, 2e-3),
        ),
    )


def _most_read(pattern: Float[Tensor, " key_pos"], tokens: Tokens) -> int:
    """The key that is read most; the start token only where there is no other."""
    behind = 1 if tokens.has_bos and len(tokens) > 1 and float(pattern[1:].max()) > 0 else 0
    return behind + int(pattern[behind:].argmax())


def _mean_slope(way: Scoring, head: int, query: int) -> float:
    return 0.0 if way.slope is None else float(way.slope[head]) * query / 2


def _sae(model: Model, layer: int, parts: str) -> Sae | None:
    """The SAE on the stream before the layer, where one is wanted and there."""
    if parts == "components":
        return None
    hook = hooks.resid_pre(layer)
    entry = next((one for one in available(model.id) if one.hook == hook and not one.refused), None)
    if entry is None and parts == "features":
        raise InputError(f"There is no SAE on the stream before layer {layer}: split by components.", "parts")
    return None if entry is None else load_sae(model, entry.name or entry.hook)


def _parts(model: Model, acts: Activations, layer: int, pos: int, sae: Sae | None, tokens: Tokens) -> StreamParts:
    if sae is None:
        return by_component(model, acts, layer, pos)
    x = acts[hooks.resid_pre(layer)][pos].float()
    return whole("start token", x) if pos == 0 and tokens.has_bos else by_feature(sae, x)


@torch.no_grad()
def _read(norm: Norm | None, x: Float[Tensor, " d_model"], parts: StreamParts) -> Float[Tensor, "part d_model"]:
    """The parts as attention reads them, its norm's bias as one more."""
    if norm is None:
        return torch.cat((parts.vectors, torch.zeros_like(x)[None].float()))
    read = norm.linear(parts.vectors.to(x.dtype)) / norm.scale(x[None])
    return torch.cat((read, norm.bias[None])).float()


def _queries(
    model: Model, acts: Activations, layer: int, head: int, pos: int, read: Float[Tensor, "part d_model"], way: Scoring
) -> Float[Tensor, "part d_head"]:
    own = acts[hooks.q(layer)][:, head].float()
    return _projected(own, acts[hooks.attn_in(layer)], model.w_q(layer)[head].float(), pos, read, way.q_norm)


def _keys(
    model: Model, acts: Activations, layer: int, head: int, pos: int, read: Float[Tensor, "part d_model"], way: Scoring
) -> Float[Tensor, "part d_head"]:
    own = model.per_head(acts[hooks.k(layer)])[:, head].float()
    return _projected(own, acts[hooks.attn_in(layer)], model.w_k(layer)[head].float(), pos, read, way.k_norm)


@torch.no_grad()
def _projected(
    own: Float[Tensor, "pos d_head"],
    entering: Float[Tensor, "pos d_model"],
    w: Float[Tensor, "d_model d_head"],
    pos: int,
    read: Float[Tensor, "part d_model"],
    norm: Norm | None,
) -> Float[Tensor, "part d_head"]:
    """Each part's query or key; the last one is the biases'.

    The projection's bias is what it adds at another position than the one that is split.
    """
    elsewhere = 0 if pos else len(own) - 1
    found = read @ w
    found[-1] += own[elsewhere] - entering[elsewhere].float() @ w
    if norm is None:
        return found
    normed = norm.linear(found) / norm.scale(own[pos][None])
    normed[-1] += norm.bias
    return normed


def _scores(model: Model, acts: Activations, layer: int, head: int, way: Scoring) -> Float[Tensor, "query_pos key_pos"]:
    """The head's own, from what the hooks show, before any cap."""
    q, k = acts[hooks.q(layer)][:, [head]], model.per_head(acts[hooks.k(layer)])[:, [head]]
    return way.uncapped(q.transpose(0, 1).float(), k.transpose(0, 1).float())[0]
