"""LIAR: reading files with broken rows, prompts and their regions, examples, verdicts, and the command that writes pages about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import lineal
from lineal.errors import InputError, MissingExtraError, OptionError
from lineal.models.causal import CausalLM
from lineal.tasks import liar
from tests import tiny_lm

FILLER = ["0"] * 5


def row(id: str, label: str, statement: str, speaker: str = "jane-doe", columns: int = 14) -> str:
    return "\t".join([id, label, statement, "jobs", speaker, "Governor", "Texas", "republican", *FILLER, "a debate"][:columns])


ROWS = [
    row("1.json", "true", "The wall takes years to build."),
    row("2.json", "half-true", 'He said "no" to "a doctor".'),
    row("3.json", "pants-fire", "The nurse works as a security guard."),
    row("4.json", "false", "The man works."),
]


def statements(rows: list[str]) -> list[liar.Statement]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "some.tsv")
        path.write_text("\n".join(rows))
        return liar.read(path)[0]


@pytest.fixture(scope="module")
def model() -> CausalLM:
    return tiny_lm.llama(limit=1024)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test.tsv").write_text(
        "\n".join([*ROWS[:2], row("9", "true", "short", columns=9), row("8", "maybe", "odd"), row("7", "true", " "), ROWS[2]])
    )
    (tmp_path / "train.tsv").write_text("\n".join(ROWS))
    return tmp_path


def test_broken_rows_are_named_and_the_rest_goes_on(folder: Path) -> None:
    found, broken = liar.read(folder)
    assert [s.id for s in found] == ["1.json", "2.json", "3.json"]
    assert [s.row for s in found] == [1, 2, 6]
    assert [b.row for b in broken] == [3, 4, 5]
    assert "9 columns, not 14" in broken[0].reason
    assert "'maybe' is none of" in broken[1].reason
    assert "empty" in broken[2].reason
    assert found[1].statement == 'He said "no" to "a doctor".'
    assert found[0].context == "a debate"


def test_files_that_are_missing_or_useless_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not readable"):
        liar.read(tmp_path / "nowhere")
    (tmp_path / "test.tsv").write_text("not\ta LIAR file\n")
    with pytest.raises(InputError, match="row 1: it has 2 columns"):
        liar.read(tmp_path)


def test_the_published_files_are_read_whole(shared: Path) -> None:
    found, broken = liar.read(shared / "data" / "liar", "test")
    assert len(found) + len(broken) == 1283
    assert {s.label for s in found} == set(liar.LABELS)


def test_the_hub_s_rows_are_the_same_statements() -> None:
    found = liar.from_hub_row(
        {
            "id": "1.json",
            "label": 3,
            "statement": "It is so.",
            "subject": "jobs",
            "speaker": "jane-doe",
            "job_title": "",
            "state_info": None,
            "party_affiliation": "none",
            "context": "a debate",
        },
        7,
    )
    assert found == liar.Statement("1.json", "true", "It is so.", "jobs", "jane-doe", "", "", "none", "a debate", 7)
    assert found.who == "jane doe"


def test_the_hub_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="extra 'hub'"):
        liar.from_datasets()


def test_the_prompt_ends_where_the_letter_follows_and_has_its_regions() -> None:
    asked, example = statements(ROWS[:2])
    marked = liar.prompt(asked, [example])
    assert marked.text.endswith("Answer: (")
    pieces = {name: marked.text[a:b] for name, (a, b) in marked.regions.items()}
    assert pieces["claim"] == asked.statement
    assert pieces["speaker"] == "jane doe, Governor, Texas, republican"
    assert pieces["example 1"].endswith("Answer: (D)")
    assert pieces["options"].count("(") == 6
    assert list(pieces) == ["instruction", "options", "example 1", "speaker", "claim"]


def test_examples_are_seeded_and_never_the_asked_statement() -> None:
    pool = [liar.Statement(str(i), "true", f"Claim {i}.") for i in range(6)]
    again = [liar.draw(pool, asked, 3, seed=5) for asked in pool]
    assert all(asked not in examples for asked, examples in zip(pool, again, strict=True))
    assert liar.draw(pool, pool[0], 3, seed=5) == again[0]
    assert len({tuple(e.id for e in liar.draw(pool, pool[0], 3, seed=s)) for s in range(8)}) > 1
    copy = liar.Statement("other", "true", "Claim 0.")
    assert all(e.statement != "Claim 0." for e in liar.draw(pool, copy, 5, seed=1))
    outside = [liar.Statement(f"x{i}", "true", f"Other {i}.") for i in range(2)]
    assert liar.draw(pool, outside[0], 3) == liar.draw(pool, outside[1], 3), "the same examples for all, so that they run once"
    with pytest.raises(OptionError, match="the pool has 5"):
        liar.draw(pool, pool[0], 6)


def test_verdicts_say_what_was_chosen_and_whether_it_was_right(model: CausalLM) -> None:
    asked = statements(ROWS)
    verdicts = list(liar.explain(model, asked, rule="gauss:4"))
    for verdict in verdicts:
        np.testing.assert_allclose(sum(verdict.probabilities.values()), 1.0, atol=1e-9)
        assert verdict.choice == verdict.explained
        assert verdict.was_correct == (verdict.choice == verdict.statement.label)
        p = verdict.probabilities[verdict.choice]
        np.testing.assert_allclose(verdict.record.f_input[0], np.log(p / (1 - p)), rtol=1e-4)
        line = json.loads(json.dumps(verdict.to_dict()))
        np.testing.assert_allclose(sum(line["regions"].values()), verdict.record.scores.sum(), atol=1e-9)
        assert line["passes_published_check"] == (abs(line["residual"]) <= 0.1 * abs(line["delta"]))


def test_gold_and_given_labels_can_be_explained(model: CausalLM) -> None:
    asked = statements(ROWS[:2])
    gold = list(liar.explain(model, asked, pick="gold", rule="gauss:2"))
    assert [v.explained for v in gold] == ["true", "half-true"]
    assert gold[1].record.targets[0].startswith("half-true over ")
    given = next(liar.explain(model, asked, pick="false", rule="gauss:2"))
    assert given.record.targets[0].startswith("false over ")
    with pytest.raises(OptionError, match="unknown pick"):
        next(liar.explain(model, asked, pick="perhaps"))


def test_the_claim_alone_moves_and_examples_stand_before_it(model: CausalLM) -> None:
    asked = statements(ROWS)
    verdict = next(liar.explain(model, asked[:1], shots=2, pool=asked, attribute="claim", rule="gauss:2"))
    record = verdict.record
    assert {name for name, role in zip(record.region_of, record.roles, strict=True) if role == "content"} == {"claim"}
    assert {"example 1", "example 2"} <= set(record.region_of)
    assert "1.json" not in verdict.shots


def test_a_chat_has_the_same_regions_and_a_begun_answer(model: CausalLM) -> None:
    asked, example = statements(ROWS[:2])
    verdict = next(liar.explain(model, [asked], shots=1, pool=[example], chat=True, pick="gold", rule="gauss:2"))
    record = verdict.record
    plain = next(liar.explain(model, [asked], shots=1, pool=[example], pick="gold", rule="gauss:2")).record
    assert record.texts[0].endswith("Answer: (")
    assert set(record.region_of) == (set(plain.region_of) - {""}) | {"template", "question", "answer"}
    for name in ("claim", "speaker", "example 1"):
        words = [[r.tokens[i] for i, region in enumerate(r.region_of) if region == name] for r in (record, plain)]
        assert words[0] == words[1]
    assert verdict.explained == asked.label
    moved = next(liar.explain(model, [asked], chat=True, attribute="claim", rule="gauss:2")).record
    assert {region for region, score in zip(moved.region_of, moved.scores[0], strict=True) if score} == {"claim"}


def test_the_command_writes_pages_lines_and_a_summary(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from lineal.cli.main import app

    model = tiny_lm.llama(limit=1024)
    monkeypatch.setattr(lineal.models, "load", lambda *a, **k: model)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["liar", str(folder), "--limit", "2", "--rule", "gauss:4", "--shots", "1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "row 4 is left out: its label 'maybe'" in done.output
    lines = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["1.json", "2.json"]
    page = (out / "index.html").read_text()
    for expected in ("2 questions", "pants-fire", "0001.html", "instruction", "claim", "published check"):
        assert expected in page
    single = (out / "0001.html").read_text()
    assert "Published check, residual at most 10 %" in single
    assert "Own check, error at most 1% of the mass" in single


@pytest.mark.parametrize(
    ("given", "moves"),
    [
        (("--hold", "claim"), lambda region: region != "claim"),
        (("--attribute", "claim", "--hold", "years", "--method", "gradient-x-input"), lambda region: region == "claim"),
        (("--layer", "1", "--pick", "true"), lambda region: True),
    ],
)
def test_the_command_holds_enters_a_layer_and_takes_a_method(
    given: tuple[str, ...], moves: Callable[[str], bool], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from lineal.cli.main import app

    model = tiny_lm.llama(limit=1024)
    monkeypatch.setattr(lineal.models, "load", lambda *a, **k: model)
    asked = ["liar", str(folder), "--limit", "1", "--rule", "gauss:2", "--max-evaluations", "16", *given, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    stored = json.loads((tmp_path / "out" / "verdicts.jsonl").read_text())["record"]
    record = lineal.Attribution.from_dict(stored)
    how = dict(zip((name.removeprefix("--") for name in given[::2]), given[1::2], strict=True))
    how |= {"layer": int(how["layer"])} if "layer" in how else {}
    own = next(liar.explain(model, liar.read(folder)[0][:1], rule="gauss:2", max_evaluations=16, **how)).record
    np.testing.assert_array_equal(record.scores, own.scores)
    assert record.method == own.method
    assert all(moves(region) for region, score in zip(record.region_of, record.scores[0], strict=True) if score)


def test_the_summary_counts_what_the_lines_say(model: CausalLM) -> None:
    from lineal import views

    asked = statements(ROWS)
    rows: list[dict[str, Any]] = [v.to_dict() for v in liar.explain(model, asked, rule="gauss:4")]
    tally = views.tally(rows, liar.LABELS)
    assert tally.accuracy == np.mean([r["was_correct"] for r in rows])
    assert sum(tally.chosen.values()) == sum(tally.gold.values()) == 4
    regions = {name: value for name, value, _ in tally.regions}
    np.testing.assert_allclose(regions["claim"], np.mean([r["regions"]["claim"] for r in rows]))
    np.testing.assert_allclose(sum(share for _, _, share in tally.regions), 1.0)
    hostile = [dict(rows[0], statement="<script>alert(1)</script>")]
    assert "<script>alert" not in views.verdicts_page(views.tally(hostile, liar.LABELS), title="<script>x")
