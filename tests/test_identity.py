"""What is explained is what was asked about: the model's own answer, with its own weights and words, told apart from every other model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from matplotlib.text import Text
from safetensors.torch import load_file, save_file

import lineal
from lineal import baselines, targets, views
from lineal.errors import FidelityError, InputError, ModelError, OptionError
from lineal.evaluation.stability import randomised
from lineal.models.card import fingerprint, spelled
from lineal.models.probe import LinearProbe, save_probe
from lineal.views.pair.terminal import to_text as pair_text
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


def bare_encoder(folder: Path) -> str:
    tiny.bert_classifier().bert.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return str(folder)


def test_weights_that_nobody_trained_are_refused_with_their_names(tmp_path: Path) -> None:
    folder = bare_encoder(tmp_path)
    with pytest.raises(ModelError, match=r"lacks 2 of its weights, which would be drawn at random: classifier\.bias, classifier\.weight"):
        lineal.load(folder, task="text-classification", device="cpu")


def test_who_goes_on_without_weights_reads_it_in_every_view(tmp_path: Path) -> None:
    model = lineal.load(bare_encoder(tmp_path), task="text-classification", device="cpu", allow_missing=True)
    assert model.card.missing == ("classifier.bias", "classifier.weight")
    record = lineal.explain(model, TEXT)
    for view in drawn(record):
        assert "drawn at random (classifier.bias, classifier.weight)" in view


def test_an_encoder_may_lack_weights_that_it_never_uses(tmp_path: Path) -> None:
    tiny.bert_classifier().bert.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    stored = {name: value.clone() for name, value in load_file(tmp_path / "model.safetensors").items()}  # the file is written anew

    def without(part: str) -> None:
        save_file({name: value for name, value in stored.items() if part not in name}, tmp_path / "model.safetensors", {"format": "pt"})

    without("pooler")
    assert lineal.load(str(tmp_path), task="sentence-similarity", device="cpu").card.missing == ()
    without("layer.1.output.dense.weight")
    with pytest.raises(ModelError, match=r"lacks 1 of its weights.*layer\.1\.output\.dense\.weight"):
        lineal.load(str(tmp_path), task="sentence-similarity", device="cpu")


@pytest.mark.parametrize("make", [tiny.bert_classifier, tiny.llama])
def test_a_folder_without_a_tokenizer_is_refused(make, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"knows no words, only \[CLS\]|cannot load the folder .*tokenizer"):
        lineal.load(str(tmp_path), device="cpu")


def test_a_folder_that_is_broken_says_so_in_one_line(tmp_path: Path) -> None:
    tiny.bert_classifier().save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    file, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    whole, said = file.read_bytes(), config.read_text(encoding="utf-8")
    for broken in (whole[: len(whole) // 2], whole[:4], b""):
        file.write_bytes(broken)
        with pytest.raises(ModelError, match="cannot load the folder"):
            lineal.load(str(tmp_path), device="cpu")
    file.write_bytes(whole)
    config.write_text(said.replace('"intermediate_size": 48', '"intermediate_size": 40'), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot load the folder"):
        lineal.load(str(tmp_path), device="cpu")


def test_a_probe_needs_an_encoder_that_is_no_probe(tmp_path: Path) -> None:
    save_probe(tmp_path / "probe", np.ones((1, 32)), [0.0], ["no", "yes"], str(tmp_path / "probe"))
    with pytest.raises(ModelError, match="which is a probe itself"):
        lineal.load(str(tmp_path / "probe"), device="cpu")
    save_probe(tmp_path / "probe", np.ones((1, 3)), [0.0], ["no", "yes"], bare_encoder(tmp_path / "encoder"))
    with pytest.raises(ModelError, match=r"embeddings of width 3, .* gives 32"):
        lineal.load(str(tmp_path / "probe"), device="cpu")


CHINESE = "未拆封的商品可在三十天内退货。"


def test_characters_the_model_cannot_read_are_counted_in_every_view(minilm) -> None:
    record = lineal.explain(minilm, CHINESE, max_evaluations=16)
    assert record.warnings[0].startswith("The model cannot read 9 of 15 characters: ")
    for view in drawn(record):
        assert "cannot read 9 of 15 characters" in view
    assert "Caution" in render(record)
    assert lineal.explain(minilm, "Send it back.", max_evaluations=16).warnings == ()


def test_the_warning_of_a_pair_names_the_text(minilm, tmp_path: Path) -> None:
    record = lineal.explain_pair(minilm, "Send it back.", CHINESE, rule="gauss:2")
    assert record.warnings[0].startswith("Text 2: The model cannot read 9 of 15 characters")
    for view in (views.pair_page(record), pair_text(record)):
        assert "Text 2: The model cannot read 9 of 15 characters" in " ".join(view.split())
    views.save_plot(views.plot_pair(record), tmp_path / "pair.svg")


def test_a_special_token_that_is_spelled_out_is_no_unknown_word() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    assert model.encode(["a [UNK] film"]).warnings == ()
    assert model.encode(["a zyx film", "a zyx"]).warnings[0].startswith("The model cannot read 6 of 12 characters: zyx.")


def drawn(record: lineal.Attribution) -> list[str]:
    """Return the record in every view that is text, on one line each, and its figure as words."""
    figure = views.plot_bars(record)
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    found = [render(record), views.page([record]), views.repr_html(record), views.to_markdown(record).replace("\\", ""), words]
    return [" ".join(view.replace("\u200e", "").split()) for view in [*found, views.comparison_page([record])]]


def render(record: lineal.Attribution) -> str:
    return views.to_text(record, width=200)


def probe(minilm, weights: np.ndarray, labels: tuple[str, str] = ("no", "yes"), bias: float = 0.0) -> LinearProbe:
    return LinearProbe(minilm, weights, [bias], labels, "probe")


def test_a_probe_is_told_apart_by_its_head(minilm) -> None:
    weights = np.linspace(-1, 1, 384)[None].astype(np.float32)
    retrained = weights.copy()
    retrained[0, 17] += 1e-6
    heads = [probe(minilm, weights), probe(minilm, retrained), probe(minilm, weights, ("no", "maybe")), probe(minilm, weights, bias=0.1)]
    assert len({one.card.fingerprint for one in [minilm, *heads]}) == 5
    assert probe(minilm, weights).card.fingerprint == heads[0].card.fingerprint


def test_random_weights_have_a_random_head_too(minilm) -> None:
    model = probe(minilm, np.linspace(-1, 1, 384)[None].astype(np.float32))
    before = model.weights.clone()
    changed = randomised(model)
    assert not torch.allclose(changed.weights, before)
    assert torch.equal(model.weights, before)
    assert float(changed.weights.std()) == pytest.approx(float(before.std()), rel=0.2)


def test_a_card_is_told_apart_by_every_weight_the_config_and_the_tokenizer() -> None:
    def print_of(change, words=lambda tokenizer: None, **config) -> str:
        module, tokenizer = tiny.bert_classifier(**config), tiny.tokenizer()
        with torch.no_grad():
            change(module)
        words(tokenizer)
        return lineal.load(module, tokenizer).card.fingerprint

    def one_value(module) -> None:
        module.bert.encoder.layer[1].output.dense.weight[3, 5] += 1e-6

    def another_template(tokenizer) -> None:
        tokenizer.add_tokens(["zyx"])

    def nothing(module) -> None:
        pass

    prints = [
        print_of(nothing),
        print_of(one_value),
        print_of(nothing, hidden_act="gelu_new"),
        print_of(nothing, words=another_template),
        print_of(lambda module: module.double()),
    ]
    assert len(set(prints)) == len(prints)
    assert print_of(nothing) == prints[0]


def test_a_single_value_of_a_large_tensor_changes_the_fingerprint() -> None:
    layer = torch.nn.Linear(1000, 301)
    before = fingerprint(layer)
    with torch.no_grad():
        layer.weight[299, 998] = torch.nextafter(layer.weight[299, 998], torch.tensor(10.0))
    assert fingerprint(layer) != before


def test_what_a_tokenizer_was_last_called_with_is_not_part_of_the_fingerprint() -> None:
    tokenizer = tiny.tokenizer()
    before = lineal.load(tiny.bert_classifier(), tokenizer).card.fingerprint
    tokenizer(["a film", "the"], padding=True, truncation=True, max_length=3)
    assert lineal.load(tiny.bert_classifier(), tokenizer).card.fingerprint == before


def test_settings_with_large_arrays_are_told_apart() -> None:
    one, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1
    assert repr(one) == repr(other)
    assert spelled(targets.similar(one)) != spelled(targets.similar(other))
    assert spelled({"a": torch.ones(3, dtype=torch.bfloat16), "b": [1, "x"]}) == spelled(
        {"b": (1, "x"), "a": torch.ones(3, dtype=torch.bfloat16)}
    )
    assert spelled(targets.Label("L1")) == "Label(label='L1', unit='logit')"


def test_an_interrupted_evaluation_does_not_go_on_with_another_vector(minilm, tmp_path: Path) -> None:
    given = np.zeros((2, 13, 384))  # a vector for each of 13 tokens, in an array whose middle is not printed
    given[1, 5, 17] = 1
    texts, into = ["Send the unopened items back within thirty days."], tmp_path / "run.jsonl"
    first, second = (baselines.Given(torch.from_numpy(one)) for one in given)
    how = {"methods": ["ig"], "removals": ["delete"], "metrics": ["comprehensiveness"], "into": into, "max_evaluations": 16}
    lineal.evaluate(minilm, texts, baselines=[first], **how)
    lineal.evaluate(minilm, texts, baselines=[baselines.Given(torch.from_numpy(given[0].copy()))], **how)
    with pytest.raises(OptionError, match="holds an interrupted run with baselines"):
        lineal.evaluate(minilm, texts, baselines=[second], **how)


@pytest.mark.parametrize("name", [pytest.param("minilm", marks=pytest.mark.slow), "sentiment"])
def test_an_encoder_and_the_encoder_below_a_probe_are_loaded_as_asked(minilm, name: str) -> None:
    pytest.importorskip("bitsandbytes")
    plain, small = lineal.load(name, device="cpu"), lineal.load(name, device="cpu", load_in_4bit=True)
    layers = {type(part).__name__ for part in small.module.modules()}
    assert "Linear4bit" in layers
    record = lineal.explain(small, "Not a masterpiece, but an hour well spent.")
    assert abs(record.residual[0]) <= record.error[0] <= record.tol * record.mass[0]
    assert small.card.fingerprint != plain.card.fingerprint
    half = lineal.load(name, device="cpu", dtype="bfloat16", device_map={"": "cpu"})
    assert {parameter.dtype for parameter in half.module.parameters()} == {torch.bfloat16}


def test_a_model_that_is_loaded_already_takes_no_loading_options() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    assert lineal.load(model) is model
    with pytest.raises(OptionError, match=r"dtype: .* is loaded already and stays as it is"):
        lineal.load(model, dtype="bfloat16")
    with pytest.raises(OptionError, match="device_map, load_in_4bit and load_in_8bit are for loading by name"):
        lineal.load(model, load_in_4bit=True)
