"""The words of Loupe's addresses: every key of every page, and what it may say.

A link outlives the screen it was copied from. So an option has a word of its own in the address, which is also the
analysis' word for it; what is read on screen may change freely. A word that must change becomes a former one, and a
link that says it still shows the same picture.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core.analyses import _index
from mi_core.editing import recipes
from mi_core.errors import InputError
from mi_core.models import catalogue
from ui.packed import unpack

BIGGEST = 2**53 - 1  # the largest whole number that a browser can hold


@dataclass(frozen=True)
class Word:
    """One option: its `word` in the address and for the analysis, its `label` on screen, its `former` words."""

    word: str
    label: str
    former: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """A field with a few options, of which the first is the usual one, or none where it is `optional`."""

    key: str
    words: tuple[Word, ...]
    optional: bool = False

    def __iter__(self):
        return (word.word for word in self.words)

    def understood(self, text: str | None) -> str | None:
        """The word that `text` is, or was once; None where it is none."""
        return next((word.word for word in self.words if text == word.word or text in word.former), None)

    def label(self, word: str) -> str:
        """What an option is called on screen."""
        return next(option.label for option in self.words if option.word == word)

    def fault(self, values: Sequence[str]) -> str | None:
        """What is wrong with a value in the address; None where nothing is."""
        return "is not known here" if self.understood(values[-1]) is None else None


@dataclass(frozen=True)
class Number:
    """A number of a range; `whole` for a counted one. Two of them, the lower first, where it is a `span`."""

    key: str
    low: float
    high: float = BIGGEST
    whole: bool = True
    span: bool = False

    def fault(self, values: Sequence[str]) -> str | None:
        if set(values) == {""}:  # an empty field, as it was left
            return None
        numbers = [_number(text) for text in (values if self.span else values[-1:])]
        ordered = len(numbers) == 1 + self.span and numbers == sorted(numbers)
        if ordered and all(self.low <= number <= self.high and self._counts(number) for number in numbers):
            return None
        kind = "a whole number" if self.whole else "a number"
        if self.span:
            return f"is not a range from {self.low:g} to {self.high:g}"
        if self.high == BIGGEST:
            return f"is not {kind}" + (f" from {self.low:g} up" if self.low > -BIGGEST else "")
        return f"is not {kind} from {self.low:g} to {self.high:g}"

    def _counts(self, number: float) -> bool:
        return not self.whole or number == int(number)


@dataclass(frozen=True)
class Switch:
    """Something that is on or off."""

    key: str

    def fault(self, values: Sequence[str]) -> str | None:
        return None if values[-1].lower() in ("true", "false") else "is neither true nor false"


@dataclass(frozen=True)
class Text:
    """Anything that is typed, once or, where there may be `several`, again and again."""

    key: str
    several: bool = False

    def fault(self, values: Sequence[str]) -> str | None:
        return None


@dataclass(frozen=True)
class Hook:
    """A place in the model, a step of its training, or a class of labelled texts. Which there are depends on the model,
    or on what a person has brought, so the field itself looks at the value."""

    key: str

    def understood(self, text: str) -> str:
        """As it is, until the field looks at it."""
        return text

    def fault(self, values: Sequence[str]) -> str | None:
        return None


@dataclass(frozen=True)
class Model:
    """A model of the catalogue by its id or title, one of its checkpoints, a Hugging Face id, or a folder."""

    key: str

    def held(self, text: str) -> str:
        """What the field holds for a model that is understood: its id, where the catalogue has one."""
        return next((entry.id for entry in catalogue.entries() if entry.title == text), text)

    def understood(self, text: str) -> str | None:
        """What the field calls this model."""
        known = {name: entry.title for entry in catalogue.entries() for name in (entry.id, entry.title)}
        is_elsewhere = any(sign in text for sign in "/\\") or text.startswith((".", "~"))
        is_elsewhere = is_elsewhere or text.partition("@")[0] in known  # a checkpoint, called by its id
        return known.get(text, text if is_elsewhere else None)

    def fault(self, values: Sequence[str]) -> str | None:
        return "is not known here" if self.understood(values[-1]) is None else None


@dataclass(frozen=True)
class Edits:
    """A stack of edits, packed."""

    key: str

    def understood(self, text: str) -> str | None:
        """The stack as JSON."""
        try:
            return recipes.canonical(unpack(text))
        except (ValueError, InputError):
            return None

    def fault(self, values: Sequence[str]) -> str | None:
        return "is damaged" if self.understood(values[-1]) is None else None


@dataclass(frozen=True)
class ForAll:
    """The settings of an analysis that are not its usual ones, as JSON: which there are, the analysis says."""

    key: str

    def understood(self, text: str) -> dict[str, Any] | None:
        """{setting: value}."""
        with suppress(ValueError):
            held = json.loads(text)
            return held if isinstance(held, dict) else None
        return None

    def fault(self, values: Sequence[str]) -> str | None:
        return "is damaged" if self.understood(values[-1]) is None else None


@dataclass(frozen=True)
class Setting:
    """The name of a setting that some analysis has."""

    key: str

    def fault(self, values: Sequence[str]) -> str | None:
        known = {name for analysis in _index.analysis_names() for name in _index.parameters(analysis)}
        return None if values[-1] in known else "is not known here"


Field = Options | Number | Switch | Text | Hook | Model | Edits | ForAll | Setting


def is_several(field: Field) -> bool:
    """Whether an address gives the key of this field once for each of several values."""
    return (isinstance(field, Text) and field.several) or (isinstance(field, Number) and field.span)


def _number(text: str) -> float:
    """NaN, which is in no range, for what is not a finite number."""
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _options(key: str, *rows: tuple[str, ...], optional: bool = False) -> Options:
    """A row for each option: its word, its label, its former words."""
    return Options(key, tuple(Word(word, label, tuple(former)) for word, label, *former in rows), optional)


# The options of the fields, page by page -----------------------------------------------------------------------------

START_TOKEN = _options("bos", ("default", "default"), ("on", "on"), ("off", "off"))

_LENSES = (("logit", "logit lens"), ("tuned", "tuned lens"), ("jacobian", "Jacobian lens"))
LENS = _options("read_by", *_LENSES)
AGAINST = _options("against", *_LENSES, optional=True)
LENS_SOURCE = _options(
    "lens_source", ("model", "beside the weights"), ("trained", "trained here"), ("published", "published")
)
SCALE = _options("norm", ("recomputed", "recomputed"), ("frozen", "frozen"))
COLOUR = _options(
    "colour",
    ("probability", "probability of the guess", "probability of the guess"),
    ("target_probability", "probability of the answer", "probability of the answer"),
    ("entropy", "doubt (entropy)", "doubt (entropy)"),
    ("kl_to_final", "distance to the final guess (KL)", "distance to the final guess (KL)"),
)
FOLLOW = _options(
    "follow", ("probability", "probability"), ("logit", "logit"), ("rank", "rank"), ("entropy", "entropy")
)

STEPS_SHOW = _options(
    "steps", ("entropy", "doubt"), ("probability", "probability of the token"), ("surprisal", "surprise")
)

READS = _options("reads", ("strongest", "strongest reads"), ("rollout", "through all layers"))

HEADS_VIEW = _options(
    "view",
    ("roles", "what each looks at"),
    ("circuit", "one head’s weights"),
    ("pairs", "who hears whom"),
    ("score", "why it looks there"),
)
ROLE = _options(
    "role",
    ("previous_token", "the token before"),
    ("induction", "what followed last time"),
    ("duplicate_token", "the same token earlier on"),
    ("first_token", "the first token"),
    ("current_token", "its own token"),
)
MEASURED_ON = _options("measured", ("random", "random tokens"), ("text", "ordinary text"))
GAINS = _options("gains", ("raw", "as they are stored"), ("folded", "with the norms’ gains"))
HEARD_BY = _options("heard_by", ("V", "values"), ("Q", "queries"), ("K", "keys"))
SCORE_PARTS = _options("parts", ("auto", "features, where there are any"), ("components", "earlier heads and MLPs"))
SHARED_OUT = _options(
    "metric", ("logit_difference", "logit"), ("log_probability", "log-probability"), ("probability", "probability")
)
PLAYERS = _options(
    "players",
    ("token", "tokens"),
    ("word", "words"),
    ("sentence", "sentences"),
    ("regex", "matches of a pattern"),
    ("span", "spans of my own"),
)
BASELINE = _options(
    "baseline",
    ("mean", "an average embedding"),
    ("zero", "nothing (zero)"),
    ("token", "one token"),
    ("corrupted", "another prompt's"),
)

FEATURES_OVER = _options("over", ("token", "this token"), ("prompt", "whole prompt"))
FEATURES_SORT = _options(
    "sort", ("activation", "strongest first"), ("effect", "effect on the answer"), ("density", "rarest first")
)

SPLIT = _options("by", ("component", "by component"), ("head", "by head"), ("layer", "by layer"))

KNOCKED_OUT = _options(
    "site",
    ("head", "heads", "heads"),
    ("attn_out", "attention layers", "attention layers"),
    ("mlp_out", "MLPs", "MLPs"),
    ("neuron", "neurons", "neurons"),
    ("feature", "features", "features"),
    ("position", "tokens", "tokens"),
    ("key", "what is read"),
    ("edge", "what heads read"),
)
IN_ITS_PLACE = _options(
    "mode",
    ("mean", "its average", "its average"),
    ("resample", "another prompt's", "another prompt's"),
    ("zero", "nothing (zero)", "nothing (zero)"),
    ("set", "a number of mine"),
)
# A feature that is out is at zero, where it is most of the time.
FEATURE_IN_ITS_PLACE = _options(
    "feature_mode",
    ("zero", "nothing (zero)"),
    ("mean", "its average"),
    ("resample", "another prompt's"),
    ("set", "a number of mine"),
)
KNOCKOUT_MEASURE = _options(
    "metric",
    ("logit", "logit"),
    ("probability", "probability"),
    ("kl", "all probabilities (KL)", "all probabilities (KL)"),
)

PATCHED = _options(
    "patch",
    ("resid_pre", "residual stream", "residual stream"),
    ("attn_out", "attention layers", "attention layers"),
    ("mlp_out", "MLPs", "MLPs"),
    ("head", "heads", "heads"),
    ("head_pos", "heads by position", "heads by position"),
    ("q", "queries", "queries"),
    ("k", "keys", "keys"),
    ("v", "values", "values"),
    ("pattern", "attention patterns", "attention patterns"),
)
PATCH_MEASURE = _options(
    "metric",
    ("logit_difference", "logit difference", "logit difference"),
    ("probability", "probability"),
    ("kl", "all guesses (KL)", "all guesses (KL)"),
)
DIRECTION = _options(
    "direction",
    ("denoise", "what suffices", "what suffices"),
    ("noise", "what is needed", "what is needed"),
)

SENDERS = _options(
    "site",
    ("head", "heads", "heads"),
    ("attn_out", "attention layers", "attention layers"),
    ("mlp_out", "MLPs", "MLPs"),
)
RECEIVED = _options(
    "input",
    ("auto", "what carries most", "what carries most"),
    ("q", "queries", "queries"),
    ("k", "keys", "keys"),
    ("v", "values", "values"),
)

GRAPH_NODES = _options(
    "nodes_of",
    ("auto", "usual"),
    ("feature", "features"),
    ("component", "heads and MLPs"),
    ("neuron", "heads and neurons"),
)
MADE_OF = _options("made_of", ("node", "whole parts"), ("edge", "edges between them"))
CIRCUIT_PARTS = _options(
    "parts", ("head_mlp", "heads and MLPs"), ("head", "heads only"), ("head_neuron", "heads and neurons")
)
OUTSIDE = _options(
    "outside", ("mean", "their mean"), ("resample", "what the exchanged prompt has"), ("zero", "nothing (zero)")
)

DIRECTIONS_VIEW = _options("show", ("analogy", "arithmetic with words"), ("set", "how alike directions are"))
SPACE = _options("space", ("embedding", "as they are read"), ("unembedding", "as they are written"))

_SOURCES = (
    ("feature", "a feature", "a feature"),
    ("contrast", "a contrast of prompts", "a contrast of prompts"),
    ("token", "a token", "a token"),
    ("probe", "a probe"),
    ("vector", "pasted numbers", "pasted numbers"),
)
SOURCE = _options("source", ("found", "found for this prompt"), *_SOURCES)
FURTHER_SOURCES = tuple(_options(f"source{number}", *_SOURCES, optional=True) for number in (2, 3, 4))
OPERATION = _options("operation", ("add", "added", "added"), ("clamp", "clamped", "clamped"), ("hold", "held"))
PUSHED = _options(
    "push",
    ("all", "every token", "every token"),
    ("prompt", "the prompt only", "the prompt only"),
    ("new", "new tokens only", "new tokens only"),
)
SWEEP_MEASURE = _options(
    "measure",
    ("probability", "odds of the answer", "odds of the answer"),
    ("kl", "change of the odds", "change of the odds"),
    ("perplexity", "surprise of the text", "surprise of the text"),
)

EDIT = _options(
    "edit_kind",
    ("rome", "rewrite a fact", "rewrite a fact"),
    ("orthogonalise", "remove a direction", "remove a direction"),
)
REMOVED = _options(
    "edit_direction",
    ("feature", "a feature", "a feature"),
    ("token", "a token", "a token"),
    ("contrast", "a contrast of prompts", "a contrast of prompts"),
    ("probe", "a probe"),
    ("vector", "pasted numbers", "pasted numbers"),
)

PROBED = _options(
    "texts",
    ("sentiment", "praise or complaint"),
    ("language", "three languages"),
    ("capital", "capital or other city"),
    ("pasted", "my own, pasted"),
    ("file", "my own, a file"),
)
PROBED_AT = _options(
    "read_at", ("last", "the last token"), ("mean", "all tokens, averaged"), ("token", "a named token")
)
PROBE_KIND = _options("kind", ("logistic", "the probe's weights"), ("mean difference", "the difference of the means"))
UNIT = _options(
    "unit", ("feature", "a feature"), ("neuron", "a neuron"), ("head", "a head"), ("direction", "a direction")
)
ALONG = _options("source", *_SOURCES)
PLACEBO_MEASURE = _options(
    "moved", ("kl", "the odds of the next token"), ("change", "the logit of the answer"), ("side_kl", "other texts")
)

BIGRAM_VIEW = _options("lab", ("letters", "letter by letter"), ("tokens", "inside a real model"))
BIGRAM_GUESS = _options("guess", ("shorter", "shorter"), ("same", "just as long"), ("longer", "longer"), optional=True)
BIGRAM_CUT = _options(
    "cut", ("column", "a column (what comes)"), ("row", "a row (what follows)"), ("nothing", "nothing")
)
FIT_GUESS = _options("fit_guess", *((number, number) for number in "2345"), optional=True)

NAMES_ROLE = _options(
    "role",
    ("name_mover", "the name said once (name movers)"),
    ("s_inhibition", "the repeated name, from the end (S-inhibition)"),
    ("duplicate_token", "its first mention, from the second (duplicate token)"),
    ("induction", "what followed it the first time (induction)"),
    ("previous_token", "the repeated name, from the token after it (previous token)"),
)
NAME_QUESTIONS = _options("questions", ("drawn", "drawn by a seed"), ("published", "the eight published ones"))

# Those that read a prompt and no file, by what their pages call what they find.
BATCHED = _options(
    "analysis",
    ("predict", "next word"),
    ("logit_lens", "logit lens"),
    ("tuned_lens", "tuned lens"),
    ("jacobian_lens", "Jacobian lens"),
    ("lens_difference", "two lenses compared"),
    ("attribution", "attribution"),
    ("input_attribution", "words the answer rests on"),
    ("writing", "writing"),
    ("attention", "attention"),
    ("score_split", "one attention score"),
    ("features", "features"),
    ("feature_list", "features, sorted"),
    ("feature", "a single feature"),
    ("feature_effects", "features that push the answer"),
    ("feature_pairs", "pairs of features"),
    ("neurons", "neurons"),
    ("neuron", "a single neuron"),
    ("neurons_and_features", "neurons beside features"),
    ("investigate", "investigation"),
    ("ablation", "ablation"),
    ("ablated_text", "text without parts"),
    ("patching", "patching"),
    ("patched_run", "one patched activation"),
    ("path_patching", "path patching"),
    ("circuit", "circuit"),
    ("attribution_graph", "attribution graph"),
    ("counterpart", "telling word"),
    ("alignment", "two prompts aligned"),
    ("steering", "steering"),
    ("steering_sweep", "sweep of strengths"),
    ("push_that_shows", "a push that shows"),
    ("edit", "edit"),
    ("lens_timeline", "lens over the training"),
    ("checkpoint_comparison", "two checkpoints"),
    ("drift", "two models, layer by layer"),
    ("tokens", "tokens"),
)
ROWS_FROM = _options("rows_from", ("pasted", "pasted"), ("file", "a file"))
EACH = _options(
    "each",
    ("max", "its largest"),
    ("min", "its smallest"),
    ("mean", "its average"),
    ("first", "its first line"),
    ("line", "every line"),
)

# Every key, page by page ---------------------------------------------------------------------------------------------

CHANCE = (Switch("chance"), Number("chance_seed", 0, 10_000))
LAYER, HEAD, FEATURE, NEURON = Number("layer", 0), Number("head", 0), Number("feature", 0), Number("neuron", 0)
STEP, OTHER_STEP = Hook("step"), Hook("compared")
AUTOENCODER, OTHER_AUTOENCODER = Hook("sae"), Hook("other_sae")
SECOND_PROMPT = Text("corrupted")
SIDEBAR: tuple[Field, ...] = (
    Model("model"), Text("prompt"), Text("target"), Text("foil"), Number("pos", -BIGGEST), START_TOKEN,
)  # fmt: skip
TOURS = Path(__file__).parent / "tours"
TOUR = _options("tour", *((path.stem, path.stem) for path in sorted(TOURS.glob("*.toml"))), optional=True)
TOUR_STEP = Number("tour_step", 1, 7)
EDITS = Edits("edits")
# What is otherwise in the result that stands beside a page's own: its keys begin like no other.
OTHER = "b."
WITHOUT_EDITS = _options(OTHER + "edits", ("none", "without the edits"), optional=True)
COMPARED: tuple[Field, ...] = (
    Text(OTHER + "prompt"), Text(OTHER + "target"), Text(OTHER + "foil"), Model(OTHER + "model"), WITHOUT_EDITS,
    Setting(OTHER + "setting"), Text(OTHER + "value"),
)  # fmt: skip
SLIDE = Number("slide", 1, 50)
EVERYWHERE: tuple[Field, ...] = (
    EDITS,
    TOUR,
    TOUR_STEP,
    SLIDE,
    *COMPARED,
)  # of every page as well, but they have no field


def _direction(number: str) -> tuple[Field, ...]:
    """The keys of one direction to steer with, but for its source."""
    return (
        Hook(f"sae{number}"), Number(f"feature{number}", 0), Text(f"positive{number}"), Text(f"negative{number}"),
        Text(f"token{number}"), Hook(f"probe{number}"), Text(f"vector{number}"),
        Number(f"strength{number}", -2, 2, whole=False), Number(f"layer{number}", 0),
        *([Switch(f"hold{number}")] if number else []),
    )  # fmt: skip


def _further(number: str) -> tuple[Field, ...]:
    """The keys of one direction that is looked at, not pushed along."""
    pushed = f"strength{number}", f"hold{number}"
    return tuple(field for field in _direction(number) if field.key not in pushed)


PAGES: dict[str, tuple[Field, ...]] = {
    "": (),
    "investigate": (SECOND_PROMPT,),
    "logit_lens": (LENS, AGAINST, LENS_SOURCE, SCALE, COLOUR, Switch("half"), FOLLOW, Text("find")),
    "writing": (
        Number("new_tokens", 1, 200), Number("temperature", 0, 2, whole=False), Number("seed", 0, 10_000), STEPS_SHOW,
        Number("written", 0), AUTOENCODER,
    ),
    "directions": (
        DIRECTIONS_VIEW, SPACE, Text("plus"), Text("less"), Text("onto"), Text("tokens"), *FURTHER_SOURCES,
        *_further("2"), *_further("3"), *_further("4"), Number("nearest_to", 0), Number("beside", 0),
    ),
    "attention": (LAYER, HEAD, Switch("weighted"), READS),
    "heads": (
        HEADS_VIEW, LAYER, HEAD, ROLE, MEASURED_ON, Number("least", 5, 100), GAINS, Number("distance", 0, 23), HEARD_BY,
        Text("pair"), Number("key_pos", 0), SCORE_PARTS,
    ),
    "attribution": (LAYER, HEAD, SPLIT),
    "input_attribution": (
        PLAYERS, SHARED_OUT, BASELINE, Text("pattern"), Text("spans"), Text("baseline_token"), SECOND_PROMPT,
        Switch("approximations"), Number("n_steps", 0), Number("window", 0), Number("permutations", 0),
    ),
    "features": (
        AUTOENCODER, FEATURE, FEATURES_OVER, FEATURES_SORT, Number("dense", 0.1, 100, whole=False), Text("label"),
        Switch("skip_first"), OTHER_AUTOENCODER, Switch("pairs"),
    ),
    "probing": (
        PROBED, Text("labelled"), PROBED_AT, Text("read_token"), LAYER, Text("towards"), PROBE_KIND,
        Number("probe_strength", 0, 2, whole=False), PLACEBO_MEASURE,
    ),
    "neurons": (LAYER, NEURON, AUTOENCODER, Switch("compare")),
    "max_activating": (UNIT, ALONG, *_further(""), HEAD, NEURON),
    "ablation": (
        KNOCKED_OUT, IN_ITS_PLACE, FEATURE_IN_ITS_PLACE, Number("set_to", -BIGGEST, whole=False), KNOCKOUT_MEASURE,
        LAYER, HEAD, NEURON, AUTOENCODER, FEATURE, Number("query_pos", 0), Number("key_pos", 0), Number("token", 0),
        Text("also", several=True), Text("reference"), *CHANCE,
    ),
    "patching": (
        SECOND_PROMPT, PATCHED, PATCH_MEASURE, DIRECTION, Switch("estimate"), Text("cell"), Text("also", several=True),
        IN_ITS_PLACE, Text("reference"), *CHANCE,
    ),
    "path_patching": (
        SECOND_PROMPT, Text("receiver"), RECEIVED, SENDERS, DIRECTION, Switch("straight"), Text("sender"),
    ),
    "circuit": (
        SECOND_PROMPT, Text("family"), MADE_OF, CIRCUIT_PARTS, OUTSIDE, Number("level", 0.05, 0.99, whole=False),
        Number("edges_shown", 5, 200), Text("part"),
    ),
    "attribution_graph": (
        SECOND_PROMPT, Text("family"), GRAPH_NODES, Switch("alone"), Number("node_share", 0.3, 1, whole=False),
        Number("lines", 10, 300), Text("pinned", several=True), Text("groups"), Text("part"),
    ),
    "steering": (
        SOURCE, *_direction(""), *FURTHER_SOURCES, *_direction("2"), *_direction("3"), *_direction("4"), OPERATION,
        PUSHED, Number("times", 0, 10, whole=False), Number("largest", 0, whole=False), Number("new_tokens", 1, 200),
        Number("temperature", 0, 2, whole=False), Number("seed", 0, 10_000), Switch("sweep"),
        Number("reach", -2, 2, whole=False, span=True), Number("reach_times", 0, 10, whole=False, span=True),
        SWEEP_MEASURE, *CHANCE,
    ),
    "edits": (
        EDIT, Text("subject"), Text("new_answer"), Number("edit_layer", 0), REMOVED, AUTOENCODER, FEATURE,
        Text("positive"), Text("negative"), LAYER, Hook("probe"), Text("edit_token"), Text("edit_numbers"),
        Text("paraphrases"), Text("neighbours"), Text("unrelated"), *CHANCE,
    ),
    "bigram": (
        BIGRAM_VIEW, Text("own_words"), Number("seed", 0, 10_000), Number("training_steps", 0, 300), Text("letter"),
        BIGRAM_GUESS, BIGRAM_CUT, Text("cut_letter"), Number("temperature", 0, 2, whole=False), Text("bigram_token"),
    ),
    "tours": (),
    "superposition": (
        Number("n_features", 2, 100), Number("n_hidden", 1, 20), Number("density", 0.01, 1, whole=False),
        Text("importance"), Number("learning_steps", 1, 20_000), Number("starts", 1, 8), Number("seed", 0, 10_000),
        FIT_GUESS, Number("start", 1, 8), Number("hidden", 1, 20), Switch("unpack"),
    ),
    "ioi": (
        NAME_QUESTIONS, Number("n_prompts", 2, 256), Number("seed", 0, 10_000), Text("names"), Text("templates"),
        NAMES_ROLE, Switch("knocked"), Text("without", several=True), LAYER, HEAD,
    ),
    "training_timeline": (STEP, OTHER_STEP, ROLE, COLOUR, Text("fetched"), LAYER, HEAD),
    "glossary": (Text("term"),),
    "batch": (
        BATCHED, ROWS_FROM, Text("prompts"), Hook("prompt_column"), ForAll("for_all"), Hook("table"), Hook("column"),
        EACH,
    ),
    "report": (),
}  # fmt: skip


@functools.cache
def of_page(page: str) -> dict[str, Field]:
    """Every key that an address of this page may have, and its field."""
    return {field.key: field for field in (*SIDEBAR, *EVERYWHERE, *PAGES.get(page, ()))}


KNOWN = frozenset(key for page in PAGES for key in of_page(page))
