"""A text that cannot be explained harms no other: what was finished comes before its error, in order, or its failure is a result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal import methods
from lineal.errors import InputError, MemoryLimitError, ModelError, OptionError, ResultError
from lineal.evaluation.run import evaluate
from tests import fakes

TEN = ["a good film", "bad", "the mess", "film good", "a film", "tepid", "glorious mess", "not bad", "of the film", "good"]
BAD = 3
EXACT = 1e-12  # float64, a handful of operations


def sick(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Smooth, but NaN on the path of the one text whose first token is `film`, at both ends of which all is well."""
    film = torch.linspace(-1.0, 1.3, len(fakes.WORDS) * fakes.WIDTH, dtype=torch.float64).sin().reshape(-1, fakes.WIDTH)
    begun, ended = film[fakes.WORDS.index("<mask>")], film[fakes.WORDS.index("film")]
    share = ((points[:, 0] - begun) @ (ended - begun)) / (ended - begun).square().sum()
    off = (points[:, 0] - begun - share[:, None] * (ended - begun)).abs().max(dim=1).values
    return torch.where(((off < 1e-9) & (share > 0.3) & (share < 0.9))[:, None], torch.nan, fakes.smooth(points, mask))


def alone(texts: list[str]) -> dict[str, lineal.Attribution]:
    model = fakes.FakeModel(fakes.smooth)
    return {text: lineal.explain(model, text, "label:yes") for text in texts}


@pytest.mark.parametrize("batch_tokens", [7, 10_000])
def test_a_nan_in_one_text_of_ten_is_its_own_failure_and_hurts_no_other(batch_tokens: int) -> None:
    found = list(lineal.explain_many(fakes.FakeModel(sick), TEN, "label:yes", on_error="return", batch_tokens=batch_tokens))
    assert [type(one).__name__ for one in found] == ["Attribution"] * BAD + ["Failure"] + ["Attribution"] * (len(TEN) - BAD - 1)
    failure = found[BAD]
    assert (failure.row, failure.text, failure.error) == (BAD, TEN[BAD], "ModelError")
    assert "NaN or infinity at α = 0" in failure.message
    assert not failure.converged
    for text, own in alone([text for text in TEN if text != TEN[BAD]]).items():
        np.testing.assert_allclose(found[TEN.index(text)].scores, own.scores, atol=EXACT)
        assert found[TEN.index(text)].converged


def test_what_was_finished_comes_before_the_error_and_the_error_names_its_row() -> None:
    found, texts = [], iter(TEN)
    with pytest.raises(ModelError, match=r"^texts\[3\]: .*NaN or infinity at α = 0.*'film good'"):
        found.extend(lineal.explain_many(fakes.FakeModel(sick), texts, "label:yes"))  # extend keeps what came before the error
    assert [record.text for record in found] == TEN[:BAD]
    with pytest.raises(ModelError, match=r"^the model answers with NaN"):
        lineal.explain(fakes.FakeModel(sick), TEN[BAD], "label:yes")  # one text has no row


@pytest.mark.parametrize("method", ["ig", methods.DIG("greedy", 4, 5)])  # the second one reads texts in blocks
def test_a_text_that_cannot_be_read_waits_for_its_turn(method: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path))
    texts = ["a good film", "bad", " ", "the mess"]
    found = []
    with pytest.raises(InputError, match=r"^texts\[2\]: the text is empty"):
        found.extend(lineal.explain_many(fakes.FakeModel(fakes.smooth), texts, "label:yes", method=method, rule="gauss:2"))
    assert [record.text for record in found] == texts[:2]
    again = list(lineal.explain_many(fakes.FakeModel(fakes.smooth), texts, "label:yes", method=method, rule="gauss:2", on_error="return"))
    assert [type(one).__name__ for one in again] == ["Attribution", "Attribution", "Failure", "Attribution"]
    assert (again[2].row, again[2].error) == (2, "InputError")


def test_texts_that_all_fail_are_all_failures() -> None:
    found = list(lineal.explain_many(fakes.FakeModel(fakes.smooth), [" ", "", "  "], "label:yes", on_error="return"))
    assert [one.row for one in found] == [0, 1, 2]


def test_an_error_of_the_source_itself_comes_after_what_was_read() -> None:
    def source() -> Iterator[str]:
        yield from TEN[:2]
        raise OSError("the file is gone")

    for on_error in ("raise", "return"):
        found = []
        with pytest.raises(OSError, match="the file is gone"):
            found.extend(lineal.explain_many(fakes.FakeModel(fakes.smooth), source(), "label:yes", on_error=on_error))
        assert [record.text for record in found] == TEN[:2]


def test_a_model_that_breaks_on_one_text_of_a_batch_breaks_for_that_text_alone() -> None:
    def broken(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if points.requires_grad and (mask[:, :, 0].sum(dim=1) == 2).any():
            raise RuntimeError("a broken kernel")
        return fakes.smooth(points, mask)

    texts = ["a good film", "tepid", "film good", "the mess of film"]
    found = list(lineal.explain_many(fakes.FakeModel(broken), texts, "label:yes", on_error="return", batch_tokens=10_000))
    assert [type(one).__name__ for one in found] == ["Attribution", "Attribution", "Failure", "Attribution"]
    assert (found[2].error, found[2].message) == ("RuntimeError", "a broken kernel")
    kept = []
    with pytest.raises(RuntimeError, match="a broken kernel") as raised:
        kept.extend(lineal.explain_many(fakes.FakeModel(broken), texts, "label:yes", batch_tokens=10_000))
    assert len(kept) == 2
    assert any("texts[2]" in note for note in raised.value.__notes__)


def test_one_text_that_does_not_fit_into_memory_lets_the_others_pass() -> None:
    def hungry(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if points.requires_grad and points.shape[1] > 4:
            raise torch.OutOfMemoryError("out of memory")
        return fakes.smooth(points, mask)

    texts = ["a good film", "a tepid glorious mess of film", "tepid"]
    found = list(lineal.explain_many(fakes.FakeModel(hungry), texts, "label:yes", on_error="return"))
    assert [type(one).__name__ for one in found] == ["Attribution", "Failure", "Attribution"]
    assert found[1].error == MemoryLimitError.__name__


def test_a_wrong_option_is_nobodys_text() -> None:
    with pytest.raises(OptionError, match="on_error"):
        lineal.explain_many(fakes.FakeModel(fakes.smooth), TEN, "label:yes", on_error="ignore")
    with pytest.raises(OptionError, match="no label"):
        list(lineal.explain_many(fakes.FakeModel(fakes.smooth), TEN, "label:maybe", on_error="return"))


def test_a_failure_survives_the_disk(tmp_path: Path) -> None:
    (failure,) = lineal.explain_many(fakes.FakeModel(sick), [TEN[BAD]], "label:yes", on_error="return")
    assert lineal.load_result(failure.save(tmp_path / "failure.json")) == failure
    with pytest.raises(ResultError, match="row"):
        lineal.Failure.from_dict(failure.to_dict() | {"row": -1})


# --- what is in flight, and what it cost -----------------------------------------------------------------------------------------------


def test_what_is_in_flight_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derivatives of 32 points of 3 tokens and one output are 768 bytes: four texts fit beside four finished ones; one always does."""
    from lineal.engine import integrate

    for limit, most in ((4 * 768, 8), (1, 1)):
        monkeypatch.setattr(integrate, "IN_FLIGHT_BYTES", limit)
        read = 0

        def source() -> Iterator[str]:
            nonlocal read
            for _ in range(40):
                read += 1
                yield "a good film"

        records = lineal.explain_many(fakes.FakeModel(fakes.smooth), source(), "label:yes", rule="gauss:4")
        for done, _ in enumerate(records, 1):
            assert read - done < most
        assert read == 40


def test_texts_behind_the_first_wait_when_they_have_grown_over_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    from lineal.engine import integrate
    from lineal.quadrature.adaptive import Adaptive

    held: dict[int, int] = {}
    worst = 0
    real = Adaptive.tell

    def tell(self: Adaptive, values: np.ndarray, derivatives: np.ndarray, ends: np.ndarray) -> None:
        nonlocal worst
        held[id(self)] = held.get(id(self), 0) + derivatives.nbytes
        worst = max(worst, sum(held.values()))
        real(self, values, derivatives, ends)
        if self.ask() is None:
            del held[id(self)]

    monkeypatch.setattr(Adaptive, "tell", tell)
    texts = ["a good film"] * 12
    peaks = []
    for limit in (10**9, 2000):
        monkeypatch.setattr(integrate, "IN_FLIGHT_BYTES", limit)
        worst = 0
        records = list(lineal.explain_many(fakes.FakeModel(fakes.smooth), texts, "label:yes", tol=1e-9))
        assert [record.converged for record in records] == [True] * 12
        peaks.append(worst)
    largest = records[0].evaluations * 3 * 8  # one text by itself
    assert peaks[0] > 4 * largest
    assert peaks[1] <= 2000 + largest


def test_the_seconds_of_a_batch_are_shared_by_tokens_and_add_up_to_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def slow(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        nonlocal now
        now += 1.0 if points.requires_grad else 0.0
        return fakes.smooth(points, mask)

    monkeypatch.setattr("time.perf_counter", lambda: now)  # a clock that runs while gradients are computed, and nowhere else
    model, texts = fakes.FakeModel(slow), ["a good film"] * 8 + ["a good film a good film"] * 4
    seconds = []
    for record in lineal.explain_many(model, texts, "label:yes", rule="gauss:6", batch_tokens=10_000):
        seconds.append(record.seconds)
        now += 100.0  # what the caller does in between is nobody's
    assert sum(seconds) == pytest.approx(1.0, abs=1e-3), "one batch"  # seconds are kept to four digits
    assert seconds == pytest.approx([1 / 16] * 8 + [2 / 16] * 4, abs=1e-3)
    begun = now
    record = lineal.explain(model, "a good film", "label:yes", tol=1e-8, batch_tokens=3 * 9)
    assert record.seconds == pytest.approx(now - begun, abs=1e-3)
    assert record.seconds >= record.evaluations / 9


def removal_breaks(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Smooth, but NaN where `film` is read alone, which only removals make of these texts."""
    film = torch.linspace(-1.0, 1.3, len(fakes.WORDS) * fakes.WIDTH, dtype=torch.float64).sin().reshape(-1, fakes.WIDTH)
    alone = (mask[:, :, 0].sum(dim=1) == 1) & (points[:, 0] == film[fakes.WORDS.index("film")]).all(dim=1)
    return torch.where(alone[:, None], torch.nan, fakes.smooth(points, mask))


@pytest.mark.parametrize(("answer", "likely"), [(sick, [TEN[BAD]]), (removal_breaks, [text for text in TEN if "film" in text])])
@pytest.mark.parametrize("into", [None, "unfinished.jsonl"])
def test_a_text_that_fails_is_left_out_of_an_evaluation_and_the_others_are_as_without_it(
    answer: Any, likely: list[str], into: str | None, tmp_path: Path
) -> None:
    how = {"methods": ["ig", "random"], "baselines": ["mask"], "metrics": ["comprehensiveness"], "removals": ["delete"]}
    how |= {} if into is None else {"into": tmp_path / into}
    found = evaluate(fakes.FakeModel(answer), TEN, "label:yes", **how)
    bad = [text for text in TEN if any(reason.startswith(f"{text!r}: ") for reason in found.skipped)]
    others = [text for text in TEN if text not in bad]
    assert TEN[BAD] in bad
    assert set(bad) <= set(likely)  # which of them meet the removal is up to the ranks of their tokens
    assert len(found.skipped) == len(bad)
    assert all("NaN" in reason for reason in found.skipped)
    assert list(found.texts) == others
    np.testing.assert_array_equal(found.values, evaluate(fakes.FakeModel(fakes.smooth), others, "label:yes", **how | {"into": None}).values)
    if into is not None:
        kept = (tmp_path / into).read_text()
        assert not any(repr(text) in kept for text in bad), "a failure is tried again"
        assert all(repr(text) in kept for text in others)


def test_an_evaluation_of_which_nothing_is_left_says_why() -> None:
    with pytest.raises(OptionError, match=r"none of the texts could be explained; the first: 'film good': .*NaN"):
        evaluate(fakes.FakeModel(sick), [TEN[BAD]], "label:yes", methods=["ig"], baselines=["mask"], removals=["delete"])
