"""GGUF files: converted once to weights that autograd can differentiate."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import torch

from lineal.errors import MissingExtraError, ModelError

HEAD, SAMPLES, SAMPLE = 1 << 20, 64, 1 << 12
"""Bytes of a file's beginning, and how many pieces of what length of the rest, that tell files of one name and size apart."""


def converted(gguf: Path, cache: Path) -> Path:
    """Return a float32 safetensors copy of a GGUF file, made once and kept in the folder `cache`; it appears whole or not at all.

    Raises ModelError for a file that is not there or cannot be read, MissingExtraError without the library that reads it.
    """
    if not gguf.is_file():
        raise ModelError(f"there is no file {gguf.resolve()}")
    target = cache / f"{gguf.stem}-{_key(gguf)}"
    if (target / "lineal.json").is_file():
        return target
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        _convert(gguf, partial)
        if not target.exists():
            partial.replace(target)
    except ImportError as error:
        raise MissingExtraError(f"reading {gguf.name} needs the extra 'gguf': pip install 'lineal[gguf]' ({error})") from None
    except Exception as error:  # a torn file breaks its reader in every way: struct.error, OverflowError, MemoryError, KeyError, …
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"cannot read {gguf.resolve()} as a causal language model: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _convert(gguf: Path, folder: Path) -> None:
    import transformers

    packed = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = type(packed.config)(**{k: v for k, v in packed.config.to_dict().items() if k != "quantization_config"})
    plain = type(packed)(config)  # the loaded one refuses to be saved: it counts as quantised although it is float32 by now
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    (folder / "lineal.json").write_text(json.dumps({"source": gguf.name, "bytes": gguf.stat().st_size}) + "\n", encoding="utf-8")


def _key(gguf: Path) -> str:
    """Return a short hash of a file's name, size, beginning and evenly spaced pieces: blind only to changes that miss all of these."""
    size = gguf.stat().st_size
    digest = hashlib.blake2b(f"{gguf.name}:{size}".encode(), digest_size=6)
    with gguf.open("rb") as file:
        digest.update(file.read(HEAD))
        for i in range(SAMPLES):
            file.seek(max(HEAD, i * size // SAMPLES))
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()
