"""The command line through its front door: exit codes, files that appear whole, errors in one line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import lineal
from lineal import metrics
from lineal.cli.console import lasting
from lineal.cli.main import main
from lineal.errors import OutputError
from lineal.evaluation.judge import Judge
from lineal.models import Encoded, TextModel
from lineal.models.classifier import SequenceClassifier
from lineal.verbs.session import Session
from tests import tiny

TEXT = "the tepid movie was a glorious mess."


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("classifier")
    tiny.bert_classifier().save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return str(folder)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_explaining_prints_the_sentence_the_badge_and_the_words(classifier: str, capsys: pytest.CaptureFixture) -> None:
    assert run("explain", classifier, TEXT, "--target", "label:L1", "--device", "cpu") == 0
    printed = capsys.readouterr().out
    assert "✓ accurate to" in printed
    assert "glorious" in printed
    assert "from neutral text to this text" in printed


def test_json_on_standard_output_is_the_record(classifier: str, capsys: pytest.CaptureFixture) -> None:
    assert (
        run("explain", classifier, TEXT, "--target", "labels", "--json", "--rule", "gauss:8", "--hold", "tepid", "--baseline", "pad") == 0
    )
    record = lineal.Attribution.from_dict(json.loads(capsys.readouterr().out))
    assert record.targets == ("L0", "L1", "L2")
    assert (record.rule, record.baseline) == ("gauss:8", "pad")
    assert record.roles[record.tokens.index("tepid")] == "held"


@pytest.mark.parametrize(
    ("given", "taken"), [("embeddings", "embeddings"), ("0", 0), ("-1", -1), ("bert.encoder.layer.1", "bert.encoder.layer.1")]
)
def test_layer_enters_the_model_there(classifier: str, given: str, taken: str | int, capsys: pytest.CaptureFixture) -> None:
    assert run("explain", classifier, TEXT, "--target", "label:L1", "--json", "--rule", "gauss:8", "--layer", given) == 0
    record = lineal.Attribution.from_dict(json.loads(capsys.readouterr().out))
    same = lineal.explain(classifier, TEXT, "label:L1", rule="gauss:8", layer=taken)
    assert record.path.endswith(f"at layer {given}")
    assert record.scores.tolist() == same.scores.tolist()


def test_layer_in_a_comparison_and_where_it_cannot_be(classifier: str, capsys: pytest.CaptureFixture) -> None:
    assert run("compare", classifier, TEXT, "--methods", "ig,saliency,random", "--rule", "gauss:8", "--layer", "1") == 0
    for arguments, words in (
        (("compare", classifier, TEXT, "--methods", "ig,dig-greedy", "--rule", "gauss:8", "--layer", "1"), "dig-greedy"),
        (("explain", classifier, TEXT, "--layer", "1", "--trust"), "drop one of the two"),
        (("explain", classifier, TEXT, "--layer", "99"), "no layer 99"),
    ):
        capsys.readouterr()
        assert run(*arguments) == 2
        assert words in capsys.readouterr().err


def test_out_writes_a_page_or_a_record_and_show_draws_it_again(classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    page, record = tmp_path / "a.html", tmp_path / "a.json"
    assert run("explain", classifier, TEXT, "--out", record) == 0
    assert run("show", record, "--out", page, "--by", "token") == 0
    assert "glorious" in page.read_text(encoding="utf-8")
    assert run("show", record, "--json") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "a.json"]
    assert "written to" in capsys.readouterr().err


def test_strict_exits_with_three_when_not_converged(classifier: str, capsys: pytest.CaptureFixture) -> None:
    hopeless = ("explain", classifier, TEXT, "--rule", "left:4", "--tol", "1e-6")
    assert run(*hopeless) == 0
    assert "NOT CONVERGED" in capsys.readouterr().out.upper()
    assert run(*hopeless, "--strict") == 3
    assert run("explain", classifier, TEXT, "--strict") == 0


def test_a_dash_reads_standard_input(classifier: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(TEXT + "\n"))
    assert run("explain", classifier, "-", "--json", "--rule", "gauss:4") == 0
    assert json.loads(capsys.readouterr().out)["texts"] == [TEXT]


def test_a_unit_alone_is_that_of_the_models_own_question(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tiny.llama().save_pretrained(tmp_path)
    tiny.tokenizer(decoder=True).save_pretrained(tmp_path)
    assert run("explain", tmp_path, TEXT, "--unit", "prob", "--json", "--rule", "gauss:4", "--device", "cpu") == 0
    assert json.loads(capsys.readouterr().out)["units"] == ["prob"]


def test_two_texts_are_a_pair_for_a_classifier(classifier: str, capsys: pytest.CaptureFixture) -> None:
    assert run("explain", classifier, "is it good?", TEXT, "--json", "--rule", "gauss:4") == 0
    assert json.loads(capsys.readouterr().out)["texts"] == ["is it good?", TEXT]


def test_two_texts_are_a_similarity_for_an_encoder(minilm: TextModel, capsys: pytest.CaptureFixture) -> None:
    assert run("explain", "minilm", "Send it back.", "How do I return it?", "--json", "--rule", "gauss:4") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["texts"] == ["Send it back."]
    assert (record["targets"], record["units"]) == (["“How do I return it?”"], ["cosine"])
    assert run("explain", "minilm", "Send it back.", "How do I return it?", "--unit", "dot", "--json", "--rule", "gauss:4") == 0
    assert json.loads(capsys.readouterr().out)["units"] == ["dot"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "label:L9"), "there is no label 'L9'; this model has 0: L0, 1: L1, 2: L2"),
        (("--target", "labl"), "unknown target 'labl'"),
        (("--rule", "gaus:3"), "unknown rule 'gaus:3'"),
        (("--baseline", "nil"), "unknown baseline 'nil'"),
        (("--tol", "7"), "tol is 7.0"),
        (("--out", "/no/such/folder/a.html"), "there is no folder /no/such/folder"),
        (("--out", "a.docx"), "give a name ending in .html, .json"),
        (("--dtype", "float33"), "unknown dtype 'float33'"),
        (("--hold", "zebra"), "matches nothing"),
    ],
)
def test_wrong_options_exit_with_two_and_one_line(classifier: str, arguments: tuple, message: str, capsys: pytest.CaptureFixture) -> None:
    assert run("explain", classifier, TEXT, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("lineal: ")
    assert error.count("\n") == 1


def test_unknown_options_and_models_are_errors(capsys: pytest.CaptureFixture) -> None:
    assert run("explain", "minilm", TEXT, "--tolerance", "0.1") == 2
    assert "--tolerance" in capsys.readouterr().err
    assert run("explain", "/no/such/model", TEXT) == 2
    assert "there is no folder /no/such/model" in capsys.readouterr().err
    assert run("show", "/no/such.json") == 2
    assert "there is no file /no/such.json" in capsys.readouterr().err


def test_an_empty_text_leaves_nothing_behind(classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run("explain", classifier, "   ", "--out", tmp_path / "a.html") == 2
    assert "empty" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_explains_every_line_and_equal_lines_once(
    classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, ...]] = []
    encode = SequenceClassifier.encode

    def counted(self: SequenceClassifier, texts: Sequence[str], truncate: bool = False) -> Encoded:
        read.append(tuple(texts))
        return encode(self, texts, truncate)

    monkeypatch.setattr(SequenceClassifier, "encode", counted)
    other = "the ending was a mess"
    (tmp_path / "texts.txt").write_text(f"{TEXT}\n{other}\n\n{TEXT}\n{TEXT}\t{other}\n", encoding="utf-8")
    for name in ("all.html", "all.jsonl"):
        read.clear()
        assert run("explain", classifier, "--file", tmp_path / "texts.txt", "--out", tmp_path / name, "--device", "cpu") == 0
        assert read == [(TEXT,), (other,), (TEXT, other)]
    records = [lineal.Attribution.from_dict(json.loads(line)) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [record.texts for record in records] == [(TEXT,), (other,), (TEXT,), (TEXT, other)]
    alone = lineal.explain(lineal.load(classifier, device="cpu"), other)
    assert abs(records[1].scores - alone.scores).max() < 1e-6
    assert (tmp_path / "all.html").read_text().count("<article") == 4


def test_what_is_examined_is_explained_once(classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[lineal.Attribution] = []
    record = Session._record
    monkeypatch.setattr(Session, "_record", lambda self, finished: (made.append(record(self, finished)), made[-1])[1])
    long = "very " * 100 + "long"
    (tmp_path / "texts.txt").write_text(f"{long}\n{TEXT}\nthe ending was a mess\n{TEXT}\n", encoding="utf-8")
    how = ("--rule", "gauss:4", "--device", "cpu", "--trust", "--out", tmp_path / "all.html")
    assert run("explain", classifier, "--file", tmp_path / "texts.txt", *how) == 2
    assert [one.text for one in made] == [TEXT, "the ending was a mess"]
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert page.count('class="trust"') == 3


def test_a_line_that_cannot_be_explained_loses_no_other(classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    other, long = "the ending was a mess", "very " * 100 + "long"
    (tmp_path / "texts.txt").write_text(f"{TEXT}\n{long}\n{other}\n{TEXT}\n", encoding="utf-8")
    assert run("explain", classifier, "--file", tmp_path / "texts.txt", "--out", tmp_path / "all.jsonl", "--device", "cpu") == 2
    assert "not explained: 'very very" in (said := capsys.readouterr().err)
    assert "the model reads" in said
    records = [lineal.Attribution.from_dict(json.loads(line)) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [record.texts for record in records] == [(TEXT,), (other,), (TEXT,)]
    (tmp_path / "texts.txt").write_text(f"{long}\n{long} too\n", encoding="utf-8")
    assert run("explain", classifier, "--file", tmp_path / "texts.txt", "--out", tmp_path / "none.jsonl", "--device", "cpu") == 2
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "not neither"), ((TEXT, "--file", "x.txt"), "not both"), (("--file", "no-such-file.txt"), "not readable")],
)
def test_a_text_or_a_file(classifier: str, arguments: tuple, message: str, capsys: pytest.CaptureFixture) -> None:
    assert run("explain", classifier, *arguments, "--device", "cpu") == 2
    assert message in capsys.readouterr().err


def test_models_lists_the_aliases(capsys: pytest.CaptureFixture) -> None:
    assert run("models") == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("minilm", "smollm2", "sentiment"))


def test_version_and_help(capsys: pytest.CaptureFixture) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"lineal {lineal.__version__}\n"
    assert run("explain", "--help") == 0
    assert "--strict" in capsys.readouterr().out


def test_a_probe_is_trained_saved_and_explained(minilm: TextModel, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = [("calm", "a quiet walk by the lake"), ("loud", "drums and sirens in the street")] * 6
    source = tmp_path / "rows.tsv"
    source.write_text("label\ttext\n" + "".join(f"{label}\t{text} {i}\n" for i, (label, text) in enumerate(rows)), encoding="utf-8")
    assert run("probe", source, "--out", tmp_path / "mood", "--test", source) == 0
    assert "accuracy on 12 texts" in capsys.readouterr().out
    assert run("explain", tmp_path / "mood", "sirens by the lake", "--target", "label:loud", "--json") == 0
    assert json.loads(capsys.readouterr().out)["targets"] == ["loud"]
    source.write_text("label\ttext\ncalm\t\n", encoding="utf-8")
    assert run("probe", source, "--out", tmp_path / "other") == 2
    assert "line 2: label or text is missing" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_show_needs_no_torch(tmp_path: Path) -> None:
    from tests.records import sample_records

    path = next(iter(sample_records().values())).save(tmp_path / "r.json")
    code = f"import sys; from lineal.cli.main import main\ntry: main(['show', {str(path)!r}])\nfinally: assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "F(text)" in done.stdout


def test_evaluate_names_its_metrics_and_which_way_they_go(capsys: pytest.CaptureFixture) -> None:
    assert run("evaluate", "--help") == 0
    words = capsys.readouterr().out.replace("│", " ").split()
    for name, metric in metrics.CATALOGUE.items():
        assert words[words.index(name) + 1].strip(",;") == ("+" if metric.higher else "-")


def test_evaluate_replaces_words_by_alternatives(classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    texts, folder = tmp_path / "texts.txt", tmp_path / "out"
    texts.write_text("a good film but a bad ending\nthe glorious mess of a film\n", encoding="utf-8")
    command = ("evaluate", classifier, texts, "--methods", "occlusion,random", "--metrics", "causal", "--out", folder)
    assert run(*command, "--baselines", "alternatives:3", "--removals", "alternatives:3,delete", "--piece", "token") == 0
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert "When one token at a time is replaced: causal" in table
    assert "1.000 [1.000, 1.000] †" in table or "**1.000** [1.000, 1.000] †" in table
    assert "†" in capsys.readouterr().out
    assert run(*command[:-2], "--removals", "burn", "--out", tmp_path / "other") == 2
    assert "a removal is delete, attention, or a baseline" in capsys.readouterr().err.replace("\n", " ")


def test_an_interrupted_evaluation_goes_on(classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, folder = tmp_path / "texts.txt", tmp_path / "out"
    texts.write_text("a good film\na tepid movie\nthe glorious mess of a film\n", encoding="utf-8")
    command = ("evaluate", classifier, texts, "--methods", "occlusion,random", "--metrics", "lds,randomisation", "--out", folder)
    judge, judged = Judge.judge, []

    def interrupted(self: Judge, text: str, records: object) -> object:
        if len(judged) == 1:
            raise KeyboardInterrupt
        judged.append(text)
        return judge(self, text, records)

    monkeypatch.setattr(Judge, "judge", interrupted)
    assert run(*command) != 0
    assert [path.name for path in folder.iterdir()] == ["unfinished.jsonl"]
    assert run(*command[:-4], "--metrics", "lds", "--out", folder) == 2  # another question is not mixed in
    judged[:] = ["the first again, were it not kept"]
    monkeypatch.setattr(Judge, "judge", lambda self, text, records: judged.append(text) or judge(self, text, records))
    assert run(*command) == 0
    assert judged[1:] == ["a tepid movie", "the glorious mess of a film"]
    assert "unfinished.jsonl" not in {path.name for path in folder.iterdir()}
    assert len((folder / "records.jsonl").read_text(encoding="utf-8").splitlines()) == 6
    assert "3 texts" in (folder / "table.md").read_text(encoding="utf-8")


def test_several_texts_are_baselines(classifier: str, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    assert run("explain", classifier, TEXT, "--baseline", "text:a mess, very bad", "--baseline", "mask", "--out", out) == 0
    record = lineal.load_result(out)
    assert record.baseline == "text “a mess, very bad”, mask"
    assert record.spread is not None


def test_a_text_that_could_have_stood_there_instead(classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out, other = tmp_path / "r.html", TEXT.replace("glorious", "bad")
    assert run("explain", classifier, TEXT, "--instead", other, "--out", out) == 0
    for shown in (capsys.readouterr().out, out.read_text(encoding="utf-8")):
        assert "glorious → bad" in " ".join(shown.split())
        assert "the effect of the edit" in " ".join(shown.split())
    assert run("explain", classifier, TEXT, "--instead", other, "--baseline", "mask") == 2
    assert "give one of the two" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "label:L1", "--unit", "cosine"), "label has no unit 'cosine'; it has logit"),
        (("--unit", "dot"), "label has no unit 'dot'"),
        (("--unit", "volts"), "unknown unit 'volts'"),
        (("--target", "labels:"), "lacks what stands behind the colon"),
        (("--target", "self:foo"), "takes nothing behind its name, but 'foo' is there"),
        (("--target", "lable"), "did you mean 'label"),
        (("--method", "dig-gready"), "did you mean 'dig-greedy'"),
        (("--baseline", "maks"), "did you mean 'mask'"),
        (("--baseline", "mask,text:a, b"), "'text:b'"),
        (("--tol", "0"), "tol is 0"),
        (("--layer", "1.5"), "no layer '1.5'"),
    ],
)
def test_spellings_that_leave_something_over_are_clear_errors(
    classifier: str, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert run("explain", classifier, TEXT, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_comparison_of_generations_takes_a_unit_and_no_target(classifier: str, capsys: pytest.CaptureFixture) -> None:
    assert run("compare", classifier, TEXT, "--generate", "2", "--target", "next") == 2
    assert "drop one of the two" in capsys.readouterr().err


def test_what_was_finished_of_many_texts_outlives_what_cuts_them_short(
    classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, out = tmp_path / "texts.txt", tmp_path / "all.html"
    texts.write_text("a glorious ending\na tepid ending\na bad movie\n", encoding="utf-8")
    attempt = Session.attempt

    def cut_short(self: Session, texts: Any, *rest: Any, **how: Any) -> Iterator[Any]:
        yield from islice(attempt(self, texts, *rest, **how), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "attempt", cut_short)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        main(["explain", classifier, "--file", str(texts), "--out", str(out)])
    kept = tmp_path / "all.unfinished.jsonl"
    assert [record.text for record in lineal.load_results(kept)] == ["a glorious ending", "a tepid ending"]
    assert "2 of 3 texts were finished" in capsys.readouterr().err
    assert not out.exists()
    monkeypatch.setattr(Session, "attempt", attempt)
    assert run("explain", classifier, "--file", texts, "--out", out) == 0
    assert out.exists()
    assert not kept.exists()


def test_what_cannot_be_written_at_the_end_is_not_lost(classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "texts.txt").write_text("a glorious ending\na tepid ending\n", encoding="utf-8")

    def full(*_: Any, **__: Any) -> None:
        raise OutputError("all.html cannot be written: no space left on device")

    monkeypatch.setattr(lineal.views, "save", full)
    assert run("explain", classifier, "--file", tmp_path / "texts.txt", "--out", tmp_path / "all.html") == 2
    assert len(list(lineal.load_results(tmp_path / "all.unfinished.jsonl"))) == 2


def test_a_text_that_cannot_be_examined_keeps_no_other_from_it(classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts.txt").write_text("film\na glorious ending\n", encoding="utf-8")
    how = ("--rule", "gauss:4", "--device", "cpu", "--trust", "--out", tmp_path / "all.html")
    assert run("explain", classifier, "--file", tmp_path / "texts.txt", *how) == 0
    assert "not examined" in capsys.readouterr().out
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert page.count('class="trust"') == 1
    assert not (tmp_path / "all.unfinished.jsonl").exists()


def test_a_time_is_said_in_words() -> None:
    assert [lasting(seconds) for seconds in (0.2, 40, 200, 9000)] == ["1 s", "40 s", "3 min", "2.5 h"]
