"""Is every layer needed? Each layer's attention and MLP replaced by their mean over the question's own kind of text."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random

import torch
from torch import Tensor

from training import questions as ask
from training.corpus import people
from training.measure import Examinee, share
from training.questions import Question


def tasks(n: int = 120) -> dict[str, list[Question]]:
    """A sample of each kind of question."""
    r = Random("depth")
    given = people.GIVEN
    held = [q for asked in ask.held_phrasings().values() for q in asked]
    return {
        "facts": r.sample(held, n),
        "two steps": ask.two_hop() + r.sample(ask.two_hop(held=False), 40),
        "indirect object": ask.indirect_objects(r, n, given["setup"], given["action"]),
        "binding": ask.bindings(r, n),
        "asked backwards": ask.backwards(r, n),
        "chain": ask.chains(r, n),
        "words": r.sample(ask.word_questions(), n),
        "code": ask.code_questions(r, 60),
    }


def needed(m: Examinee) -> dict[int, dict[str, float]]:
    """Layer → task → accuracy lost when the outputs of its attention and its MLP are set to their means."""
    lost: dict[int, dict[str, float]] = {layer: {} for layer in range(m.model.config.n_layer)}
    for name, asked in tasks().items():
        base, means = share(m.right(asked)), mean_outputs(m, asked)
        for layer, values in means.items():
            with replaced(m, layer, values):
                lost[layer][name] = round(base - share(m.right(asked)), 4)
    return lost


def mean_outputs(m: Examinee, asked: list[Question]) -> dict[int, tuple[Tensor, Tensor]]:
    """Layer → mean output of its attention and of its MLP over all positions of the questions but BOS."""
    sums: dict[tuple[int, int], list[Tensor]] = {}

    def keep(layer: int, part: int):
        def hook(_module, _inputs, output) -> None:
            out = output[0] if isinstance(output, tuple) else output
            sums.setdefault((layer, part), []).append(out[0, 1:].mean(0))

        return hook

    with ExitStack() as stack:
        for layer, block in enumerate(m.model.transformer.h):
            for part, module in enumerate((block.attn, block.mlp)):
                stack.callback(module.register_forward_hook(keep(layer, part)).remove)
        for question in asked:
            m.next([question.prompt])
    means = {key: torch.stack(values).mean(0) for key, values in sums.items()}
    return {layer: (means[layer, 0], means[layer, 1]) for layer in range(len(m.model.transformer.h))}


@contextmanager
def replaced(m: Examinee, layer: int, values: tuple[Tensor, Tensor]) -> Iterator[None]:
    """Within: the layer's attention and MLP write these values at every position."""
    block = m.model.transformer.h[layer]

    def put(value: Tensor):
        def hook(_module, _inputs, output):
            if isinstance(output, tuple):
                return (value.expand_as(output[0]), *output[1:])
            return value.expand_as(output)

        return hook

    with ExitStack() as stack:
        for module, value in zip((block.attn, block.mlp), values, strict=True):
            stack.callback(module.register_forward_hook(put(value)).remove)
        yield
