"""What is explained is what was asked about: the model's own answer, with its own weights and words, told apart from every other model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import lineal
from lineal import targets
from lineal.errors import FidelityError, InputError, OptionError
from tests import tiny

TEXT = "the tepid movie was a glorious mess."
FLOAT32 = 2e-5  # relative to scores of order one: sums of about a hundred float32 roundings
GEMMA = tiny.SIZES | {"num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 0.5, "sliding_window": 64}


def xlstm() -> torch.nn.Module:
    """Logits with a soft cap, and a forward that swallows `logits_to_keep` and returns all positions."""
    torch.manual_seed(0)
    size = {"vocab_size": 34, "hidden_size": 32, "num_hidden_layers": 2, "num_heads": 4, "chunk_size": 4, "output_logit_soft_cap": 0.5}
    return transformers.xLSTMForCausalLM(transformers.xLSTMConfig(**size, pad_token_id=0, bos_token_id=1, eos_token_id=3)).eval()


def test_a_forward_that_ignores_which_logits_are_wanted_is_read_at_the_right_position() -> None:
    module = xlstm()
    model = lineal.load(module, tiny.tokenizer(decoder=True), task="text-generation")
    with torch.no_grad():
        own = module(input_ids=torch.tensor([model.encode([TEXT]).ids]), use_cache=False).logits[0, -1, 10]
    record = lineal.explain(model, TEXT, targets.next_token(10, unit="logit"))
    assert record.f_input[0] == pytest.approx(float(own), abs=1e-5)
    assert record.converged
    assert record.mass[0] > 0
    (many,) = lineal.explain_many(model, [TEXT], targets.next_token(10, unit="logit"))
    np.testing.assert_allclose(many.scores, record.scores, atol=FLOAT32 * record.mass[0])


def test_logits_of_another_shape_than_asked_for_are_refused() -> None:
    class Fickle(transformers.Gemma2ForCausalLM):
        """Honours `logits_to_keep` on short texts, as it is tested, and forgets about it on longer ones."""

        def forward(self, input_ids=None, inputs_embeds=None, logits_to_keep=0, **inputs):
            length = (inputs_embeds if input_ids is None else input_ids).shape[1]
            kept = logits_to_keep if length < 6 else 0
            return super().forward(input_ids=input_ids, inputs_embeds=inputs_embeds, logits_to_keep=kept, **inputs)

    torch.manual_seed(0)
    model = lineal.load(Fickle(transformers.Gemma2Config(**GEMMA)).eval(), tiny.tokenizer(decoder=True), task="text-generation")
    with pytest.raises(FidelityError, match="positions where 1 was asked for"):
        lineal.explain(model, TEXT, targets.next_token(10, unit="logit"))


def test_an_answer_that_is_not_the_modules_own_is_refused() -> None:
    class Shifted(transformers.Gemma2ForCausalLM):
        """Long texts answer otherwise when only some logits are wanted: both sides of the comparison with embeddings agree."""

        def forward(self, input_ids=None, inputs_embeds=None, logits_to_keep=0, **inputs):
            answer = super().forward(input_ids=input_ids, inputs_embeds=inputs_embeds, logits_to_keep=logits_to_keep, **inputs)
            if (inputs_embeds if input_ids is None else input_ids).shape[1] > 5 and isinstance(logits_to_keep, torch.Tensor):
                answer.logits = answer.logits + 1
            return answer

    torch.manual_seed(0)
    model = lineal.load(Shifted(transformers.Gemma2Config(**GEMMA)).eval(), tiny.tokenizer(decoder=True), task="text-generation")
    with pytest.raises(FidelityError, match="its own plain forward"):
        lineal.explain(model, TEXT, targets.next_token(10, unit="logit"))


def test_a_third_text_is_refused_not_ignored() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    with pytest.raises(InputError, match="one text, or a pair of two; 3 were given"):
        lineal.explain(model, ("a film", "a mess", "a man"))
    with pytest.raises(InputError, match="0 were given"):
        lineal.explain(model, ())


def test_a_kind_of_model_without_a_question_of_its_own_says_so() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    model.card = model.card.model_copy(update={"kind": "pair encoder"})
    with pytest.raises(OptionError, match="is of kind pair encoder, which has no question of its own; give a target"):
        lineal.explain(model, TEXT)
