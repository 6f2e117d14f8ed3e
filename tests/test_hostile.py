"""What is wrong with the input is said in one line, before the work: devices, probes on themselves, deep JSON, sizes beyond any memory."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, methods, prompts, targets
from lineal.errors import InputError, ModelError, OptionError, OutputError, ResultError
from lineal.evaluation import trust
from lineal.evaluation.resume import Unfinished
from lineal.evaluation.trust_pair import examine_pair
from lineal.files import check_folder
from lineal.models.gguf import converted
from lineal.models.probe import CONFIG, fit_probe, save_probe
from lineal.verbs.options import Options
from tests import tiny, tiny_gguf, tiny_lm
from tests.families import FAMILIES, WORDS, pooled
from tests.fuzz.cases import command
from tests.records import make_record, sample_records
from tests.test_cli import run

TEXT = "the tepid movie was a glorious mess."
DEEP = "[" * 100_000 + "]" * 100_000
HUGE = "9" * 5000


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("classifier")
    tiny.bert_classifier().save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "", "²", "cuda:-1", "meta", "\x00", "mps:7", 3.5])
def test_a_device_that_is_not_there_is_refused(classifier: str, device: Any) -> None:
    with pytest.raises(OptionError, match="device"):
        lineal.load(classifier, device=device)
    with pytest.raises(OptionError, match="device"):
        lineal.load(tiny.bert_classifier(), tiny.tokenizer(), device=device)


def test_cuda_without_cuda_is_one_line(classifier: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    assert run("explain", classifier, TEXT, "--device", "cuda") == 2
    assert "lineal: device 'cuda' cannot be used here" in capsys.readouterr().err
    assert run("explain", classifier, TEXT, "--device-map", "cuda") == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", ["own", "other"])
def test_a_probe_needs_a_sentence_encoder_below_it(name: str, tmp_path: Path) -> None:
    weights, bias = np.ones((2, 32)), np.zeros(2)
    save_probe(tmp_path / "own", weights, bias, ["a", "b"], str(tmp_path / name))
    save_probe(tmp_path / "other", weights, bias, ["a", "b"], str(tmp_path / "own"))
    with pytest.raises(ModelError, match="probe itself"):
        lineal.load(tmp_path / "own", device="cpu")


@pytest.mark.parametrize("text", [DEEP, HUGE], ids=["deep", "huge"])
def test_json_that_python_cannot_read_is_named(classifier: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(ResultError, match=r"a\.json"):
        lineal.load_result(file)
    assert run("show", file) == 2
    assert run("generate", classifier, "--messages", file) == 2
    assert "is not readable as JSON" in capsys.readouterr().err
    with pytest.raises(OptionError, match="not readable as an interrupted run"):
        Unfinished(file, {"tol": "0.01"})
    record = json.dumps(sample_records()["converged"].to_dict()).replace('"evaluations": 33', f'"evaluations": {text}')
    file.write_text(record)
    with pytest.raises(ResultError):
        lineal.load_result(file)
    probe = save_probe(tmp_path / "probe", np.ones((2, 32)), np.zeros(2), ["a", "b"], "minilm")
    (probe / CONFIG).write_text(text)
    with pytest.raises(ModelError, match="no readable probe"):
        lineal.load(probe)


def test_a_line_that_python_cannot_read_is_computed_again(tmp_path: Path) -> None:
    begun = Unfinished(tmp_path / "a.jsonl", {"tol": "0.01"})
    begun.add("one", [1.0])
    with begun.path.open("a", encoding="utf-8") as file:
        file.write(DEEP + "\n" + HUGE + "\n")
    begun.add("two", [2.0])
    assert Unfinished(begun.path, {"tol": "0.01"}).done == {"one": [1.0], "two": [2.0]}


@pytest.mark.parametrize(
    "rule", ["gauss:100000", "graded:50000", "clenshaw-curtis:100001", "left:99999999999", "trapezoid:1000000000000", f"gauss:{HUGE}"]
)
def test_a_rule_of_more_points_than_anybody_has_memory_for_is_refused(rule: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(OptionError, match="points"):
        Options(rule=rule)
    assert time.perf_counter() - begun < 1.0


@pytest.mark.parametrize("layer", [1.5, float("nan"), [1], True, torch.zeros(2)], ids=str)
def test_a_layer_is_a_number_or_a_name(classifier: str, layer: Any) -> None:
    with pytest.raises(OptionError, match="layer"):
        lineal.explain(classifier, TEXT, rule="gauss:4", layer=layer)


def test_a_layer_of_five_thousand_digits_is_none(classifier: str) -> None:
    assert run("explain", classifier, TEXT, "--layer", HUGE) == 2


@pytest.mark.parametrize("method", ["ig", "gradient-x-input", "dig-greedy:neighbours=9"])
def test_where_no_gradient_can_be_there_the_reason_is_said(method: str) -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    with torch.inference_mode(), pytest.raises(ModelError, match=r"torch\.inference_mode"):
        lineal.explain(model, TEXT, rule="gauss:4", method=method)
    with torch.no_grad():
        assert lineal.explain(model, TEXT, rule="gauss:4", method=method).mass[0] > 0


def test_a_forward_without_a_gradient_is_refused() -> None:
    module = tiny.bert_classifier()
    module.forward = torch.no_grad()(module.forward)
    with pytest.raises(ModelError, match="no gradient"):
        lineal.explain(lineal.load(module, tiny.tokenizer()), TEXT, rule="gauss:4")


def test_a_refused_liar_run_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model = tiny_lm.llama(torch.float32, limit=256)
    model.module.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    row = "\t".join(["1.json", "true", "A claim.", "wall", "a-man", "", "", "none", *"00000", "a speech"]) + "\n"
    (tmp_path / "test.tsv").write_text(row)
    out = tmp_path / "out"
    assert run("liar", tmp_path, "--model", tmp_path / "model", "--out", out, "--baseline", "nil", "--device", "cpu") == 2
    assert "unknown baseline 'nil'" in capsys.readouterr().err
    assert not list(out.rglob("*"))


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    encoder = pooled(*next(family for family in FAMILIES if family.name == "BERT").build("encoder"))
    return {
        "classifier": lineal.load(tiny.bert_classifier(), tiny.tokenizer()),
        "decoder": tiny_lm.llama(),
        "encoder": lineal.load(encoder),
    }


@pytest.mark.parametrize("text", ["the \udcff film", "\ud83d", ("good", "\udcff")], ids=ascii)
def test_half_a_character_is_no_text(models: dict[str, Any], text: Any) -> None:
    with pytest.raises(InputError, match="no character"):
        lineal.explain(models["classifier"], text, rule="gauss:4")


def test_half_a_character_is_no_token_either(models: dict[str, Any]) -> None:
    for target in (targets.NextToken(" \udcff"), targets.Continuation(" the \udcff")):
        with pytest.raises(InputError, match="no character"):
            lineal.explain(models["decoder"], "The man", target, rule="gauss:4")


WRONG: list[tuple[str, str, Any]] = [
    ("classifier", "a region that is none", lambda m: lineal.explain(m, prompts.Marked(TEXT, {"a": 3}))),
    ("classifier", "regions", lambda m: lineal.explain(m, prompts.Marked(TEXT, 3))),
    ("classifier", "text", lambda m: lineal.explain(m, prompts.Marked(3, {}))),
    ("decoder", "messages", lambda m: lineal.explain(m, prompts.Chat(3))),
    ("decoder", "messages of text", lambda m: lineal.explain(m, messages="hello")),
    ("decoder", "content", lambda m: lineal.explain(m, messages=[{"role": "user", "content": prompts.Marked("hi", {"a": [(0, 1, 2)]})}])),
    ("classifier", "given", lambda m: lineal.explain(m, TEXT, baseline=baselines.given({3}))),
    ("classifier", "some_of", lambda m: lineal.explain(m, TEXT, baseline=baselines.some_of(3))),
    ("classifier", "samples", lambda m: lineal.explain(m, TEXT, baseline=baselines.some_of(["a film"], "1"))),
    ("classifier", "word", lambda m: lineal.explain(m, TEXT, baseline=baselines.word(None))),
    ("decoder", "token", lambda m: lineal.explain(m, TEXT, targets.NextToken([3]))),
    ("classifier", "word label", lambda m: lineal.explain(m, TEXT, targets.WordLabel(3))),
    ("classifier", "zero-shot", lambda m: lineal.explain(m, TEXT, targets.ZeroShot(3))),
    ("classifier", "answer", lambda m: lineal.explain(m, TEXT, targets.AnswerSpan("span", 3))),
    ("classifier", "dtype", lambda m: lineal.load(m.module, m.tokenizer, dtype=3)),
    ("classifier", "two methods", lambda m: lineal.compare(m, TEXT, methods=["ig"], method="ig")),
    ("classifier", "methods", lambda m: lineal.compare(m, TEXT, methods=np.zeros(3))),
    ("classifier", "evaluate methods", lambda m: lineal.evaluate(m, [TEXT], methods=3)),
    ("classifier", "metrics", lambda m: lineal.evaluate(m, [TEXT], metrics=3)),
    ("classifier", "removals", lambda m: lineal.evaluate(m, [TEXT], removals=np.zeros(3))),
    ("classifier", "baselines", lambda m: lineal.evaluate(m, [TEXT], baselines={"text": "x"})),
    ("classifier", "into", lambda m: lineal.evaluate(m, [TEXT], into=3)),
    ("decoder", "continuation", lambda m: lineal.explain_generation(m, "The man", continuation=[[1, 2], [3]])),
    ("decoder", "continuation of texts", lambda m: lineal.explain_generation(m, "The man", continuation=("a", "b"))),
    ("decoder", "continuation that is a number", lambda m: lineal.explain_generation(m, "The man", continuation=3)),
    ("decoder", "options", lambda m: lineal.explain(m, "The man", targets.Choice(torch.tensor(1.0)))),
    ("decoder", "names", lambda m: lineal.explain(m, "The man", targets.Choice(("a", "b"), names=3))),
    ("classifier", "texts", lambda m: list(lineal.explain_many(m, torch.tensor(1.0)))),
    ("classifier", "texts of an array", lambda m: list(lineal.explain_many(m, np.array("a film")))),
    ("decoder", "batch_tokens", lambda m: lineal.explain(m, "The man", batch_tokens=10**400)),
    ("classifier", "4 bit", lambda m: lineal.load(m.module, m.tokenizer, load_in_4bit=np.zeros(2))),
    ("encoder", "top", lambda m: lineal.explain_matches(m, "the cat", ["rain fell"], top="1")),
    ("classifier", "path", lambda _: lineal.load_result(["a"])),
    ("classifier", "record", lambda m: trust.examine(m, TEXT, record="a")),
    ("encoder", "pair text", lambda m: examine_pair(m, ("the cat", "sat"), "rain fell")),
    ("encoder", "pair record", lambda m: examine_pair(m, "the cat sat", "rain fell", record="a")),
    ("classifier", "seed", lambda m: trust.examine(m, TEXT, seed="1")),
    ("encoder", "pair seed", lambda m: examine_pair(m, "the cat sat", "rain fell", seed=-1)),
    ("classifier", "selection", lambda m: lineal.explain(m, TEXT, attribute=np.array("text"))),
    ("classifier", "tensor selection", lambda m: lineal.explain(m, TEXT, hold=torch.tensor(1.0))),
]


@pytest.mark.parametrize(("kind", "what", "call"), WRONG, ids=[what for _, what, _ in WRONG])
def test_an_argument_of_another_kind_is_named(models: dict[str, Any], kind: str, what: str, call: Any) -> None:
    with pytest.raises((InputError, OptionError, ResultError)):
        call(models[kind])


def test_a_torn_gguf_file_is_one_error(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    whole = tiny_gguf.write(tiny_lm.llama(limit=64), tmp_path / "whole.gguf").read_bytes()
    for at in (8, 16, 30, 200, 2000):
        torn = tmp_path / "torn.gguf"
        torn.write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])
        with pytest.raises(ModelError, match="cannot read"):
            converted(torn, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*"))


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_terminal_of_few_characters_gets_the_result_with_its_signs(classifier: str, encoding: str) -> None:
    shown = command(["explain", classifier, TEXT, "--rule", "gauss:12"], encoding=encoding)
    assert shown.code == 0
    assert "-0." in shown.out, "a minus that cannot be written is a hyphen, never a question mark"
    record = command(["explain", classifier, "the tepid “movie” − 好", "--rule", "gauss:12", "--json"], encoding=encoding)
    assert lineal.Attribution.from_dict(json.loads(record.out)).texts == ("the tepid “movie” − 好",)


def test_a_page_that_was_written_before_an_error_is_named(tmp_path: Path) -> None:
    stored = sample_records()["converged"].save(tmp_path / "a.json")
    shown = command(["show", str(stored), "--by", "region", "--out", str(tmp_path / "a.html")])
    assert shown.code == 2
    assert (tmp_path / "a.html").exists() == ("written to" in shown.err)


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "./\x00"])
def test_a_name_with_a_zero_byte_leads_nowhere(name: str) -> None:
    with pytest.raises(ModelError):
        lineal.load(name)


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("classifier", lambda m: lineal.load(m.module, m.tokenizer, task=["text-classification"])),
        ("classifier", lambda m: lineal.explain(m, TEXT, baseline=baselines.another_text(None))),
        ("classifier", lambda m: lineal.explain(m, TEXT, baseline=baselines.another_text(iter(["a film"])))),
        ("classifier", lambda m: lineal.explain(m, TEXT, baseline=baselines.random_words(10**30))),
        ("classifier", lambda m: lineal.explain(m, TEXT, baseline=baselines.random_words(10**9))),
        ("classifier", lambda m: lineal.load(m.module, m.tokenizer, device="hpu")),
    ],
)
def test_more_arguments_of_another_kind(models: dict[str, Any], kind: str, call: Any) -> None:
    with pytest.raises((InputError, OptionError)):
        call(models[kind])


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("classifier", lambda m: lineal.explain(m, TEXT, method=methods.ExpectedGradients(10**30))),
        ("classifier", lambda m: lineal.explain(m, TEXT, method="smoothgrad-ig:samples=99999999999")),
        ("classifier", lambda m: trust.examine(m, TEXT, seed=10**400)),
        ("classifier", lambda m: lineal.explain(m, TEXT, targets.labels(np.array("text")))),
        ("classifier", lambda m: lineal.explain(m, TEXT, targets.labels(3))),
    ],
)
def test_numbers_beyond_any_machine(models: dict[str, Any], kind: str, call: Any) -> None:
    with pytest.raises((InputError, OptionError)):
        call(models[kind])


def test_the_name_of_a_file_steers_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "m\x1bodel.gguf").write_bytes(b"GGUF" + b"\xff" * 60)
    (tmp_path / "m\x1bodel").mkdir()
    for name in ("m\x1bodel.gguf", "m\x1bodel", "no\x1bthing"):
        shown = command(["explain", str(tmp_path / name), TEXT])
        assert shown.code == 2
        assert "\x1b" not in shown.err


def test_a_folder_whose_name_is_too_long_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        check_folder(tmp_path / ("x" * 300))
    check_folder(tmp_path / "a" / "b")


def test_a_blank_that_steers_is_shown_as_its_picture(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    record = make_record(["a\x1d"], ["a", "\x1d"], [(0, 1), (1, 2)], [[1.0, 0.5]], residual=0.0)
    assert run("show", record.save(tmp_path / "a.json"), "--by", "token") == 0
    assert "\x1d" not in capsys.readouterr().out


@pytest.mark.parametrize("length", ["1e5", [3]])
def test_a_tokenizer_whose_length_is_no_number_is_refused(length: Any, tmp_path: Path) -> None:
    tiny.bert_classifier().save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_max_length": length}))
    with pytest.raises(ModelError, match="model_max_length"):
        lineal.load(tmp_path)


@pytest.mark.parametrize("counts", [(1, 1), (30, 1), (4, 9)])
def test_a_probe_of_too_few_texts_is_refused(models: dict[str, Any], counts: tuple[int, int]) -> None:
    labels = ["good"] * counts[0] + ["bad"] * counts[1]
    texts = [f"the cat sat on {word}" for word in WORDS[: len(labels)]]
    if min(counts) > 1:  # fewer folds, each with every label
        assert fit_probe(models["encoder"], texts, labels)[2] == ["bad", "good"]
        return
    with pytest.raises(OptionError, match="two texts or more of each label"):
        fit_probe(models["encoder"], texts, labels)
