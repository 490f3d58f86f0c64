"""ROME: one fact rewritten by a rank-one update of one MLP's last projection.

Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3 and appendix: the projection is read as
a memory that answers keys with values, ``W k = v``. The key `k*` stands for the subject, the value `v*` makes the model
give the new answer, and of all matrices with ``W' k* = v*`` the one is taken that changes least for other keys.
The method is theirs; which of the numbers below are says the comment above them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Module

from mi_core.editing.recipes import Rome
from mi_core.errors import InputError, shortened
from mi_core.interventions.cost import BLOCK_WIDTHS
from mi_core.models import hooks, projection
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens, encode
from mi_core.phrases import percent, quoted
from mi_core.result import Check
from mi_core.text import sampled
from mi_core.text.sentences import sentences

# The authors' own, from the settings that they published for GPT-2 XL:
DEPTH = 0.35  # of the layers, counted from 1: they edit layer 17 of 48, counted from 0
LARGEST = 4.0  # length of the change of the value, in lengths of the value
ESSENCE = 0.0625  # weight of the drift of what the subject is
# Chosen here, for models and sentences of any size; theirs in brackets:
ROWS = 48  # texts that the model writes for the covariance, from nothing and from the prompt's own beginning
FREE_TOKENS, RELATED_TOKENS = 40, 12  # of these texts (100,000 samples of Wikipedia)
RIDGE = 1e-4  # added to the covariance, in units of its mean diagonal (none: they have keys enough)
PREFIXES, PREFIX_TOKENS = 6, 8  # random beginnings before the prompt (20, of 5 or 10 tokens)
STEPS = 40  # of Adam (20)
RATE = 0.5  # of a step, in units of the value's typical entry (0.5, as it is)
ENOUGH = 0.05  # nats: the new answer's surprise at which the search ends (the whole loss)
TIMED_TOKENS = 3  # of each text that the model writes, to foretell how long all of them take
SOLVED = 256  # rows of the matrices whose product is timed
DECAY = 0.05  # weight of the squared relative length of the change (0.5, of the length over the value's, squared)


@dataclass(frozen=True, eq=False)
class Rewrite:
    """The update of one fact: `key` is `k*` and `value` is `v*`, `across` is ``C⁻¹k* / (k*ᵀC⁻¹k*)``.

    `change` is ``v* − (W k* + b)``; the update adds ``across ⊗ change`` to the matrix.
    """

    layer: int
    key: Float[Tensor, " d_mlp"]
    value: Float[Tensor, " d_model"]
    across: Float[Tensor, " d_mlp"]
    change: Float[Tensor, " d_model"]

    def changes(self, model: Model) -> list[projection.Change]:
        """The one matrix that changes: ``W' = W + across ⊗ change``, written [d_mlp, d_model]."""
        module = writer(model, self.layer)
        update = torch.outer(self.across.double(), self.change.double())
        matrix = projection.plain_matrix(module).double() + update.to(module.weight.device)
        return [(module, "weight", projection.as_weight(module, matrix))]

    @torch.no_grad()
    def checks(self, edited: Model) -> tuple[Check, ...]:
        """``W' k* + b = v*``, in the edited model, as a share of the largest entry of `v*`."""
        error = (writer(edited, self.layer)(self.key) - self.value).abs().max() / self.value.abs().max()
        return (Check("the edited matrix answers the subject's key with the new value, W'k* = v*", float(error), 1e-4),)


def rewrite(model: Model, edit: Rome, progress: Callable[..., None] | None = None) -> Rewrite:
    """The update that makes `edit.target` follow `edit.prompt`.

    The key is the mean over the prompt and the prompt behind `PREFIXES` random beginnings; the value is found by
    gradient descent on the model's surprise at the target, with the drift of “<subject> is a” and the length of the
    change held down. The covariance of keys comes from built-in sentences and from text that the model writes: half of
    its weight from nothing, half from the words before the subject, so that other subjects in the same phrase keep
    their answers. Everything is seeded: the same edit is the same matrix.

    Args:
        model: The model, which is not changed.
        edit: The fact.
        progress: Called with (done, total) between steps; no hooks are active then.

    Raises:
        InputError: No such layer or no such matrix in it, a subject that is not in the prompt, a target that is not
            one token or is the answer already, or a fact that no change of this layer's value brings about.
    """
    layer = default_layer(model) if edit.layer is None else model.layer(edit.layer)
    module = writer(model, layer)
    tokens = model.tokens(edit.prompt)
    first, pos = subject_span(model, tokens, edit.prompt, edit.subject)
    target = model.token_id(edit.target, "target")
    steps = _Steps(progress, FREE_TOKENS + RELATED_TOKENS + STEPS)
    free = sampled.sampled_text(model, sampled.start(model), ROWS, FREE_TOKENS, steps)
    related = sampled.sampled_text(model, list(tokens.ids[:first]) or sampled.start(model), ROWS, RELATED_TOKENS, steps)
    rows = _Rows.of(model, tokens, pos, free)
    key = rows.keys(model, layer).mean(0)
    sample = _sample(model, layer, free, related, max(first, 1))
    across = whitened(sample, key)
    found = _value(model, module, layer, rows, edit, target, steps)
    with torch.no_grad():
        value = module(key) + found
    return Rewrite(layer, key, value, across, found)


@dataclass(frozen=True)
class RewriteCost:
    """What `rewrite` takes at most: `runs` of the model, `seconds` on this machine, `bytes` beside the weights."""

    runs: int
    seconds: float
    bytes: int


def foretold(model: Model, edit: Rome) -> RewriteCost:
    """What `rewrite` of this fact will take at most, from doing a little of each of its parts.

    The search for the value may end sooner than its `STEPS`. What is timed: a few tokens of each text that the model
    writes, one step of the search, and a product of matrices, for the covariance.

    Raises:
        InputError: As `rewrite` does, but for a fact that no change brings about.
    """
    layer = default_layer(model) if edit.layer is None else model.layer(edit.layer)
    module = writer(model, layer)
    tokens = model.tokens(edit.prompt)
    first, pos = subject_span(model, tokens, edit.prompt, edit.subject)
    target = model.token_id(edit.target, "target")
    writes = [
        (sampled.start(model), FREE_TOKENS),
        (list(tokens.ids[:first]) or sampled.start(model), RELATED_TOKENS),
    ]
    lengths = [min(n, model.n_ctx - len(begin)) for begin, n in writes]
    _seconds(lambda: sampled.sampled_text(model, writes[0][0], ROWS, 1))  # the first meets cold caches
    writing = sum(
        _seconds(lambda begin=begin: sampled.sampled_text(model, begin, ROWS, TIMED_TOKENS)) / TIMED_TOKENS * n
        for (begin, _), n in zip(writes, lengths, strict=True)
    )
    free = model.rows([tokens.ids[:1] * (PREFIX_TOKENS + 1)] * ROWS)
    rows = _Rows.of(model, tokens, pos, free)
    reading = _seconds(lambda: rows.keys(model, layer))
    aim = _Aim.of(model, module, layer, rows, edit, target)
    change = torch.zeros_like(aim.plain, requires_grad=True)
    aim.slope(change)
    step = _seconds(lambda: aim.slope(change))
    everyday = [len(model.tokens(text)) for text in sentences(model)]
    n_keys = sum(everyday) + ROWS * sum(lengths)
    positions = sum(ids.numel() for ids, _ in rows.batches)
    width = model.n_neurons(layer)
    seconds = writing + STEPS * step + reading * (1 + n_keys / positions) + _solving(n_keys, width)
    return RewriteCost(
        runs=sum(lengths) + len(rows.batches) * (1 + STEPS) + STEPS + len(everyday) + 6,
        seconds=seconds,
        bytes=max(_held(model, positions), 3 * 8 * n_keys * width + 2 * 8 * min(n_keys, width) ** 2),
    )


def _solving(n_keys: int, width: int) -> float:
    """Seconds for the covariance and the equations with it, from the rate of a product of matrices."""
    some = torch.ones(SOLVED, SOLVED, dtype=torch.float64)
    rate = 2 * SOLVED**3 / max(_seconds(lambda: some @ some), 1e-9)
    small, large = sorted((n_keys, width))
    return (2 * small**2 * large + 2 / 3 * small**3) / rate


def _held(model: Model, positions: int) -> int:
    """Bytes that a step of the search keeps for its way back."""
    return 4 * positions * (model.n_layers * BLOCK_WIDTHS * model.d_model + 2 * model.d_vocab)


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def default_layer(model: Model) -> int:
    """Where facts about a subject are usually looked up: about a third of the way."""
    return max(0, round(DEPTH * model.n_layers) - 1)


def writer(model: Model, layer: int) -> Module:
    """The projection whose output is the MLP's.

    Raises:
        InputError: The MLP of that layer has no such single matrix (a mixture of experts, for instance).
    """
    out = getattr(getattr(model.bridge.blocks[layer], "mlp", None), "out", None)
    module = getattr(out, "original_component", None)
    if module is None or projection.plain_matrix(module) is None or not model.has(hooks.mlp_key(layer)):
        raise InputError(
            f"The MLP of layer {layer} in {model.id} does not end in one matrix (it may be a mixture of experts), so "
            "nothing can be edited there: choose another layer or model.",
            "layer",
        )
    return module


def subject_span(model: Model, tokens: Tokens, prompt: str, subject: str) -> tuple[int, int]:
    """Positions of the first and the last token that the subject, where it stands last in the prompt, is part of.

    Raises:
        InputError: It is empty or not in the prompt.
    """
    wanted = subject.strip()
    if not wanted:
        raise InputError("The subject is empty: type the words of the prompt that the fact is about.", "subject")
    begin = prompt.rfind(wanted)
    if begin < 0:
        raise InputError(f"“{shortened(wanted)}” is not in the prompt: copy the subject as it stands there.", "subject")
    shift = int(tokens.has_bos)
    last = _reached(model, tokens.ids[shift:], prompt[: begin + len(wanted)]) - 1
    first = min(_reached(model, tokens.ids[shift:], prompt[:begin].rstrip()), last)
    return first + shift, last + shift


def whitened(sample: Float[Tensor, "key d_mlp"], key: Float[Tensor, " d_mlp"]) -> Float[Tensor, " d_mlp"]:
    """``C⁻¹k / (kᵀC⁻¹k)``, with C the mean outer product of the rows of `sample` and a ridge of `RIDGE`.

    With fewer keys than neurons the same is computed through the smaller matrix of their products (Woodbury).
    """
    sample, wide = sample.double().cpu(), key.double().cpu()
    n, d_mlp = sample.shape
    ridge = RIDGE * float(sample.square().sum()) / (n * d_mlp)
    if n >= d_mlp:
        solved = torch.linalg.solve(sample.T @ sample / n + ridge * torch.eye(d_mlp).double(), wide)
    else:
        small = torch.linalg.solve(sample @ sample.T / n + ridge * torch.eye(n).double(), sample @ wide / n)
        solved = (wide - sample.T @ small) / ridge
    return (solved / (solved @ wide)).to(key)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The prompt, alone and behind random beginnings: batches of token ids, and the subject's last position in each."""

    batches: tuple[tuple[Int[Tensor, "_row _pos"], int], ...]

    @classmethod
    def of(cls, model: Model, tokens: Tokens, pos: int, free: Int[Tensor, "row pos"]) -> _Rows:
        plain = model.rows([tokens.ids])
        kept = int(tokens.has_bos)
        length = min(PREFIX_TOKENS, free.shape[1] - 1, model.n_ctx - len(tokens))
        if length < 1:
            return cls(((plain, pos),))
        rows = plain.expand(PREFIXES, -1)
        behind = torch.cat([rows[:, :kept], free[:PREFIXES, 1 : 1 + length], rows[:, kept:]], 1)
        return cls(((plain, pos), (behind, pos + length)))

    @torch.no_grad()
    def keys(self, model: Model, layer: int) -> Float[Tensor, "row d_mlp"]:
        return torch.cat([_keys(model, layer, ids)[:, pos] for ids, pos in self.batches])


def _keys(model: Model, layer: int, ids: Int[Tensor, "row pos"]) -> Float[Tensor, "row pos d_mlp"]:
    """What enters the MLP's last projection."""
    with torch.no_grad():
        return model.run_ids(ids, [hooks.mlp_key(layer)])[hooks.mlp_key(layer)]


def _sample(
    model: Model, layer: int, free: Int[Tensor, "row pos"], related: Int[Tensor, "_row _pos"], skipped: int
) -> Float[Tensor, "key d_mlp"]:
    """Keys of everyday sentences and of what the model wrote, weighed so that the related half counts as much.

    The first position, and those that all related texts have in common, are left out.
    """
    everyday = [model.rows([model.tokens(text).ids]) for text in sentences(model)]
    general = torch.cat([_keys(model, layer, ids)[:, 1:].flatten(0, 1) for ids in [*everyday, free]])
    special = _keys(model, layer, related)[:, skipped:].flatten(0, 1)
    return torch.cat([general / len(general) ** 0.5, special / len(special) ** 0.5])


def _value(
    model: Model, module: Module, layer: int, rows: _Rows, edit: Rome, target: int, steps: Callable[[], None]
) -> Float[Tensor, " d_model"]:
    """By how much the value at the subject must change for the target to follow. Raises InputError if nothing does."""
    aim = _Aim.of(model, module, layer, rows, edit, target)
    with torch.no_grad():
        before = _log_probs(model, layer, *rows.batches[0], torch.zeros_like(aim.plain))[0]
    if int(before.argmax()) == target:
        raise InputError(f"The model answers {quoted(model.text(target))} already: type another answer.", "target")
    change = torch.zeros_like(aim.plain, requires_grad=True)
    adam = torch.optim.Adam([change], lr=RATE * aim.size / len(change) ** 0.5, eps=1e-12)
    for _ in range(STEPS):
        surprise, gradient = aim.slope(change)
        if surprise < ENOUGH:
            break
        change.grad = gradient
        adam.step()
        with torch.no_grad():
            change.mul_(min(1.0, LARGEST * aim.size / max(float(change.norm()), 1e-12)))
        steps()
    change = change.detach()
    with torch.no_grad():
        after = _log_probs(model, layer, *rows.batches[0], change)[0]
    if after.argmax() != target:
        raise _not_found(model, layer, float(after[target].exp()), target)
    return change


@dataclass(frozen=True, eq=False)
class _Aim:
    """What the change of the value is to reach, and what it is to leave."""

    model: Model
    layer: int
    rows: _Rows
    target: int
    about: tuple[Int[Tensor, "row pos"], int]
    """“<subject> is a”, and the subject's last position in it."""
    plain: Float[Tensor, " d_model"]
    """The value before the change."""
    kept: Float[Tensor, "row d_vocab"]
    """What follows `about` before the change, as log-probabilities."""

    @classmethod
    @torch.no_grad()
    def of(cls, model: Model, module: Module, layer: int, rows: _Rows, edit: Rome, target: int) -> _Aim:
        said = f"{edit.subject.strip()} is a"
        essence = model.tokens(said)
        about = model.rows([essence.ids]), subject_span(model, essence, said, edit.subject)[1]
        plain = module(_keys(model, layer, rows.batches[0][0])[0, rows.batches[0][1]])
        kept = _log_probs(model, layer, *about, torch.zeros_like(plain))
        return cls(model, layer, rows, target, about, plain, kept)

    @property
    def size(self) -> float:
        """Length of the value."""
        return float(self.plain.norm())

    def slope(self, change: Float[Tensor, " d_model"]) -> tuple[float, Float[Tensor, " d_model"]]:
        """The mean surprise at the target in nats, and the gradient of the loss, with the value changed so."""
        with torch.enable_grad():
            odds = [_log_probs(self.model, self.layer, ids, pos, change) for ids, pos in self.rows.batches]
            drift = (self.kept.exp() * (self.kept - _log_probs(self.model, self.layer, *self.about, change))).sum()
            surprise = -torch.cat(odds)[:, self.target].mean()
            loss = surprise + ESSENCE * drift + DECAY * change.square().sum() / self.size**2
            (gradient,) = torch.autograd.grad(loss, change)
        return float(surprise.detach()), gradient


def _log_probs(
    model: Model, layer: int, ids: Int[Tensor, "row pos"], pos: int, change: Float[Tensor, " d_model"]
) -> Float[Tensor, "row d_vocab"]:
    """Of the token that follows, with `change` added to the value at `pos`."""

    def add(value: Tensor, hook) -> Tensor:
        return torch.cat([value[:, :pos], value[:, pos : pos + 1] + change, value[:, pos + 1 :]], 1)

    return model.run_ids(ids, changes={hooks.mlp_value(layer): add}).logits[:, -1].float().log_softmax(-1)


def _not_found(model: Model, layer: int, reached: float, target: int) -> InputError:
    where = "another layer" if layer == 0 else f"an earlier layer, such as {max(layer // 2, 0)},"
    return InputError(
        f"No change at the subject in layer {layer} makes {quoted(model.text(target))} the answer (it gets "
        f"{percent(reached)}): choose {where} or another answer.",
        "layer",
    )


class _Steps:
    """Counts what has been done; calling it reports one more."""

    def __init__(self, progress: Callable[..., None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)


def _reached(model: Model, ids: Sequence[int], text: str) -> int:
    """How many of the whole prompt's `ids` the beginning `text` reaches into; the last one it may share with more."""
    cut = encode(model.tokenizer, text)
    same = next((i for i, (one, other) in enumerate(zip(cut, ids, strict=False)) if one != other), len(cut))
    return same + (same < len(cut))
