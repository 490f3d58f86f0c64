"""Text written token by token: rows that share a prompt run as one batch against one key-value cache."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models import kv_cache
from mi_core.models.hooks import pattern
from mi_core.models.kv_cache import Kept
from mi_core.models.model import Model

LOG = logging.getLogger(__name__)
MAX_NEW_TOKENS = 500

VOCABULARY_BLOCK = 256  # times d_model: 800 KB in a model of GPT-2's size
FEW_ROWS = 64
LOGITS_AT_ONCE = 256  # rows × positions whose logits are held: 50 MB at GPT-2's vocabulary

Hook = Callable[[Float[Tensor, "row pos d"], int], Float[Tensor, "row pos d"]]
"""Receives a site's activations and the position of the first of them; returns what takes their place."""


@dataclass(frozen=True)
class Step:
    """One token of every row.

    `logits` [row, d_vocab] (on the CPU) predicted it, `ids` [row] is what was drawn; None where the row has ended.
    """

    logits: Float[Tensor, "row d_vocab"]
    ids: tuple[int | None, ...]


def generate(
    model: Model,
    prompt_ids: Sequence[int],
    n_rows: int,
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    hooks: Mapping[str, Hook] | None = None,
) -> Iterator[Step]:
    """Continue one prompt in several rows at once, each of which `hooks` may treat differently.

    Only the new token passes through the network at each step; keys and values of the earlier ones are kept.
    Every row is drawn with the same uniform number (inverse of the cumulative distribution), so that rows with
    equal logits stay equal token for token at any temperature. No hook is active while the caller holds a step.

    Args:
        model: The model.
        prompt_ids: The prompt, BOS included where there is one.
        n_rows: How many rows to write.
        max_new_tokens: The most tokens to write; it ends earlier at the end of the context, or when every row
            has written an end-of-text token.
        temperature: 0 takes the likeliest token; 1 draws from the model's own distribution.
        seed: Of the uniform numbers.
        hooks: What to do to the activations, by hook name.

    Raises:
        InputError: `max_new_tokens` below 1, or a temperature below 0 or not finite.
    """
    _check(max_new_tokens, temperature)
    uniform = torch.Generator().manual_seed(int(seed) % 2**63)
    stops = stop_ids(model)
    ended = [False] * n_rows
    for name in hooks or {}:
        model.require_change(name)
    n_steps = min(max_new_tokens, model.n_ctx - len(prompt_ids) + 1)
    logits, cache = _read(model, prompt_ids, n_rows, n_steps, hooks or {})
    for start in range(len(prompt_ids), len(prompt_ids) + n_steps):
        drawn = draw(logits, temperature, float(torch.rand(1, generator=uniform, dtype=torch.float64)))
        ended = [done or token in stops for done, token in zip(ended, drawn.tolist(), strict=True)]
        yield Step(logits, tuple(None if done else token for done, token in zip(ended, drawn.tolist(), strict=True)))
        if all(ended):
            return
        if start < len(prompt_ids) + n_steps - 1:  # an ended row goes on unread
            logits = _forward(model, drawn[:, None].to(model.device), cache, start, hooks or {})


def _read(
    model: Model, prompt_ids: Sequence[int], n_rows: int, n_steps: int, hooks: Mapping[str, Hook]
) -> tuple[Float[Tensor, "row d_vocab"], Kept]:
    """Logits after the prompt, and its keys and values.

    Until the first hook the rows are one: it is read once, and becomes `n_rows` where the first hook is. Not at
    attention weights, whose values would still be of one row.
    """
    prompt = torch.tensor([list(prompt_ids)], device=model.device)
    cache = kv_cache.roomy(model, n_rows, len(prompt_ids) + n_steps - 1)
    if any(name.endswith(pattern.point) for name in hooks):
        return _forward(model, prompt.repeat(n_rows, 1), cache, 0, hooks), cache
    try:
        logits = _forward(model, prompt, cache, 0, {name: _spread(hook, n_rows) for name, hook in hooks.items()})
    except (RuntimeError, ValueError):  # parts that do not take rows of different number
        LOG.warning("%s does not take rows of different number: every row is read anew", model.id, exc_info=True)
        cache = kv_cache.roomy(model, n_rows, len(prompt_ids) + n_steps - 1)
        logits = _forward(model, prompt.repeat(n_rows, 1), cache, 0, hooks)
    kv_cache.repeat(cache, n_rows)
    return logits.expand(n_rows, -1), cache


def _spread(hook: Hook, n_rows: int) -> Hook:
    return lambda x, start: hook(x.expand(n_rows, *x.shape[1:]), start)


def _rows_apart(hook: Hook, out: Tensor, start: int, n_pos: int) -> Tensor:
    """The hook's, where some families fold rows and positions into one (OPT's MLPs)."""
    if out.ndim > 2:
        return hook(out, start)
    return hook(out.unflatten(0, (-1, n_pos)), start).flatten(0, 1)


@torch.no_grad()
def _forward(
    model: Model, rows: Int[Tensor, "row pos"], cache: Kept, start: int, hooks: Mapping[str, Hook]
) -> Float[Tensor, "hooked_row d_vocab"]:
    """Logits of the last position; the cache grows. Hooks are in place for this one pass, and may spread the rows."""
    start = 0 if isinstance(cache, kv_cache.Reread) else start
    with ExitStack() as stack:
        stack.enter_context(_unembedding_in_blocks(model))
        again = cache.ids.shape[1] if isinstance(cache, kv_cache.Reread) and cache.ids is not None else 0
        n_pos = again + rows.shape[1]
        for name, hook in hooks.items():

            def changed(module: object, args: object, out: Tensor, hook: Hook = hook) -> Tensor | None:
                return _rows_apart(hook, out, start, n_pos)

            if (point := model.hook_point(name)) is not None:
                stack.callback(point.register_forward_hook(changed).remove)
        return model.run_on(rows, cache)[:, -1].float().cpu()


@contextmanager
def _unembedding_in_blocks(model: Model) -> Iterator[None]:
    """Multiply a few rows with one block of the vocabulary after another, which stays in the processor's cache.

    Takes four fifths of the time of one product for 5 rows, and half of it for 10. Other modules than a plain linear
    map do as they do.
    """
    module = model.unembedding
    if type(module) is not torch.nn.Linear or module.weight.device.type != "cpu":
        yield
        return

    def forward(x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_vocab"]:
        if x.numel() > FEW_ROWS * x.shape[-1]:
            return torch.nn.functional.linear(x, module.weight, module.bias)
        logits = x.new_empty(*x.shape[:-1], len(module.weight))
        for start in range(0, len(module.weight), VOCABULARY_BLOCK):
            block = slice(start, start + VOCABULARY_BLOCK)
            logits[..., block] = x @ module.weight[block].T
        return logits if module.bias is None else logits + module.bias

    module.forward = forward
    try:
        yield
    finally:
        del module.forward


def draw(logits: Float[Tensor, "row d_vocab"], temperature: float, uniform: float) -> Int[Tensor, " row"]:
    """One token per row: the likeliest at temperature 0, else the one whose share of the distribution holds `uniform`.

    Args:
        logits: Unnormalised log-probabilities.
        temperature: Divides the logits.
        uniform: A number in [0, 1), the same for all rows.
    """
    if temperature == 0:
        return logits.argmax(-1)
    cumulative = (logits.double() / temperature).softmax(-1).cumsum(-1)
    wanted = uniform * cumulative[:, -1:]
    return torch.searchsorted(cumulative, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def stop_ids(model: Model) -> set[int]:
    """Tokens after which a text has ended."""
    config = getattr(model.hf_model, "generation_config", None)
    configured = getattr(config, "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    return {token for token in (*several, model.tokenizer.eos_token_id) if token is not None}


def continuation(model: Model, prompt_ids: Sequence[int], new_ids: Sequence[int]) -> str:
    """The text that `new_ids` add to the prompt: a leading space is kept, half a character at the end is not shown."""
    before = _decode(model, prompt_ids)
    text = _decode(model, [*prompt_ids, *new_ids])
    added = text[len(before) :] if text.startswith(before) else _decode(model, new_ids)
    return added.removesuffix("\ufffd")


@torch.no_grad()
def perplexities(model: Model, prompt_ids: Sequence[int], rows: Sequence[Sequence[int]]) -> list[float]:
    """How surprising the plain model finds continuations of one prompt: exp of the mean surprisal in nats per token.

    1 is a text foreseen with certainty, d_vocab a uniform guess; NaN for an empty continuation. The prompt is read once
    for all rows.
    """
    longest = max(map(len, rows))
    if longest == 0:
        return [math.nan] * len(rows)
    padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=model.device)
    cache = kv_cache.roomy(model, len(rows), len(prompt_ids) + longest - 1)
    logits = _forward(model, torch.tensor([list(prompt_ids)], device=model.device), cache, 0, {})
    surprisals = [_surprisals(logits.expand(len(rows), -1)[:, None], padded[:, :1])]
    kv_cache.repeat(cache, len(rows))
    for start in range(0, longest - 1, at_once := max(1, LOGITS_AT_ONCE // len(rows))):
        end = min(start + at_once, longest - 1)
        logits = model.run_on(padded[:, start:end], cache, "all")
        surprisals.append(_surprisals(logits, padded[:, start + 1 : end + 1]))
    nats = torch.cat(surprisals, dim=1)
    return [float(seen[: len(row)].mean().exp()) for seen, row in zip(nats, rows, strict=True)]


def _surprisals(logits: Float[Tensor, "row pos d_vocab"], ids: Int[Tensor, "row pos"]) -> Float[Tensor, "row pos"]:
    logits = logits.float().cpu()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten().cpu(), reduction="none").view(
        ids.shape
    )


def _decode(model: Model, ids: Sequence[int]) -> str:
    return model.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _check(max_new_tokens: int, temperature: float) -> None:
    if max_new_tokens < 1:
        raise InputError(f"max_new_tokens is {max_new_tokens}: ask for at least 1.", "max_new_tokens")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise InputError(
            f"The temperature is {temperature}: choose 0 (no chance), or a number up to about 1.", "temperature"
        )


def check_length(max_new_tokens: int) -> None:
    """Raises InputError unless it is 1 to `MAX_NEW_TOKENS`."""
    if not 1 <= max_new_tokens <= MAX_NEW_TOKENS:
        raise InputError(f"max_new_tokens is {max_new_tokens}: choose 1 to {MAX_NEW_TOKENS}.", "max_new_tokens")
