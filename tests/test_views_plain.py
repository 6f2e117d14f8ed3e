"""Logs and tables: every score once, in full precision, with what is needed to judge it; no text turns into markup."""

from __future__ import annotations

import csv
import io
import re
import sys

import numpy as np
import pytest

from lineal.errors import MissingExtraError
from lineal.views import to_csv, to_dataframe, to_markdown
from tests.records import sample_records

RECORDS = sample_records()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", [name for name in RECORDS if name != "not_finite"])
def test_rows_of_a_target_add_up(name: str) -> None:
    record = RECORDS[name]
    rows = table(to_csv(record))
    for c, target in enumerate(record.targets):
        if record.targets.count(target) > 1:
            continue
        mine = [row for row in rows if row["target"] == target]
        assert sum(float(row["score"]) for row in mine) == pytest.approx(record.delta[c] + record.residual[c], abs=1e-9)
        assert {float(row["residual"]) for row in mine} == {float(record.residual[c])}
        assert {row["stop"] for row in mine} == {record.stops[c].name.lower()}


def test_csv_survives_hostile_text() -> None:
    rows = table(to_csv([RECORDS["hostile"], RECORDS["held"]], by="token"))
    assert {row["result"] for row in rows} == {"0", "1"}
    assert len(rows) == len(RECORDS["hostile"].tokens) + len(RECORDS["held"].tokens)
    assert all(None not in row for row in rows)
    assert "\x1b" not in to_csv(RECORDS["hostile"])


def test_data_frame_holds_the_same_table() -> None:
    frame = to_dataframe(RECORDS["labels"])
    assert frame.to_csv(index=False, lineterminator="\n") == to_csv(RECORDS["labels"])
    np.testing.assert_allclose(frame.groupby("target", sort=False)["score"].sum(), RECORDS["labels"].scores.sum(axis=1))


def test_without_pandas_the_error_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="to_csv"):
        to_dataframe(RECORDS["three"])


def test_markdown_says_it_all() -> None:
    text = to_markdown(RECORDS["converged"])
    assert text.startswith("✓ Converged: the estimated error is within the tolerance.")
    assert "**“tepid”** takes 2.1 off the logit of POSITIVE, **“glorious”** adds 1.4; all words together −0.93" in text
    assert "| tepid | −2.100 | 38 % |" in text
    assert "| **from neutral text to this text** | **−0.934** |  |" in text
    assert "F(text) 0.316, F(baseline) 1.25, Σ scores −0.932" in text


@pytest.mark.parametrize("name", [name for name in RECORDS if name != "not_finite"])
def test_markdown_rows_add_up(name: str) -> None:
    text = to_markdown(RECORDS[name], target=0)
    values = [
        float(value.replace("−", "-")) for value in re.findall(r"^\| .* \| ([+−]?[\d.]+)(?: ± \S+)? \| [^|]*%", text, flags=re.MULTILINE)
    ]
    total = float(re.findall(r"\*\*([+−]?[\d.]+)\*\*", text)[-1].replace("−", "-"))
    places = len(re.findall(r"\*\*[+−]?\d+\.?(\d*)\*\*", text)[-1])
    assert sum(values) == pytest.approx(total, abs=(len(values) + 1) * 0.5 * 10.0**-places)


@pytest.mark.parametrize("name", RECORDS)
def test_a_bad_verdict_comes_first(name: str) -> None:
    text = to_markdown(RECORDS[name])
    assert text.startswith("> ⚠ **NOT CONVERGED**") == (not RECORDS[name].converged)
    assert ("✓ Converged" in text) == RECORDS[name].converged


def test_no_text_turns_into_markup() -> None:
    text = to_markdown(RECORDS["hostile"])
    assert not re.search(r"(?<!\\)[<`\[]", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
