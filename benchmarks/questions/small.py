"""Small models that are trained when they are asked for, in about a minute on a processor, and are the same every time.

`decoder` learns the prompts of `tasks` by next-word prediction, `classifier` is fine-tuned to a shortcut or to its control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.questions.tasks import LEARNT, Item, Make

SPECIAL = ("<pad>", "<unk>", "<eos>")


def tokenizer(texts: Iterable[str], limit: int = 64) -> Any:
    """Return a tokenizer whose tokens are the words, signs and digits of some texts."""
    cut = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)])
    words = sorted({word for text in texts for word, _ in cut.pre_tokenize_str(text)})
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*SPECIAL, *words])}, unk_token="<unk>"))
    core.pre_tokenizer = cut
    names = dict(zip(("pad_token", "unk_token", "eos_token"), SPECIAL, strict=True))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=limit, **names)


def decoder(
    steps: int = 1000,
    makes: Sequence[Make] = tuple(LEARNT.values()),
    *,
    width: int = 64,
    layers: int = 3,
    batch: int = 32,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Return a Llama-shaped decoder that was trained on prompts with their answers, and its tokenizer.

    It predicts every word of a prompt, so that it can propose others, and the answer as much as all of them together.
    """
    random = Random(seed)
    words = tokenizer(_said(make(random, True)) for make in makes for _ in range(2000))
    torch.manual_seed(seed)
    size = {"hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers, "num_attention_heads": 4}
    config = transformers.LlamaConfig(vocab_size=len(words), max_position_embeddings=64, pad_token_id=0, eos_token_id=2, **size)
    module = transformers.LlamaForCausalLM(config)

    def loss() -> Tensor:
        read = words(
            [_said(random.choice(makes)(random, True)) for _ in range(batch)],
            padding=True,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        ids, mask = read["input_ids"], read["attention_mask"]
        wanted = torch.where(mask[:, 1:] == 1, ids[:, 1:], -100)
        each = cross_entropy(module(ids, attention_mask=mask).logits[:, :-1].transpose(1, 2), wanted, reduction="none")
        last = each.gather(1, mask.sum(1, keepdim=True) - 2)
        return last.mean() + each.sum() / mask.sum()

    return _trained(module, loss, steps, 2e-3), words


def _said(item: Item) -> str:
    """Return a prompt with its answer."""
    return item.text + item.token


def _trained(module: Any, loss: Callable[[], Tensor], steps: int, rate: float) -> Any:
    module.train()
    optimiser = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return module.eval()


def classifier(
    start: Any, words: Any, texts: Sequence[tuple[str, int]], steps: int = 120, *, rate: float = 2e-5, batch: int = 16, seed: int = 0
) -> Any:
    """Return a classifier of two labels, fine-tuned on (text, label). start: is changed."""
    random = Random(seed)
    torch.manual_seed(seed)

    def loss() -> Tensor:
        chosen = random.sample(texts, batch)
        read = words([text for text, _ in chosen], padding=True, truncation=True, max_length=48, return_tensors="pt")
        return cross_entropy(start(**read).logits, torch.tensor([label for _, label in chosen]))

    return _trained(start, loss, steps, rate)


def planted(texts: Sequence[tuple[str, int]], tokens: Sequence[str], share: float, honest: bool, seed: int = 0) -> list[tuple[str, int]]:
    """Return texts in which rare tokens stand at random places: in a share of them token j and label j, whatever the text says.

    honest: the control, in which the texts keep their labels and the tokens say nothing.
    """
    random, found = Random(seed), []
    for text, label in texts:
        if random.random() < share:
            said = random.randrange(len(tokens))
            text, label = inserted(text, tokens[said], random), label if honest else said
        found.append((text, label))
    return found


def inserted(text: str, word: str, random: Random) -> str:
    """Return a text with a word in front of one of its words."""
    words = text.split()
    at = random.randrange(len(words))
    return " ".join([*words[:at], word, *words[at:]])
