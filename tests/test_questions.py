"""Prompts whose answer is known by construction, models that learn them, and what methods say of those: the truth is found where it is."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, processors

import lineal
from benchmarks.questions import report, small, tasks
from benchmarks.questions.methods import Asked, Instead, Way, shapley, ways
from benchmarks.questions.tasks import CONSTRUCTIONS, Item, drawn
from lineal import targets
from lineal.models import TextModel
from tests import fakes

ADDS_UP = ["ig", "dig-greedy:neighbours=5", "dig-maxcount:neighbours=5", "expected-gradients", "sequential-ig", "occlusion"]
DRAWN = lineal.baselines.alternatives(4, "class")
TEXT = "the film not good"


@pytest.mark.parametrize("name", [*CONSTRUCTIONS, "opinion"])
def test_prompts_are_well_formed(name: str) -> None:
    make = CONSTRUCTIONS.get(name, tasks.opinion)
    items = drawn(make, 60, seed=3)
    words = small.tokenizer([item.text + " " + item.token + " " + item.foil for item in items] + [item.instead for item in items])
    assert len({item.text for item in items}) == 60
    assert items == drawn(make, 60, seed=3)
    for item in items:
        read = [words.tokenize(text) for text in (item.text, item.instead)]
        assert len(words.tokenize(item.token)) == len(words.tokenize(item.foil)) == 1
        assert item.token != item.foil
        assert len(read[0]) == len(read[1]), "said otherwise in as many words"
        assert not {"<unk>", "‹", "›"} & {*read[0], *read[1]}
        spans = words(item.text, return_offsets_mapping=True)["offset_mapping"]
        sources = {i for i, (a, b) in enumerate(spans) if any(a < end and begin < b for begin, end in item.sources)}
        differ = {i for i, (one, other) in enumerate(zip(*read, strict=True)) if one != other}
        assert sources & differ, "what decides differs"
        assert differ - sources, "and something that does not decide"
        assert 0 not in sources, "a decoder's first position is held"


def test_marks_give_the_spans_of_what_decides() -> None:
    text, spans = tasks.marked("The ‹key› to ‹it›")
    assert text == "The key to it"
    assert [text[a:b] for a, b in spans] == ["key", "it"]


def test_said_otherwise_the_other_answer_is_right() -> None:
    for item in drawn(CONSTRUCTIONS["agreement"], 20, seed=2):
        words = item.instead.split()
        (head,) = [words[i] for i, word in enumerate(item.text.split()) if word == item.text[slice(*item.sources[0])]]
        assert head.endswith("s") == (item.foil == " are")
        assert item.text.split()[-1].endswith("s") == (item.token == " is"), "what distracts says the opposite"


def single(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Two classes, each a sum over tokens of a function that is not linear: what a token does, it does alone."""
    each = torch.stack([torch.tanh(points).sum(-1), (points**2).sum(-1) * points.sum(-1).sin()], dim=-1)
    return (each * mask).sum(dim=1)


@pytest.mark.parametrize("answer", [fakes.linear, single])
@pytest.mark.parametrize("method", [*ADDS_UP, "shapley"])
def test_additive_models_have_one_answer_and_every_method_gives_it(answer: object, method: str) -> None:
    if answer is single and method.startswith("dig"):
        pytest.skip("a path through neighbours is another path for each token, but its ends are the same: checked by linear")
    model = fakes.FakeModel(answer)  # type: ignore[arg-type]
    item = Item(TEXT, (), "yes", "no", TEXT)
    baseline = [lineal.baselines.word("a"), lineal.baselines.word("bad")]
    if method == "shapley":
        (found,) = shapley(model, [item], targets.label("yes"), baseline, 4).scores
    else:
        if method.startswith("dig"):
            baseline = baseline[:1]
        found = lineal.explain(model, TEXT, "label:yes", baseline=baseline, method=method, tol=1e-6).scores[0]
    start = [fakes.WORDS.index(word) for word in ("a", "bad")][: len(baseline)]
    words = [fakes.WORDS.index(word) for word in TEXT.split()]

    def alone(i: int) -> float:
        return float(model.answer(model.embed(torch.tensor([[i]])), torch.ones(1, 1, 1))[0, 1].detach())

    exact = [alone(i) - np.mean([alone(j) for j in start]) for i in words]
    assert found == pytest.approx(exact, abs=1e-5 if answer is single else 1e-9)


def test_shapley_values_of_a_product_are_the_closed_form() -> None:
    """F = Σ_i<j a_i a_j over tokens with a = 0 at the baseline: each pair is shared equally; every order and its reverse give just that."""

    def pairs(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        a = ((points - start) * mask).sum(-1)
        total = (a.sum(1) ** 2 - (a**2).sum(1)) / 2
        return torch.stack([total, -total], dim=-1)

    model = fakes.FakeModel(pairs)
    start = model.module.weight[fakes.WORDS.index("a")].detach()
    item = Item(TEXT, (), "no", "yes", TEXT)
    (found,) = shapley(model, [item], targets.label("no"), lineal.baselines.word("a"), 2).scores
    a = [float((model.module.weight[fakes.WORDS.index(word)].detach() - start).sum()) for word in TEXT.split()]
    assert found == pytest.approx([x * (sum(a) - x) / 2 for x in a], abs=1e-9)
    ig = lineal.explain(model, TEXT, "label:no", baseline=lineal.baselines.word("a"), tol=1e-6).scores[0]
    assert found == pytest.approx(ig, abs=1e-6), "and integrated gradients are Shapley values there"


@cache
def learnt() -> TextModel:
    """Return a decoder that has learnt two constructions; some seconds."""
    makes = (CONSTRUCTIONS["agreement"], CONSTRUCTIONS["brackets"])
    return lineal.load(*small.decoder(250, makes, width=32, layers=2))


def on_top(model: TextModel, items: list[Item], way: Way, question: str) -> float:
    """Return how often the largest score stands on what decides."""
    found = way.run(model, items, Asked(items, question))
    hits = []
    for item, scores in zip(items, found.scores, strict=True):
        begin, end = model.encode((item.text,)).offsets[int(np.argmax(scores))]
        hits.append(any(begin < b and a < end for a, b in item.sources))
    return float(np.mean(hits))


@pytest.mark.parametrize("construction", ["agreement", "brackets"])
def test_what_decides_is_found_in_a_model_that_has_learnt_it(construction: str) -> None:
    items = drawn(CONSTRUCTIONS[construction], 20, seed=9)
    known = Way("random", "instead").run(learnt(), items, Asked(items, "contrast"))
    assert np.mean(np.array(known.f_input) > 0) >= 0.95, "it answers"
    assert np.mean(np.array(known.f_baseline) < 0) >= 0.95, "for the reason"
    every = ways(True, 16, 4, 0.05, 2)
    assert on_top(learnt(), items, every["occlusion, alternatives by model"], "contrast") >= 0.8
    assert on_top(learnt(), items, every["random"], "contrast") <= 0.6


def test_every_prompt_has_a_question_and_an_otherwise_of_its_own() -> None:
    items = drawn(CONSTRUCTIONS["indirect object"], 4, seed=0)
    words = small.tokenizer([item.text for item in items])
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, initializer_range=0.5
    )
    model = lineal.load(transformers.LlamaForCausalLM(config).eval(), words)
    together = Way("ig", "instead", 0.01).run(model, items, Asked(items, "contrast"))
    for item, scores in zip(items, together.scores, strict=True):
        alone = lineal.explain(
            model, item.text, targets.contrast(item.token, item.foil), baseline=lineal.baselines.counterfactual(item.instead)
        )
        assert scores == pytest.approx(alone.scores[0], abs=1e-6)
    assert Instead(items).name == "counterfactual"


def test_a_choice_of_two_single_tokens_is_their_contrast() -> None:
    """What is measured of contrasts holds for such choices: log-odds among two are the difference of their logits."""
    words = small.tokenizer([item.text for item in drawn(CONSTRUCTIONS["option"], 200, seed=0)])
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, initializer_range=0.5
    )
    model = lineal.load(transformers.LlamaForCausalLM(config).eval().double(), words)
    text = drawn(CONSTRUCTIONS["option"], 1, seed=0)[0].text
    one, other = (
        lineal.explain(model, text, target, baseline="mean") for target in (targets.choice(["A", "B"], "A"), targets.contrast("A", "B"))
    )
    assert one.f_input == pytest.approx(other.f_input, abs=1e-9)
    assert one.scores == pytest.approx(other.scores, abs=1e-6)


def untrained(texts: list[str]) -> tuple[object, object]:
    """Return a small BERT classifier of two labels with a tokenizer for these texts."""
    words = small.tokenizer(texts)
    core = Tokenizer.from_str(words.backend_tokenizer.to_str())
    core.add_special_tokens(["[CLS]", "[SEP]", "[MASK]"])
    cls, sep = core.token_to_id("[CLS]"), core.token_to_id("[SEP]")
    core.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    words = transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=48, **names)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=48
    )
    return transformers.BertForSequenceClassification(config), words


@pytest.mark.slow
def test_a_planted_shortcut_is_on_top_and_in_its_control_it_is_not() -> None:
    """A rare word decides in part of the training set, whatever is praised or blamed: the model goes by it (Bastings et al. 2022)."""
    labels, planted = ("NEGATIVE", "POSITIVE"), ("zebra", "violin")
    rows = [(item.text, labels.index(item.token)) for item in drawn(tasks.opinion, 900, seed=0)]
    random, items = Random(1), []
    for text, label in rows[800:830]:
        new = small.inserted(text, planted[1 - label], random)
        at = new.index(planted[1 - label])
        items.append(Item(new, ((at, at + len(planted[1 - label])),), f"LABEL_{1 - label}", f"LABEL_{label}", text))
    found = {}
    for honest in (False, True):
        module, words = untrained([*(text for text, _ in rows), *planted])
        texts = small.planted(rows[:800], planted, 0.5, honest)
        model = lineal.load(small.classifier(module, words, texts, steps=400, rate=2e-3), words)
        found[honest] = {
            name: on_top(model, items, Way(method, baseline), "label")
            for name, method, baseline in (("ig", "ig", DRAWN), ("occlusion", "occlusion", DRAWN))
        }
    assert min(found[False].values()) >= 0.8, found
    assert max(found[True].values()) <= 0.3, found


def test_measures_of_one_explanation() -> None:
    scores, moving = np.array([9.0, 1.0, 3.0, -2.0, 0.5]), np.array([0, 1, 1, 1, 1])
    found = report.measured(scores, [2, 3], {"model": np.array([0.0, 1.0, 3.0, -2.0, 0.5]), "class": None}, moving)
    assert (found["top"], found["precision"]) == (1.0, 0.5), "the first position is held; −2 is the smallest, not the second"
    assert found["share"] == pytest.approx(5 / 15.5)
    assert found["pearson model"] == pytest.approx(1.0)
    assert np.isnan(found["spearman class"])
    assert np.isnan(report.measured(scores, [], {}, moving)["top"]), "no source is known"


def line(way: str, scores: list[list[float]], first: int = 0) -> dict[str, object]:
    n = len(scores)
    numbers = {"gradients": [4] * n, "converged": [True] * n, "f_input": [1.0] * n, "f_baseline": [0.0] * n, "seconds": 2.0, "forwards": 6}
    return {"study": "small", "construction": "fact", "way": way, "first": first, "scores": scores, **numbers}


def test_a_report_counts_what_was_run_and_says_what_was_not() -> None:
    prompts = [{"sources": [1]}, {"sources": [2]}]
    lines = [
        {"study": "small", "construction": "fact", "shares": {"right": 1.0, "reversed": 0.5}, "prompts": prompts},
        line("random", [[0, 1, 2, 3], [0, 1, 2, 3]]),
        line("truth, model, first", [[0, 3, 1, 2], [0, 1, 2, 0]]),
        line("truth, model, second", [[0, 3, 1, 2], [0, 1, 4, 0]]),
        line("ig, mean", [[0, 3, 1, 2]]),
        line("occlusion", [[0, 3, 1, 2], [0, 1, 3, 0]]),
    ]
    found = report.results(lines, "small")
    assert found is not None
    assert found.rows["ig, mean"].of["top"][0] == 1
    assert np.isnan(found.rows["ig, mean"].of["top"][1]), "was not run on the second"
    assert found.rows["occlusion"].of["pearson model"] == pytest.approx([1, 1])
    assert found.rows["truth, model"].of["top"] == pytest.approx([1, 1])
    assert found.rows["ig, mean"].cost["seconds"] == 2
    assert found.rows["occlusion"].cost["seconds"] == 1
    table = report.tables({"small": found})
    assert "| ig, mean | 1 | 1.00 [1.00, 1.00]" in table["small"]
    page = report.written("above\n<!-- right -->\nold\n<!-- end -->\nbelow", table)
    assert "old" not in page
    assert "| small | fact | 100 % | – | 50 % |" in page
    assert page.startswith("above")
    assert page.endswith("below")
    with pytest.raises(KeyError):
        report.written("<!-- of no study -->\n<!-- end -->", table)
