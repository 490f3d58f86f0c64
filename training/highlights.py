"""Features worth steering with: they fire for one class of text and, added to the residual stream, bring it about.

For each class, at every SAE that stands before a layer, the features are ranked by how much more often they fire on its
tokens than on those of any other class. The best ones push several prompts at several strengths; a rule judges what
comes out. Chosen is the push whose greedy text passes and can still be read, and that passes in all but one of forty
seeds, in the middle of the model if one there does as well, and at the least strength; what is written beside it was
counted on ten other seeds. A prompt is used where the plain model passes in at most one of each ten. Strength is in
mean residual norms of the prompt, as everywhere in Loupe; BOS is left as it is.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.analyses.steering_sweep import STATES, steering_sweep
from mi_core.models.loading import load
from mi_core.models.model import Model
from training.concepts import foreign
from training.corpus import prose
from training.corpus.generate import document
from training.corpus.lists import WORDS
from training.corpus.markup import parse

SEEDS, LENGTH, CANDIDATES = 10, 24, 14
STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0, 1.3)
#: Seeds of the search, and those that the counts in the file come from.
SEARCH, CHECK = (0, 500, 700, 900), 1000
#: At least so many of the ten seeds with the push, at most so many without it.
PASSED, PLAIN = 9, 1
PYTHON = ("def ", "return ", "self.", "import ", "print(", "range(", "__init__", " += ", "):", "] =", " = ")


def counts(text: str, words: set[str]) -> int:
    """How many words of the text are in a set."""
    return sum(word.strip(".,!?\"'").lower() in words for word in text.split())


@dataclass(frozen=True)
class Goal:
    """A class of text: how it is written, prompts to steer, and the rule that judges what comes out, also in words."""

    name: str
    write: Callable[[Random], str]
    prompts: tuple[str, ...]
    reached: Callable[[str], bool]
    rule: str


def goals() -> list[Goal]:
    """Moods, languages, code."""
    good, bad = ({*WORDS[k], *WORDS[k + "_verbs"]} for k in ("positive", "negative"))
    french, german = ({word.lower() for word in foreign(language)} for language in ("fr", "de"))
    return [
        Goal(
            "praise",
            lambda r: prose.review(r, True),
            (
                "This movie was terrible. The story was",
                "I hated this hotel. The room was",
                "I hated the film. The acting was",
            ),
            lambda t: counts(t, good) >= 2 and counts(t, good) > counts(t, bad),
            "at least two words of praise, and more than of complaint",
        ),
        Goal(
            "complaint",
            lambda r: prose.review(r, False),
            (
                "This movie was wonderful. The story was",
                "I loved this hotel. The room was",
                "I liked the film. The acting was",
            ),
            lambda t: counts(t, bad) >= 2 and counts(t, bad) > counts(t, good),
            "at least two words of complaint, and more than of praise",
        ),
        Goal(
            "French",
            lambda r: prose.foreign(r, "fr"),
            ("One day", "The old man", "My friend"),
            lambda t: counts(t, french) >= 0.5 * len(t.split()) > 0,
            "half of the words are of the French sentences",
        ),
        Goal(
            "German",
            lambda r: prose.foreign(r, "de"),
            ("One day", "The old man", "My friend"),
            lambda t: counts(t, german) >= 0.5 * len(t.split()) > 0,
            "half of the words are of the German sentences",
        ),
        Goal(
            "code",
            lambda r: document("code", r),
            ("The man", "One day", "Here is", "The first"),
            lambda t: sum(piece in t for piece in PYTHON) >= 2,
            "at least two different pieces of Python, such as 'def ', 'return ' or ' = '",
        ),
    ]


@dataclass(frozen=True)
class Push:
    """One way to steer: `unit` [width] times `strength` before a layer, on a prompt."""

    hook: str
    layer: int
    feature: int
    unit: Tensor
    prompt: str
    strength: float = 0.0


@torch.no_grad()
def write_highlights(model, tokenizer, folder: Path, say: Callable[[str], None] = print) -> None:
    """Write ``highlights.toml`` beside every SAE of a model's folder that has a feature worth one."""
    from sae_lens import SAE

    saes = [SAE.load_from_disk(str(path), device="cpu") for path in sorted((folder / "saes").glob("*resid_pre"))]
    found: dict[str, list[str]] = {sae.cfg.metadata.hook_name: [] for sae in saes if sae.cfg.metadata.hook_layer}
    every, loaded = goals(), load(str(folder))
    ranked = {sae.cfg.metadata.hook_name: rates(model, tokenizer, sae, every) for sae in saes}
    for i, goal in enumerate(every):
        best = search(model, tokenizer, loaded, saes, [ranked[h][i] for h in ranked], goal)
        if not best:
            say(f"{goal.name}: nothing found")
            continue
        passed = successes(model, tokenizer, best, goal, CHECK)
        plain = plainly(model, tokenizer, best.prompt, goal, CHECK)
        say(f"{goal.name}: feature {best.feature} at {best.hook}, {best.strength}: {passed} of 10, plain {plain}")
        if passed >= PASSED and plain <= PLAIN:
            found[best.hook] += ["", "[[highlight]]", f"feature = {best.feature}", f'name = "{goal.name}"']
            found[best.hook] += [f'prompt = "{best.prompt}"', f"strength = {best.strength}"]
            found[best.hook] += [f"# {goal.rule}: {passed} of 10 seeds, {plain} without the push"]
    head = "# Features that visibly change what the model writes when it is steered with them, and what judged it."
    for hook, lines in found.items():
        (folder / "saes" / hook / "highlights.toml").unlink(missing_ok=True)
        if lines:
            (folder / "saes" / hook / "highlights.toml").write_text("\n".join([head, *lines]) + "\n", "utf-8")


def rates(model, tokenizer, sae, every: list[Goal]) -> Float[Tensor, "goal feature"]:
    """How much more often each feature fires on tokens of a goal's class than on those of any other class."""
    rate = []
    for goal in every:
        r = Random(f"highlights {goal.name}")
        texts = [parse(goal.write(r))[0] for _ in range(50)]
        streams = [stream(model, tokenizer, text, sae.cfg.metadata.hook_layer)[0, 1:] for text in texts]
        rate.append((sae.encode(torch.cat(streams)) > 0).float().mean(0))
    rate = torch.stack(rate)
    others = [torch.cat([rate[:i], rate[i + 1 :]]).amax(0) for i in range(len(every))]
    return rate - torch.stack(others)


def search(model, tokenizer, loaded: Model, saes: list, ranked: list[Tensor], goal: Goal) -> Push | None:
    """The best push: one that passes often enough, in the middle, most often, weakest; None where none does in half."""
    found: list[tuple[bool, bool, int, float, Push]] = []
    middle = f"blocks.{model.config.n_layer // 2}.hook_resid_pre"
    prompts = [prompt for prompt in goal.prompts if rarely(model, tokenizer, prompt, goal)]
    for prompt, (sae, rank) in product(prompts, zip(saes, ranked, strict=True)):
        hook, layer = sae.cfg.metadata.hook_name, sae.cfg.metadata.hook_layer
        for feature in rank.topk(CANDIDATES).indices.tolist() if layer else ():
            unit = sae.W_dec[feature] / sae.W_dec[feature].norm()
            for strength in readable(loaded, prompt, hook, feature, goal):
                push = Push(hook, layer, feature, unit, prompt, strength)
                passed = successes(model, tokenizer, push, goal, SEARCH[0])
                if passed > SEEDS / 2:
                    passed += sum(successes(model, tokenizer, push, goal, seed) for seed in SEARCH[1:])
                    often = passed >= len(SEARCH) * SEEDS - 1
                    found.append((often, often and hook == middle, passed, -strength, push))
    return max(found, key=lambda each: each[:4])[4] if found else None


def readable(loaded: Model, prompt: str, hook: str, feature: int, goal: Goal) -> list[float]:
    """The strengths at which the text that the dashboard shows passes the rule and is not broken."""
    sweep = steering_sweep(
        loaded, prompt, direction=f"feature:{feature}", sae=hook, strengths=STRENGTHS, max_new_tokens=30
    )
    shown = zip(STRENGTHS, sweep.texts, sweep.states, strict=True)
    return [strength for strength, text, state in shown if state == STATES[0] and goal.reached(text.text)]


def rarely(model, tokenizer, prompt: str, goal: Goal) -> bool:
    """Whether the plain model hardly ever passes a goal's rule on this prompt."""
    return all(plainly(model, tokenizer, prompt, goal, seed) <= PLAIN for seed in SEARCH)


def plainly(model, tokenizer, prompt: str, goal: Goal, seed: int) -> int:
    """In how many of ten seeds the plain model passes a goal's rule."""
    width = model.config.n_embd
    return successes(model, tokenizer, Push("", 1, 0, torch.zeros(width), prompt), goal, seed)


def successes(model, tokenizer, push: Push, goal: Goal, seed: int) -> int:
    """In how many of ten seeds the steered continuation passes the goal's rule."""
    return sum(map(goal.reached, continued(model, tokenizer, push, seed)))


def stream(model, tokenizer, text: str, layer: int) -> Float[Tensor, "1 pos width"]:
    """The residual stream before a layer, BOS first."""
    ids = torch.tensor([[0, *tokenizer.encode(text, add_special_tokens=False)[:120]]])
    return model(ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states[layer]


@torch.no_grad()
def continued(model, tokenizer, push: Push, seed: int | None) -> list[str]:
    """Ten texts drawn at temperature 0.7, or the greedy one where `seed` is None."""
    norm = stream(model, tokenizer, push.prompt, push.layer)[0, 1:].norm(dim=-1).mean()

    def add(_module, args):
        x = args[0].clone()
        x[:, 1:] += push.strength * norm * push.unit
        return (x, *args[1:])

    ids = torch.tensor([[0, *tokenizer.encode(push.prompt, add_special_tokens=False)]] * (1 if seed is None else SEEDS))
    how = {"do_sample": False} if seed is None else {"do_sample": True, "temperature": 0.7, "top_k": 40}
    torch.manual_seed(seed or 0)
    handle = model.transformer.h[push.layer].register_forward_pre_hook(add)
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=LENGTH, pad_token_id=0, use_cache=False, **how
    )
    handle.remove()
    return [tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True) for row in out]


def shipped(model, tokenizer, folder: Path) -> dict[str, dict]:
    """The highlights of a shipped folder counted anew: name → where, and how many of ten seeds pass."""
    from sae_lens import SAE

    found, named = {}, {goal.name: goal for goal in goals()}
    for path in sorted((folder / "saes").glob("*/highlights.toml")):
        sae = SAE.load_from_disk(str(path.parent), device="cpu")
        for row in tomllib.loads(path.read_text("utf-8"))["highlight"]:
            goal, unit = named[row["name"]], sae.W_dec[row["feature"]].detach()
            place = (sae.cfg.metadata.hook_name, sae.cfg.metadata.hook_layer)
            push = Push(*place, row["feature"], unit / unit.norm(), row["prompt"], row["strength"])
            found[goal.name] = {
                "hook": push.hook, "feature": push.feature, "strength": push.strength, "prompt": push.prompt,
                "rule": goal.rule, "passed": successes(model, tokenizer, push, goal, CHECK),
                "plain": plainly(model, tokenizer, push.prompt, goal, CHECK),
            }  # fmt: skip
    return found
