"""What does the model write, and what happens inside each step?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mi_core.attribution import leads, written
from mi_core.attribution.logit_parts import obstacle
from mi_core.errors import InputError, shortened
from mi_core.lenses.steps import StepsLens, steps_lens
from mi_core.metrics import distribution
from mi_core.metrics.lens import settled
from mi_core.metrics.target import Target
from mi_core.models.model import Activations, Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens, encode, visible
from mi_core.phrases import after_layer, entropy_in_words, percent, place, quoted, signed
from mi_core.result import Check, Reading, check_axes, same_length, within
from mi_core.saes.features import check_top_k, feature_name, kept_positions, share
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import notes
from mi_core.saes.sae import Sae
from mi_core.text.generation import check_length, continuation, generate

SHOWN = 48  # characters of the text that the title shows


@dataclass(frozen=True)
class Writing:
    """A text that the model wrote, and each of its tokens seen from inside the step that wrote it."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] The prompt, and what was written after it."""
    n_prompt: int
    """How many of the tokens are the prompt: the position of the first that was written."""
    temperature: float
    """0 took the likeliest token at every step."""
    seed: int
    """Of the draws."""
    so_far: tuple[str, ...]
    """[step] All that was written, this token included."""
    rereads: Bool[np.ndarray, " step"]
    """[step] Whether prompt and text so far, read anew, are these very tokens."""
    probability: Float[np.ndarray, " step"]
    """[step] What the model gave the token, at temperature 1."""
    rank: Int[np.ndarray, " step"]
    """[step] Its place among the model's guesses, 1 for the likeliest."""
    surprisal: Float[np.ndarray, " step"]
    """[step] Bits: how unexpected it was."""
    entropy: Float[np.ndarray, " step"]
    """[step] Bits: doubt before it was written."""
    guess_ids: Int[np.ndarray, "step k"]
    """[step, k] The likeliest tokens, best first."""
    guesses: tuple[str, ...]
    """[step · k] Their texts, flattened."""
    guess_probability: Float[np.ndarray, "step k"]
    """[step, k] Their probabilities."""
    lens: StepsLens | None
    """[stage, step] What each layer reads at the position before; None where layers cannot be read as logits."""
    lens_guesses: tuple[str, ...]
    """[stage · step] Texts of the lens' top guesses, flattened."""
    head_layers: Int[np.ndarray, "step head"]
    """[step, head] Layers of the strongest heads, the largest push first; −1 where there are fewer."""
    head_numbers: Int[np.ndarray, "step head"]
    """[step, head] Their numbers within the layer."""
    head_contribution: Float[np.ndarray, "step head"]
    """[step, head] Logits that each adds to the written token, before any soft cap; NaN where there are fewer."""
    sae: str | None
    """Name of the SAE whose features are read; None without one."""
    feature_ids: Int[np.ndarray, "step feature"]
    """[step, feature] The strongest features at the position before; −1 where fewer are active."""
    activations: Float[np.ndarray, "step feature"]
    """[step, feature] Their activations; NaN where fewer are active."""
    shares: Float[np.ndarray, "step feature"]
    """[step, feature] Share of each feature's largest known activation; NaN where that is not known."""
    labels: tuple[str, ...]
    """[step · feature] Their labels, flattened; empty where there is none."""
    remarks: tuple[str, ...]
    """Where the text ended before its time, and what this model cannot show, in sentences."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "probability, bits (entropy, surprisal, KL), logits, activation"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, step=len(self.tokens) - self.n_prompt)
        same_length(self, "rereads", "so_far")
        within(self, 0, 1, "probability", "guess_probability")

    @property
    def text(self) -> str:
        """What was written."""
        return self.so_far[-1]

    @property
    def least_sure(self) -> int:
        """The position of the token before which the doubt was greatest."""
        return self.n_prompt + int(self.entropy.argmax())

    def tables(self) -> dict[str, pd.DataFrame]:
        """`steps`: a row per written token. `guesses`, `lens`, `heads`, `features`: what is inside each step.

        `pos` is where the written token stands; each is read at the position before it.
        """
        return {
            "steps": self._steps(),
            "guesses": self._guesses(),
            "lens": self._lens(),
            "heads": self._heads(),
            "features": self._features(),
        }

    def _axes(self, step: np.ndarray) -> dict[str, Any]:
        pos = step + self.n_prompt
        return {"pos": pos, "token": np.asarray(self.tokens.texts, dtype=object)[pos]}

    def _steps(self) -> pd.DataFrame:
        return pd.DataFrame(
            self._axes(np.arange(len(self.so_far)))
            | {
                "token_id": self.tokens.ids[self.n_prompt :],
                "probability": self.probability,
                "rank": self.rank,
                "surprisal": self.surprisal,
                "entropy": self.entropy,
                "rereads": self.rereads,
                "text": self.so_far,
            }
        )

    def _guesses(self) -> pd.DataFrame:
        step, rank = (axis.ravel() for axis in np.indices(self.guess_ids.shape))
        numbers = {"prediction_id": self.guess_ids.ravel(), "probability": self.guess_probability.ravel()}
        return pd.DataFrame(self._axes(step) | {"rank": rank + 1, "prediction": self.guesses} | numbers)

    def _lens(self) -> pd.DataFrame:
        names = ("probability", "target_probability", "target_rank", "entropy", "kl_to_final")
        n_stages = 0 if self.lens is None else len(self.lens.target_rank)
        layer, step = (axis.ravel() for axis in np.indices((n_stages, len(self.so_far))))
        stage = np.where(layer == n_stages - 1, "resid_post", "resid_pre").astype(object)
        numbers = {name: getattr(self.lens, name).ravel() if self.lens else np.zeros(0) for name in names}
        return pd.DataFrame(
            self._axes(step) | {"layer": layer, "stage": stage, "prediction": list(self.lens_guesses)} | numbers
        )

    def _heads(self) -> pd.DataFrame:
        step, rank = (axis.ravel() for axis in np.indices(self.head_layers.shape))
        layer, head = self.head_layers.ravel(), self.head_numbers.ravel()
        names = [f"L{a}H{b}" for a, b in zip(layer, head, strict=True)]
        columns = {"rank": rank + 1, "component": names, "layer": layer, "head": head}
        frame = pd.DataFrame(self._axes(step) | columns | {"contribution": self.head_contribution.ravel()})
        return frame.loc[layer >= 0].reset_index(drop=True)

    def _features(self) -> pd.DataFrame:
        step, rank = (axis.ravel() for axis in np.indices(self.feature_ids.shape))
        ids = self.feature_ids.ravel()
        columns = {"rank": rank + 1, "feature": ids, "activation": self.activations.ravel()}
        more = {"share_of_max": self.shares.ravel(), "label": np.asarray(self.labels, dtype=object)}
        return pd.DataFrame(self._axes(step) | columns | more).loc[ids >= 0].reset_index(drop=True)

    def reading(self) -> Reading:
        """What was written, and where the model was least sure; how early its tokens were settled."""
        pos = self.least_sure
        title = f"It writes {self._shown()} and is least sure at {place(self.tokens, pos)}"
        return Reading(title, (self._doubt(pos), *self._surest(pos), *self._settled(), *self.remarks))

    def about(self, pos: int) -> tuple[str, ...]:
        """The step that wrote the token at `pos`, in sentences: how sure, when it was settled, and who pushed it."""
        row, said = pos - self.n_prompt, []
        if self.lens is not None:
            said.append(_by_layer(self.lens.target_rank[:, row]))
        if self.head_layers.shape[1] and self.head_layers[row, 0] >= 0:
            name, push = f"L{self.head_layers[row, 0]}H{self.head_numbers[row, 0]}", self.head_contribution[row, 0]
            verb = "pushes it up" if push > 0 else "holds it down"
            said.append(f"Of the heads alone, {name} {verb} most: {signed(push)} logits.")
        if self.feature_ids.shape[1] and self.feature_ids[row, 0] >= 0:
            name = feature_name(int(self.feature_ids[row, 0]), self.labels[row * self.feature_ids.shape[1]])
            said.append(f"{name} is strongest where it was predicted.")
        return (self._doubt(pos), *said)

    def _shown(self) -> str:
        text = " ".join(self.text.split()) or visible(self.text)
        return f"“{shortened(text, SHOWN)}”"

    def _doubt(self, pos: int) -> str:
        row = pos - self.n_prompt
        guess = "its top guess" if self.rank[row] == 1 else f"its guess number {self.rank[row]:,}"
        return (
            f"Before {quoted(self.tokens.texts[pos])} it {entropy_in_words(self.entropy[row])}; the token has "
            f"{percent(self.probability[row])} and is {guess}."
        )

    def _surest(self, least: int) -> tuple[str, ...]:
        row = int(self.entropy.argmin())
        if row + self.n_prompt == least:
            return ()
        at = place(self.tokens, row + self.n_prompt)
        return (f"It is surest at {at}, which has {percent(self.probability[row])}.",)

    def _settled(self) -> tuple[str, ...]:
        """By which layer half of the tokens have become the lens' top guess to stay."""
        if self.lens is None:
            return ()
        n_stages, n_steps = self.lens.target_rank.shape
        layer = sorted(settled(self.lens.target_rank[:, step]) for step in range(n_steps))[(n_steps - 1) // 2]
        if layer in (0, n_stages) or n_steps < 2:
            return ()
        return (f"Half of its tokens are the lens' top guess to stay {after_layer(layer, n_stages - 1)} or earlier.",)


def writing(
    model: Model,
    prompt: str,
    *,
    max_new_tokens: int = 20,
    temperature: float = 0.0,
    seed: int = 0,
    sae: str | None = None,
    top_k: int = 5,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Writing:
    """Let the model go on from a prompt, and look into every step: guesses, doubt, lens, heads and features.

    The text is written token by token with the keys and values of earlier tokens kept. Then one plain run over prompt
    and text shows every step at once: attention looks back only, so what stands at a position does not depend on what
    was written after it. Each step is read at the position before its token, where it was predicted: by the logit lens
    (nostalgebraist 2020; norm recomputed), by the heads' direct contributions to the token's logit (Elhage et al.
    2021), and by a sparse autoencoder where the model has one. These say what was there, not what was needed: knock a
    head out to see that.

    Args:
        model: The model.
        prompt: Text to continue.
        max_new_tokens: The most tokens to write; fewer where the context or the text ends.
        temperature: 0 takes the likeliest token; 1 draws from the model's own distribution. Probabilities are always
            those of the model itself, at temperature 1.
        seed: Of the draws.
        sae: Hook name of the SAE to read; None for the middle one of those in the model's folder, if there is one.
        top_k: How many guesses, heads and features to keep per step.
        prepend_bos: None follows the model's own habit.
        progress: Called after every token with (done, total, text so far).

    Returns:
        Probabilities from 0 to 1, entropy, surprisal and KL(final ‖ layer) in bits, contributions in logits before any
        soft cap, activations in the SAE's units.

    Raises:
        InputError: A bad prompt, length, temperature, SAE or top_k; or a text that ends before its first token.
    """
    check_length(max_new_tokens)
    distribution.check_top_k(top_k, model.d_vocab)
    tokens = model.tokens(prompt, prepend_bos)
    opened = load_sae(model, sae) if sae else leads.ready_sae(model)
    if opened is not None:
        check_top_k(top_k, opened)
    room = _room(model, len(tokens))
    options = {"temperature": temperature, "seed": seed, "max_new_tokens": min(max_new_tokens, room)}
    ids, kept = _write(model, tokens, progress, max_new_tokens, **options)
    wanted = [*(model.resid_names() if not _unread(model) else ()), *([opened.hook] if opened else [])]
    wanted += written.sites(model) if not obstacle(model) else []
    positions = list(range(len(tokens) - 1, len(tokens) + len(ids) - 1))
    seen = model.rows([(*tokens.ids, *ids[:-1])])
    acts = model.run_ids(seen, dict.fromkeys(wanted), logits="all")
    acts = Activations({name: value[0] for name, value in acts.sites.items()}, acts.logits[0])
    logits = acts.logits[positions].float()
    ended = len(ids) < min(max_new_tokens, room)
    at_end = ["The model ended the text there."] if ended else []
    at_end += ["The text ends where the model's context ends."] if room == len(ids) < max_new_tokens else []
    numbers, checks = _numbers(model, logits, ids, kept, temperature, top_k)
    lens = _lens(model, acts, logits, positions, ids)
    heads, heads_check = _heads(model, acts, positions, ids, top_k)
    no_heads = [] if heads_check else [_no_heads(model)]
    so_far = tuple(continuation(model, tokens.ids, ids[: n + 1]) for n in range(len(ids)))
    return Writing(
        model=model.id,
        tokens=_with(model, tokens, ids),
        n_prompt=len(tokens),
        temperature=temperature,
        seed=seed,
        so_far=so_far,
        rereads=np.array([_rereads(model, prompt + text, tokens, ids[: n + 1]) for n, text in enumerate(so_far)]),
        lens=lens,
        lens_guesses=() if lens is None else tuple(model.texts(lens.prediction_ids.ravel())),
        **numbers,
        **heads,
        **_features(opened, acts, positions, kept_positions(tokens), top_k),
        remarks=(*at_end, *filter(None, [_unread(model), *no_heads])),
        checks=(*checks, *_lens_check(lens), *heads_check),
    )


def _by_layer(rank: Int[np.ndarray, " stage"]) -> str:
    """When a token becomes the lens' top guess to stay, or how high it comes."""
    first, n_layers = settled(rank), len(rank) - 1
    if first > n_layers:
        best = int(rank.argmin())
        return f"It is not the top guess in the end; its best rank is {rank[best]:,}, {after_layer(best, n_layers)}."
    verb = "becomes" if first else "is"
    return f"It {verb} the lens' top guess to stay {after_layer(first, n_layers)}."


def _with(model: Model, tokens: Tokens, ids: list[int]) -> Tokens:
    """The prompt, and what was written after it."""
    special = set(model.tokenizer.all_special_ids)
    return Tokens(
        ids=(*tokens.ids, *ids),
        texts=(*tokens.texts, *model.texts(ids)),
        special=(*tokens.special, *(token_id in special for token_id in ids)),
        has_bos=tokens.has_bos,
    )


def _room(model: Model, n_prompt: int) -> int:
    """Tokens that can be written so that one plain run reads them as they were written."""
    turn = model.turns_at
    return (model.n_ctx if turn is None or n_prompt > turn else turn) - n_prompt + 1


def _write(model: Model, tokens: Tokens, report: Progress, total: int, **options: Any) -> tuple[list[int], list[float]]:
    """The written tokens, and the log-probability in nats that each had as it was written."""
    ids: list[int] = []
    kept: list[float] = []
    for step in generate(model, tokens.ids, 1, **options):
        if step.ids[0] is None:
            break
        ids.append(step.ids[0])
        kept.append(float(step.logits[0].double().log_softmax(-1)[ids[-1]]))
        report(len(ids), total, continuation(model, tokens.ids, ids))
    if not ids:
        raise InputError(
            f"After this prompt {model.id} ends the text at once, so there is nothing to look at: change the prompt.",
            "prompt",
        )
    return ids, kept


def _numbers(
    model: Model, logits: Float[Tensor, "step d_vocab"], ids: list[int], kept: list[float], temperature: float, k: int
) -> tuple[dict[str, Any], tuple[Check, ...]]:
    """What the plain run says of every step, and how far it is from what was seen while writing."""
    chosen = torch.tensor(ids, device=logits.device)[:, None]
    lse, entropy = distribution.log_normaliser_and_entropy(logits)
    own = logits.gather(-1, chosen)
    log_probability = own[:, 0] - lse
    best = distribution.top_k(logits, k)
    numbers = {
        "probability": log_probability.exp().numpy(force=True),
        "rank": ((logits > own).sum(-1) + 1).numpy(force=True),
        "surprisal": (-log_probability / math.log(2)).numpy(force=True),
        "entropy": (entropy / math.log(2)).numpy(force=True),
        "guess_ids": best.ids.numpy(force=True),
        "guesses": tuple(model.texts(best.ids.ravel().tolist())),
        "guess_probability": (best.values - lse[:, None]).exp().numpy(force=True),
    }
    error = float((log_probability.double().cpu() - torch.tensor(kept, dtype=torch.float64)).abs().max())
    checks = [Check("one plain run gives each token the log-probability that it was written with", error, 1e-3)]
    if temperature == 0:
        short = float((best.values[:, :1] - own).max())
        checks.append(Check("each token is the top guess of the plain run: what it lacks in logits", short, 1e-3))
    return numbers, tuple(checks)


def _unread(model: Model) -> str:
    """Why no lens is shown, as a sentence; "" where one is."""
    try:
        model.final_norm  # noqa: B018
        for name in model.resid_names():
            model.require(name)
    except InputError as error:
        return error.message
    return ""


def _lens(
    model: Model, acts: Activations, logits: Float[Tensor, "step d_vocab"], positions: list[int], ids: list[int]
) -> StepsLens | None:
    if _unread(model):
        return None
    resid = torch.stack([acts[name][positions] for name in model.resid_names()])
    return steps_lens(model, resid, logits, ids)


def _lens_check(lens: StepsLens | None) -> tuple[Check, ...]:
    return () if lens is None else (Check("the lens' last row equals the model's logits", lens.error, 1e-3),)


def _heads(
    model: Model, acts: Activations, positions: list[int], ids: list[int], k: int
) -> tuple[dict[str, np.ndarray], tuple[Check, ...]]:
    """The heads that push each token most, whatever the sign."""
    if obstacle(model):
        each = torch.full((len(ids), 1, 0), torch.nan)
    else:
        targets = [Target(token_id, model.text(token_id)) for token_id in ids]
        pushes = written.head_pushes(model, acts, targets, positions)
        each = pushes.each
    flat = each.flatten(1).numpy(force=True)
    order = np.argsort(-np.abs(flat).astype(np.float64), axis=-1, kind="stable")[:, :k]  # NaN comes last
    values = np.take_along_axis(flat, order, -1)
    known = np.isfinite(values)
    heads = {
        "head_layers": np.where(known, order // max(each.shape[2], 1), -1),
        "head_numbers": np.where(known, order % max(each.shape[2], 1), -1),
        "head_contribution": values,
    }
    if not known.any():
        return heads, ()
    return heads, (Check("a layer's heads and bias sum to what its attention adds", pushes.error, 1e-3),)


def _no_heads(model: Model) -> str:
    return obstacle(model) or f"{model.id} has no heads that can be told apart, so none are shown."


def _features(sae: Sae | None, acts: Activations, positions: Sequence[int], kept: list[bool], k: int) -> dict[str, Any]:
    """The strongest features where each step is predicted; none of a position that the SAE does not read."""
    ids = np.full((len(positions), k if sae else 0), -1)
    activations = np.full(ids.shape, np.nan, dtype=np.float32)
    if sae is None:
        return {"sae": None, "feature_ids": ids, "activations": activations, "shares": activations, "labels": ()}
    for step, pos in enumerate(positions):
        if pos >= len(kept) or kept[pos]:
            with torch.no_grad():
                encoded = sae.encode(acts[sae.hook][pos].float())
            best = encoded.abs().topk(k).indices  # some SAEs fire in both directions
            values = encoded[best].numpy(force=True)
            ids[step] = np.where(values != 0, best.numpy(force=True), -1)
            activations[step] = np.where(values != 0, values, np.nan)
    book = notes(sae.entry)
    known = [book.of(int(feature)) for feature in ids.ravel()]
    largest = np.array([note.max_activation for note in known]).reshape(ids.shape)
    return {
        "sae": sae.name,
        "feature_ids": ids,
        "activations": activations,
        "shares": share(activations, largest),
        "labels": tuple(note.label for note in known),
    }


def _rereads(model: Model, text: str, tokens: Tokens, ids: list[int]) -> bool:
    """Whether a text is read as these tokens: a tokenizer may join what was written in two."""
    whole = (*tokens.ids, *ids)
    return len(whole) <= model.n_ctx and encode(model.tokenizer, text) == list(whole[tokens.has_bos :])
