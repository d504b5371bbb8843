"""Models by reference: found, named by their sha256, and converted to safetensors if they are GGUF."""

import contextlib
import importlib.util
import io
import logging
import re
from collections.abc import Callable
from pathlib import Path

from lorag.digests import digest_of
from lorag.errors import ParamsError, StoreFailed
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.cache import MANIFEST, file_sha256, home_folder, keep_folder

_LOG = logging.getLogger(__name__)
_FORMS = "name `package:<import name>/<path>`, `hub:<org/name>` or a folder"
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
_DIGESTS = "file_digests"
_HASHED = {".safetensors", ".json", ".txt", ".model", ".jinja"}


def resolve_model(reference: str, *, fetch: bool = True) -> Path:
    """The folder with safetensors weights, or the GGUF file, that a reference names.

    `package:` looks into an installed package without importing it; `hub:` into the local Hugging Face cache, and
    fetches what is not there unless `fetch` is False. Raises ParamsError for a reference that leads nowhere or to
    weights in pickles.
    """
    if reference.startswith("package:"):
        path = _find_in_package(reference)
    elif reference.startswith("hub:"):
        path = _fetch_from_hub(reference, fetch=fetch)
    else:
        path = Path(reference).expanduser().absolute()
    if not path.exists():
        raise ParamsError(f"no model at {reference!r}", where=str(path), do=_FORMS)
    _refuse_other_weights(path, reference)
    return path


def model_sha256(path: Path) -> str:
    """Name a model by its bytes: a file by its sha256, a folder by a digest over weights, configs and tokenizer.

    A file is read again only if it was touched: its digest is kept in the user's cache.
    """
    try:
        with BlobCache(home_folder() / "digests.sqlite") as cache:
            return _model_sha256(path, cache)
    except StoreFailed:
        # A cache that cannot be written costs time and nothing else.
        return _model_sha256(path, None)


def _model_sha256(path: Path, cache: BlobCache | None) -> str:
    if path.is_file():
        return _sha256_of_unchanged(path, cache)
    names = (p.relative_to(path) for p in path.rglob("*") if p.suffix in _HASHED and p.is_file())
    # A manifest repeats the digests of the others; READMEs and hidden folders do not change what a model computes.
    chosen = sorted(n.as_posix() for n in names if n.name != MANIFEST and not any(p.startswith(".") for p in n.parts))
    return digest_of({name: _sha256_of_unchanged(path / name, cache) for name in chosen})


def _sha256_of_unchanged(path: Path, cache: BlobCache | None) -> str:
    found = path.stat()
    # Other bytes may come with the same size and time of change, as from a package; the inode's own time tells them.
    key = digest_of([str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns])
    known = cache.get(_DIGESTS, key) if cache is not None else None
    if known is not None:
        return known.decode()
    sha256 = file_sha256(path)
    if cache is not None:
        cache.put(_DIGESTS, key, sha256.encode())
    return sha256


def base_model_sha256(reference: str) -> str:
    """Return the digest of the base model of the adapters: of the installed file or folder, not of its conversion."""
    return model_sha256(resolve_model(reference))


def convert_base_model(reference: str, *, progress: Callable[[str], None] | None = None) -> Path:
    """Return a folder with the language model's safetensors weights, config, tokenizer and chat template.

    A GGUF file is converted once and kept under its sha256 (seconds, float32 weights). Any other model is
    returned as it is. `progress` is called with a few words on each step.
    """
    path = resolve_model(reference)
    if path.is_dir():
        return path
    tell = progress or _LOG.info
    return keep_folder(home_folder() / "models" / model_sha256(path), lambda folder: _convert_gguf(path, folder, tell))


def quieten_transformers() -> None:
    """Keep the progress bars and hints of transformers off the terminal; errors are still shown."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


def _convert_gguf(path: Path, folder: Path, tell: Callable[[str], None]) -> None:
    from lorag.integrations.models.gguf_file import UnreadableGguf, convert_gguf_file

    try:
        convert_gguf_file(path, folder, tell)
    except UnreadableGguf as error:
        _LOG.info("%s is read by transformers: %s", path.name, error)
        _convert_gguf_by_transformers(path, folder, tell)
    # A malformed file surfaces as any kind of error, from struct.error to a bare Exception.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ParamsError:
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ParamsError(f"cannot read the GGUF model: {message}", where=str(path), do="name another model")


def _convert_gguf_by_transformers(path: Path, folder: Path, tell: Callable[[str], None]) -> None:
    # Imported here: they take seconds, and most commands find the model converted.
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quieten_transformers()
    where = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name, "local_files_only": True}
    tell(f"Reading {path.name}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
        # Dequantised weights are float32; bf16 would round them once more.
        # The reader's progress bar has no switch of its own.
        with contextlib.redirect_stderr(io.StringIO()):
            model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    except Exception as error:
        raise _unreadable(path, error) from error
    # If they stay, transformers treats the plain weights as quantised ones.
    for name in ("hf_quantizer", "quantization_method", "is_quantized"):
        if name in vars(model):
            delattr(model, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    tell("Writing safetensors")
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _find_in_package(reference: str) -> Path:
    name, _, inside = reference.removeprefix("package:").partition("/")
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ParamsError(f"bad model reference {reference!r}", do=_FORMS)
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ParamsError(
            f"the package {name!r} of the model is not installed",
            where=reference,
            do="install it, or name another model",
        )
    root = Path(next(iter(spec.submodule_search_locations))).resolve()
    path = (root / inside).resolve()
    if not path.is_relative_to(root):
        raise ParamsError(f"the model reference {reference!r} leads out of its package", do=_FORMS)
    return path


def _fetch_from_hub(reference: str, *, fetch: bool) -> Path:
    from httpx import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    name = reference.removeprefix("hub:")
    try:
        try:
            return Path(snapshot_download(name, allow_patterns=_HUB_FILES, local_files_only=True))
        except LocalEntryNotFoundError:
            if not fetch:
                raise ParamsError(
                    "the model was not fetched yet", where=reference, do="what needs it fetches it, such as `lorag ask`"
                ) from None
            return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except (RepositoryNotFoundError, HFValidationError) as error:
        message = str(error).splitlines()[0]
        raise ParamsError(f"no such model on the hub: {message}", where=reference, do=_FORMS) from error
    except (OSError, HTTPError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreFailed(
            f"cannot fetch the model: {message}", where=reference, do="check the connection, or name a folder"
        ) from error


def _refuse_other_weights(path: Path, reference: str) -> None:
    if path.is_file():
        if path.suffix != ".gguf":
            raise ParamsError(
                f"the model {reference!r} is a {path.suffix or 'plain'} file",
                do="name a .gguf file or a folder with safetensors weights",
            )
        return
    suffixes = {entry.suffix for entry in path.iterdir()}
    if ".safetensors" not in suffixes:
        what = "has its weights in pickles" if suffixes & _PICKLES else "has no weights"
        raise ParamsError(f"the model {reference!r} {what}", where=str(path), do="name a folder with *.safetensors")
