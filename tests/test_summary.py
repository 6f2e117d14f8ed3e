"""Laws of summaries: a planted effect is found, chance is not, equal texts count once, every number is that of a slow reference."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import lineal
from lineal.errors import InputError, OptionError
from lineal.metrics.means import adjusted, differences, means
from lineal.quadrature.contract import Stop
from lineal.records.failure import Failure
from lineal.tables import schema, shards
from lineal.views import page, to_csv, to_text
from tests.records import HOSTILE, pair_record
from tests.tabled import Row, folder

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")
WORDS = [f"w{i}" for i in range(30)]


def texts(count: int, seed: int, length: int = 8, **planted: dict[str, float]) -> list[Row]:
    """Random words with normal scores; planted: per group what a word's scores are moved by there."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        group = "ab"[i % 2]
        words = [str(word) for word in rng.choice(WORDS, length)]
        moved = {**planted.get("all", {}), **planted.get(group, {})}
        found.append((words, [rng.normal() + moved.get(word, 0.0) for word in words], {"party": group}))
    return found


def of(word: str, found: Any) -> Any:
    return next(each for each in found if each.word == word)


def test_a_planted_effect_is_found_in_its_group_and_between_groups(tmp_path: Path) -> None:
    made = folder(tmp_path, texts(400, 0, all={"w1": 2.0}, a={"w2": -2.0}), {"party": "string"}, each=150)
    (target,) = lineal.summary(made, by="party").targets
    whole, a, b = target.groups
    assert (whole.name, a.name, b.name) == (None, "a", "b")
    assert whole.words[0].word == "w1"
    assert whole.words[0].low > 1.5
    assert a.words[1].word == "w2" or a.words[0].word == "w2"
    assert abs(of("w2", b.words).mean) < 0.6
    assert target.between is not None
    first = target.between.words[0]
    assert (first.word, (target.between.a, target.between.b)) == ("w2", ("a", "b"))
    assert first.high < -1
    assert first.q < 1e-6
    assert sum(word.q < 0.05 for word in target.between.words) <= 3


def test_every_number_is_that_of_a_slow_reference(tmp_path: Path) -> None:
    made = [*texts(60, 1), (["W1", "w1", "w1"], [1.0, 2.0, -0.5], {"party": "a"}), *[(["w1", "w2"], [5.0, 1.0], {"party": None})] * 3]
    found = lineal.summary(folder(tmp_path, made, {"party": "string"}, each=7), by="party", between=("b", "a"), min_texts=2)
    per: dict[Any, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(dict))
    for words, scores, own in made:
        sums: dict[str, float] = defaultdict(float)
        for word, score in zip(words, scores, strict=True):
            sums[word.lower()] += score
        for word, total in sums.items():
            for group in (None, own["party"] or ""):
                per[group][word].setdefault(" ".join(words), []).append(total)
    for group in found.targets[0].groups:
        wanted = {word: [np.mean(same) for same in by.values()] for word, by in per[group.name].items() if len(by) >= 2}
        assert {word.word for word in group.words} == set(wanted)
        for word in group.words:
            values = wanted[word.word]
            known = stats.ttest_1samp(values, 0.0) if np.std(values) else None
            assert word.texts == len(values)
            assert word.mean == pytest.approx(np.mean(values))
            if known is not None:
                low, high = known.confidence_interval(0.95)
                assert (word.low, word.high, word.p) == pytest.approx((low, high, known.pvalue))
    between = found.targets[0].between
    assert between is not None
    for word in between.words:
        sides = [[np.mean(same) for same in per[group][word.word].values()] for group in ("b", "a")]
        known = stats.ttest_ind(*sides, equal_var=False)
        low, high = known.confidence_interval(0.95)
        assert word.difference == pytest.approx(np.mean(sides[0]) - np.mean(sides[1]))
        assert (word.low, word.high, word.p) == pytest.approx((low, high, known.pvalue))
    assert found.distinct == 62
    f = {" ".join(words): sum(scores) for words, scores, _ in made}
    assert found.targets[0].groups[0].f.mean == pytest.approx(1.25 + np.mean(list(f.values())))


def test_q_is_that_of_benjamini_and_hochberg() -> None:
    p = np.random.default_rng(0).uniform(size=50) ** 2
    assert adjusted(p) == pytest.approx(stats.false_discovery_control(p))
    assert adjusted(np.array([])).shape == (0,)


def test_chance_is_not_called_sure() -> None:
    """300 folders of 40 words that do nothing: the share with any word below q = 0.05 is at most 0.05, but for chance."""
    rng, hits = np.random.default_rng(7), 0
    for _ in range(300):
        n = rng.integers(5, 60, 40)
        values = [rng.normal(size=m) * rng.uniform(0.1, 3) for m in n]
        _, _, p = means(n.astype(float), np.array([v.mean() for v in values]), np.array([v.std(ddof=1) for v in values]))
        hits += bool((adjusted(p) < 0.05).any())
    assert 1 <= hits <= stats.binom.ppf(0.999, 300, 0.05)


def test_intervals_of_differences_hold_the_difference() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(0.3, 1.0, (4000, 12)), rng.normal(0.0, 3.0, (4000, 30))
    sides = [(np.full(4000, float(x.shape[1])), x.mean(axis=1), x.std(axis=1, ddof=1)) for x in (a, b)]
    _, low, high, _ = differences(*sides[0], *sides[1])
    assert 0.94 < ((low < 0.3) & (high > 0.3)).mean() < 0.96


def test_views_call_nothing_sure_that_chance_explains(tmp_path: Path) -> None:
    found = lineal.summary(folder(tmp_path, texts(300, 11), {"party": "string"}), by="party")
    (target,) = found.targets
    assert target.between is not None
    assert any(word.surely for word in target.groups[0].words)  # by its interval alone one would be called so
    assert min(word.q for word in (*target.groups[0].words, *target.between.words)) > 0.05
    said = to_text(found)
    assert "No word surely pushes POSITIVE" in said
    assert "none surely differs" in said
    assert "Words that push" not in said


def test_of_one_text_nothing_is_known() -> None:
    low, high, p = means(np.array([1.0, 3.0]), np.array([2.0, 2.0]), np.array([0.0, 0.0]))
    assert (low[0], high[0], p[0]) == (-np.inf, np.inf, 1.0)
    assert (low[1], high[1], p[1]) == (2.0, 2.0, 0.0)


def test_case_and_occurrences(tmp_path: Path) -> None:
    made = folder(tmp_path, [(["Yes", "yes", f"x{i}"], [1.0, 2.0, 0.0], {}) for i in range(6)], {})
    (group,) = lineal.summary(made).targets[0].groups
    assert of("yes", group.words).mean == 3.0
    (group,) = lineal.summary(made, case=True).targets[0].groups
    assert (of("Yes", group.words).mean, of("yes", group.words).mean) == (1.0, 2.0)


def mixed(path: Path) -> Path:
    made = folder(path, texts(30, 3), {})
    failed = [Failure(row=i, text="", error="InputError", message="empty") for i in range(2)]
    rows = [schema.row(record, "more.csv", i) for i, record in enumerate([*failed, pair_record()])]
    shards.write(made / shards.name(99), schema.schema({}), [rows], {})
    return made


def test_what_failed_and_pairs_are_counted(tmp_path: Path) -> None:
    found = lineal.summary(mixed(tmp_path))
    assert (found.rows, found.explained, found.failures, found.pairs) == (33, 30, {"InputError": 2}, 1)
    assert found.doubt() is None
    assert "failed: InputError" in to_text(found)


def test_what_did_not_converge_is_said_on_every_view(tmp_path: Path) -> None:
    from tests.tabled import row

    rows = [row(i, ["a", f"b{i}"], [1.0, 2.0], {}, stops=(Stop.BUDGET if i == 0 else Stop.CONVERGED,)) for i in range(6)]
    shards.write(tmp_path / shards.name(0), schema.schema({}), [rows], {})
    found = lineal.summary(tmp_path)
    assert not found.converged
    for shown in (page(found), to_text(found)):
        assert "5 of 6 converged" in shown
        assert "1 explanation of 6 did not converge" in " ".join(shown.split())


def test_places_are_where_the_scores_are(tmp_path: Path) -> None:
    made = folder(tmp_path, [(["aaaa"] * 10, [0.0] * 9 + [1.0 + i], {}) for i in range(3)], {})
    assert lineal.summary(made, min_texts=2).targets[0].places == (*[0.0] * 9, 1.0)


def test_a_summary_survives_the_disk_and_its_table_has_every_word(tmp_path: Path) -> None:
    made = folder(tmp_path / "in", texts(120, 4, all={"w1": 2.0}), {"party": "string"})
    found = lineal.summary(made, by="party")
    found.save(tmp_path / "s.json")
    assert lineal.load_result(tmp_path / "s.json") == found
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    (target,) = found.targets
    assert target.between is not None
    assert len(rows) == sum(len(group.words) for group in target.groups) + len(target.between.words)
    assert "w1" in page(found)


def test_hostile_words_are_text_on_the_page(tmp_path: Path) -> None:
    made = folder(tmp_path, [([HOSTILE.replace(" ", "_"), f"x{i}"], [1.0 + i / 100, 0.0], {}) for i in range(6)], {})
    shown = page(lineal.summary(made))
    assert "<img" not in shown
    assert "onerror=alert(1)" in shown


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path / "a", texts(10, 5), {"party": "string"})
    with pytest.raises(OptionError, match="unknown column 'partie'; did you mean 'party'"):
        lineal.summary(made, by="partie")
    with pytest.raises(OptionError, match="unknown value of party 'c'"):
        lineal.summary(made, by="party", between=("a", "c"))
    with pytest.raises(OptionError, match="give two different values"):
        lineal.summary(made, between=("a", "b"))
    with pytest.raises(OptionError, match="unknown target 'NEG'"):
        lineal.summary(made, targets=["NEG"])
    with pytest.raises(OptionError, match="min_texts is 1"):
        lineal.summary(made, min_texts=1)
    shards.write(tmp_path / shards.name(0), schema.schema({}), [[schema.row(pair_record(), "a", 0)]], {})
    with pytest.raises(InputError, match="no explained text: 1 of the kind pair"):
        lineal.summary(tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow.parquet as pq

    from lineal.cli.main import main

    made = folder(tmp_path / "in", texts(200, 6, all={"w1": 2.0}), {"party": "string"})
    with pytest.raises(SystemExit) as done:
        main(["summary", str(made), "--group-by", "party", "--out", str(tmp_path / "s.html")])
    assert not done.value.code
    assert "“w1”" in capsys.readouterr().out
    assert "Words that push POSITIVE up" in (tmp_path / "s.html").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["summary", str(made), "--out", str(tmp_path / "s.parquet")])
    assert pq.read_table(tmp_path / "s.parquet").column_names[:4] == ["target", "unit", "group", "word"]
