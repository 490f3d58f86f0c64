"""Live pictures of terms: analyses of the built-in model, as it is, whatever model the visitor looks into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from charts import figures
from charts.figures import Figure

CAPITAL = {"prompt": "The capital of Texas is"}
STORY = {"prompt": "Once upon a time there was a little girl"}
NAMES = {
    "prompt": "When Mary and John went to the store, John gave a drink to",
    "target": " Mary",
    "foil": " John",
}
NAME_MOVER = {"layer": 3, "head": 2}
SAE = {"sae": "blocks.2.hook_resid_pre"}


@dataclass(frozen=True)
class Picture:
    """What is computed, what draws it, what it shows in words (its text for who cannot see it is the chart's own)."""

    analysis: str
    figure: Figure
    table: str
    how: str
    settings: dict[str, Any] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)


PICTURES: dict[str, Picture] = {
    "guesses": Picture(
        "predict", figures.predict, "predictions",
        "Each bar is a token that may come next, and its length is the probability that the model gives it. All "
        "tokens together, those that are not drawn too, have 100%.", CAPITAL,
    ),
    "surprise": Picture(
        "predict", figures.surprise, "positions",
        "Each bar is one token of the prompt: the taller it is, the less the model expected it. The first one has no "
        "bar, since nothing came before it.", CAPITAL,
    ),
    "pieces": Picture(
        "predict", figures.surprise, "positions",
        "Each bar is one token of “It is unbelievable”. Its last word has four, since the model does not know it "
        "whole.",
        {"prompt": "It is unbelievable"},
    ),
    "lens": Picture(
        "logit_lens", figures.logit_lens, "lens",
        "Each row is a layer, each column a token. A cell shows what the model would say next if it stopped there. "
        "Read a column from the top down to see a guess take shape.", CAPITAL,
    ),
    "distance": Picture(
        "logit_lens", figures.logit_lens, "lens",
        "Each row is a layer, each column a token. The darker a cell, the further its guesses are from those that the"
        " model ends with, in bits. The last row is 0 everywhere.", CAPITAL, {"colour": "kl_to_final"},
    ),
    "tuned": Picture(
        "tuned_lens", figures.tuned_lens, "lens",
        "The same as the logit lens, but each layer is first translated into the form of the last one. The "
        "translators were trained on text.", CAPITAL,
    ),
    "jacobian": Picture(
        "jacobian_lens", figures.jacobian_lens, "lens",
        "Each cell is read by what its layer does to the output on average. So it shows what the layer disposes the "
        "model to say, now or later.", CAPITAL,
    ),
    "pattern": Picture(
        "attention", figures.attention, "pattern",
        "Each row is a token that looks, each column a token that is looked at. The darker a cell, the more of the "
        "head's attention goes there. A row adds up to 1.", CAPITAL,
    ),
    "rollout": Picture(
        "attention", figures.rollout, "rollout",
        "Each row is a token, each column an earlier one. A cell estimates how much of the earlier token reaches the "
        "row through all layers. It is a rough map.", CAPITAL,
    ),
    "roles": Picture(
        "head_roles", figures.head_roles, "scores",
        "One cell per head: a row is a layer, a column a head. The darker it is, the more of its attention goes where"
        " an induction head looks.", {}, {"role": "induction"},
    ),
    "previous token": Picture(
        "head_roles", figures.head_roles, "scores",
        "One cell per head: a row is a layer, a column a head. The darker it is, the more of its attention goes to "
        "the token just before.", {}, {"role": "previous_token"},
    ),
    "duplicate token": Picture(
        "head_roles", figures.head_roles, "scores",
        "One cell per head: a row is a layer, a column a head. The darker it is, the more of its attention goes to "
        "the same token, earlier in the text.", {}, {"role": "duplicate_token"},
    ),
    "sink": Picture(
        "head_roles", figures.head_roles, "scores",
        "One cell per head: a row is a layer, a column a head. The darker it is, the more of its attention rests on "
        "the first token.", {}, {"role": "first_token"},
    ),
    "contributions": Picture(
        "attribution", figures.attribution, "contributions",
        "Each bar is a part of the model and what it adds to the answer's score. Bars to the right push the answer "
        "up, bars to the left hold it down. Together they make the whole score.", CAPITAL,
    ),
    "names": Picture(
        "attribution", figures.attribution_by_head, "contributions",
        "One cell per head: a row is a layer, a column a head. It shows how much the head pushes the one name over "
        "the other.", NAMES,
    ),
    "who receives": Picture(
        "ioi", figures.ioi, "heads",
        "One cell per head: a row is a layer, a column a head. It shows how much the head pushes the name that was "
        "said once over the one that comes again, over many prompts.",
    ),
    "looks at the repeated name": Picture(
        "ioi", figures.ioi_attention, "heads",
        "One cell per head: a row is a layer, a column a head. It shows how much of its attention goes from the last "
        "token to the second mention of the repeated name.", {}, {"role": "s_inhibition"},
    ),
    "who steps in": Picture(
        "ioi", figures.ioi_gain, "heads",
        "Each bar is a head, and how much more it writes for the right name once the heads that answered are out.",
    ),
    "written by a head": Picture(
        "head_circuit", figures.head_circuit, "ov",
        "Each bar is a pair: if the head reads the first token, it pushes the second most, by its weights alone. Where "
        "both are the same, the head copies.", NAME_MOVER,
    ),
    "attracted": Picture(
        "head_circuit", figures.attracted, "qk",
        "Each bar is a pair: one token that looks for another, and the token that it is drawn to most, by the head's "
        "weights alone.", NAME_MOVER,
    ),
    "composition": Picture(
        "composition", figures.composition, "scores",
        "A row is an earlier head, a column a later one. The darker a cell, the more the later one listens to what the "
        "earlier one writes.", {}, {"kind": "K"},
    ),
    "score": Picture(
        "score_split", figures.score_split, "pairs",
        "Each bar is a pair of parts and what it adds to the attention score. Bars to the right draw the head there, "
        "bars to the left hold it back.", CAPITAL | {"layer": 1, "head": 3},
    ),
    "rank": Picture(
        "logit_lens", figures.answer_by_layer, "target",
        "From left to right: the layers. The line is the rank of the answer if the model stopped there: 1 is the top.",
        CAPITAL, {"follow": "rank"},
    ),
    "doubt": Picture(
        "logit_lens", figures.logit_lens, "lens",
        "Each row is a layer, each column a token. The darker a cell, the less sure the model would be of the next "
        "token there.", CAPITAL, {"colour": "entropy"},
    ),
    "knockouts": Picture(
        "ablation", figures.ablation, "effects",
        "Each cell is what becomes of the answer's score when that one head is knocked out. Strongly negative: the "
        "answer needed it.", CAPITAL,
    ),
    "patches": Picture(
        "patching", figures.patching, "effects",
        "Each cell puts one activation of the one prompt into the run on the other. It shows how much of the "
        "difference in the answer comes along: 100% is all of it.", CAPITAL | {"corrupted": "The capital of France is"},
    ),
    "estimates": Picture(
        "patching", figures.patching, "effects",
        "Each cell is a forecast of what one patch would do, from one pass back. The largest were then run exactly.",
        CAPITAL | {"corrupted": "The capital of France is", "estimate": True},
    ),
    "needed": Picture(
        "patching", figures.patching, "effects",
        "Each cell puts one activation of the other prompt into the run on yours. It shows how much of the answer is "
        "destroyed.", CAPITAL | {"corrupted": "The capital of France is", "direction": "noise"},
    ),
    "paths": Picture(
        "path_patching", figures.path_patching, "effects",
        "Each cell lets one head say to the answer alone what it says on the other prompt. It shows how much of the "
        "difference comes along.", CAPITAL | {"corrupted": "The capital of France is"},
    ),
    "promoted": Picture(
        "feature", figures.promoted, "promoted",
        "Each bar is a token that this feature makes likelier (to the right) or less likely (to the left), by what it "
        "writes directly.", STORY | SAE | {"feature": 115},
    ),
    "features": Picture(
        "features", figures.features, "features",
        "Each bar is a feature that is active on the last token, and its length is how strongly. The labels were made"
        " from the texts in which each feature fires.", CAPITAL | SAE,
    ),
    "one feature": Picture(
        "feature", figures.feature, "activations",
        "Each bar is how strongly this one feature fires on that token. Where there is no bar, it is silent.",
        STORY | SAE | {"feature": 115},
    ),
    "neurons": Picture(
        "neurons", figures.neurons, "neurons",
        "Each bar is a neuron and what it adds to the answer's score. To the right it pushes the answer up, to the "
        "left it holds it down.", CAPITAL,
    ),
    "words": Picture(
        "input_attribution", figures.input_attribution, "scores",
        "Each row is a method, each column a token of the prompt. The darker a cell, the more the answer rests on "
        "that token by that method.", CAPITAL,
    ),
    "steered": Picture(
        "steering", figures.steering, "shift",
        "Each row is a token. The open dot is its probability of coming next without the push, the filled dot with "
        "it.",
        CAPITAL | {"direction": "token:Paris", "strength": 0.5, "max_new_tokens": 8},
    ),
    "edited": Picture(
        "edit", figures.edit, "shift",
        "Each row is a token. The hollow circle is its probability of coming next before the edit, the filled diamond"
        " after it.", CAPITAL | {"subject": "Texas", "target": "Boston"},
    ),
    "sum": Picture(
        "analogy", figures.analogy, "nearest",
        "The bars are the tokens whose lists of numbers point most nearly the same way as Paris − France + Italy. A "
        "cosine of 1 is the same way.", {"a": "Paris", "b": "France", "c": "Italy"},
    ),
    "bigrams": Picture(
        "bigram", figures.bigram, "pairs",
        "A row is a letter, a column the letter after it. The darker a cell, the more often the second follows the "
        "first in the names.",
    ),
    "backbone": Picture(
        "bigram", figures.bigram_backbone, "backbone",
        "Each letter, and the likeliest letter after it. Following these from the start gives the likeliest word.",
    ),
    "rules": Picture(
        "bigram", figures.bigram_rules, "rules",
        "Each bar is a rule that the model has learned, and how sure it is of it.",
    ),
    "arrows": Picture(
        "superposition", figures.superposition, "path",
        "Each arrow is a feature: the two numbers by which it is written. Five arrows share two dimensions, so none "
        "stands alone.", {"density": 0.05},
    ),
    "shares": Picture(
        "superposition", figures.dimensionality, "features",
        "Each bar is a feature and the share of a dimension that it has to itself. Together they take up the two "
        "dimensions that there are.", {"density": 0.05},
    ),
    "interference": Picture(
        "superposition", figures.feature_interference, "interference",
        "A row is a feature that is there, a column what is then read at another. What stands beside the diagonal is "
        "interference.", {"density": 0.05},
    ),
    "losses": Picture(
        "bigram", figures.bigram_loss, "loss",
        "From left to right: steps of training. The lower the line, the less the model is surprised by the names it "
        "learns from.",
    ),
}  # fmt: skip
