"""Sparse autoencoders (SAEs) beside a model: which there are, and one opened in its own library, sae_lens."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_core import disk
from mi_core.errors import Absent, InputError, shortened
from mi_core.lru import LRU
from mi_core.models import catalogue, hooks
from mi_core.models.catalogue import SaeEntry
from mi_core.models.loading import local_folder
from mi_core.saes import neuron_notes
from mi_core.saes.sae import Sae

if TYPE_CHECKING:  # the pages list SAEs long before torch is there
    from mi_core.models.model import Model

CACHE_BYTES = 1 << 30
# What transformers calls a block, its MLP and its attention.
MODULE = re.compile(
    r"(?:\w+\.)*(?:layers|h|blocks)\.(?P<layer>\d+)(?:\.(?P<part>mlp|attn|self_attn|attention|self_attention))?"
)


def available(model_id: str) -> tuple[SaeEntry, ...]:
    """The SAEs that fit a model, in the order of its layers: the catalogue's, and those in its folder.

    A folder holds them as ``saes/<any name>/cfg.json`` beside ``sae_weights.safetensors``, sae_lens' own format, in
    folders of folders too. The first at a hook that can be read has the hook for its name, others ``hook#folder``.
    Cheap: no weights are read, nothing is fetched.
    """
    known = {entry.id: entry for entry in catalogue.entries()}.get(model_id)
    folder = known.folder if known else local_folder(model_id)
    listed = [sae for sae in (known.saes if known else ()) if sae.folder is None or (sae.folder / "cfg.json").is_file()]
    found = [_described(path) for path in sorted(folder.glob("saes/**/cfg.json"))] if folder else []
    seen = {sae.folder for sae in listed if sae.folder}
    every = [*listed, *(sae for sae in found if sae and sae.folder not in seen)]
    every = sorted(every, key=lambda sae: (*_place(sae), bool(sae.refused)))
    hooks_seen: set[str] = set()
    named = []
    for sae in every:
        name = sae.hook if sae.hook not in hooks_seen else f"{sae.hook}#{_short(sae)}"
        hooks_seen.add(sae.hook)
        named.append(replace(sae, name=name))
    return tuple(named)


def stamp(model_id: str) -> str:
    """Changes with every file of the SAEs in a model's folder, and of the notes on its neurons: what is read of them is
    no part of its fingerprint.
    """
    folders = [entry.folder for entry in available(model_id) if entry.folder]
    folders += filter(None, [neuron_notes.folder(model_id)])
    seen = [_states(folder) for folder in folders]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16] if seen else ""


def pick(model_id: str, hook: str | None = None) -> SaeEntry:
    """The SAE of that name: its hook, its folder's name, or ``hook#folder``; without one the model's only one, or the
    middle one of those that can be read.

    Raises:
        InputError: The model has no SAE, or none there.
    """
    entries = available(model_id)
    if not entries:
        raise InputError(
            f"There is no SAE for {shortened(model_id)}: choose a model that has one, such as {catalogue.DEFAULT}, "
            "or put one in sae_lens' format into the model's folder, under saes.",
            "sae",
        )
    if hook is None:
        readable = [entry for entry in entries if not entry.refused] or entries
        return readable[len(readable) // 2]
    for entry in entries:
        if hook in (entry.name, _short(entry), f"{entry.hook}#{_short(entry)}"):
            return entry
    raise InputError(
        f"There is no SAE at “{shortened(hook)}”: {shortened(model_id)} has "
        f"{', '.join(entry.name for entry in entries)}.",
        "sae",
        suggestion=entries[len(entries) // 2].name,
    )


def neighbour(model_id: str, sae: SaeEntry) -> SaeEntry | None:
    """The next SAE at another place in the model's computation, or the one before the last; None where there is none.

    Args:
        model_id: The model.
        sae: One of those that are `available`.
    """
    entries = [entry for entry in available(model_id) if not entry.refused]
    at = next((i for i, entry in enumerate(entries) if entry.name == sae.name), 0)
    after = [entry for entry in entries[at:] if entry.hook != sae.hook]
    before = [entry for entry in entries[:at] if entry.hook != sae.hook]
    return after[0] if after else before[-1] if before else None


def load_sae(model: Model, hook: str | None = None) -> Sae:
    """An SAE, opened; a public one as soon as `fetch` has brought it. Never uses the network.

    Args:
        model: The model it reads.
        hook: Its name, as `pick` takes it; None for the model's only one, or the middle one of those that can be read.

    Raises:
        Absent: A public SAE that has to be fetched first, which may take minutes.
        InputError: No such SAE, a damaged file, or one made for another model.
    """
    if hook is not None:
        return _ready(pick(model.id, hook), model)
    first = pick(model.id)
    try:
        return _ready(first, model)
    except Absent:
        raise
    except InputError as error:  # one that cannot be used does not stop another
        for entry in available(model.id):
            if entry.folder is not None and entry != first:
                with suppress(InputError):
                    return _ready(entry, model)
        raise error


def _ready(entry: SaeEntry, model: Model) -> Sae:
    if entry.refused:
        raise InputError(entry.refused, "sae")
    device = str(model.device)
    sae = _loaded.get(_key(entry, device))
    if sae is None and entry.folder is None:
        raise Absent(
            f"The SAE at {entry.hook} has to be downloaded first: ask for it through mi_core.run, which does that.",
            "sae",
            lambda progress: fetch(entry, device, progress),
        )
    if sae is None:
        sae = _open(entry, device)
        _loaded.put(_key(entry, device), sae)
    _check_fits(sae, model)
    centred = sae.centred and model.final_norm.centred  # else the mean over d_model is read by the model, too
    remarks = _remarks(sae, model)
    if (centred, remarks, entry) == (sae.centred, sae.remarks, sae.entry):
        return sae
    page = entry.neuronpedia or sae.entry.neuronpedia  # which its weights' file may name
    return replace(sae, entry=replace(entry, centred=centred, neuronpedia=page), centred=centred, remarks=remarks)


def _remarks(sae: Sae, model: Model) -> tuple[str, ...]:
    remarks = []
    made_for = sae.inner.cfg.metadata.model_name
    own = {model.id, Path(model.id).name, str(getattr(model.hf_model.config, "_name_or_path", ""))}
    if isinstance(made_for, str) and _plain_name(made_for) not in {_plain_name(name) for name in own}:
        remarks.append(
            f"This SAE says that it was made for {shortened(made_for)}, not for {shortened(Path(model.id).name)}."
        )
    if sae.inner.cfg.normalize_activations == "expected_average_only_in":
        remarks.append(
            "This SAE was trained on activations scaled by a factor that is not folded into its weights, so its "
            "activations here are of another size than those it learned from."
        )
    if sae.entry.centred and not model.final_norm.centred:
        remarks.append(
            "This SAE asks for centred activations, and this model's norm does not centre: it reads them as they are."
        )
    return tuple(remarks)


def _plain_name(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2].lower()
    return last.removesuffix("-small") if last.startswith("gpt2") else last


def fetch(entry: SaeEntry, device: str, progress: Callable[[int, int, str], None]) -> None:
    """Download a public SAE into the usual Hugging Face cache, unless it is there, and open it.

    Args:
        entry: The SAE.
        device: Where its model runs.
        progress: Called with (bytes done, bytes in all, message), total 0 if unknown.

    Raises:
        InputError: No network, no room, or files that cannot be read.
    """
    from huggingface_hub.errors import DryRunError, HTTPError
    from sae_lens.loading.pretrained_saes_directory import get_repo_id_and_folder_name

    from mi_core.models import hub

    progress(0, 0, f"Opening the SAE at {entry.hook}")
    with _fetching:
        if _loaded.get(_key(entry, device)) is not None:
            return
        with suppress(DryRunError, HTTPError, OSError):  # what an earlier download left may do
            repo, path = get_repo_id_and_folder_name(entry.release, entry.sae_id)
            hub.download_part(repo, path, f"the SAE at {entry.hook}", progress)
        progress(0, 0, f"Opening the SAE at {entry.hook}")
        _loaded.put(_key(entry, device), _open(entry, device))


def _states(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    return tuple(disk.state(path) for path in sorted(folder.iterdir()) if path.is_file())


def _key(entry: SaeEntry, device: str) -> tuple[Any, ...]:
    """Of an opened SAE; one whose files have changed is another."""
    return str(entry.folder or entry.release), entry.sae_id, device, _states(entry.folder) if entry.folder else ()


def _weight_bytes(sae: Sae) -> int:
    return sum(parameter.nbytes for parameter in sae.inner.parameters())


_loaded: LRU[tuple[Any, ...], Sae] = LRU(CACHE_BYTES, _weight_bytes, spared=1)
_fetching = threading.Lock()  # who asks for the same one meanwhile finds it opened


def _open(entry: SaeEntry, device: str) -> Sae:
    import httpx
    from huggingface_hub.errors import HfHubHTTPError
    from sae_lens import SAE

    try:
        with warnings.catch_warnings():  # sae_lens warns that the model must be centred: `Sae` sees to it
            warnings.simplefilter("ignore", UserWarning)
            if entry.folder is not None:
                inner = SAE.load_from_disk(entry.folder, device=device, dtype="float32")
            else:
                inner = SAE.from_pretrained(entry.release, entry.sae_id, device=device)
    except (OSError, HfHubHTTPError, httpx.HTTPError) as error:
        raise _unreachable(entry) from error
    except Exception as error:  # sae_lens raises what it meets in the file: KeyError, RuntimeError, ValueError …
        raise _damaged(entry) from error
    if not all(bool(parameter.isfinite().all()) for parameter in inner.parameters()):
        raise InputError(
            f"The SAE at {entry.hook} is damaged: its weights hold values that are no numbers (NaN or infinite). Fetch "
            "it again or choose another.",
            "sae",
        )
    if hasattr(inner.cfg, "d_out"):
        raise InputError(_transcoder(entry.hook), "sae")
    inner = inner.eval().requires_grad_(False)
    metadata = inner.cfg.metadata.to_dict()
    centred = entry.centred or _wants_centring(metadata)
    found = replace(entry, centred=centred, neuronpedia=entry.neuronpedia or _page(metadata))
    return Sae(entry=found, inner=inner, centred=centred)


def _check_fits(sae: Sae, model: Model) -> None:
    named = sae.inner.cfg.metadata.hook_name or ""
    if MODULE.fullmatch(named) and sae.site in (hooks.attn_out, hooks.mlp_out) and _norms_what_it_adds(model):
        raise InputError(
            f"The SAE at “{shortened(named)}” reads what that module returns, which {shortened(Path(model.id).name)} "
            "norms before adding it, so it is at no place that is read here: choose an SAE of the residual stream.",
            "sae",
        )
    if sae.site not in hooks.RESIDUAL or not model.has(sae.hook):
        raise InputError(
            f"The SAE at “{shortened(sae.hook)}” cannot be read here: it must belong to the residual stream, or to "
            f"what attention or an MLP writes there, in a layer that {shortened(model.id)} has.",
            "sae",
        )
    if sae.inner.cfg.d_in != model.d_model:
        raise InputError(
            f"The SAE at {sae.hook} was made for activations of width {sae.inner.cfg.d_in}, and {shortened(model.id)} "
            f"has {model.d_model}: choose another SAE or model.",
            "sae",
        )


def _short(sae: SaeEntry) -> str:
    """The name of its folder, below ``saes`` where it lies deeper."""
    if sae.folder is None:
        return sae.sae_id or sae.hook
    parts = sae.folder.parts
    last = len(parts) - 1 - parts[::-1].index("saes") if "saes" in parts else len(parts) - 2
    return "/".join(parts[last + 1 :])


def _transcoder(hook: str) -> str:
    return (
        f"The SAE at “{shortened(hook)}” is a transcoder: it computes another activation than the one it reads, so "
        "nothing here would measure it rightly. Choose an SAE that reads and rebuilds one place."
    )


def _refused(config: dict[str, Any], metadata: dict[str, Any], hook: str) -> str:
    """Why its configuration says that it cannot be read; empty where it can."""
    out = metadata.get("hook_name_out")
    if "transcoder" in str(config.get("architecture")) or "d_out" in config or (out and out != metadata["hook_name"]):
        return _transcoder(hook)
    if hooks.parse(hook)[0] not in hooks.RESIDUAL:
        return (
            f"The SAE at “{shortened(hook)}” cannot be read here: it must belong to the residual stream, or to what "
            "attention or an MLP writes there."
        )
    return ""


def canonical(hook: str) -> str:
    """A hook by Loupe's name for it: what a module of transformers returns has one too."""
    match = MODULE.fullmatch(hook)
    if match is None:
        return hook
    part = match["part"]
    site = hooks.resid_post if part is None else hooks.mlp_out if part == "mlp" else hooks.attn_out
    return site(int(match["layer"]))


def _norms_what_it_adds(model: Model) -> bool:
    """Whether a norm stands between what attention and MLP return and the residual stream (Gemma 2, OLMo 2)."""
    return any(name.endswith("post_feedforward_layernorm") for name, _ in model.hf_model.named_modules())


def _described(cfg: Path) -> SaeEntry | None:
    """The SAE of a local folder, from its configuration; None where that cannot be read."""
    try:
        config: dict[str, Any] = json.loads(cfg.read_text(encoding="utf-8"))
        metadata = {**config, **(config.get("metadata") or {})}
        hook = canonical(metadata.get("hook_name") or cfg.parent.name)
        hooks.parse(hook)
        refused = _refused(config, {**metadata, "hook_name": metadata.get("hook_name")}, hook)
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        return None
    page = _page(metadata)
    return SaeEntry(hook=hook, folder=cfg.parent, centred=_wants_centring(metadata), neuronpedia=page, refused=refused)


def _page(metadata: dict[str, Any]) -> str | None:
    """The path of its features on neuronpedia.org (``gpt2-small/8-res-jb``), where its metadata names one."""
    named = metadata.get("neuronpedia_id")
    return named if isinstance(named, str) and re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", named) else None


def _wants_centring(metadata: dict[str, Any]) -> bool:
    return bool((metadata.get("model_from_pretrained_kwargs") or {}).get("center_writing_weights"))


def _place(sae: SaeEntry) -> tuple[int, int]:
    """Order of the computation."""
    site, layer = hooks.parse(sae.hook)
    return layer, hooks.RESIDUAL.index(site) if site in hooks.RESIDUAL else len(hooks.RESIDUAL)


def _unreachable(entry: SaeEntry) -> InputError:
    if entry.folder is not None:
        return InputError(f"The SAE in {entry.folder.name} has no weights: it needs sae_weights.safetensors.", "sae")
    return InputError(
        f"The SAE at {entry.hook} ({entry.release}) is downloaded on first use and could not be fetched: check the "
        f"network and try again, or choose {catalogue.DEFAULT}, whose SAE is built in.",
        "sae",
    )


def _damaged(entry: SaeEntry) -> InputError:
    where = entry.folder.name if entry.folder is not None else f"{entry.release} ({entry.sae_id})"
    return InputError(
        f"The SAE {where} could not be opened: its files are damaged, or of a kind that cannot be read here. "
        "Fetch it again or choose another.",
        "sae",
    )
