"""The tiny Llama as a GGUF file, written by the library of the format as llama.cpp's converter does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from lineal.models.causal import CausalLM

BLOCK = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def write(model: CausalLM, path: Path) -> Path:
    """Write a live tiny Llama and its byte-level tokenizer in float32."""
    import gguf

    config, words = model.module.config, model.tokenizer
    file = gguf.GGUFWriter(path, "llama")
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_block_count(config.num_hidden_layers)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    file.add_rope_freq_base(10_000.0)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_vocab_size(config.vocab_size)
    core = json.loads(words.backend_tokenizer.to_str())["model"]
    spelled = words.convert_ids_to_tokens(list(range(config.vocab_size)))
    file.add_tokenizer_model("gpt2")
    file.add_token_list(spelled)
    file.add_token_types([3 if i in words.all_special_ids else 1 for i in range(config.vocab_size)])
    file.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in core["merges"]])
    file.add_bos_token_id(words.bos_token_id)
    file.add_eos_token_id(words.eos_token_id)
    file.add_unk_token_id(words.unk_token_id)
    file.add_pad_token_id(words.pad_token_id)
    for name, tensor in model.module.state_dict().items():
        stem, _, kind = name.rpartition(".")
        array = tensor.float().numpy()
        if stem in WHOLE:
            file.add_tensor(f"{WHOLE[stem]}.{kind}", array)
            continue
        _, _, number, part = stem.split(".", 3)
        if part in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = config.num_attention_heads if "q_proj" in part else config.num_key_value_heads
            array = _interleaved(array, heads)
        file.add_tensor(f"blk.{number}.{BLOCK[part]}.{kind}", array)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def _interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return rows in the order of llama.cpp's rotary embedding, which turns neighbours instead of halves."""
    return np.ascontiguousarray(weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape))
