"""What does one head do with what it reads, and what attracts it, by its weights alone?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.heads import circuit
from mi_core.heads.circuit import TOP, Best, Circuit
from mi_core.heads.scoring import Scoring, scoring
from mi_core.heads.weights import Gains, HeadWeights, check_gains, head_weights
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import listed, percent, quoted
from mi_core.result import Check, Reading, check_axes, within

DISTANCES = 24  # positions back that are looked at
CHOSEN = 8  # tokens that ask most sharply, and that are found by most
DIRECTIONS, SPELLED = 5, 5  # singular directions of each circuit, and tokens of each of their ends
COPIES = 0.3  # a copying score from there on, or below its negative, is called copying, or suppressing
STANDS_OUT = 0.5  # of its own score: by so much the best distance is above the mean of all, where it is said
CIRCUITS = {"OV": ("reads", "says"), "QK": ("asks", "is found by")}


@dataclass(frozen=True)
class HeadCircuit:
    """One head's OV and QK circuits as tokens, and what positions alone do to its attention."""

    model: str
    """Id of the model."""
    layer: int
    head: int
    gains: str
    """``"raw"`` or ``"folded"``."""
    distance: int
    """Positions back at which token pairs were scored."""
    turns: bool
    """Whether positions turn queries and keys, so that the pairs depend on the distance."""
    n_tokens: int
    """Tokens of text that the vocabulary has."""
    n_read: int
    """Of these, the ones that were gone through."""
    copying: float
    """Σλ / Σ|λ| of W_E W_V W_O W_U, from −1 to 1."""
    copied: float
    """Share of the tokens that make themselves one of the ten likeliest."""
    token: tuple[str, ...]
    """[pair] The token read."""
    prediction: tuple[str, ...]
    """[pair] What it makes the head say most."""
    effect: Float[np.ndarray, " pair"]
    """[pair] By how much, above the mean over all tokens."""
    query: tuple[str, ...]
    """[asked] The token that asks."""
    key: tuple[str, ...]
    """[asked] The token that attracts it most."""
    attraction: Float[np.ndarray, " asked"]
    """[asked] By how much, above the mean over all tokens: in attention scores."""
    chosen: tuple[str, ...]
    """[end · nth] Tokens that choose most sharply, then tokens that are found by most, flattened."""
    chosen_by: Float[np.ndarray, "end nth"]
    """[end, nth] A query's: the standard deviation of its scores over all keys. A key's: its mean score over all
    queries, above that of the average key."""
    by_distance: Float[np.ndarray, " back"]
    """[distance] The average token's score for itself: what positions alone do."""
    singular_value: Float[np.ndarray, "circuit direction"]
    """[circuit, direction] Of `CIRCUITS`, as a share of the norm (the squares sum to at most 1)."""
    spelled: tuple[str, ...]
    """[circuit · direction · side · place] The tokens along each end of a direction."""
    along: Float[np.ndarray, "circuit direction side place"]
    """[circuit, direction, side, place] How far each token goes along it."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "logits and attention scores, before norms divide"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, pair=len(self.token), asked=len(self.query), circuit=len(CIRCUITS))
        within(self, -1, 1, "copying")
        within(self, 0, 1, "copied", "singular_value")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """What the numbers of its own columns are."""
        score = "attention score, before norms divide"
        return {
            "ov": {"effect": "logits, before norms divide"},
            "qk": {"attraction": score},
            "qk_tokens": {"attraction": score},
            "positions": {"attraction": score},
            "circuit": {"copying": "from −1 to 1", "copied": "share of tokens"},
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """`ov` and `qk`: token pairs; `qk_tokens`: what asks most sharply, and what is found by most, whatever the
        other is; `positions`: by distance; `directions`: tokens of each; `circuit`: one row."""
        place = {"layer": [self.layer], "head": [self.head]}
        return {
            "ov": pd.DataFrame({"token": self.token, "prediction": self.prediction, "effect": self.effect}),
            "qk": pd.DataFrame({"query_token": self.query, "key_token": self.key, "attraction": self.attraction}),
            "qk_tokens": self._tokens(),
            "positions": pd.DataFrame({"distance": range(len(self.by_distance)), "attraction": self.by_distance}),
            "directions": self._directions(),
            "circuit": pd.DataFrame(place | {"copying": [self.copying], "copied": [self.copied]}),
        }

    def _tokens(self) -> pd.DataFrame:
        side, place = (axis.ravel() for axis in np.indices(self.chosen_by.shape))
        sides = np.asarray(CIRCUITS["QK"], dtype=object)[side]
        return pd.DataFrame(
            {"side": sides, "place": place + 1, "token": self.chosen, "attraction": self.chosen_by.ravel()}
        )

    def _directions(self) -> pd.DataFrame:
        which, direction, side, place = (axis.ravel() for axis in np.indices(self.along.shape))
        names = list(CIRCUITS)
        return pd.DataFrame(
            {
                "circuit": [names[i] for i in which],
                "direction": direction + 1,
                "share": np.square(self.singular_value)[which, direction],
                "side": [CIRCUITS[names[i]][j] for i, j in zip(which, side, strict=True)],
                "place": place + 1,
                "token": self.spelled,
                "along": self.along.ravel(),
            }
        )

    def reading(self) -> Reading:
        """Whether it copies, the strongest pairs of both circuits, and what distance does."""
        name = f"L{self.layer}H{self.head}"
        score = f"copying score {self.copying:+.2f}".replace("-", "−")
        if self.copying >= COPIES:
            title = f"{name} copies: what it reads, it makes likelier ({score})"
        elif self.copying <= -COPIES:
            title = f"{name} suppresses: what it reads, it makes less likely ({score})"
        else:
            title = f"{name} neither copies nor suppresses what it reads ({score})"
        return Reading(title, (self._ov(), self._qk(), self._positions(), *self._some()))

    def _ov(self) -> str:
        said = [f"{quoted(a)} makes it say {quoted(b)}" for a, b in zip(self.token[:3], self.prediction, strict=False)]
        return f"{listed(said)}; {percent(self.copied)} of the tokens make it say themselves (among the first {TOP})."

    def _qk(self) -> str:
        said = [f"{quoted(a)} looks for {quoted(b)}" for a, b in zip(self.query[:3], self.key, strict=False)]
        return f"{listed(said)}{f' {self.distance} back' if self.turns else ''}."

    def _positions(self) -> str:
        best = int(self.by_distance.argmax())
        if self.by_distance[best] - self.by_distance.mean() < STANDS_OUT * abs(self.by_distance[best]):
            return "By position alone, whatever the tokens are, no distance draws it more than others."
        where = "its own" if best == 0 else "the one before" if best == 1 else f"{best} back"
        return f"By position alone, whatever the tokens are, it is drawn to {where} most."

    def _some(self) -> list[str]:
        if self.n_read == self.n_tokens:
            return []
        return [f"Pairs are those of {self.n_read:,} tokens drawn from the vocabulary’s {self.n_tokens:,}."]


def head_circuit(
    model: Model,
    *,
    layer: int,
    head: int,
    gains: Gains = "raw",
    distance: int = 1,
    top_k: int = 15,
    progress: Progress = silent,
) -> HeadCircuit:
    """Read one head's weights through the vocabulary, without any text.

    OV, W_E W_V W_O W_U: what each token, once read, makes the head say. QK, W_E W_Q W_Kᵀ W_Eᵀ: which token each token
    looks for, and which tokens choose most sharply or attract most whatever the other is; positions apart, or for
    models that turn queries and keys (rotary) at a chosen distance. Each token's best partner, the strongest first;
    numbers are above the mean over all partners, which alone changes anything. The copying score is Σλ / Σ|λ| of the OV
    circuit's eigenvalues (Elhage et al. 2021). This is what the head would do with the embeddings themselves: what
    earlier layers add to them, and biases, are left out.

    Args:
        model: The model.
        layer: Layer of the head.
        head: The head.
        gains: ``"raw"``: the matrices as they are. ``"folded"``: with the gains of the norms before attention and
            before the unembedding multiplied in.
        distance: Positions back of the key, for models that turn queries and keys; from 0 to 23, or what the context
            has.
        top_k: Pairs of each circuit, from 1 to 100.
        progress: Called as the vocabulary is gone through.

    Returns:
        Pairs of tokens, what distance does, both circuits' strongest singular directions as tokens, the copying score,
        and the share of tokens that raise themselves among the first ten.

    Raises:
        InputError: No such head, a bad distance or top_k; or the model's heads are not made of such matrices.
    """
    check_gains(gains)
    layer, head = model.layer(layer), model.head(head)
    n_back = min(DISTANCES, model.n_ctx)
    for name, value, low, most in (("distance", distance, 0, n_back - 1), ("top_k", top_k, 1, 100)):
        if not low <= value <= most:
            raise InputError(f"{name.capitalize()} must be from {low} to {most}: choose another number.", name)
    heads, way = head_weights(model, layer, gains), scoring(model, layer, n_back)
    tokens = torch.tensor(model.text_ids, device=model.device)
    both = (
        circuit.ov(model, heads, head, tokens, gains),
        circuit.qk(model, heads, head, tokens, way, distance),
    )
    says, asks = _gone_through(both, progress)
    best, asked = (one.above_mean.topk(min(top_k, len(one.token))) for one in (says, asks))

    def texts(which: Int[Tensor, " some"]) -> tuple[str, ...]:
        return tuple(model.texts(tokens[which].tolist()))

    ends = [one.topk(min(CHOSEN, len(tokens))) for one in (both[1].sharpness(), both[1].mean_over_left())]
    singular, spelled, along = _directions(model, heads, head, tokens, gains, way, distance)
    return HeadCircuit(
        model=model.id,
        layer=layer,
        head=head,
        gains=gains,
        distance=distance,
        turns=way.cos is not None,
        n_tokens=len(tokens),
        n_read=len(says.token),
        copying=both[0].copying(),
        copied=float((says.own_rank <= TOP).float().mean()),
        token=texts(says.token[best.indices]),
        prediction=texts(says.best[best.indices]),
        effect=best.values.numpy(force=True),
        query=texts(asks.token[asked.indices]),
        key=texts(asks.best[asked.indices]),
        attraction=asked.values.numpy(force=True),
        chosen=tuple(text for end in ends for text in texts(end.indices)),
        chosen_by=torch.stack([end.values for end in ends]).numpy(force=True),
        by_distance=circuit.by_distance(model, heads, head, tokens, way, n_back).numpy(force=True),
        singular_value=singular,
        spelled=spelled,
        along=along,
        checks=_checks(model, heads, head, tokens, gains, both, way),
    )


def _gone_through(both: tuple[Circuit, Circuit], progress: Progress) -> tuple[Best, Best]:
    found: list[Best] = []
    for number, one in enumerate(both):
        parts = []
        for done, total, part in circuit.strongest(one):
            parts.append(part)
            progress(number * total + done, 2 * total)
        found.append(circuit.joined(parts))
    return found[0], found[1]


def _directions(
    model: Model,
    heads: HeadWeights,
    head: int,
    tokens: Int[Tensor, " token"],
    gains: str,
    way: Scoring,
    distance: int,
) -> tuple[Float[np.ndarray, "circuit direction"], tuple[str, ...], Float[np.ndarray, "circuit direction side place"]]:
    """The strongest singular directions of W_V W_O and W_Q W_Kᵀ, as the tokens that lie furthest along their ends."""
    read, said = circuit.read_as(model, tokens), circuit.said_as(model, tokens, gains)
    q, k = way.turned_matrices(heads.w_q[head], heads.w_k[head], distance)
    shares, names, along = [], [], []
    for left, right, sides in ((heads.w_v[head], heads.w_o[head], (read, said)), (q, k.mT, (read, read))):
        ends = circuit.directions(left, right, DIRECTIONS)
        shares.append(ends[1] / (left @ right).norm())
        for u, v in zip(ends[0], ends[2], strict=True):
            far = [sides[0] @ u, sides[1] @ v]
            sign = far[0][far[0].abs().argmax()].sign()  # of both at once: the side it reads more tells which
            for one in far:
                most = (one * sign).topk(min(SPELLED, len(tokens)))
                names += model.texts(tokens[most.indices].tolist())
                along.append(most.values)
    n = min(DIRECTIONS, heads.w_v.shape[-1], heads.w_q.shape[-1])
    return (
        torch.stack([share[:n] for share in shares]).clamp(max=1).numpy(force=True),
        tuple(names),
        torch.stack(along).reshape(len(CIRCUITS), n, 2, -1).numpy(force=True),
    )


def _checks(
    model: Model,
    heads: HeadWeights,
    head: int,
    tokens: Int[Tensor, " token"],
    gains: str,
    both: tuple[Circuit, Circuit],
    way: Scoring,
) -> tuple[Check, ...]:
    own, core = float(both[0].own().double().sum()), float(both[0].core().trace())
    size = float(both[0].own().double().abs().sum()) or 1.0
    random = np.random.default_rng(0).integers(len(tokens), size=(2, 3))
    says = circuit.said_as(model, tokens[random[1]], gains)
    dense = circuit.read_as(model, tokens[random[0]]) @ (heads.w_v[head] @ heads.w_o[head]) @ says.mT
    factored = both[0].left[random[0]] @ both[0].right[random[1]].mT
    off = float((dense - factored).abs().max()) / (float(dense.abs().max()) or 1.0)
    return (
        Check("the small product’s trace is the sum of what every token does to itself (share of its size)",
              abs(own - core) / size, 1e-5),
        Check("three pairs are those of the whole matrices (share of the largest)", off, 1e-4),
        Check("queries and keys give the model’s own attention (share of the largest score)", way.error, 2e-3),
    )  # fmt: skip
