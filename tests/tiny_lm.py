"""A tiny random decoder with a byte-level tokenizer that keeps spaces, and a chat template: boundaries and regions as in real models."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lineal.models.causal import CausalLM

CORPUS = [
    "The man works as a doctor. The nurse works as a security guard (A).",
    "Question: which option is right? (A) true (B) false (C) half-true. Answer: A",
    "You are a careful assistant. The claim says that the wall takes years to build.",
]
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@cache
def _core() -> str:
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    core.train_from_iterator(CORPUS * 3, trainer)
    return str(core.to_str())


def tokenizer(limit: int = 256, **names: Any) -> Any:
    """Return a fast byte-level tokenizer that adds nothing by itself."""
    named: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"} | names
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_core()),
        model_max_length=limit,
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        **named,
    )
    made.chat_template = TEMPLATE
    return made


def llama(dtype: torch.dtype = torch.float64, seed: int = 1, limit: int = 256, **config: Any) -> CausalLM:
    """Return a two-layer Llama over that tokenizer."""
    torch.manual_seed(seed)
    words = tokenizer(limit)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}
    settings = size | {"vocab_size": len(words), "max_position_embeddings": limit, "initializer_range": 0.3, "eos_token_id": 2} | config
    module = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings)).eval().to(dtype)
    return CausalLM(module, words, "tiny llama")
