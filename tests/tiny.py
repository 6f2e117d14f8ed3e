"""Tiny, randomly initialised models of transformers with a tokenizer of their own: real code paths in milliseconds."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = [
    "a",
    "the",
    "film",
    "movie",
    "was",
    "tepid",
    "glorious",
    "mess",
    "of",
    "not",
    "good",
    "bad",
    "very",
    "but",
    "ending",
    "man",
    "works",
    "as",
    "doctor",
    "nurse",
    "question",
    "which",
    "time",
    "is",
    "it",
]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def tokenizer(decoder: bool = False, limit: int = 64, extra: tuple[str, ...] = ()) -> Any:
    """Return a fast word tokenizer; for decoders without CLS, SEP and mask. extra: further words, behind the others."""
    vocabulary = {token: i for i, token in enumerate((*SPECIAL, *WORDS, ".", ",", "!", "?", *extra))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    if decoder:
        names |= {"eos_token": "[SEP]"}
    else:
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        names |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=limit, **names)


SIZES = {
    "vocab_size": len(SPECIAL) + len(WORDS) + 4,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}


def bert_classifier(labels: int = 3, seed: int = 0, **config: Any) -> Any:
    """Return a BERT classifier with labels L0, L1, …"""
    torch.manual_seed(seed)
    names = {i: f"L{i}" for i in range(labels)}
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES, id2label=names, **config)).eval()


def llama(seed: int = 0, **config: Any) -> Any:
    """Return a Llama language model."""
    torch.manual_seed(seed)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, num_key_value_heads=2, **config)).eval()
