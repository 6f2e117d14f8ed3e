"""Model families, each as a tiny randomly initialised model made from its config class, and what every one of them must pass.

Used by test_families.py, and by `python benchmarks/families.py`, which writes docs/families.md from the outcomes.
"""

from __future__ import annotations

import copy
import inspect
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import lineal
from lineal.errors import LinealError, ModelError
from lineal.models import TextModel
from tests.honest import assert_keeps_its_word

PROSE = """the a cat dog sat ran on under mat log not very good bad film plot was is and of it rain fell all day long over hills while we
read old books by fire her his their who where when sold bought car house"""
WORDS = PROSE.split()
SPECIAL = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", "[BOS]", "[EOS]")
TEXTS = ("the cat sat on the mat", "not a very good film and the plot was bad", "rain fell")
UNKNOWN = "zyx"
Task = Literal["encoder", "classifier", "causal"]
Style = Literal["encoder", "encoder-types", "decoder", "decoder-bos"]


@cache
def _tokenizer(style: Style) -> Any:
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *WORDS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ids = [(token, vocabulary[token]) for token in SPECIAL]
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    names = ["input_ids", "attention_mask"]
    if style.startswith("encoder"):
        second = ":1" if style == "encoder-types" else ":0"
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair=f"[CLS] $A [SEP] $B{second} [SEP]{second}", special_tokens=ids
        )
        named |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    else:
        if style == "decoder-bos":
            core.post_processor = processors.TemplateProcessing(single="[BOS] $A", pair="[BOS] $A $B:0", special_tokens=ids)
        named |= {"bos_token": "[BOS]", "eos_token": "[EOS]"}
    if style == "encoder-types":
        names.insert(1, "token_type_ids")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_input_names=names, **named)


def tokenizer(style: Style) -> Any:
    """Return a fresh word-level tokenizer: [CLS] … [SEP] for encoders (with segment ids or without), [BOS] … or nothing for decoders."""
    return copy.deepcopy(_tokenizer(style))


SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
IDS = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "pad_token_id": 1,
    "cls_token_id": 0,
    "sep_token_id": 2,
    "bos_token_id": 5,
    "eos_token_id": 6,
}
ROTARY = SIZE | {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64}
GEMMA_3N = ROTARY | {"vocab_size_per_layer_input": 52, "hidden_size_per_layer_input": 8, "laurel_rank": 8, "num_kv_shared_layers": 0}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
ENCODER: tuple[Task, ...] = ("encoder", "classifier")
CLASSIFIER: tuple[Task, ...] = ("classifier",)
DECODER: tuple[Task, ...] = ("causal", "classifier", "encoder")


@dataclass(frozen=True)
class Family:
    """One architecture. config: its config class in transformers; settings: what makes it tiny; tasks: what it is used for here.

    refused: task → words that the refusal must contain. moved: tasks in which the model itself answers differently when a batch is padded
    on the left. uniform: tasks in which any padding is visible, so that only texts of equal length share a batch. half: runs in bfloat16.
    """

    name: str
    config: str
    settings: dict[str, Any]
    tasks: tuple[Task, ...]
    style: Style
    refused: dict[Task, str] | None = None
    moved: tuple[Task, ...] = ()
    uniform: tuple[Task, ...] = ()
    half: bool = True

    def build(self, task: Task, dtype: torch.dtype = torch.float32, **extra: Any) -> tuple[Any, Any]:
        """Return (model, tokenizer), the same weights every time; an encoder comes as a mean-pooling SentenceTransformer."""
        torch.manual_seed(7)
        config = getattr(transformers, self.config)(**(IDS | self.settings | extra))
        config._attn_implementation = "eager" if self.config == "DebertaV2Config" else None
        auto = {
            "encoder": transformers.AutoModel,
            "classifier": transformers.AutoModelForSequenceClassification,
            "causal": transformers.AutoModelForCausalLM,
        }[task]
        if self.config == "T5Config" and task == "encoder":
            auto = transformers.T5EncoderModel
        if task == "classifier":
            config.num_labels = 3
        make = auto.from_config if hasattr(auto, "from_config") else auto
        module = make(config)
        with torch.no_grad():  # fresh initialisation is so small, or zero, that whole parts of a model have no effect; spread it out
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    parameter.copy_(torch.randn_like(parameter) * (2.0 / parameter.shape[-1]) ** 0.5 * 0.8)
                else:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        module = module.to(dtype).eval()
        return module, tokenizer(self.style)

    def load(self, task: Task, dtype: torch.dtype = torch.float32) -> TextModel:
        """Return the model as Lineal sees it, a copy to do with as one likes."""
        return copy.deepcopy(_loaded(self.name, task, dtype))

    def made(self, task: Task, dtype: torch.dtype = torch.float32) -> TextModel:
        """Return the same, made anew."""
        module, words = self.build(task, dtype)
        return lineal.load(pooled(module, words) if task == "encoder" else module, words, task=TASK_NAMES[task])


@cache
def _loaded(name: str, task: Task, dtype: torch.dtype) -> TextModel:
    return next(family for family in FAMILIES if family.name == name).made(task, dtype)


TASK_NAMES = {"encoder": "sentence-similarity", "classifier": "text-classification", "causal": "text-generation"}

FAMILIES = (
    Family("BERT", "BertConfig", SIZE, ENCODER, "encoder-types", moved=ENCODER),
    Family("DistilBERT", "DistilBertConfig", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}, ENCODER, "encoder", moved=ENCODER),
    Family("RoBERTa", "RobertaConfig", SIZE, ENCODER, "encoder", moved=CLASSIFIER),
    Family("XLM-RoBERTa", "XLMRobertaConfig", SIZE, ENCODER, "encoder", moved=CLASSIFIER),
    Family("ALBERT", "AlbertConfig", SIZE | {"embedding_size": 16}, ENCODER, "encoder-types", moved=ENCODER),
    Family("MPNet", "MPNetConfig", SIZE, ENCODER, "encoder", moved=CLASSIFIER),
    Family("ELECTRA", "ElectraConfig", SIZE | {"embedding_size": 16}, ENCODER, "encoder-types", moved=ENCODER),
    Family(
        "DeBERTa-v2",
        "DebertaV2Config",
        SIZE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
        ENCODER,
        "encoder-types",
        moved=ENCODER,
    ),
    Family("ModernBERT", "ModernBertConfig", SIZE | {"global_attn_every_n_layers": 2}, ENCODER, "encoder", moved=CLASSIFIER),
    Family("NomicBERT", "NomicBertConfig", SIZE, ENCODER, "encoder-types", moved=CLASSIFIER),
    Family("EuroBERT", "EuroBertConfig", ROTARY, ENCODER, "encoder"),
    Family("FNet", "FNetConfig", SIZE, ENCODER, "encoder-types", moved=ENCODER, uniform=ENCODER, half=False),
    Family("T5 encoder", "T5Config", T5, ("encoder",), "encoder"),
    Family(
        "T5 encoder-decoder",
        "T5Config",
        T5 | {"decoder_start_token_id": 1, "eos_token_id": 2},
        ("classifier",),
        "encoder",
        refused={"classifier": "input embeddings"},
    ),
    Family("CANINE", "CanineConfig", SIZE | {"num_hash_buckets": 64}, ("classifier",), "encoder", refused={"classifier": "embeddings"}),
    Family("Gemma 3n", "Gemma3nTextConfig", GEMMA_3N, ("causal",), "decoder-bos", refused={"causal": "token ids"}),
    Family("GPT-2", "GPT2Config", GPT2, DECODER, "decoder", moved=("encoder",)),
    Family("GPT-NeoX", "GPTNeoXConfig", SIZE, DECODER, "decoder"),
    Family("OPT", "OPTConfig", SIZE | {"ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 64}, DECODER, "decoder-bos"),
    Family("BLOOM", "BloomConfig", {"hidden_size": 32, "n_layer": 2, "n_head": 4}, DECODER, "decoder"),
    Family("Falcon", "FalconConfig", SIZE, DECODER, "decoder"),
    Family("Llama", "LlamaConfig", ROTARY, DECODER, "decoder-bos"),
    Family("Mistral", "MistralConfig", ROTARY, DECODER, "decoder-bos"),
    Family("Qwen2", "Qwen2Config", ROTARY, DECODER, "decoder"),
    Family("Qwen3", "Qwen3Config", ROTARY, DECODER, "decoder"),
    Family("Gemma 2", "Gemma2Config", ROTARY, DECODER, "decoder-bos"),
    Family("Gemma 3", "Gemma3TextConfig", ROTARY, DECODER, "decoder-bos"),
    Family("Phi-3", "Phi3Config", ROTARY, DECODER, "decoder"),
    Family("SmolLM3", "SmolLM3Config", ROTARY, DECODER, "decoder"),
)


def pooled(module: Any, words: Any, *more: Any, pooling: Any = "mean", **options: Any) -> Any:
    """Return a SentenceTransformer around a live transformer; `more` modules follow the pooling."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    with tempfile.TemporaryDirectory() as folder, quiet():
        module.save_pretrained(folder)
        words.save_pretrained(folder)
        first = Transformer(folder, model_kwargs={"dtype": module.dtype})
    first.processor = words  # read back, some families' tokenizers rebuild themselves with another kind of vocabulary
    width = first.get_embedding_dimension()
    return SentenceTransformer(modules=[first, Pooling(width, pooling), *more], device="cpu", **options)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice while models are saved and loaded."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


# --- what every family must pass -----------------------------------------------------------------------------------------------------

CLOSE = 2e-5
"""Largest accepted difference relative to the largest score between two ways to the same float32 numbers: a hundred roundings."""


def assert_close(name: str, one: Any, other: Any, tolerance: float = CLOSE) -> None:
    """Fail unless two arrays agree to `tolerance` times the largest entry."""
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    gap = float(np.abs(one - other).max())
    scale = max(1e-3, float(np.abs(other).max()))
    assert gap <= tolerance * scale, f"{name}: {gap:.3g} apart, {tolerance * scale:.3g} allowed"


def target(task: Task) -> Any:
    """A question with a definite answer, so that two runs ask the same."""
    return {
        "encoder": lineal.targets.similar("rain fell all day long"),
        "classifier": lineal.targets.label(1),
        "causal": lineal.targets.next_token(" dog", unit="logit"),
    }[task]


def plain(family: Family, task: Task, texts: list[str], side: str) -> np.ndarray:
    """The slow, obvious reference: what transformers or sentence-transformers itself answers for a padded batch of texts."""
    model = family.load(task)
    module, words = model.module, model.tokenizer
    words.padding_side = side
    if task == "encoder":
        vectors = module.encode(texts, batch_size=len(texts), show_progress_bar=False)
        other = module.encode(["rain fell all day long"], show_progress_bar=False)
        return np.asarray(module.similarity(vectors, other))[:, 0]
    batch = words(texts, padding=True, return_tensors="pt")
    if "causal" in family.tasks and "position_ids" in inspect.signature(module.forward).parameters:
        batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)  # as transformers' own generation does
    with torch.no_grad():
        logits = module(**batch).logits
    if task == "classifier":
        return logits[:, 1].numpy()
    last = batch["attention_mask"].shape[1] - 1 - batch["attention_mask"].flip(-1).argmax(-1)
    return logits[torch.arange(len(texts)), last][:, words.convert_tokens_to_ids("dog")].numpy()


def check_answer(family: Family, task: Task) -> None:
    """F(text) is what the model itself answers, for the text alone."""
    expected = [plain(family, task, [text], "right")[0] for text in TEXTS]  # one by one: nothing is padded
    records = list(lineal.explain_many(family.load(task), TEXTS, target(task), rule="gauss:3"))
    assert_close("F(text)", [record.f_input[0] for record in records], expected)
    assert [len(record.tokens) for record in records] == [len(tokenizer(family.style)(text)["input_ids"]) for text in TEXTS]


def check_completeness(family: Family, task: Task) -> None:
    """The adaptive rule converges, and the scores add up to F(text) − F(baseline) within the stated error."""
    for record in lineal.explain_many(family.load(task), TEXTS[:2], target(task), baseline="unk", tol=1e-3, max_evaluations=4000):
        assert_keeps_its_word(record, rounding=1e-6)
        assert record.mass[0] > 1e-3, "the model hardly looks at the text, so the check would be empty"


def check_batching(family: Family, task: Task) -> None:
    """Scores do not depend on what else is in the batch, how texts are padded, or their order."""
    model = family.load(task)
    alone = [lineal.explain(model, text, target(task), rule="gauss:3") for text in TEXTS]
    order = (2, 0, 1)
    records = lineal.explain_many(model, [TEXTS[i] for i in order], target(task), rule="gauss:3")
    for i, record in zip(order, records, strict=True):
        assert_close("scores", record.scores, alone[i].scores)


def check_left_padding(family: Family, task: Task) -> None:
    """A tokenizer that pads on the left changes nothing, and F(text) is the model's own answer in a left-padded batch.

    The second half is empty for encoders that read their first position or count positions from the left edge: padded on the left they
    themselves answer something else. Which do is part of the table.
    """
    model, left = family.load(task), family.load(task)
    left.tokenizer.padding_side = "left"
    records = list(lineal.explain_many(left, TEXTS, target(task), rule="gauss:3"))
    assert left.tokenizer.padding_side == "left"
    for record, other in zip(records, lineal.explain_many(model, TEXTS, target(task), rule="gauss:3"), strict=True):
        assert_close("scores", record.scores, other.scores)
    own = plain(family, task, list(TEXTS), "left")
    if task in family.moved:
        assert np.abs(own - [record.f_input[0] for record in records]).max() > 1e-3, "left padding is invisible after all"
    else:
        assert_close("F(text)", [record.f_input[0] for record in records], own)


def check_dummy(family: Family, task: Task) -> None:
    """Special and held tokens score exactly 0, and so does a token that already equals its baseline."""
    text = f"the {UNKNOWN} sat on the mat"
    record = lineal.explain(family.load(task), text, target(task), baseline="unk", rule="gauss:3", hold="mat")
    still = [i for i, token in enumerate(record.tokens) if record.roles[i] != "content" or token == "[UNK]"]
    assert len(still) >= 2
    assert (record.scores[:, still] == 0).all()
    assert (record.scores[:, [i for i in range(len(record.tokens)) if i not in still]] != 0).any()


def check_state(family: Family, task: Task) -> None:
    """Parameters, their flags, the training mode, config and tokenizer leave as they came."""
    model = family.load(task)
    module = model.module.train()
    frozen = next(iter(module.parameters()))
    frozen.requires_grad_(False)
    before = state_of(model)
    lineal.explain(model, TEXTS[0], target(task), rule="gauss:3")
    assert state_of(model) == before


def state_of(model: TextModel) -> Any:
    """Everything of a model that a caller could notice."""
    network = getattr(model, "network", model.module)
    return (
        [(name, p.requires_grad, p.grad is None, p.double().sum().item()) for name, p in model.module.named_parameters()],
        [part.training for part in model.module.modules()],
        network.config.to_dict(),
        network.config._attn_implementation,
        model.tokenizer.padding_side,
        model.tokenizer.backend_tokenizer.to_str(),
    )


def check_bfloat16(family: Family, task: Task) -> None:
    """In bfloat16 it runs as well: near the float32 scores, and converged or stopped by the model's own rounding, said so."""
    if not family.half:
        with pytest.raises(ModelError, match="bfloat16"):
            lineal.explain(family.load(task, torch.bfloat16), TEXTS[0], target(task))
        return
    record = lineal.explain(family.load(task, torch.bfloat16), TEXTS[0], target(task), baseline="unk", tol=0.05)
    exact = lineal.explain(family.load(task), TEXTS[0], target(task), baseline="unk")
    assert record.model.dtype == "bfloat16"
    assert record.converged or record.stop in (lineal.Stop.ROUNDING, lineal.Stop.BUDGET), record.stop.value
    assert np.abs(record.scores - exact.scores).sum() <= 0.5 * exact.mass[0]


CHECKS: dict[str, Callable[[Family, Task], None]] = {
    "own answer": check_answer,
    "completeness": check_completeness,
    "batching": check_batching,
    "left padding": check_left_padding,
    "dummy tokens": check_dummy,
    "state": check_state,
    "bfloat16": check_bfloat16,
}


def refusal(family: Family, task: Task) -> str:
    """Return the reason why a family is refused (the model's own name left out); AssertionError when it is not."""
    try:
        lineal.explain(family.load(task), TEXTS[0], target(task), rule="gauss:3")
    except LinealError as error:
        return str(error)
    raise AssertionError(f"{family.name} was expected to be refused, but ran")
