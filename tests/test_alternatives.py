"""Other words in each place, as a model or a rule proposes them: reproducible, whole words of the same shape, as likely as was said."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import lineal
from lineal import baselines, metrics, targets
from lineal.baselines.classes import classes
from lineal.errors import OptionError
from lineal.evaluation.run import evaluate
from lineal.models import TextModel
from lineal.models.forward import answer
from tests import tiny, tiny_lm
from tests.families import FAMILIES

TEXT = "the film was not very good"
PROMPT = "The man works as a"
NEXT = targets.next_token(" doctor", unit="logit")


@cache
def decoder() -> TextModel:
    return tiny_lm.llama()


@cache
def classifier() -> TextModel:
    return lineal.load(tiny.bert_classifier(), tiny.tokenizer())


@cache
def masked() -> TextModel:
    torch.manual_seed(4)
    return lineal.load(transformers.BertForMaskedLM(transformers.BertConfig(**tiny.SIZES)).eval(), tiny.tokenizer())


def draws(baseline: Any, model: TextModel, text: str) -> Any:
    """Return (m, t) ids, and the text as the model reads it; a decoder's first position is held."""
    encoded = model.encode([text])
    if model.card.kind == "causal":
        encoded = type(encoded)(**{**vars(encoded), "roles": ("held", *encoded.roles[1:])})
    return baseline.bind(model).ids(encoded)[0], encoded


def expected(logits: torch.Tensor, model: TextModel, own: int) -> np.ndarray:
    codes = classes(model).shape
    allowed = (codes == codes[own]) & (np.arange(len(codes)) != own)
    return torch.softmax(torch.where(torch.from_numpy(allowed), logits.double(), -torch.inf), -1).numpy()


def test_a_decoder_draws_what_it_expects_after_what_comes_before() -> None:
    model, samples = decoder(), 4000
    drawn, encoded = draws(baselines.alternatives(samples), model, PROMPT)
    logits = answer(model, encoded, range(len(encoded)))
    checked = 0
    for i in range(1, len(encoded)):
        if len(set(drawn[:, i])) > 1:
            share = np.bincount(drawn[:, i], minlength=model.vocabulary) / samples
            assert np.abs(share - expected(logits[i - 1], model, encoded.ids[i])).sum() / 2 < 0.06, "total variation of 4000 draws"
            checked += 1
    assert checked >= 3
    assert (drawn[:, 0] == encoded.ids[0]).all(), "the first position is held"


def test_a_masked_model_draws_what_it_expects_in_the_place() -> None:
    model, samples = classifier(), 4000
    drawn, encoded = draws(baselines.alternatives(samples, masked()), model, TEXT)
    words = TEXT.split()
    for n in (1, 3):
        hole = masked().encode([" ".join([*words[:n], "[MASK]", *words[n + 1 :]])])
        share = np.bincount(drawn[:, n + 1], minlength=model.vocabulary) / samples
        wanted = expected(answer(masked(), hole, (n + 1,))[0], model, encoded.ids[n + 1])
        assert np.abs(share - wanted).sum() / 2 < 0.06
    assert "predicts in their places" in explain(baselines.alternatives(4, masked())).notes[0]


def explain(baseline: Any, model: TextModel | None = None, text: str = TEXT, target: Any = None, **options: Any) -> lineal.Attribution:
    model = model or classifier()
    return lineal.explain(model, text, target or targets.label(1), baseline=baseline, tol=1e-3, max_evaluations=4000, **options)


@pytest.mark.parametrize("by", ["model", "class"])
def test_draws_keep_what_a_reader_sees_and_are_whole_words(by: str) -> None:
    model, text = decoder(), "The man works as a doctor. Question: which option"
    drawn, encoded = draws(baselines.alternatives(30, by), model, text)
    special = set(model.tokenizer.all_special_ids)
    changed = 0
    for i in range(1, len(encoded)):
        own = encoded.tokens[i]
        for j in set(drawn[:, i]) - {encoded.ids[i]}:
            other = str(model.tokenizer.convert_ids_to_tokens(int(j)))
            changed += 1
            assert int(j) not in special
            assert own.startswith("Ġ") == other.startswith("Ġ")
            assert own.lstrip("Ġ")[:1].isupper() == other.lstrip("Ġ")[:1].isupper()
            assert own.lstrip("Ġ").isalpha() == other.lstrip("Ġ").isalpha()
    assert changed > 10


def test_draws_are_reproducible_and_depend_on_the_seed() -> None:
    one, again, other = (draws(baselines.alternatives(20, "class", seed=seed), classifier(), TEXT)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    own = classifier().encode([TEXT]).ids
    assert (one[:, 1:-1] != own[1:-1]).all(), "an alternative is another word"
    assert (one[:, [0, -1]] == [own[0], own[-1]]).all(), "special tokens stay"


def test_function_words_stand_for_function_words() -> None:
    drawn, encoded = draws(baselines.alternatives(200, "class"), classifier(), TEXT)
    seen = {encoded.tokens[i]: {classifier().tokenizer.convert_ids_to_tokens(int(j)) for j in drawn[:, i]} for i in (1, 2)}
    assert seen["the"] == {"but", "not", "very", "was"}, "function words of three or four letters"
    assert seen["film"] == {"mess", "good", "bad", "man", "time"}, "other words of as many letters"


def test_integrated_gradients_are_the_mean_over_the_draws() -> None:
    several = explain("alternatives:3:class")
    encoded = classifier().encode([TEXT])
    drawn = baselines.alternatives(3, "class").bind(classifier()).ids(encoded)[0]
    texts = [classifier().tokenizer.decode(row[1:-1]) for row in drawn]
    alone = [explain(f"text:{text}") for text in texts]
    np.testing.assert_allclose(several.scores, np.mean([r.scores for r in alone], axis=0), atol=2e-3 * several.mass[0])
    assert several.f_baseline[0] == pytest.approx(np.mean([r.f_baseline[0] for r in alone]), abs=1e-5)
    assert several.spread is not None
    assert several.baseline == "3 × alternatives by class"


def test_occlusion_is_the_mean_effect_of_replacing_one_word() -> None:
    model, samples = decoder(), 3
    record = explain(baselines.alternatives(samples), model, PROMPT, NEXT, method="occlusion")
    drawn, encoded = draws(baselines.alternatives(samples), model, PROMPT)
    row = model.tokenizer(" doctor", add_special_tokens=False)["input_ids"][0]
    for i in range(1, len(encoded)):
        if not len(set(drawn[:, i]) - {encoded.ids[i]}):
            continue
        effects = []
        for j in drawn[:, i]:
            changed = encoded.features["input_ids"].clone()
            changed[i] = int(j)
            other = type(encoded)(**{**vars(encoded), "features": encoded.features | {"input_ids": changed}})
            effects.append(float(record.f_input[0]) - float(answer(model, other, (len(encoded) - 1,))[0][row]))
        assert record.scores[0, i] == pytest.approx(np.mean(effects), abs=1e-9)


def test_of_a_word_of_several_tokens_the_rest_becomes_neutral() -> None:
    model, text = decoder(), "The man works as a worker"
    encoded = model.encode([text])
    pieces = [i for i, word in enumerate(encoded.word_ids) if word == encoded.word_ids[-1]]
    assert len(pieces) > 1, "a word of several tokens"
    ids, neutral = baselines.alternatives(4, "class").bind(model).ids(encoded)
    changed = (ids[:, pieces[0]] != encoded.ids[pieces[0]]).all()
    assert neutral[pieces].tolist() == [False, *[bool(changed)] * (len(pieces) - 1)]
    assert changed
    start = baselines.alternatives(4, "class").bind(model)(encoded)
    assert torch.equal(start[0, pieces[1]], baselines.mean_embedding(model))


def test_the_users_own_texts_propose_what_stands_in_the_same_place(tmp_path: Any) -> None:
    """Of texts of equal length the word in the same place, of any text the word between the same neighbours; others stay as they are."""
    own = ["the mess was not very bad", "but the time was", "the film was not very good", "a man works"]
    drawn, encoded = draws(baselines.alternatives(60, own), classifier(), TEXT)
    seen = {encoded.tokens[i]: {classifier().tokenizer.convert_ids_to_tokens(int(j)) for j in drawn[:, i]} for i in range(1, 7)}
    assert seen == {"the": {"the"}, "film": {"mess", "time"}, "was": {"was"}, "not": {"not"}, "very": {"very"}, "good": {"bad"}}
    file = tmp_path / "own.txt"
    file.write_text("\n".join(own) + "\n", encoding="utf-8")
    read, _ = draws(baselines.resolve(f"alternatives:60:texts:{file}", classifier()), classifier(), TEXT)
    np.testing.assert_array_equal(read, drawn)
    record = explain(baselines.alternatives(4, own))
    assert record.baseline == "4 × alternatives by 4 texts"
    assert "what 4 texts have in the same place" in record.notes[0]
    spelled = baselines.spelling(baselines.alternatives(4, f"texts:{file}"))
    assert baselines.resolve(spelled, classifier()) == baselines.alternatives(4, f"texts:{file}")
    for wrong, said in ((["a", 3], "texts"), ([], "no text"), (f"texts:{tmp_path / 'none.txt'}", "none.txt"), ("texts:", "file")):
        with pytest.raises(OptionError, match=said):
            explain(baselines.alternatives(4, wrong))


def test_texts_keep_capitals_and_spaces_and_give_no_fragments() -> None:
    model, own = decoder(), ["The wall works as a", "The xylophone works as a", "the man WORKS as a", "A man works as a doctor"]
    drawn, encoded = draws(baselines.alternatives(40, own), model, PROMPT)
    names = {encoded.tokens[i]: {str(model.tokenizer.convert_ids_to_tokens(int(j))) for j in drawn[:, i]} for i in range(len(encoded))}
    assert all(name.startswith("Ġ") for token, found in names.items() if token.startswith("Ġ") for name in found)
    assert not {"ĠWORKS", "ĠW"} & {name for found in names.values() for name in found}


def test_proposers_that_do_not_fit_are_clear_errors() -> None:
    with pytest.raises(OptionError, match="predicts no words"):
        explain("alternatives:4:model")
    with pytest.raises(OptionError, match="at least one sample"):
        baselines.alternatives(0)
    bert = next(family for family in FAMILIES if family.name == "BERT").load("classifier")
    with pytest.raises(OptionError, match="no number"):
        explain("alternatives:many")
    with pytest.raises(OptionError, match="other tokens than"):
        explain(baselines.alternatives(4, masked()), bert, "the cat sat on zyx", targets.label(1))


def test_spellings() -> None:
    for value in (baselines.alternatives(8), baselines.alternatives(8, "class"), baselines.alternatives(6, "model", seed=3)):
        assert baselines.resolve(baselines.spelling(value), classifier()) == value
    with pytest.raises(OptionError, match="no spelling"):
        baselines.spelling(baselines.alternatives(8, masked()))


# --- removal by several fillings -----------------------------------------------------------------------------------------------------


def _label(model: TextModel, ids: np.ndarray, which: int = 1) -> tuple[float, float]:
    """Logit and probability of a label by the bare model."""
    with torch.no_grad():
        logits = model.module(input_ids=torch.from_numpy(ids)[None]).logits[0].double()
    return float(logits[which]), float(logits.softmax(-1)[which])


def test_a_removal_by_alternatives_is_the_mean_over_the_draws() -> None:
    """Every metric reads F and p; here by hand from the bare model and the draws themselves, each of which replaces the whole group."""
    model, names = classifier(), ["log_prob_drop_1", "log_prob_drop_3", "comprehensiveness", "loo_spearman"]
    found = evaluate(model, [TEXT], "label:L1", methods=["random"], metrics=names, removals=["alternatives:5:class", "delete"])
    encoded = model.encode([TEXT])
    drawn, _ = baselines.alternatives(5, "class").bind(model).ids(encoded)
    ids, scores = np.array(encoded.ids), found.records[0][0].scores[0]
    order = [i for i in np.argsort(-scores, kind="stable") if encoded.roles[i] == "content"]

    def without(gone: list[int]) -> tuple[float, float]:
        where = np.isin(np.arange(len(ids)), gone)
        f, p = zip(*(_label(model, np.where(where, row, ids)) for row in drawn), strict=True)
        return float(np.mean(f)), float(np.mean(p))

    full = _label(model, ids)
    for k in (1, 3):
        drop = np.log(full[1]) - np.log(without(order[:k])[1])
        assert found.values[0, 0, names.index(f"log_prob_drop_{k}"), 0] == pytest.approx(drop, abs=1e-5)
    effects = np.array([full[0] - without([i])[0] for i in order])
    assert found.values[0, 0, names.index("loo_spearman"), 0] == pytest.approx(metrics.spearman(scores[order], effects))
    assert found.without[0, 0, 0, -1] == pytest.approx(without(order)[1], abs=1e-6)
    assert found.removals == ("alternatives:5:class", "delete")
    again = evaluate(model, [TEXT], "label:L1", methods=["random"], metrics=names, removals=["alternatives:5:class"])
    np.testing.assert_array_equal(again.values[:, 0], found.values[:, 0])


@pytest.mark.parametrize("name", ["mask", "replace:mask", "mask,pad", "random:3"])
def test_a_removal_is_spelled_like_a_baseline(name: str) -> None:
    how = {"methods": ["occlusion", "random"], "metrics": ["log_prob_drop_1"], "baselines": ["pad"]}
    found = evaluate(classifier(), [TEXT], "label:L1", removals=[name], **how)
    assert np.isfinite(found.values).all()
    if name == "replace:mask":
        np.testing.assert_array_equal(found.values, evaluate(classifier(), [TEXT], "label:L1", removals=["mask"], **how).values)


def test_what_is_no_removal_is_named() -> None:
    for name in ("burn", "replace", "replace:", "delete:mask", "alternatives:none"):
        with pytest.raises(OptionError, match="removal"):
            evaluate(classifier(), [TEXT], "label:L1", methods=["random"], removals=[name])
