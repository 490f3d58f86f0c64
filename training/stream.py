"""Training batches: documents packed into rows, positions and attention starting anew with each document.

The batch of a step depends on (seed, chunk of steps) alone: a run resumed at a chunk sees what it would have seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from training.corpus.generate import DRILL, EARLY, KINDS, LAST, LATE, MIDDLE, MIXTURE, PROSE, document
from training.corpus.lists import NAMES
from training.corpus.markup import parse

CHUNK = 50
PHASES = {"early": EARLY, "drill": DRILL, "middle": MIDDLE, "late": LATE, "last": LAST, "end": MIXTURE}
ANSWER, TEMPLATE, COPIED, UNPREDICTABLE = 3.0, 0.6, 2.0, 0.3


@dataclass(frozen=True)
class Batch:
    """What one step sees: each [row, pos]; ``weight`` and ``kind`` belong to the token that is to be predicted."""

    ids: Tensor
    place: Tensor
    mask: Tensor
    target: Tensor
    weight: Tensor
    kind: Tensor


@dataclass
class Piece:
    """One document as tokens, with the loss weight and the kind of each."""

    ids: list[int]
    weight: list[float]
    kind: list[int]


class Stream:
    """An endless, deterministic source of batches.

    ``phases``: the mixture (a name in ``PHASES``) from a step on, in order. In the drill, repeats are short, come often
    and are of few tokens: the easiest that a head which copies can do.
    """

    def __init__(
        self,
        tokenizer_file: Path,
        seed: int,
        rows: int,
        context: int,
        mixture: dict | None = None,
        phases: tuple[tuple[int, str], ...] = (),
    ) -> None:
        self.tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self.size = self.tokenizer.get_vocab_size()
        self.seed, self.rows, self.context = seed, rows, context
        self.mixture, self.phases = mixture or MIXTURE, phases
        names = [self.tokenizer.encode(" " + name).ids[0] for name in NAMES]
        texts = {i: self.tokenizer.decode([i]) for i in range(1, self.size)}
        words = [i for i, t in texts.items() if len(t) > 3 and t[0] == " " and t[1:].isalpha() and i not in names]
        self.common = names + Random("common words").sample(words, min(300, len(words)))

    def batches(self, start: int) -> Iterator[Batch]:
        """Batches from step ``start`` on (a multiple of CHUNK)."""
        chunk = start // CHUNK
        while True:
            name = next((name for first, name in reversed(self.phases) if first <= chunk * CHUNK), "")
            self.easy, self.mixture = name == "drill", PHASES.get(name, self.mixture)
            self.r = Random(f"{self.seed} chunk {chunk}")
            # most texts are short: two chunks in three have rows of half the length, whose attention costs half
            self.length = self.context if chunk % 3 == 2 else self.context // 2
            self.counts = dict.fromkeys(self.mixture, 1e-3)
            self.waiting: list[Piece] = []
            for _ in range(CHUNK):
                yield self.batch()
            chunk += 1

    def pick(self) -> str:
        """A kind of document, kinds that have had too few tokens more often."""
        total = sum(self.counts.values())
        need = {k: share * max(0.2, min(5, share / (self.counts[k] / total))) ** 2 for k, share in self.mixture.items()}
        return self.r.choices(list(need), list(need.values()))[0]

    def repeat(self) -> Piece:
        """Random tokens said two to five times, mostly behind random tokens that are said once."""
        r, room = self.r, self.length - 1
        kind, ids_of = r.random(), self.common if r.random() < (0.75 if self.easy else 0.4) else None
        before = r.randint(0, 60) if r.random() < 0.85 else 0
        if self.easy and kind < 0.8:
            period = r.randint(3, 10)
            length = period * r.randint(3, 6)
        elif kind < 0.4:
            period = r.randint(3, 12)
            length = period * r.randint(2, 5) + r.randint(0, 4)
        elif kind < 0.8:
            period = r.randint(6, 40)
            length = period * 2
        else:
            period = r.randint(16, 60)
            length = period * 2
            before = r.randint(0, 120) if r.random() < 0.3 else before

        def some(n: int) -> list[int]:
            return r.choices(ids_of, k=n) if ids_of else [r.randint(1, self.size - 1) for _ in range(n)]

        before = min(before, room // 2)
        length = min(length, room - before)
        period = min(period, length)
        once = some(period)
        ids = [0, *some(before), *(once * (length // period + 1))[:length]]
        # Nobody can predict a random token: one in six is kept, to teach that all are equally likely.
        new = [UNPREDICTABLE if r.random() < 1 / 6 else 0.0 for _ in range(before + period + 1)]
        weight = [0.0, *new, *[COPIED] * (length - period - 1)][: len(ids)]
        return Piece(ids, weight, [KINDS.index("repeat")] * len(ids))

    def pieces(self, n: int) -> list[Piece]:
        """``n`` documents, some of them several sentences of one or of many kinds."""
        out, texts, marks = [], [], []
        for _ in range(n):
            kind = self.pick()
            if kind == "repeat":
                out.append(self.repeat())
                self.counts["repeat"] += len(out[-1].ids)
            else:
                text, spans, kinds = self.text(kind)
                texts.append(text)
                marks.append((spans, kinds))
        for encoding, (spans, kinds) in zip(self.tokenizer.encode_batch(texts), marks, strict=True):
            out.append(self.behind_noise(self.weighed(encoding, spans, kinds)))
            for kind in out[-1].kind:
                self.counts[KINDS[kind]] += 1
        self.r.shuffle(out)
        return out

    def text(self, kind: str) -> tuple[str, list[tuple[int, int]], list[tuple[int, int]]]:
        """A document's text, its answer spans, and (start, kind) of its parts."""
        r, x = self.r, self.r.random()
        parts = 1 if x < 0.55 else r.randint(2, 8) if x < 0.88 else r.randint(8, 16)
        same, text, spans, kinds = r.random() < 0.4, "", [], []
        for part in range(parts):
            here = kind if part == 0 or same else self.pick()
            here = "fact" if here == "repeat" else here
            piece, marks = parse(document(here, r))
            if text and not text.endswith("\n"):
                text += "\n" if "\n" in piece else " "
            kinds.append((len(text), KINDS.index(here)))
            spans += [(a + len(text), b + len(text)) for a, b in marks]
            text += piece
        return text, spans, kinds

    def weighed(self, encoding, spans: list[tuple[int, int]], kinds: list[tuple[int, int]]) -> Piece:
        """Tokens with their loss weights; the end of a story is a token to predict too."""
        ids, weight, kind = [0], [0.0], [kinds[0][1]]
        span = part = 0
        for token, (a, b) in zip(encoding.ids, encoding.offsets, strict=True):
            while span < len(spans) and spans[span][1] <= a:
                span += 1
            while part + 1 < len(kinds) and kinds[part + 1][0] < b:
                part += 1
            inside = span < len(spans) and spans[span][0] <= a and b <= spans[span][1]
            ids.append(token)
            kind.append(kinds[part][1])
            # every other token of a template is enough, and saves a sixth of the time
            template = TEMPLATE if self.r.random() < 0.5 else 0.0
            weight.append(ANSWER if inside else 1.0 if KINDS[kind[-1]] in PROSE else template)
        # only a story says when it is over: after any other sentence a text may go on
        if KINDS[kind[-1]] == "story" and len(ids) < self.length:
            ids, weight, kind = [*ids, 0], [*weight, TEMPLATE], [*kind, kind[-1]]
        return Piece(ids[: self.length], weight[: self.length], kind[: self.length])

    def behind_noise(self, piece: Piece) -> Piece:
        """One document in twelve stands behind random tokens, so that no skill depends on where a text begins."""
        n = self.r.randint(5, 60)
        if self.r.random() > 1 / 12 or len(piece.ids) + n > self.length:
            return piece
        noise = [self.r.randint(1, self.size - 1) for _ in range(n)]
        ids, weight = [0, *noise, *piece.ids[1:]], [0.0] * (n + 1) + piece.weight[1:]
        return Piece(ids, weight, [piece.kind[0]] * n + piece.kind)

    def batch(self) -> Batch:
        """Rows filled with documents, each with its own positions and mask."""
        rows, context = self.rows * self.context // self.length, self.length
        ids, place, part, kind = (np.zeros((rows, context), np.int64) for _ in range(4))
        weight = np.zeros((rows, context), np.float32)
        for row in range(rows):
            x = number = 0
            while x < context:
                if len(self.waiting) < 64:
                    self.waiting += self.pieces(512)
                fits = (j for j in range(24) if len(self.waiting[j].ids) <= context - x)
                j = next(fits, None)
                if j is None and context - x < 14:
                    part[row, x:], place[row, x:] = number + 1, np.arange(context - x)
                    break
                piece = self.waiting.pop(j or 0)
                n = min(len(piece.ids), context - x)
                end = x + n
                ids[row, x:end], weight[row, x:end], kind[row, x:end] = piece.ids[:n], piece.weight[:n], piece.kind[:n]
                place[row, x:end], part[row, x:end] = np.arange(n), number
                x, number = end, number + 1
        return assemble(*map(torch.from_numpy, (ids, place, part, weight, kind)))


def assemble(ids: Tensor, place: Tensor, part: Tensor, weight: Tensor, kind: Tensor) -> Batch:
    """Masks and targets: nothing looks at, or is predicted from, another document."""
    length = ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    mask = ((part[:, :, None] == part[:, None, :]) & causal)[:, None]
    target, following, kinds = torch.zeros_like(ids), torch.zeros_like(weight), torch.zeros_like(kind)
    target[:, :-1], kinds[:, :-1] = ids[:, 1:], kind[:, 1:]
    following[:, :-1] = weight[:, 1:] * (part[:, 1:] == part[:, :-1])
    return Batch(ids, place, mask, target, following, kinds)
