"""Recorded attributions for views and runs: made up, but consistent. Needs no model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np

from lineal.quadrature.contract import Stop
from lineal.records.attribution import Attribution, ModelCard, Role
from lineal.records.pair import PairAttribution, Side
from lineal.records.summary import Between, Example, Group, Mean, Summary, TargetSummary, WordDifference, WordEffect

HOSTILE = "</script><img src=x onerror=alert(1)> & \x1b[31mred\x1b[0m \u2028 ${1} {{ 7*7 }} [bold]markup[/bold] <!-- end"
STOCK = re.findall(
    r"\w+", "the river town market people morning carried across old bright letters winter remembered under bridge and of a to"
)
FIRST_HELD: tuple[Role, ...] = ("held", *(["content"] * 20))  # type: ignore[arg-type]
MODEL = ModelCard(name="lineal-tiny/sentiment", architecture="BertForSequenceClassification", kind="classifier", fingerprint="9f2c51e07ab4")

T = TypeVar("T")


class Later(Mapping[str, T]):
    """Values by name, each made when it is first asked for: tests are collected in every process, and run in one."""

    def __init__(self, makers: Mapping[str, Callable[[], T]]) -> None:
        self.makers = {name: cache(make) for name, make in makers.items()}

    def __getitem__(self, name: str) -> T:
        return self.makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


def make_record(
    texts: Sequence[str],
    tokens: Sequence[str],
    spans: Sequence[tuple[int, int]],
    scores: Any,
    *,
    segments: Sequence[int] | None = None,
    words: Sequence[int | None] | None = None,
    roles: Sequence[Role] | None = None,
    residual: float | None = None,
    **changes: Any,
) -> Attribution:
    """Return a record whose F values are consistent with its scores up to `residual`: 0.002, or the error where that is smaller."""
    rows = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    k, t = rows.shape
    fields: dict[str, Any] = {
        "texts": tuple(texts),
        "tokens": tuple(tokens),
        "offsets": tuple(spans),
        "segments": tuple(segments) if segments is not None else (0,) * t,
        "word_ids": tuple(words) if words is not None else tuple(range(t)),
        "roles": tuple(roles) if roles is not None else ("content",) * t,
        "scores": rows,
        "targets": ("POSITIVE", "NEGATIVE", "NEUTRAL")[:k],
        "units": ("logit",) * k,
        "f_input": 1.25 + rows.sum(axis=1) - (np.minimum(0.002, 0.005 * np.abs(rows).sum(axis=1)) if residual is None else residual),
        "f_baseline": np.full(k, 1.25),
        "error": 0.006 * np.abs(rows).sum(axis=1),
        "stops": (Stop.CONVERGED,) * k,
        "evaluations": 33,
        "tol": 0.01,
        "method": "integrated gradients",
        "path": "straight line",
        "rule": "adaptive, 5-point closed panels",
        "baseline": "[MASK] in place of every token, special tokens kept",
        "model": MODEL,
        "versions": {"lineal": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
        "seconds": 0.84,
    }
    return Attribution(**(fields | changes))


def pieces_record(
    text: str, seed: int = 0, k: int = 1, size: int = 6, framed: bool = True, loud: float = 0.1, **changes: Any
) -> Attribution:
    """Return a record of any text: words cut into pieces of `size` characters, seeded scores, a few of them loud."""
    rng = np.random.default_rng(seed)
    found = [(w, m.start() + i, min(m.start() + i + size, m.end())) for w, m in enumerate(_words(text)) for i in range(0, len(m[0]), size)]
    t = len(found)
    scores = rng.normal(size=(k, t)) * np.where(rng.random(t) < loud, 1.0, 0.05 if t < 1000 else 0.004)
    tokens = [text[a:b] if w != found[i - 1][0] or i == 0 else f"##{text[a:b]}" for i, (w, a, b) in enumerate(found)]
    record = make_record([text], tokens, [(a, b) for _, a, b in found], scores, words=[w for w, _, _ in found], **changes)
    return _framed(record) if framed else record


@cache
def sample_records() -> dict[str, Attribution]:
    """Return one record per situation a view must cope with, by name."""
    return {
        "converged": _sentiment(),
        "not_converged": _sentiment(stops=(Stop.BUDGET,), error=np.array([3.1]), residual=1.4, evaluations=512),
        "arabic": pieces_record("كان الفيلم رائعًا لكن النهاية مخيّبة للآمال، ولم أحبّ الموسيقى.", seed=3, loud=0.5),
        "hebrew": pieces_record("הסרט היה נפלא, but the ending was שומם ומשעמם.", seed=4, loud=0.5),
        "emoji": _emoji(),
        "hostile": pieces_record(HOSTILE, seed=5, loud=0.4, targets=("<b>POS</b>",), notes=("A note with <i>tags</i>.",)),
        "long_words": pieces_record(
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " + "x" * 400 + " ok", seed=6
        ),
        "three": pieces_record("rather good", seed=7, size=8, framed=False, loud=1.0),
        "long": pieces_record(_prose(260), seed=8),
        "very_long": pieces_record(_prose(4300), seed=9, loud=0.004),
        "labels": pieces_record("A quietly devastating film, though the last act drags more than it should.", seed=10, k=3, loud=0.4),
        "steps": _steps(),
        "two_texts": _pair(),
        "truncated": _truncated(),
        "not_finite": _sentiment(stops=(Stop.NOT_FINITE,), error=np.array([np.inf]), spoil=True, residual=0.0),
        "unbounded": _sentiment(stops=(Stop.NOT_FINITE,), error=np.array([np.inf])),
        "zeros": _sentiment(factor=0.0, residual=0.0),
        "cancelling": _cancelling(),
        "held": _held(),
        "spread": _sentiment(
            spread=np.linspace(0.02, 0.4, 23)[None], method="expected gradients", notes=("Scores are the mean over 4 baselines.",)
        ),
        "no_promise": _sentiment(adds_up=False, residual=1.1, method="gradient × input", path="none", rule="one gradient"),
    }


def _words(text: str) -> list[re.Match[str]]:
    return list(re.finditer(r"[\w\u064b-\u0652]+|[^\w\s]", text))


def _framed(record: Attribution) -> Attribution:
    """Return the record with [CLS] in front and [SEP] behind."""
    zeros = np.zeros((len(record.targets), 1))
    return record.model_copy(
        update={
            "tokens": ("[CLS]", *record.tokens, "[SEP]"),
            "offsets": ((0, 0), *record.offsets, (0, 0)),
            "segments": (-1, *record.segments, -1),
            "word_ids": (None, *record.word_ids, None),
            "roles": ("special", *record.roles, "special"),
            "scores": np.concatenate([zeros, record.scores, zeros], axis=1),
            "spread": None if record.spread is None else np.concatenate([zeros, record.spread, zeros], axis=1),
        }
    )


def _sentiment(factor: float = 1.0, spoil: bool = False, **changes: Any) -> Attribution:
    text = "The acting is glorious, but the script is tepid\nand unsurprising; a film that is hard to love."
    found = _words(text)
    values = {"glorious": 1.4, "tepid": -2.1, "unsurprising": -0.62, "hard": -0.31, "love": 0.55, "but": -0.18, "acting": 0.16}
    tokens, spans, words, scores = [], [], [], []
    for w, match in enumerate(found):
        cut = match.start() + 2 if match[0] in ("tepid", "unsurprising") else match.end()
        for piece in [(match.start(), cut), (cut, match.end())][: 1 if cut == match.end() else 2]:
            tokens.append(("##" if piece[0] > match.start() else "") + text[slice(*piece)].lower())
            spans.append(piece)
            words.append(w)
            scores.append(factor * values.get(match[0], 0.012) * (0.5 if cut < match.end() else 1.0))
    if spoil:
        scores[3] = float("nan")
    return _framed(make_record([text], tokens, spans, [scores], words=words, **changes))


def _emoji() -> Attribution:
    """Byte-level pieces: the emoji is three tokens over one character, the first of them with the space before it."""
    text = "What a party 🎉🎉 café!"
    spans = [(0, 4), (4, 6), (6, 12), (12, 14), (13, 14), (13, 14), (14, 15), (14, 15), (15, 19), (19, 20), (20, 21)]
    tokens = ["What", "Ġa", "Ġparty", "ĠðŁ", "İ", "ī", "ðŁİ", "ī", "Ġcaf", "Ã©", "!"]
    words = [0, 1, 2, 3, 3, 3, 3, 3, 4, 4, 5]
    scores = [[0.0, 0.01, 0.4, 0.5, 0.3, -0.1, 0.2, 0.2, -0.25, -0.05, 0.1]]
    return make_record([text], tokens, spans, scores, words=words, roles=FIRST_HELD[:11])


def _pair() -> Attribution:
    first, second = "How do I reset my password?", "To choose a new password, open settings and press Forgot."
    a, b = _words(first), _words(second)
    rng = np.random.default_rng(11)
    t = len(a) + len(b) + 3
    scores = rng.normal(size=(1, t)) * 0.3
    special = [0, len(a) + 1, t - 1]
    scores[0, special] = 0.0
    tokens = ["[CLS]", *(m[0].lower() for m in a), "[SEP]", *(m[0].lower() for m in b), "[SEP]"]
    spans = [(0, 0), *(m.span() for m in a), (0, 0), *(m.span() for m in b), (0, 0)]
    roles: list[Role] = ["special" if i in special else "content" for i in range(t)]
    segments = [-1, *[0] * len(a), -1, *[1] * len(b), -1]
    words = [None if i in special else i for i in range(t)]
    named: dict[str, Any] = {"targets": ("relevance",), "units": ("logit",)}
    return make_record([first, second], tokens, spans, scores, segments=segments, words=words, roles=roles, **named)


def _steps() -> Attribution:
    """A generation: one target per produced token."""
    steps = (" Paris", ".", " It", " is", " the", " largest", " city", " in", " France", ".")
    text = "The capital of France, famous for its museums and its river, is"
    return pieces_record(text, seed=12, k=10, framed=False, loud=0.4, targets=steps, units=("log_prob",) * 10)


def _truncated() -> Attribution:
    text = _prose(120)
    whole = pieces_record(text[:300].rsplit(" ", 1)[0], seed=13)
    return whole.model_copy(update={"texts": (text,), "read": (len(whole.text),), "notes": ("The end of the text was cut off, as asked.",)})


def _cancelling() -> Attribution:
    text = "true but false, warm but cold"
    found = _words(text)
    scores = [[0.4, 0.02, -0.41, 0.0, 0.3, -0.01, -0.29]]
    named: dict[str, Any] = {"targets": ("A over B",), "units": ("log_odds",)}
    return make_record([text], [m[0] for m in found], [m.span() for m in found], scores, residual=0.001, **named)


def _held() -> Attribution:
    text = "Question: Is water wet?\n\nAnswer:"
    spans = [(0, 8), (8, 9), (9, 12), (12, 18), (18, 22), (22, 23), (23, 25), (25, 31), (31, 32)]
    tokens = ["Question", ":", "ĠIs", "Ġwater", "Ġwet", "?", "ĊĊ", "Answer", ":"]
    return make_record([text], tokens, spans, [[0.0, 0.1, 0.3, 1.2, 2.0, -0.4, 0.7, -0.9, 0.2]], roles=FIRST_HELD[:9], targets=(" Yes",))


def _prose(n: int) -> str:
    rng = np.random.default_rng(n)
    words = [str(rng.choice(STOCK)) for _ in range(n)]
    for i in range(11, n, 12):
        words[i] += ".\n\n" if i % 84 == 83 else "."
    text = " ".join(words).replace("\n\n ", "\n\n")
    return re.sub(r"(^|[.]\s+)(\w)", lambda m: m[1] + m[2].upper(), text)


def pair_side(text: str, stop: Stop = Stop.CONVERGED) -> Side:
    """One text, a token per piece without blanks, between two special tokens."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    t = len(spans)
    return Side(
        text=text,
        tokens=("[CLS]", *(text[a:b] for a, b in spans), "[SEP]"),
        offsets=((0, 0), *spans, (0, 0)),
        word_ids=(None, *range(t), None),
        roles=("special", *["content"] * t, "special"),
        read=len(text),
        baseline="mask",
        evaluations=25,
        passes=t,
        mode="forward",
        stop=stop,
    )


def pair_record(
    a: str = "a dog chews a stick", b: str = "the puppy gnaws wood", stop: Stop = Stop.CONVERGED, four: bool = False, **changes: Any
) -> PairAttribution:
    """A made-up pair whose parts add up, with one negative cell; in two parts, or in four."""
    left, right = pair_side(a, stop), pair_side(b)
    matrix = np.zeros((len(left.tokens), len(right.tokens)))
    matrix[1:-1, 1:-1] = np.linspace(-0.05, 0.2, (len(left.tokens) - 2) * (len(right.tokens) - 2)).reshape(len(left.tokens) - 2, -1)
    rows, columns = np.zeros(len(left.tokens)), np.zeros(len(right.tokens))
    if four:
        rows[1:-1], columns[1:-1] = -0.02, 0.01
    total = 0.3 + matrix.sum() + rows.sum() + columns.sum()
    fields: dict[str, Any] = {
        "a": left, "b": right, "matrix": matrix, "row_terms": rows, "column_terms": columns, "similarity": total - 0.001,
        "decomposition": "four" if four else "projected", "shared": 0.0 if four else 0.3, "bias": 0.3 if four else 0.0,
        "unit": "cosine", "error": 0.01, "scale": 6.0, "tol": 0.01, "rule": "adaptive",
        "model": ModelCard(name="tiny", architecture="BertModel", kind="encoder"),
    }  # fmt: skip
    return PairAttribution(**(fields | changes))


def summary_record(**changes: Any) -> Summary:
    """A made-up summary of two groups, with a word that is hostile, one that is unsure and one that is known from one text only."""
    words = (
        WordEffect(HOSTILE, 40, 0.4, 1.5, 1.2, 1.8, 1e-9, 1e-8),
        WordEffect("dull", 22, 0.22, -0.9, -1.3, -0.5, 1e-4, 3e-4),
        WordEffect("the", 90, 0.9, 0.01, -0.02, 0.04, 0.5, 0.6),
        WordEffect("once", 1, 0.01, 0.3, -np.inf, np.inf, 1.0, 1.0),
    )
    groups = tuple(Group(name, Mean(n, 0.4, 0.1, 0.7, 1.5), words) for name, n in ((None, 100), ("a", 60), ("", 40)))
    between = Between(
        "a",
        "",
        Mean(100, 0.2, -0.1, 0.5, 1.4),
        0.2,
        (WordDifference("dull", (12, 10), (0.2, 0.25), (-1.2, -0.5), -0.7, -1.1, -0.3, 0.01, 0.03),),
    )
    examples = (Example("highest", "in.csv:3", "in.csv", 3, HOSTILE, 4.2, 3.0), Example("typical", "7", "in.csv", 7, "A film.", 0.4, 0.1))
    target = TargetSummary("POSITIVE", "logit", groups, between, examples, (0.1,) * 10, (("claim", 0.7), ("question", 0.3)), 1)
    fields: dict[str, Any] = {
        "path": "out", "rows": 103, "explained": 100, "converged_rows": 99, "distinct": 98, "failures": {"InputError": 2}, "pairs": 1,
        "unread": 0, "error": (0.004, 0.009), "evaluations": 22.5, "seconds": 31.0, "by": "party", "min_texts": 5, "targets": (target,),
    }  # fmt: skip
    return Summary(**(fields | changes))
