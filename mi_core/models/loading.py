"""Opens a model: by catalogue id, by Hugging Face id, or from a folder.

Weights are read from safetensors files only and no code that comes with a model is ever run. A model that is on this
machine opens without any network; another is downloaded when someone asks for it by name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

from mi_core.errors import InputError
from mi_core.models import catalogue, forecast, opening
from mi_core.models.progress import silent

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "merges.txt",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "generation_config.json", "chat_template.jinja",
)  # fmt: skip
# Bridges for these exist, but they read both ways, or have no attention to look at.
NOT_LEFT_TO_RIGHT = {"BertLMHeadModel"}

boot_lock = threading.Lock()  # opening a model sets torch's default dtype, which all threads share


def load(model_id: str, progress: Progress | None = None):
    """Open a model for reading.

    Args:
        model_id: Catalogue id, Hugging Face id (owner/name) or path of a folder that `save_pretrained` wrote; behind an
            @ a step of its training, or a revision (`loupe-mini@2500`, `owner/name@step1000`).
        progress: Called with (done, total, message) while it works: bytes during a download; total 0 if unknown.

    Returns:
        `mi_core.models.model.Model` in 32-bit floats, on the CPU or on the device named by LOUPE_DEVICE; the first CUDA
        device where there is one and LOUPE_DEVICE is not set.

    Raises:
        InputError: One sentence that says what is wrong with the id, the folder or the network.
    """
    progress = progress or silent
    folder = locate(model_id, progress)
    check(folder, model_id)
    progress(0, 0, f"Opening {model_id}")
    return _boot(folder, model_id)


def locate(model_id: str, progress: Progress | None = None) -> Path:
    """The local folder of a model, downloaded first where it has to be. Raises InputError; see `load`."""
    from mi_core.models import checkpoints

    name, revision = checkpoints.parted(model_id)
    known = next((entry for entry in catalogue.entries() if entry.id == name), None)
    if known is not None and known.folder is not None:
        return checkpoints.folder_of(known.folder, name, revision)
    if known is not None:
        return _from_hub(model_id, known.hub_id, revision, progress or silent, known.memory_bytes)
    if _is_path(name):
        return checkpoints.folder_of(_local(name), name, revision)
    if HUB_ID.fullmatch(name):
        return _from_hub(model_id, name, revision, progress or silent)
    if _is_here(name):
        return checkpoints.folder_of(_local(name), name, revision)
    raise catalogue.unknown(model_id)


def is_here(model_id: str) -> bool:
    """Whether a model can be opened without fetching anything, and may be."""
    from mi_core.models import checkpoints, hub

    name, revision = checkpoints.parted(model_id)
    known = next((entry for entry in catalogue.entries() if entry.id == name), None)
    if known is not None and known.folder is not None:
        return True
    hub_id = known.hub_id if known else name if HUB_ID.fullmatch(name) and not _is_path(name) else None
    return local_folder(name) is not None if hub_id is None else hub.cached(hub_id, revision) is not None


# Folders ---------------------------------------------------------------------------------------------------------


def allowed_folders() -> tuple[Path, ...] | None:
    """Folders below which models may be opened; None where any folder may.

    LOUPE_MODEL_FOLDERS lists them (separated as in PATH). Whoever serves people on other machines sets it, to
    nothing if they may open no folder at all.
    """
    listed = os.environ.get("LOUPE_MODEL_FOLDERS")
    if listed is None:
        return None
    return tuple(Path(folder).expanduser().resolve() for folder in listed.split(os.pathsep) if folder.strip())


def _is_path(model_id: str) -> bool:
    """Whether a folder is meant. A relative one that looks like owner/name is a folder if it is there to be opened."""
    if not HUB_ID.fullmatch(model_id):
        return model_id.startswith((".", "~")) or any(sign in model_id for sign in "/\\")
    return is_allowed(Path(model_id).resolve()) and Path(model_id).is_dir()


def _is_here(model_id: str) -> bool:
    """Whether a plain name is that of a model folder in the current one, which may be opened."""
    try:
        return (Path(model_id) / "config.json").is_file() and is_allowed(Path(model_id).resolve())
    except (OSError, ValueError):
        return False


def is_allowed(folder: Path) -> bool:
    """Whether a folder, its links resolved, may be opened; see `allowed_folders`."""
    allowed = allowed_folders()
    return allowed is None or any(folder.is_relative_to(root) for root in allowed)


def local_folder(model_id: str) -> Path | None:
    """The folder that a model id names, where it may be looked into; None otherwise."""
    try:
        folder = Path(model_id).expanduser().resolve()
        return folder if is_allowed(folder) and folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        return None


def _local(model_id: str) -> Path:
    """The folder, links resolved; a folder that may not be opened sounds the same whether it exists or not."""
    try:
        folder = Path(model_id).expanduser().resolve()
        permitted = is_allowed(folder)
        exists = permitted and folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError("That is not the path of a folder: check the spelling.", "model") from error
    if not permitted:
        raise InputError(
            "This server opens model folders only where its operator allows it: "
            "choose a model from the list, or ask the operator.",
            "model",
        )
    if not exists:
        raise InputError(f"There is no folder {model_id}: check the spelling.", "model")
    return folder


# Hub -------------------------------------------------------------------------------------------------------------


def _from_hub(model_id: str, hub_id: str, revision: str, progress: Progress, memory_bytes: int = 0) -> Path:
    """Snapshot folder in the usual Hugging Face cache; the network is asked only where the cache lacks it."""
    from mi_core.models import hub

    cached = hub.cached(hub_id, revision)
    if cached is not None and _is_whole(cached, model_id):
        return cached
    forecast.refuse_if_too_large(model_id, memory_bytes, _free_bytes())
    return hub.download(model_id, hub_id, progress, revision, again=cached is not None)


def _is_whole(folder: Path, model_id: str) -> bool:
    try:
        check(folder, model_id, free=float("inf"))
    except InputError:
        return False
    return True


# Checks before anything is loaded --------------------------------------------------------------------------------


def check(folder: Path, model_id: str, free: float | None = None) -> None:
    """Refuse what cannot be opened, by its files alone.

    Raises:
        InputError: No config, tokenizer or safetensors weights; damaged files; an architecture that cannot be
            looked into; more memory needed than there is.
    """
    config = _config(folder, model_id)
    _check_architecture(config, model_id)
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{model_id} holds an adapter beside its weights, which would not be used: merge it into the model first "
            "(peft: merge_and_unload), and save that.",
            "model",
        )
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise InputError(
            f"{model_id} has no tokenizer: save one beside the weights with tokenizer.save_pretrained(folder).",
            "model",
        )
    needed = forecast.memory_bytes(folder)
    forecast.refuse_if_too_large(model_id, needed, _free_bytes() if free is None else free)


def _config(folder: Path, model_id: str) -> dict:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            f"{model_id} has no config.json: choose a folder that transformers' save_pretrained wrote.", "model"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise forecast.damaged(path) from error
    if not isinstance(config, dict):
        raise forecast.damaged(path)
    return config


def _check_architecture(config: dict, model_id: str) -> None:
    from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    by_type = CAUSAL.get(config.get("model_type"), "unknown")
    name = (config.get("architectures") or [by_type])[0]
    known = name in SUPPORTED_ARCHITECTURES and name in CAUSAL.values() and name not in NOT_LEFT_TO_RIGHT
    if not known or not name.endswith(("ForCausalLM", "LMHeadModel")):
        raise InputError(
            f"{model_id} is a {name}, which Loupe cannot look into: choose a model that writes text from left to "
            "right, such as GPT-2, Pythia, Llama, Gemma or Qwen.",
            "model",
        )
    if "quantization_config" in config:
        raise InputError(
            f"{model_id} is stored quantised, which Loupe cannot look into: choose the original weights.", "model"
        )


# Opening ---------------------------------------------------------------------------------------------------------


def fingerprint(folder: Path) -> str:
    """Hash of everything that decides a model's numbers: configuration, tokenizer and weights."""
    digest = hashlib.blake2b(digest_size=20)
    tokenizer = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    for path in [folder / "config.json", *tokenizer, *forecast.weights(folder)]:
        digest.update(f"{path.name}:{path.stat().st_size}:".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def device() -> str:
    """Where models run: LOUPE_DEVICE, or the CUDA device where there is one, or the CPU.

    Raises:
        InputError: LOUPE_DEVICE names a device that is not there.
    """
    import torch

    wanted = os.environ.get("LOUPE_DEVICE", "").strip().lower()
    has = {"": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = wanted.partition(":")[0]
    if not has.get(kind, False):
        raise InputError(
            f"LOUPE_DEVICE is “{wanted}”, which this machine does not have: set it to cpu, or leave it out.", "model"
        )
    if kind == "mps":
        logging.getLogger(__name__).warning(
            "On Apple's GPU (mps) some operations have given wrong signs: compare surprising results with the CPU."
        )
    return wanted or ("cuda" if has["cuda"] else "cpu")


def _free_bytes() -> int | None:
    """Free memory of the CUDA device where models go there, None for the machine's own."""
    wanted = device()
    if not wanted.startswith("cuda"):
        return None
    import torch

    return torch.cuda.mem_get_info(torch.device(wanted))[0]


def _boot(folder: Path, model_id: str):
    from safetensors import SafetensorError
    from transformer_lens.model_bridge import TransformerBridge

    from mi_core.models.model import Model
    from mi_core.models.plain import plain_copy
    from mi_core.models.saved import first_line, read_tokenizer, read_weights

    key = fingerprint(folder)
    known = opening.remembered(key)
    with boot_lock:
        try:
            hf_model, tokenizer = read_weights(folder, model_id).to(device()), read_tokenizer(folder, model_id)
            plain = None if known is not None else plain_copy(hf_model)
            bridge = TransformerBridge.boot_transformers(str(folder), hf_model=hf_model, trust_remote_code=False)
            leave_to_transformers(hf_model)
        except InputError:
            raise
        except (SafetensorError, OSError) as error:
            raise InputError(f"{model_id} could not be opened: {first_line(error)}", "model") from error
        except Exception as error:  # every architecture that the bridge cannot take fails in its own way
            log.warning("%s could not be opened", model_id, exc_info=True)
            raise InputError(
                f"{model_id} is of a make that Loupe's way of looking in does not fit ({type(error).__name__}): choose "
                "another model.",
                "model",
            ) from error
    if not any(hasattr(block, "attn") for block in getattr(bridge, "blocks", ())):
        raise InputError(
            f"{model_id} has no attention that Loupe can see, so there is little to show: choose another.", "model"
        )
    model = Model(bridge, model_id, key, tokenizer=tokenizer)
    if known is not None and known.attention_left:
        model.leave_attention()
    model.opening = known if known is not None else _compared(model, *plain)
    return model


def leave_to_transformers(hf_model) -> None:
    """Take out of a bridged model what its bridge would compute by other code than transformers', or for nothing."""
    from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent
    from transformer_lens.model_bridge.generalized_components.gated_delta_net import GatedDeltaNetBridge

    for part in list(hf_model.modules()):
        if isinstance(part, GatedDeltaNetBridge):
            part._hooked_forward = part._native_forward  # its own is of an earlier transformers
        for name, inner in part.named_children():
            if isinstance(inner, GeneralizedComponent) and inner.original_component is None:
                setattr(part, name, None)  # a part that this model has not: rotary factors, where it knows no positions


def _compared(model, plain, copies):
    """What comparing the model with plain transformers finds, kept for the next time."""
    from mi_core.models import comparison

    try:
        found = comparison.compare(model, plain, copies)
    except InputError:
        raise
    except Exception as error:
        log.warning("%s could not be compared with plain transformers", model.id, exc_info=True)
        raise InputError(
            f"{model.id} could not be compared with what transformers itself computes ({type(error).__name__}), so "
            "nothing that Loupe shows of it could be trusted: choose another model.",
            "model",
        ) from error
    opening.remember(model.fingerprint, found)
    return found
