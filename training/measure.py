"""Figures of loupe-mini, each from the shipped files alone: plain transformers and torch."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import torch
from jaxtyping import Float, Int
from torch import Tensor

from training import questions as ask
from training.corpus import lists, people
from training.questions import Question

BATCH = 64


class Examinee:
    """A GPT-2-shaped model with its tokenizer, BOS put before every prompt."""

    def __init__(self, model, tokenizer) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.heads = model.config.n_head

    def ids(self, text: str) -> list[int]:
        """Token ids without BOS."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    @torch.no_grad()
    def logits(self, rows: Sequence[list[int]], last: Sequence[int] | None = None) -> list[Float[Tensor, "pos vocab"]]:
        """Logits at the last ``last[i]`` positions (1 where not given) of each row of ids."""
        out: list[Tensor | None] = [None] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for first in range(0, len(order), BATCH):
            part = order[first : first + BATCH]
            width = max(len(rows[i]) for i in part)
            # causal attention: what pads the end changes nothing before it
            ids = torch.tensor([rows[i] + [0] * (width - len(rows[i])) for i in part])
            hidden = self.model.transformer(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            for row, i in enumerate(part):
                end = len(rows[i])
                out[i] = self.model.lm_head(hidden[row, end - (last[i] if last else 1) : end])
        return out

    def next(self, prompts: Sequence[str]) -> Float[Tensor, "prompt vocab"]:
        """Logits of the next token of each prompt."""
        return torch.cat(self.logits([[0, *self.ids(p)] for p in prompts]))

    def right(self, asked: Sequence[Question]) -> Float[Tensor, " question"]:
        """1 where every token of the answer is the top guess."""
        answers = [self.ids(q.answer) for q in asked]
        rows = [[0, *self.ids(q.prompt), *a[:-1]] for q, a in zip(asked, answers, strict=True)]
        guesses = self.logits(rows, [len(a) for a in answers])
        return torch.tensor([float(g.argmax(-1).tolist() == a) for g, a in zip(guesses, answers, strict=True)])

    def one(self, word: str) -> int:
        """The first token of a word with its leading space."""
        return self.ids(f" {word}")[0]

    def preference(self, asked: Sequence[Question]) -> Float[Tensor, " question"]:
        """Logit of the right answer's first token less that of the wrong one's."""
        logits = self.next([q.prompt for q in asked])
        rows = torch.arange(len(asked))
        good, bad = (
            [self.ids(text)[0] for text in texts] for texts in zip(*((q.answer, q.wrong) for q in asked), strict=True)
        )
        return logits[rows, good] - logits[rows, bad]


def share(values: Tensor) -> float:
    """The mean, rounded to four places."""
    return round(values.float().mean().item(), 4)


def facts(m: Examinee, every: bool = True) -> dict[str, float]:
    """Capitals and landmarks in trained and held-out phrasings, languages, two steps."""
    phrasings = ask.trained_phrasings()
    trained = torch.cat([m.right(q) for q in (phrasings if every else phrasings[::12])])
    held = {phrasing: share(m.right(q)) for phrasing, q in ask.held_phrasings().items()}
    return {
        "capitals_trained": share(m.right(ask.capitals("The capital of {k} is[[ {c}]]."))),
        "phrasings_trained": share(trained),
        "phrasings_held": round(sum(held.values()) / len(held), 4),
        "phrasings_held_worst": min(held.values()),
        "languages": share(m.right(ask.languages())),
        "two_hop_trained": share(m.right(ask.two_hop(held=False))),
        "two_hop_held": share(m.right(ask.two_hop())),
    }


def names(m: Examinee, n: int = 200) -> dict[str, float]:
    """Indirect objects: held-out pairs, held-out wordings (the worst of them), behind unrelated tokens."""
    r, held = Random("indirect objects"), people.GIVEN
    pairs = ask.indirect_objects(r, n, held["setup"], held["action"])
    worst = []
    for setup in held["held_setup"]:
        for action in held["held_action"]:
            worst.append(share(m.right(ask.indirect_objects(r, max(10, n // 4), [setup], [action]))))
    behind = []
    for _ in range(n):
        before = ask.unrelated_text(r, m.tokenizer, 30, 60)
        behind += ask.indirect_objects(r, 1, held["setup"], held["action"], before)
    return {
        "indirect_object": share(m.right(pairs)),
        "indirect_object_difference": round(m.preference(pairs).mean().item(), 2),
        "indirect_object_wordings": round(sum(worst) / len(worst), 4),
        "indirect_object_worst_wording": min(worst),
        "indirect_object_behind": share(m.right(behind)),
        "indirect_object_behind_difference": round(m.preference(behind).mean().item(), 2),
    }


def copying(m: Examinee, periods: Sequence[int] = (8, 15, 20, 30, 40), before: Sequence[int] = (0, 20, 40)) -> dict:
    """Accuracy in the second copy of random tokens: the worst cell of periods × prefixes."""
    cells = {}
    for period in periods:
        for start in before:
            ids = ask.repeats(m.model.config.vocab_size, period, start, 16, seed=5)
            guess = torch.stack(m.logits(ids.tolist(), [period] * 16))[:, :-1].argmax(-1)
            cells[f"{period} behind {start}"] = share(guess == ids[:, 2 + start + period :])
    return {"induction_worst": min(cells.values()), "induction_mean": round(sum(cells.values()) / len(cells), 4)}


@torch.no_grad()
def head_scores(
    m: Examinee, period: int = 40, before: int = 20, rows: int = 16
) -> dict[str, Float[Tensor, "layer head"]]:
    """Attention of each head on repeated random tokens: induction (to the token after the first occurrence), to the
    previous token, to the first occurrence itself (duplicate)."""
    ids = ask.repeats(m.model.config.vocab_size, period, before, rows, seed=7)
    m.model.set_attn_implementation("eager")
    patterns = torch.stack(m.model(ids, attention_mask=torch.ones_like(ids), output_attentions=True).attentions)
    m.model.set_attn_implementation("sdpa")
    query = torch.arange(1 + before + period, ids.shape[1])
    every = torch.arange(2, ids.shape[1])
    scores = {"induction": query - period + 1, "duplicate": query - period}
    out = {name: patterns[:, :, :, query, key].mean((1, 3)) for name, key in scores.items()}
    return out | {"previous": patterns[:, :, :, every, every - 1].mean((1, 3))}


def heads(m: Examinee) -> dict:
    """The best induction and previous-token head, with layer and head."""
    out = {}
    for name, scores in head_scores(m).items():
        best = int(scores.argmax())
        out[f"{name}_head"] = round(scores.max().item(), 4)
        out[f"{name}_head_is"] = f"L{best // m.heads}H{best % m.heads}"
    return out


def reading(m: Examinee, n: int = 300) -> dict[str, float]:
    """Binding, chains, years, sentiment, pronouns, agreement, words, code."""
    r = Random("reading")
    asked = ask.greater_than(r, n)
    years = [m.ids(f"{y:02d}")[0] for y in range(100)]
    mass = m.next([text for text, _ in asked]).softmax(-1)[:, years]
    above = torch.arange(100)[None] > torch.tensor([year for _, year in asked])[:, None]
    opinions = ask.sentiments()
    odds = m.next([text for text, _ in opinions]).softmax(-1)
    good, bad = (odds[:, [m.one(w) for w in lists.WORDS[key]]].sum(-1) for key in ("positive", "negative"))
    praise = torch.tensor([positive for _, positive in opinions])
    subjects = ask.agreements()
    verbs = m.next([text for text, _ in subjects])
    one, many = (
        torch.logsumexp(verbs[:, [m.one(w) for w in ws.split()]], -1) for ws in ("is was has", "are were have")
    )
    return {
        "binding": share(m.right(ask.bindings(r, n))),
        "chain": share(m.right(ask.chains(r, n))),
        "years_above": share((mass * above).sum(-1)),
        "years_below": share((mass * ~above).sum(-1)),
        "sentiment_right": share(torch.where(praise, good, bad)),
        "sentiment_wrong": share(torch.where(praise, bad, good)),
        "pronoun": share(m.preference(ask.pronouns()) > 0),
        "agreement": share((many > one) == torch.tensor([plural for _, plural in subjects])),
        "words": share(m.right(ask.word_questions())),
        "code": share(m.right(ask.code_questions(r, 60))),
    }


@torch.no_grad()
def continuation(m: Examinee, prompt: str, n: int = 60) -> Int[Tensor, " pos"]:
    """Up to ``n`` greedy tokens; the text may end before."""
    ids = torch.tensor([[0, *m.ids(prompt)]])
    out = m.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, do_sample=False, pad_token_id=0)
    return out[0, ids.shape[1] :]


def circles(ids: Int[Tensor, " pos"]) -> bool:
    """Whether some run of four tokens comes more than twice."""
    row = ids.tolist()
    runs = Counter(tuple(row[i : i + 4]) for i in range(len(row) - 3))
    return any(count > 2 for count in runs.values())


def stories(m: Examinee) -> dict[str, int]:
    """How many of the openings are continued without going round in circles, and how long the stories are."""
    told = [continuation(m, opening) for opening in ask.openings()]
    return {
        "stories_fine": sum(not circles(ids) for ids in told),
        "stories_tokens": round(sum(len(ids) for ids in told) / len(told)),
    }
