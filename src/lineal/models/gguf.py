"""GGUF files: converted once to weights that autograd can differentiate."""

from __future__ import annotations

import errno
import hashlib
import json
import secrets
import shutil
import zlib
from functools import lru_cache
from pathlib import Path

import torch
from filelock import FileLock

from lineal.errors import MissingExtraError, ModelError

HEAD, SAMPLES, SAMPLE = 1 << 20, 64, 1 << 12
"""Bytes of a file's beginning, and how many pieces of what length of the rest, that tell files of one name and size apart."""
MANIFEST, PARTIAL = "lineal.json", ".partial-"
"""What a converted copy is made of, with sizes and checksums; and what stands in the name of a folder that is not finished."""


def converted(gguf: Path, cache: Path) -> Path:
    """Return a float32 safetensors copy of a GGUF file, made once and kept in the folder `cache`; it appears whole or not at all.

    A copy that was damaged or cut since is made anew; of several processes one converts and the others wait for it.

    Raises ModelError for a file that is not there or cannot be read, MissingExtraError without the library that reads it.
    """
    if not gguf.is_file():
        raise ModelError(f"there is no file {gguf.resolve()}")
    target = cache / f"{gguf.stem}-{_key(gguf)}"
    if _is_whole(target):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_name(f"{cache.name}.lock")):  # let go by the system, whatever becomes of the process
            for left in cache.glob(f"*{PARTIAL}*"):  # of processes that were killed
                shutil.rmtree(left, ignore_errors=True)
            if not _is_whole(target):
                _make(gguf, target)
    except ImportError as error:
        raise MissingExtraError(f"reading {gguf.name} needs the extra 'gguf': pip install 'lineal[gguf]' ({error})") from None
    except Exception as error:  # a torn file breaks its reader in every way: struct.error, OverflowError, MemoryError, KeyError, …
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if _is_about(error, cache):
            raise ModelError(
                f"cannot keep a converted copy of {gguf.name} in {cache}: {reason}; free some space, or set LINEAL_CACHE to another folder"
            ) from error
        raise ModelError(f"cannot read {gguf.resolve()} as a causal language model: {reason}") from error
    return target


def _make(gguf: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}{PARTIAL}{secrets.token_hex(8)}")
    try:
        partial.mkdir()
        _convert(gguf, partial)
        files = {file.name: [file.stat().st_size, _checksum(file)] for file in sorted(partial.iterdir())}
        (partial / MANIFEST).write_text(json.dumps({"source": gguf.name, "bytes": gguf.stat().st_size, "files": files}) + "\n", "utf-8")
        if target.exists():  # damaged
            target.replace(target.with_name(f"{target.name}{PARTIAL}{secrets.token_hex(8)}"))
        partial.replace(target)
    finally:
        for left in target.parent.glob(f"*{PARTIAL}*"):
            shutil.rmtree(left, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Return whether a converted copy holds, byte for byte, what was written."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return (
            bool(files)
            and all((folder / name).stat().st_size == size for name, (size, _) in files.items())
            and all(_checksum(folder / name) == checksum for name, (_, checksum) in files.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _checksum(file: Path) -> int:
    """Return a CRC-32 of all bytes; computed once per process for a file that is not written to, about a second per GB."""
    found = file.stat()
    return _summed(file, (found.st_size, found.st_mtime_ns, found.st_ino))


@lru_cache(maxsize=64)
def _summed(file: Path, state: tuple[int, int, int]) -> int:
    total = 0
    with file.open("rb") as opened:
        while piece := opened.read(HEAD):
            total = zlib.crc32(piece, total)
    return total


def _is_about(error: Exception, cache: Path) -> bool:
    """Return whether an error is one of writing: a full or read-only disk, or a place below the cache."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) or "os error 28" in str(error)
    names = (getattr(error, "filename", None), getattr(error, "filename2", None))
    return full or any(name is not None and cache.parent in (Path(name), *Path(name).parents) for name in names)


def _convert(gguf: Path, folder: Path) -> None:
    import transformers

    packed = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = type(packed.config)(**{k: v for k, v in packed.config.to_dict().items() if k != "quantization_config"})
    plain = type(packed)(config)  # the loaded one refuses to be saved: it counts as quantised although it is float32 by now
    plain.load_state_dict(packed.state_dict())
    needed, free = sum(weight.numel() * weight.element_size() for weight in plain.state_dict().values()), shutil.disk_usage(folder).free
    if needed > free:  # asked before, as a library may write through mapped memory, where a full disk ends the process
        raise OSError(errno.ENOSPC, f"No space left: {needed / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free")
    plain.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


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
