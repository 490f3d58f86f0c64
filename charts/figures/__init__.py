"""The charts of every analysis: one function makes each, for the page, its exports and the command line alike.

A figure takes a result, and by name what a reader may choose about how it is shown; `title` replaces its own.
"""

from __future__ import annotations

from collections.abc import Callable

import altair as alt

from charts.figures.circuits import attribution_graph, circuit, circuit_curve, saved_graph
from charts.figures.credit import (
    attribution,
    attribution_by_head,
    attribution_by_layer,
    attribution_sources,
    input_attribution,
)
from charts.figures.guesses import (
    answer_by_layer,
    jacobian_lens,
    lens_difference,
    lens_training,
    logit_lens,
    predict,
    surprise,
    token_ranks,
    tuned_lens,
    writing,
    writing_features,
    writing_guesses,
    writing_heads,
    writing_lens,
)
from charts.figures.heads import (
    attention,
    attention_heads,
    attracted,
    chosen_tokens,
    composition,
    drawn_by_distance,
    head_circuit,
    head_profile,
    head_roles,
    head_spread,
    ioi,
    ioi_attention,
    ioi_gain,
    ioi_knockout,
    ioi_prompts,
    rollout,
    score_side,
    score_split,
)
from charts.figures.interventions import (
    ablation,
    counterpart,
    edit,
    edit_elsewhere,
    foretold,
    investigate,
    patched_run,
    patching,
    path_patching,
    placebo,
    steering,
    steering_sweep,
)
from charts.figures.labs import (
    bigram,
    bigram_ablation,
    bigram_backbone,
    bigram_loss,
    bigram_of_model,
    bigram_row,
    bigram_rules,
    dimensionality,
    feature_interference,
    hidden_meanings,
    superposition,
    superposition_losses,
    superposition_starts,
    unpacked_arrows,
    unpacking,
)
from charts.figures.training import (
    checkpoint_comparison,
    drift,
    heads_that_changed,
    lens_timeline,
    roles_at_step,
    training_timeline,
)
from charts.figures.units import (
    feature,
    feature_effects,
    feature_list,
    feature_pairs,
    feature_sums,
    features,
    max_activating,
    neuron,
    neurons,
    neurons_and_features,
    promoted,
    strongest_units,
)
from charts.figures.vectors import analogy, directions, nearest_tokens, probe_confusion, probe_use, probing

Figure = Callable[..., alt.LayerChart]

FIGURES: dict[str, Figure] = {
    figure.__name__: figure
    for figure in (
        predict, logit_lens, tuned_lens, jacobian_lens, lens_difference, lens_training, attention, head_roles,
        head_circuit, composition, score_split, attribution, input_attribution, features, feature, steering,
        steering_sweep, ablation, patching, patched_run, path_patching, circuit, attribution_graph, placebo,
        counterpart, edit, probing, probe_use, writing, analogy, directions, neurons, neuron, neurons_and_features,
        feature_effects, feature_pairs, feature_list, max_activating, bigram, bigram_ablation, bigram_of_model,
        superposition, unpacking, training_timeline, lens_timeline, checkpoint_comparison, drift, investigate, ioi,
    )
}  # fmt: skip
