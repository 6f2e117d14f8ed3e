"""What a folder of results says in numbers: `lineal.summary`. DuckDB groups words out of core, so that memory does not grow with the texts.

A text counts once for a word, with the sum over its occurrences; equal texts count once, with their mean. So the intervals, which are over
texts, do not call a sentence that was stored a thousand times sure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lineal.errors import InputError, MissingExtraError, OptionError, ResultError, listing, unknown
from lineal.metrics.means import adjusted, differences, means
from lineal.records.summary import Between, Example, Group, Mean, Summary, TargetSummary, WordDifference, WordEffect
from lineal.tables.results import Results, read_results

MIN_TEXTS = 5
"""Texts that a word has to stand in to be listed."""
MOST_TARGETS = 12
"""Targets that are summarised, those of most texts first: the own words of a language model can be as many as the texts."""
EXAMPLES = 5
"""Texts of each kind that are named."""
SHOWN = 400
"""Characters of a text that a summary holds."""
MEMORY = "1GB"
"""What DuckDB may take before it goes to the disk."""

_VIEW = """
create or replace temp view said as select *, hash(text, coalesce(second, '')) as h, list_position(targets, {target}) as k, {group} as g
from results where kind = 'attribution' and list_contains(targets, {target})
"""
_TOKENS = """
select file, "row", g, h, unnest(word_ids) as w, unnest(segments) as segment, unnest(roles) as role, unnest(scores[k]) as v,
       unnest(begins) as b, unnest(list_transform(range(1, len(begins) + 1), lambda i:
           substring(case when segments[i] = 1 then second else text end, begins[i] + 1, ends[i] - begins[i]))) as piece
from said
"""
_WORDS = f"""
with token as ({_TOKENS}),
once as (select file, "row", g, h, {{spelled}} as word, sum(v) as v from token where role = 'content' and w is not null and isfinite(v)
         group by file, "row", g, h, segment, w),
summed as (select file, "row", g, h, word, sum(v) as v from once group by file, "row", g, h, word),
same as (select g, h, word, avg(v) as v from summed where word <> '' group by g, h, word)
select g, word, count(*), avg(v), coalesce(stddev_samp(v), 0) from same group by g, word having count(*) >= {{fewest}} order by g, word
"""
_F = """
with same as (select g, h, avg(f_input[k]) as f from said where isfinite(f_input[k]) group by g, h)
select g, count(*), avg(f), coalesce(stddev_samp(f), 0) from same group by g order by count(*) desc, g
"""
_PLACES = """
with token as (select file, "row", length(text) as t, unnest(segments) as segment, unnest(begins) + unnest(ends) as b,
                      abs(unnest(scores[k])) as v from said),
part as (select file, "row", greatest(0, least(9, floor(5 * b / t)))::int as p, sum(v) as v from token where isfinite(v) and segment = 0
         group by file, "row", p),
whole as (select file, "row", p, v / sum(v) over (partition by file, "row") as share from part)
select p, sum(share) / (select count(distinct (file, "row")) from whole where isfinite(share)) from whole where isfinite(share) group by p
"""
_REGIONS = """
with token as (select file, "row", unnest(regions) as region, abs(unnest(scores[k])) as v from said where regions is not null),
part as (select file, "row", region, sum(v) as v from token where isfinite(v) group by file, "row", region),
whole as (select file, "row", region, v / sum(v) over (partition by file, "row") as share from part)
select region, sum(share) / (select count(distinct (file, "row")) from whole where isfinite(share)) as mean
from whole where isfinite(share) and region <> '' group by region order by mean desc
"""
_EXAMPLES = """
with one as (select any_value(id order by file, "row") as id, min(file) as file, any_value("row" order by file, "row") as r,
                    any_value(text) as text, avg(f_input[k]) as f, avg(f_input[k] - f_baseline[k]) as effect
             from said where isfinite(f_input[k]) group by h)
select id, file, r, text, f, effect from one order by {order}, file, r limit {count}
"""


def summary(
    path: str | Path,
    by: str | None = None,
    between: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    min_texts: int = MIN_TEXTS,
    case: bool = False,
) -> Summary:
    """Return what a folder of results says: which words push which target, in which texts, in which group.

        lineal.summary("out", by="party", between=("democrat", "republican")).save("summary.html")

    path: a folder of `lineal run`, as `read_results` takes it. by: a column of the input that groups the texts.
    between: two of its values to compare; where it has only two, they are compared. targets: their names, None for the twelve that most
    texts have. min_texts: different texts that a word has to stand in. case: whether Word and word are two words.

    A word's effect is the mean over texts of its score there (the sum where it stands several times), in the target's unit, with Student's
    95 % interval over texts; two groups are compared by Welch's test; q holds the share of false findings (Benjamini & Hochberg).
    Explanations that did not converge are counted and stay in; scores that are no number are left out.
    Memory: bounded by DuckDB's limit of 1 GB and by the words; beyond that it uses the disk.

    Not to be trusted as an effect of the word on its own: it is the mean of what the model takes from it where people wrote it, and words
    that stand together share their texts. Pairs of texts that were explained as a matrix are counted, not summarised.
    Raises OptionError for an unknown column, group or target, InputError where no row is explained, MissingExtraError without the extra.
    """
    found = read_results(path)
    if min_texts < 2:
        raise OptionError(f"min_texts is {min_texts}; of fewer than 2 texts no interval is known")
    if by is not None and by not in found.own:
        raise OptionError(
            unknown("column", by, found.own) if found.own else f"the results have no column of the input's own, so none is {by!r}"
        )
    if between is not None and (by is None or len(between) != 2 or len(set(between)) != 2):
        raise OptionError(f"between is {list(between)}; give two different values of the column that by= names")
    with TemporaryDirectory(prefix="lineal-summary-") as aside:
        base = _Base(found, aside, case)
        return _summary(base, found, by, between, targets, min_texts)


class _Base:
    """A connection to DuckDB that sees the shards as the view `results`."""

    def __init__(self, found: Results, aside: str, case: bool) -> None:
        try:
            import duckdb
        except ImportError:
            raise MissingExtraError("summaries need the extra 'data': pip install 'lineal[data]'") from None
        self.errors = duckdb.Error
        self.spelled = "trim(string_agg(piece, '' order by b))" if case else "lower(trim(string_agg(piece, '' order by b)))"
        self.connection = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": aside, "preserve_insertion_order": False})
        if found.dataset.filesystem is not None and "://" in found.path:
            import fsspec

            self.connection.register_filesystem(fsspec.core.url_to_fs(found.path)[0])
        scheme = f"{found.path.split('://', 1)[0]}://" if "://" in found.path else ""
        files = ", ".join(_text(scheme + file) for file in found.files)
        self.run(f"create temp view results as select * from read_parquet([{files}], union_by_name = true)")

    def run(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises ResultError for files that cannot be read."""
        try:
            return self.connection.execute(query).fetchall()  # type: ignore[no-any-return]
        except self.errors as error:
            raise ResultError(
                f"the results cannot be summarised: {str(error).splitlines()[0]}; lineal run --verify names a damaged file"
            ) from None

    def look_at(self, target: str, by: str | None) -> None:
        """Let `said` be the explanations of a target, g their group."""
        group = "''" if by is None else f"coalesce(cast({_name(by)} as varchar), '')"
        self.run(_VIEW.format(target=_text(target), group=group))

    def words(self, fewest: int) -> dict[str, list[tuple[str, int, float, float]]]:
        """Return (word, texts, mean, standard deviation) by group."""
        found: dict[str, list[tuple[str, int, float, float]]] = {}
        for group, *row in self.run(_WORDS.format(spelled=self.spelled, fewest=fewest)):
            found.setdefault(group, []).append(tuple(row))
        return found

    def f(self) -> dict[str, tuple[int, float, float]]:
        """Return (texts, mean, standard deviation) of F by group, the largest first."""
        return {group: (n, mean, sd) for group, n, mean, sd in self.run(_F)}


def _summary(
    base: _Base, found: Results, by: str | None, between: Sequence[str] | None, wanted: Sequence[str] | None, min_texts: int
) -> Summary:
    kinds = dict(base.run("select kind, count(*) from results group by kind"))
    if not kinds.get("attribution"):
        raise InputError(
            f"{found.path} has no explained text: {listing([f'{n} of the kind {kind}' for kind, n in kinds.items()]) or 'no row'}"
        )
    names = [name for name, _ in base.run(
        "select t, count(*) as n from (select unnest(targets) as t from results where kind = 'attribution') group by t order by n desc, t"
    )]  # fmt: skip
    if wanted is not None and (missing := [name for name in wanted if name not in names]):
        raise OptionError(unknown("target", missing[0], names[:50]))
    taken = names[:MOST_TARGETS] if wanted is None else list(wanted)
    ((settled, evaluations, seconds, distinct),) = base.run(
        "select count(*) filter (converged), avg(evaluations), sum(seconds), count(distinct hash(text, coalesce(second, '')))"
        " from results where kind = 'attribution'"
    )
    ((errors,),) = base.run(
        "select quantile_cont(e, [0.5, 0.95]) from (select unnest(error) / nullif(unnest(mass), 0) as e from results"
        " where kind = 'attribution') where isfinite(e)"
    )
    failures = base.run("select failure, count(*) as n from results where kind = 'failure' group by failure order by n desc, failure")
    return Summary(
        path=found.path,
        rows=sum(kinds.values()),
        explained=kinds["attribution"],
        converged_rows=settled,
        distinct=distinct,
        failures={name or "unknown": n for name, n in failures},
        pairs=kinds.get("pair", 0),
        unread=len(names) - len(taken),
        error=tuple(errors) if errors else (np.nan, np.nan),
        evaluations=evaluations,
        seconds=seconds or 0.0,
        by=by,
        min_texts=min_texts,
        targets=tuple(_target(base, name, by, between, min_texts) for name in taken),
    )


def _target(base: _Base, name: str, by: str | None, between: Sequence[str] | None, min_texts: int) -> TargetSummary:
    base.look_at(name, None)
    ((unit, unsettled),) = base.run("select any_value(units[k]), count(*) filter (stops[k] <> 'CONVERGED') from said")
    places = np.zeros(10)
    for place, share in base.run(_PLACES):
        places[place] = share
    whole = [_group(None, base.f().get("", (0, np.nan, np.nan)), base.words(min_texts).get("", []))]
    regions, examples = base.run(_REGIONS), tuple(_examples(base))
    grouped, compared = [], None
    if by is not None:
        base.look_at(name, by)
        f, words = base.f(), base.words(2)
        pair = tuple(between) if between is not None else tuple(sorted(f)) if len(f) == 2 else None
        if pair is not None:
            if missing := [group for group in pair if group not in f]:
                raise OptionError(unknown(f"value of {by}", missing[0], list(f)[:50]))
            compared = _between(pair[0], pair[1], f, words, min_texts)
        grouped = [_group(group, f[group], [row for row in words.get(group, []) if row[1] >= min_texts]) for group in f]
    return TargetSummary(name, unit, (*whole, *grouped), compared, examples, tuple(places), tuple(regions), unsettled)


def _group(name: str | None, f: tuple[int, float, float], rows: Iterable[tuple[str, int, float, float]]) -> Group:
    rows = list(rows)
    n, mean, sd = _columns(rows)
    low, high, p = means(n, mean, sd)
    found = zip(rows, low, high, p, adjusted(p), strict=True)
    words = (WordEffect(word, texts, texts / f[0], m, lo, hi, pp, q) for (word, texts, m, _), lo, hi, pp, q in found)
    return Group(name, _mean(f), tuple(sorted(words, key=lambda each: (-abs(each.surely), each.p, each.word))))


def _between(a: str, b: str, f: dict[str, tuple[int, float, float]], words: dict[str, Any], min_texts: int) -> Between:
    sides = [{word: row for word, *row in words.get(group, ()) if row[0] >= min_texts} for group in (a, b)]
    both = sorted(sides[0].keys() & sides[1].keys())
    rows = [[(word, *side[word]) for word in both] for side in sides]
    difference, low, high, p = differences(*_columns(rows[0]), *_columns(rows[1]))
    q = adjusted(p)
    listed = (
        WordDifference(word, (x[1], y[1]), (x[1] / f[a][0], y[1] / f[b][0]), (x[2], y[2]), difference[i], low[i], high[i], p[i], q[i])
        for i, (word, x, y) in enumerate(zip(both, *rows, strict=True))
    )
    of = [[("F", *f[group])] for group in (a, b)]
    gap, below, above, chance = differences(*_columns(of[0]), *_columns(of[1]))
    spread = float(np.sqrt((f[a][2] ** 2 + f[b][2] ** 2) / 2))
    overall = Mean(f[a][0] + f[b][0], gap[0], below[0], above[0], spread)
    return Between(a, b, overall, chance[0], tuple(sorted(listed, key=lambda each: (-abs(each.surely), each.p, each.word))))


def _examples(base: _Base) -> Iterable[Example]:
    ((middle,),) = base.run("select median(f_input[k]) from said where isfinite(f_input[k])")
    if middle is None:
        return
    for why, order in (("highest", "f desc"), ("lowest", "f"), ("typical", f"abs(f - ({middle!r}))")):
        for id, file, row, text, f, effect in base.run(_EXAMPLES.format(order=order, count=EXAMPLES)):
            yield Example(why, id, file, row, text if len(text) <= SHOWN else text[:SHOWN] + "…", f, effect)  # type: ignore[arg-type]


def _mean(f: tuple[int, float, float]) -> Mean:
    low, high, _ = means(*_columns([("", *f)]))
    return Mean(f[0], f[1], low[0], high[0], f[2])


def _columns(rows: Sequence[tuple[str, int, float, float]]) -> tuple[Any, Any, Any]:
    n, mean, sd = (np.array([row[i] for row in rows], dtype=np.float64) for i in (1, 2, 3))
    return n, mean, sd


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
