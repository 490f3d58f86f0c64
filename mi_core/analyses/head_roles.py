"""What does each attention head always look at?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.heads import profile
from mi_core.heads.profile import IN_TEXT, Measured, measured
from mi_core.heads.roles import FIRST, ROLES, Repeated, Role, even, repeated, shares
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import listed, percent
from mi_core.result import Check, Reading, check_axes, within
from mi_core.text.corpus import TextFile, read_texts
from mi_core.text.sample import TEXTS
from mi_core.text.sampled import start

MOST_BYTES = 128 * 2**20  # of patterns held at once
PERIOD = 50  # tokens, where the context holds twice as many
CLEAR = 0.4  # of its attention: from there on a head has a role
MOST_NAMED = 12  # heads above a threshold
BINS = 10  # of a score, from 0 to 1
NAMED, EXAMPLES = 3, 3  # heads of a role that a sentence names; excerpts of each head in the table


@dataclass(frozen=True)
class HeadRoles:
    """The share of attention that each head gives to what a role asks for: on random tokens, and in text."""

    model: str
    """Id of the model."""
    layers: tuple[int, ...]
    """[layer] Numbers of the layers with heads."""
    rows: int
    """Rows of random tokens."""
    period: int
    """Different tokens of each, which come twice."""
    random: Float[np.ndarray, "role layer head"]
    """[role, layer, head] Share of attention on random tokens, for `ROLES`."""
    random_even: Float[np.ndarray, " role"]
    """[role] What even attention scores there."""
    file: str
    """Name of the file with texts; "" for the sample that comes with Loupe."""
    excerpts: tuple[str, ...]
    """[excerpt] What was read of it."""
    n_tokens: int
    """Tokens of all of them."""
    text: Float[np.ndarray, "excerpt text_role layer head"]
    """[excerpt, role, layer, head] Share of attention in each, for `IN_TEXT`; NaN where nothing comes again."""
    weight: Float[np.ndarray, "excerpt text_role"]
    """[excerpt, role] Tokens that each of these is a mean of."""
    text_even: Float[np.ndarray, "excerpt text_role"]
    """[excerpt, role] What even attention scores there."""
    entropy: Float[np.ndarray, "excerpt layer head"]
    """[excerpt, layer, head] Bits: how spread out attention is."""
    distance: Float[np.ndarray, "excerpt layer head"]
    """[excerpt, layer, head] Tokens: how far back it goes, on average."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "share of attention; bits; tokens"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, role=len(ROLES), text_role=len(IN_TEXT), layer=len(self.layers), excerpt=len(self.excerpts))
        within(self, 0, 1, "random", "random_even", "text", "text_even")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Scores are shares of attention, whatever the table."""
        scores = {"score": "share of attention", "even": "share of attention"}
        return {"scores": scores, "text": scores, "examples": scores, "spread": {"distance": "tokens"},
                "histogram": dict.fromkeys(("from_score", "to_score"), "share of attention")}  # fmt: skip

    @property
    def clearest(self) -> tuple[int, int]:
        """Layer and head of the clearest role."""
        _, layer, head = np.unravel_index(int(self.random.argmax()), self.random.shape)
        return self.layers[layer], int(head)

    @property
    def in_text(self) -> Float[np.ndarray, "text_role layer head"]:
        """[role, layer, head] Share of attention over all excerpts; NaN where nothing comes again in any."""
        return _mean(self.text, self.weight[:, :, None, None])

    def tables(self) -> dict[str, pd.DataFrame]:
        """`scores`: on random tokens; `text`: in text; `spread` there; `examples`: each head’s clearest excerpts;
        `histogram`: how many excerpts each head gives how much."""
        return {
            "scores": self._scored(ROLES, self.random, self.random_even),
            "text": self._scored(IN_TEXT, self.in_text, _mean(self.text_even, self.weight)),
            "spread": self._spread(),
            "examples": self._examples(),
            "histogram": self._histogram(),
        }

    def _scored(
        self, roles: tuple[Role, ...], score: Float[np.ndarray, "r layer head"], evenly: Float[np.ndarray, " r"]
    ) -> pd.DataFrame:
        role, layer, head = (axis.ravel() for axis in np.indices(score.shape))
        frame = pd.DataFrame(
            {
                "layer": np.asarray(self.layers)[layer],
                "head": head,
                "role": np.asarray([one.name for one in roles], dtype=object)[role],
                "score": score.ravel(),
            }
        )
        frame["rank"] = frame.groupby("role")["score"].rank(ascending=False, method="min")
        frame = frame.assign(even=np.asarray(evenly)[role]).dropna(subset=["score"]).reset_index(drop=True)
        return frame.astype({"rank": int})

    def _spread(self) -> pd.DataFrame:
        layer, head = (axis.ravel() for axis in np.indices(self.random.shape[1:]))
        length = self.weight[:, -1][:, None, None]  # of what every token counts for
        columns = {"layer": np.asarray(self.layers)[layer], "head": head}
        for name, value in (("entropy", self.entropy), ("distance", self.distance)):
            mean = pd.Series(_mean(value, length).ravel())
            columns |= {name: mean, f"{name}_rank": mean.rank(ascending=False, method="min")}
        return pd.DataFrame(columns).dropna().astype({"entropy_rank": int, "distance_rank": int})

    def _examples(self) -> pd.DataFrame:
        order = np.argsort(-np.nan_to_num(self.text, nan=-1.0), axis=0, kind="stable")[:EXAMPLES]
        place, role, layer, head = (axis.ravel() for axis in np.indices(order.shape))
        excerpt = order.ravel()
        columns = {
            "layer": np.asarray(self.layers)[layer],
            "head": head,
            "role": np.asarray([one.name for one in IN_TEXT], dtype=object)[role],
            "place": place + 1,
            "score": self.text[excerpt, role, layer, head],
            "excerpt": np.asarray([*self.excerpts, ""], dtype=object)[excerpt],
        }
        frame = pd.DataFrame(columns).sort_values(["layer", "head", "role", "place"], kind="stable")
        return frame.dropna(subset=["score"]).reset_index(drop=True)

    def _histogram(self) -> pd.DataFrame:
        """How many excerpts each score of a head falls on; those in which nothing comes again have none."""
        bins = np.clip(np.nan_to_num(self.text * BINS, nan=-1.0).astype(int), -1, BINS - 1)
        count = np.stack([(bins == number).sum(0) for number in range(BINS)], -1)
        role, layer, head, number = (axis.ravel() for axis in np.indices(count.shape))
        return pd.DataFrame(
            {
                "layer": np.asarray(self.layers)[layer],
                "head": head,
                "role": np.asarray([one.name for one in IN_TEXT], dtype=object)[role],
                "from_score": number / BINS,
                "to_score": (number + 1) / BINS,
                "excerpts": count.ravel(),
            }
        )

    def above(self, role: str, measured: str, least: float) -> str:
        """The heads that give a role at least so much, in a sentence.

        Args:
            role: Name of the role.
            measured: ``"random"`` tokens, or ``"text"``.
            least: Share of attention.
        """
        scores = self.tables()["scores" if measured == "random" else "text"]
        scores = scores.loc[scores["role"] == role].sort_values("score", ascending=False, kind="stable")
        clear = scores.loc[scores["score"] >= least]
        said = [f"L{one.layer}H{one.head} ({percent(one.score)})" for one in clear.head(MOST_NAMED).itertuples()]
        said += [f"{len(clear) - MOST_NAMED} more"] if len(clear) > MOST_NAMED else []
        give = "gives it at least {} of its" if len(clear) == 1 else "give it at least {} of their"
        which = f"{len(clear)} of {len(scores)} heads {give.format(f'{least:.0%}')} attention"
        return f"{which}: {listed(said)}." if said else f"{which}."

    def reading(self) -> Reading:
        """How many heads have a clear role, which is clearest, who has which, and whether it holds in text."""
        own = self.random[[role is not FIRST for role in ROLES]]
        n_clear, n_heads = int((own >= CLEAR).any(0).sum()), own[0].size
        role, layer, head = np.unravel_index(int(self.random.argmax()), self.random.shape)
        best = (
            f"{self._name(int(layer), int(head))}, which {ROLES[role].does} ({percent(self.random[role, layer, head])})"
        )
        title = f"{n_clear} of {n_heads} heads have a clear role; the clearest is {best}"
        if self.random.max() < CLEAR:
            title = f"No head has a clear role on random tokens; the nearest is {best}"
        return Reading(title, (*self._who(), self._method(), *self._in_text()))

    def _name(self, layer: int, head: int) -> str:
        return f"L{self.layers[layer]}H{head}"

    def _who(self) -> list[str]:
        told = []
        for role, score in zip(ROLES, self.random, strict=True):
            clear = [int(i) for i in np.argsort(-score, axis=None) if score.flat[i] >= CLEAR]
            if clear:
                names = [self._name(*divmod(i, score.shape[1])) for i in clear[:NAMED]]
                names += [f"{len(clear) - NAMED} more"] if len(clear) > NAMED else []
                told.append(f"{listed(names)} {_plural(role, len(clear))}")
        return [f"{'; '.join(told)}."] if told else []

    def _method(self) -> str:
        return (
            f"Measured on {self.rows} rows of {self.period} random tokens that come twice, where only the place of a "
            f"token can attract a head: a head that looks everywhere alike gives a token "
            f"{percent(float(self.random_even.max()))} at most."
        )

    def _in_text(self) -> list[str]:
        if not self.excerpts:
            return []
        where = f"{len(self.excerpts)} excerpts of {self.file or 'the sample that comes with Loupe'}"
        best = []
        for role, score in zip(IN_TEXT, self.in_text, strict=True):
            if role is not FIRST and not np.isnan(score).all():
                layer, head = np.unravel_index(int(np.nanargmax(score)), score.shape)
                best.append(f"{self._name(int(layer), int(head))} {role.does} most ({percent(score[layer, head])})")
        return [f"In ordinary text ({where}, {self.n_tokens:,} tokens) {listed(best)}."]


def _plural(role: Role, n: int) -> str:
    verb, rest = role.does.split(" ", 1)
    return f"{verb if n == 1 else verb.removesuffix('s')} {rest.replace('its own', 'their own') if n > 1 else rest}"


def _mean(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Over all excerpts, each weighing as much as it has tokens; NaN where there are none."""
    whole = np.broadcast_to(weight, value.shape).sum(0)
    known = (np.nan_to_num(value) * weight).sum(0)
    return np.divide(known, whole, out=np.full_like(known, np.nan), where=whole > 0)


def head_roles(
    model: Model,
    *,
    file: TextFile = "",
    excerpts: int = 64,
    rows: int = 16,
    period: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> HeadRoles:
    """Measure what every head looks at, by its attention.

    On random tokens that come twice: to the token before (previous token), to what followed the token's first
    occurrence, from its second (induction), to that occurrence itself (duplicate token), to the first position, and to
    the token's own; each a mean over all queries that have such a key. All heads in one pass (Olsson et al. 2022). In
    text the same where it applies; induction there is all the attention to whatever followed an earlier occurrence of
    the same token. A pattern is not a purpose: ablation shows whether the model needs the head.

    Args:
        model: The model.
        file: Texts to look at beside: text (.txt), a table with a column `text` (.csv, .tsv) or JSON lines (.jsonl), at
            most 50 MB; none for the sample that comes with Loupe.
        excerpts: How many excerpts of at most 128 tokens are read of it, from 1 to 1,000.
        rows: Rows of random tokens, from 1 to 256.
        period: Different tokens of each; None for 50, or what fits the context.
        seed: Of the random tokens.
        progress: Called after every pass.

    Returns:
        Shares of attention from 0 to 1, each with its rank among all heads and what even attention would score; in
        text also the entropy of attention in bits, how many tokens back it goes, and each head's clearest excerpts.

    Raises:
        InputError: No head's attention can be seen; the rows do not fit the context; the file cannot be read.
    """
    layers = model.layers(hooks.pattern)
    fits = (model.n_ctx - len(start(model))) // 2
    period = min(PERIOD, fits, len(model.text_ids)) if period is None else period
    _check(model, fits, excerpts=excerpts, rows=rows, period=period)
    texts = read_texts(Path(file)) if file else TEXTS
    batches = _batches(model, layers, profile.excerpts(model, texts, excerpts))
    drawn = repeated(model, rows, period, seed)
    random, over = _random(model, layers, drawn)
    progress(1, len(batches) + 1)
    found: list[Measured] = []
    for done in range(1, len(batches) + 1):
        ids = model.rows(batches[done - 1])
        acts = model.run_ids(ids, map(hooks.pattern, layers))
        found.append(measured([acts[hooks.pattern(layer)] for layer in layers], ids, drawn.first))
        known = _result(model, layers, drawn, random, over, Path(file).name, batches[:done], found)
        if done < len(batches):
            progress(done + 1, len(batches) + 1, known)
    progress(len(batches) + 1, len(batches) + 1)
    return known


def _check(model: Model, fits: int, **given: int) -> None:
    known = len(model.text_ids)
    for name, most in (("excerpts", 1000), ("rows", 256), ("period", min(fits, known))):
        if not 1 <= given[name] <= most:
            why = ", twice in the context," if name == "period" else ""
            raise InputError(f"{name.capitalize()}{why} must be from 1 to {most:,}: choose another number.", name)


def _batches(model: Model, layers: tuple[int, ...], rows: list[list[int]]) -> list[list[list[int]]]:
    """Rows of equal length together, as many as keep the patterns within bounds."""
    batches: list[list[list[int]]] = []
    for row in rows:
        most = max(1, MOST_BYTES // (4 * len(layers) * model.n_heads * len(row) ** 2))
        if batches and len(batches[-1][0]) == len(row) and len(batches[-1]) < most:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _random(model: Model, layers: tuple[int, ...], drawn: Repeated) -> tuple[Float[Tensor, "role layer head"], float]:
    """What each head gives to each role, and by how much a row of attention is over 1."""
    parts, over = [], 0.0
    for rows in _batches(model, layers, drawn.ids.tolist()):
        acts = model.run_ids(model.rows(rows), map(hooks.pattern, layers))
        seen = [acts[hooks.pattern(layer)].float() for layer in layers]
        over = max(over, *(float(pattern.sum(-1).max()) - 1 for pattern in seen))
        parts.append(torch.stack([torch.stack([shares(p, *drawn.places(role)) for p in seen], 1) for role in ROLES], 1))
    return torch.cat(parts).mean(0), over


def _result(
    model: Model,
    layers: tuple[int, ...],
    drawn: Repeated,
    random: Float[Tensor, "role layer head"],
    over: float,
    file: str,
    batches: list[list[list[int]]],
    found: list[Measured],
) -> HeadRoles:
    rows = [row for batch in batches for row in batch]

    def whole(name: str) -> np.ndarray:
        return torch.cat([getattr(batch, name) for batch in found]).float().numpy(force=True)

    return HeadRoles(
        model=model.id,
        layers=layers,
        rows=len(drawn.ids),
        period=drawn.period,
        random=random.float().numpy(force=True),
        random_even=np.asarray([even(drawn.places(role)[0]) for role in ROLES], dtype=np.float32),
        file=file,
        excerpts=tuple(model.tokenizer.decode(row[drawn.first :]).strip() for row in rows),
        n_tokens=sum(len(row) - drawn.first for row in rows),
        text=whole("shares"),
        weight=whole("weight"),
        text_even=whole("even"),
        entropy=whole("entropy"),
        distance=whole("distance"),
        checks=(Check("no head gives away more than all of its attention", max(0.0, over), 1e-4),),
    )
