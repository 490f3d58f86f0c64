"""The kinds of nodes that an attribution graph has."""

TOKEN, FEATURE, ERROR, OTHERS, START = "token", "feature", "error", "others", "start"
HEAD, MLP, NEURON, REST, BIAS, ANSWER = "head", "mlp", "neuron", "rest", "bias", "answer"
TOLD_APART = (FEATURE, HEAD, MLP, NEURON)
#: Kinds that nothing before them accounts for, where nodes are pruned.
SOURCES = (TOKEN, ERROR, START, BIAS, REST)
