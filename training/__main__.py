"""Make ``models/loupe-mini/``, from a seed and random weights.

    python -m training [--out models/loupe-mini] [--work FOLDER] [--seed N]

Tokenizer, training, SAEs, contexts, highlights, neurons, lenses and checkpoints, in this order, all in the work
folder, and copied to ``--out`` at the end. Stop it and start it again with the same work folder: training goes on at
the last chunk of 50 steps, finished parts are not made again. It uses CUDA where there is one.
``python -m training.evaluate`` then prints the figures.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from training import contexts, jacobian, lens, neurons, saes, seen, texts, tokenizer
from training.checkpoints import write_checkpoints
from training.export import network_of, read, to_transformers, write
from training.highlights import write_highlights
from training.train import Recipe, train

ROOT = Path(__file__).parents[1]
#: Steps whose weights become checkpoints, close together where induction appears; the last is the model itself.
SNAPSHOTS = (0, 1100, 2250, 2500, 3000, 3250, 3500, 4000, 5000, 8000, 12000)


def main(arguments: list[str] | None = None) -> None:
    """Make all files of the built-in model."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    recipe = replace(Recipe(), seed=options.seed, **sizes(options))
    work, made = options.work, options.work / "made"
    run = work / "main"
    for folder in (made, run):
        folder.mkdir(parents=True, exist_ok=True)
    if not (run / "tokenizer.json").exists():
        say("training the tokenizer")
        tokenizer.build(recipe.vocabulary, run, recipe.context, recipe.seed)
    say(f"training {recipe.steps} steps on {device}")
    snapshots = [step for step in SNAPSHOTS if step < recipe.steps]
    network = train(recipe, run, snapshots, device)
    weights = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    write(to_transformers(weights, recipe.heads), run, made)
    features(made, options, device)
    if not (made / "checkpoints" / "scores.json").exists():
        say("measuring the checkpoints")
        about = {"heads": recipe.heads, "tokens_per_step": recipe.rows * recipe.context, "start": "random weights"}
        write_checkpoints(run, snapshots, recipe.steps, made, about)
    seen.write_words(made, recipe.seed)
    texts.write_texts(made, recipe.seed)
    shutil.copytree(made, options.out, dirs_exist_ok=True)
    say(f"all files are in {options.out}")


def features(out: Path, options: argparse.Namespace, device: str) -> None:
    """SAEs with their contexts and highlights, neurons, tuned and Jacobian lens."""
    network = network_of(out).to(device)
    recipe = replace(saes.SaeRecipe(), text=options.sae_text)
    if options.sae_features:
        recipe = replace(recipe, features=(options.sae_features,) * len(recipe.features))
    if options.sae_tokens:
        recipe = replace(recipe, tokens=(options.sae_tokens,) * len(recipe.tokens))
    saes.train_saes(network, out / "tokenizer.json", out, recipe, options.seed, say)
    for folder in sorted((out / "saes").iterdir()):
        if not (folder / "contexts.json").exists():
            say(f"reading contexts of {folder.name}")
            contexts.write(out, folder, folder, options.sample_tokens, options.seed)
    if not list((out / "saes").glob("*/highlights.toml")):
        say("looking for features to steer with")
        write_highlights(*read(out), out, say)
    if not (out / "neurons").exists():
        say("reading contexts of the neurons")
        neurons.write_neurons(*read(out), out, options.neuron_tokens)
    if not (out / "tuned_lens.safetensors").exists():
        lens.train_lens(network, out / "tokenizer.json", out, options.seed, options.lens_steps, say)
    if not (out / "jacobian_lens.safetensors").exists():
        jacobian.fit_lens(out, out, options.seed, options.lens_texts, say)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "loupe-mini", help="where the model goes")
    parser.add_argument("--work", type=Path, default=ROOT / "cache" / "training", help="where training keeps its state")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="more than the free cores slows it down")
    parser.add_argument("--device", help="default: cuda where there is one, else cpu")
    for name in ("steps", "vocabulary", "context", "rows", "layers", "width", "heads", "hidden"):
        parser.add_argument(f"--{name}", type=int, help="default: the recipe's")
    parser.add_argument("--sae-tokens", type=int, help="default: the recipe's")
    parser.add_argument("--sae-text", type=int, default=saes.SaeRecipe.text, help="tokens the SAEs see, several times")
    parser.add_argument("--sae-features", type=int, help="default: the recipe's")
    parser.add_argument("--sample-tokens", type=int, default=40_000, help="sample that contexts are read from")
    parser.add_argument("--neuron-tokens", type=int, default=20_000, help="the same for the neurons")
    parser.add_argument("--lens-steps", type=int, default=250)
    parser.add_argument("--lens-texts", type=int, default=96, help="texts that the Jacobian lens is fitted on")
    return parser.parse_args(arguments)


def sizes(options: argparse.Namespace) -> dict[str, int]:
    """The parts of the recipe that the command line changes."""
    names = ("steps", "vocabulary", "context", "rows", "layers", "width", "heads", "hidden")
    return {name: getattr(options, name) for name in names if getattr(options, name)}


def say(text: str) -> None:
    """Progress, one line at a time."""
    print(text, flush=True)


if __name__ == "__main__":
    torch.set_flush_denormal(True)  # of the whole process: numbers too small to matter would slow it down
    main()
