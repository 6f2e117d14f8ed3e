"""The public verbs for two texts: the token × token matrix, scores of both texts at once, one query against many documents.

With token vectors t_i = ∫₀¹ ∂ê/∂x_i γ_i′ dα of each text, Σ_i t_i = ê(text) − ê(baseline). Take out of them what lies in the directions of
both baselines, ⊥: the similarity ê(a)·ê(b) is then what lies in those directions and the matrix t_i^⊥ · t_j^⊥, exactly. With nothing taken
out it falls into a bias, row terms, column terms and the matrix t_i · t_j (`lineal.PairAttribution`). The integrated Jacobian is due to
Möller, Nikolaev & Padó (EMNLP 2023, EACL 2024); contracting it before anything is stored makes it t × D numbers instead of t × d × D.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from types import NoneType
from typing import Any, Literal, Unpack, get_args

import numpy as np
import torch

from lineal import baselines, prompts, targets
from lineal.engine.costs import costs
from lineal.engine.field import Floats, Problem, Request, checked, evaluate
from lineal.engine.integrate import Task, attempt
from lineal.engine.tangents import Mode
from lineal.errors import InputError, OptionError, listing
from lineal.methods.contract import Case
from lineal.models import TextModel, load
from lineal.models.encoded import Encoded
from lineal.models.encoder import SentenceEncoder
from lineal.models.lease import lease
from lineal.models.siamese import Siamese, Sides
from lineal.models.vocabulary import special_tokens
from lineal.objectives.embedding import Embedding, Projection, SimilarityName, check_similarity
from lineal.paths import Straight
from lineal.quadrature.contract import Integral, Stop
from lineal.quadrature.spelling import schedule
from lineal.records.attribution import Attribution
from lineal.records.pair import Decomposition, Matches, PairAttribution, Side
from lineal.typed import check_value
from lineal.verbs.options import CommonKeywords, CommonOptions, Keywords, Options, check_known, lists_options
from lineal.verbs.pack import provenance
from lineal.verbs.session import Session
from lineal.verbs.text import explain

Way = Literal["auto", "forward", "reverse", "central", "mixed"]

PROBES = 8
"""Random directions that measure the token vectors of a text whose vectors are never formed. The sum of their norms is then good to 7 %
(standard deviation over draws on MiniLM; 9 % with 4, 5 % with 16)."""

NEARLY = 1e-5
"""Baselines whose unit embeddings differ by less span one direction: the other would be rounding. What stays in is counted as shared."""


@dataclass(frozen=True, kw_only=True)
class PairOptions(CommonOptions):
    """What varies between explanations of pairs, apart from model, texts and baselines; `CommonOptions`, and these.

    The tolerance is that of all terms together, relative to `PairAttribution.scale`, and the budget is per text.
    similarity: "cosine" or "dot". decomposition: "projected" takes the directions of both baselines out, so that the matrix sums to the
    similarity less what both texts share with empty texts; "four" leaves them in, with row terms, column terms and a bias.
    mode: how derivatives are computed. "forward": a tangent pass per token of both texts. "reverse": a reverse pass per dimension of the
    embedding. "central": differences. "mixed": the shorter text's token vectors first, then reverse passes of the longer text on those.
    "auto" counts passes (`engine.costs`) and takes the cheapest, the same one every time. All give the same terms, to rounding at equal
    points; `scale` and `error` of "mixed" are estimated, see `PairAttribution`.
    """

    similarity: str = "cosine"
    decomposition: Decomposition = "projected"
    mode: Way = "auto"

    def __post_init__(self) -> None:
        """Check what can be checked without a model; OptionError says what fits."""
        super().__post_init__()
        check_similarity(self.similarity)

    def for_texts(self) -> Options:
        """Return the options that hold for each text by itself."""
        return Options(**{field.name: getattr(self, field.name) for field in fields(CommonOptions)})


class PairKeywords(CommonKeywords, total=False):
    """The fields of `PairOptions`, for verbs that take them by name."""

    similarity: str
    decomposition: Decomposition
    mode: Way


@lists_options(PairOptions)
def explain_pair(
    model: Any, a: str, b: str, *, model_b: Any = None, baseline: Any = None, baseline_b: Any = None, **options: Unpack[PairKeywords]
) -> PairAttribution:
    """Return where the similarity of two texts comes from: token × token terms and what both share with empty texts, which sum to it.

        pair = lineal.explain_pair("minilm", "A dog chews a stick.", "A puppy gnaws on wood.")
        pair.words().strongest(3), pair.matrix.sum(), pair.shared, pair.error

    model: a sentence encoder, anything `lineal.load` takes. model_b: how the second text is read where that differs, as
    `model.reading(route="document")` of a model whose queries and documents have prompts of their own.
    baseline: as in `lineal.explain`, for both texts, but pad when nothing is said; baseline_b: another one for the second.
    options: see `PairOptions`; decomposition="four" gives the matrix with row, column and bias terms beside it.
    Cost: one forward pass per text for both its ends, then per path point t_a + t_b tangent passes instead of 2 D reverse passes, or fewer
    where one text is short; about 20 to 40 points per text at tol=0.01.

    Raises InputError, TooLongError, OptionError, ModelError, FidelityError. Not converging is no error: see `PairAttribution.stop`; do not
    trust cells smaller than `PairAttribution.error` by themselves.
    """
    for text in (a, b):
        if isinstance(text, (list, tuple)):
            raise InputError(f"explain_pair takes two strings, not {type(text).__name__}; one query and many documents: explain_matches")
        prompts.check_string(text)
    return _pairs(model, model_b, baseline, baseline_b, options).explain(a, [b])[0]


@lists_options(PairOptions)
def explain_matches(
    model: Any,
    query: str,
    documents: Iterable[str],
    *,
    top: int | None = 10,
    model_b: Any = None,
    baseline: Any = None,
    baseline_b: Any = None,
    **options: Unpack[PairKeywords],
) -> Matches:
    """Return all documents ranked by similarity to the query, the best `top` of them (None: all) explained as pairs.

    The query's token vectors are computed once. Cost: one forward pass per document, then one explanation per document in `top`.
    Raises InputError when there is no document, naming the number of one that is empty or too long; the rest is as in `explain_pair`.
    """
    prompts.check_list(documents, "explain_matches", "explain_pair", "documents")
    prompts.check_string(query)
    given = list(documents)
    for number, document in enumerate(given):
        with _of(number):
            prompts.check_string(document)
    if not given:
        raise InputError("there is no document to match the query with")
    check_value("top", top, int, NoneType)
    if top is not None and top < 1:
        raise InputError(f"top is {top}; give at least 1, or None for all documents")
    pairs = _pairs(model, model_b, baseline, baseline_b, options)
    similarities = pairs.similarities(query, given)
    order = [int(i) for i in np.argsort(-similarities, kind="stable")]
    explained = pairs.explain(query, [given[i] for i in order[:top]])
    return Matches(query=query, pairs=tuple(explained), order=tuple(order), similarities=tuple(float(similarities[i]) for i in order))


@lists_options(Options)
def explain_similarity(
    model: Any, a: str, b: str, *, sides: Sides = "both", similarity: str = "cosine", baseline: Any = None, **options: Unpack[Keywords]
) -> Attribution:
    """Return one row of scores over both texts: how much each token adds to the similarity. Complete for every choice of `sides`.

    sides: "a" or "b" moves the tokens of one text while the other stays (its scores are exactly 0); "both" moves both on one path, so that
    the scores sum to sim(a, b) − sim(baseline of a, baseline of b). The rest is as in `lineal.explain`, but
    the baseline is pad when nothing is said, as for `explain_pair`. Raises OptionError for a model that is no sentence encoder.
    """
    if sides not in get_args(Sides):
        raise OptionError(f"unknown sides {sides!r}; choose one of {listing(get_args(Sides))}")
    siamese = Siamese(_encoder(load(model)), sides)
    baseline = default_baseline(siamese) if baseline is None else baseline
    return explain(siamese, (a, b), targets.pair_similarity(similarity), baseline=baseline, **options)


@dataclass(frozen=True)
class Text:
    """One text of a pair. start, end: (D,) ê of its baseline and its own.

    own: (r, D) orthonormal, the direction of `start`, which is taken out of its vectors before they are measured; empty for four parts.
    """

    problem: Problem
    start: Floats
    end: Floats
    own: Floats


@dataclass(frozen=True)
class Common:
    """What two texts have before any word counts. basis: (r, D) orthonormal, the directions that are taken out of all token vectors.

    start_a, start_b: (D,) what is left of ê of the baselines: 0 where the basis spans them. shared: the similarity that is taken out.
    """

    basis: Floats
    start_a: Floats
    start_b: Floats
    shared: float
    similarity: float

    def left(self, vectors: Floats) -> Floats:
        """(D, n) → (D, n): the vectors without what the basis spans."""
        return _without(self.basis, vectors)


@dataclass(frozen=True)
class Half:
    """One text of a pair with what its integration gave: outputs are dimensions, or projections on the other text's vectors."""

    text: Text
    integral: Integral
    way: Literal["forward", "reverse", "central", "mixed"]
    passes: int
    seconds: float

    @property
    def error(self) -> float:
        """Σ over tokens of the Euclidean norm of the error."""
        return float(self.integral.error[0])

    @property
    def mass(self) -> float:
        """Σ over tokens of ‖t_i‖."""
        return float(np.linalg.norm(self.integral.value, axis=0).sum())


@dataclass(frozen=True)
class Parts:
    """The parts of a similarity, with the bound on their error and the scale it is relative to."""

    common: Common
    matrix: Floats
    rows: Floats
    columns: Floats
    error: float
    scale: float

    @property
    def swapped(self) -> Parts:
        """The same with the texts exchanged."""
        common = replace(self.common, start_a=self.common.start_b, start_b=self.common.start_a)
        return replace(self, common=common, matrix=self.matrix.T, rows=self.columns, columns=self.rows)


class Pairs:
    """One model, one pair of baselines, one kind of similarity: what is prepared once for any number of pairs."""

    def __init__(self, model: TextModel, model_b: TextModel, baseline: Any, baseline_b: Any, options: PairOptions) -> None:
        """Bind the baselines. Raises OptionError when they, or the models, do not fit."""
        self.options = options
        target = targets.whole_embedding(options.similarity)
        baseline = default_baseline(model) if baseline is None else baseline
        self.first = self.second = Session(_encoder(model), target, baseline, options.for_texts())
        if model_b is not model:
            self.second = Session(_encoder(model_b), target, baseline if baseline_b is None else baseline_b, options.for_texts())
        elif baseline_b is not None:
            self.second = self.first.beside("ig", baseline_b)
        self.kind: SimilarityName = check_similarity(options.similarity)

    def beside(self, baseline: Any) -> Pairs:
        """Return the same from another baseline of both texts; all that is known of the models is shared with this one."""
        other = copy.copy(self)
        other.first, other.second = (session.beside("ig", baseline) for session in (self.first, self.second))
        return other

    def explain(self, a: str, documents: Sequence[str]) -> list[PairAttribution]:
        """Return the pair of `a` with each document, in order; the token vectors of `a` are computed once."""
        begun = time.perf_counter()
        one = self.text(self.first, a)
        others = [self.text(self.second, b) for b in documents]
        ways = [self._ways(one.problem, other.problem, needed=len(others) > 1) for other in others]
        (first,) = self._halves(self.first, [one], [ways[0][0]])
        rest = self._halves(self.second, others, [way for _, way in ways])
        found = [self._combined(one, first, other, half) for other, half in zip(others, rest, strict=True)]
        own = [(a.seconds if first is None else 0.0) + b.seconds for a, b, _ in found]
        shared = (time.perf_counter() - begun - sum(own)) / len(documents)
        return [self._pack(*parts, shared + seconds) for parts, seconds in zip(found, own, strict=True)]

    def _combined(self, a: Text, first: Half | None, b: Text, second: Half | None) -> tuple[Half, Half, Parts]:
        if first is not None and second is not None:
            return first, second, _contracted(first, second, self.common(a, b))
        if first is not None:
            half, parts = self._mixed(first, self.second, b)
            return first, half, parts.swapped
        assert second is not None, "one of two texts always has its token vectors"
        half, parts = self._mixed(second, self.first, a)
        return half, second, parts

    def common(self, a: Text, b: Text) -> Common:
        """Return what the two texts share before any word counts: what lies along their baselines, or nothing for four parts.

        shared is the similarity less what all words bring, (ê(a) − ê(r_a))^⊥ · (ê(b) − ê(r_b))^⊥, so that the parts add up whatever the
        basis spans; where it spans both baselines, that is (Qᵀê(a)) · (Qᵀê(b)).
        """
        similarity = float(a.end @ b.end)
        if self.options.decomposition == "four":
            return Common(np.zeros((0, len(a.start))), a.start, b.start, 0.0, similarity)
        basis, nothing = spanned(a.start, b.start), np.zeros(len(a.start))
        brought = _without(basis, a.end - a.start) @ _without(basis, b.end - b.start)
        return Common(basis, nothing, nothing, float(similarity - brought), similarity)

    def similarities(self, query: str, documents: Sequence[str]) -> Floats:
        """(n,) similarity of every document to the query: one forward pass each, in batches."""
        encoded = []
        for number, document in enumerate(documents):
            with _of(number):
                encoded.append(self.second.model.encode([document], self.options.truncate))
        one = _embed(self.first, [self.first.model.encode([query], self.options.truncate)])[0]
        many = _embed(self.second, encoded)
        lengths = np.linalg.norm(one) * np.linalg.norm(many, axis=1) if self.kind == "cosine" else 1.0
        return np.asarray(many @ one / lengths)

    def text(self, session: Session, text: str) -> Text:
        """Return a text ready to be integrated: one forward pass for its two ends."""
        case: Case = session.case(text)
        if len(case.starts) != 1:
            raise OptionError(f"a pair takes one baseline per text, {session.baseline.name} gives {len(case.starts)}; choose one of them")
        assert isinstance(case.objective, Embedding), "pairs explain whole embeddings"
        problem = Problem(case.encoded, Straight(case.starts[0], case.end), case.objective)
        ends = Request(problem, (0.0, 1.0), None)
        with lease(session.model.module):
            (answer,) = evaluate(session.model, [ends])
        start, end = checked(ends, answer).values
        if self.options.decomposition == "four":
            return Text(problem, start, end, np.zeros((0, len(start))))
        own = spanned(start)
        return Text(replace(problem, objective=replace(case.objective, without=torch.from_numpy(own))), start, end, own)

    def _ways(self, a: Problem, b: Problem, needed: bool) -> tuple[Mode | None, Mode | None]:
        """Return the mode of each text's token vectors; None for a text that is projected on the other's vectors instead.

        needed: the vectors of `a` serve several documents, so they are formed in any case.
        """
        wanted = self.options.mode
        if wanted not in ("auto", "mixed"):
            return Mode(wanted), Mode(wanted)
        measured, problems = (costs(self.first.model, a), costs(self.second.model, b)), (a, b)
        modes = [cost.cheapest(problem.k, _moving(problem)) for cost, problem in zip(measured, problems, strict=True)]
        full = [cost.of(mode, _passes(problem, mode)) for cost, mode, problem in zip(measured, modes, problems, strict=True)]
        other = [cost.of(Mode.REVERSE, self._directions(problem)) for cost, problem in zip(reversed(measured), problems, strict=True)]
        choices: list[tuple[float, Mode | None, Mode | None]] = [(full[0] + other[0], modes[0], None)]
        if not needed:
            choices.append((full[1] + other[1], None, modes[1]))
        if wanted == "auto":
            choices.append((full[0] + full[1], modes[0], modes[1]))
        return min(choices, key=lambda choice: choice[0])[1:]

    def _directions(self, problem: Problem) -> int:
        """Return how many directions the other text is projected on: the token vectors, of four parts the baseline, and PROBES."""
        return _moving(problem) + (self.options.decomposition == "four") + PROBES

    def _halves(self, session: Session, texts: Sequence[Text], modes: Sequence[Mode | None]) -> list[Half | None]:
        """Integrate the token vectors of every text that has a mode; texts with the same mode share batches."""
        halves: list[Half | None] = [None] * len(texts)
        for mode in Mode:
            chosen = [i for i, wanted in enumerate(modes) if wanted is mode]
            found = self._integrals(session, [texts[i].problem for i in chosen], mode, self._share)
            for i, (integral, seconds) in zip(chosen, found, strict=True):
                halves[i] = Half(texts[i], integral, mode.value, _passes(texts[i].problem, mode), seconds)
        return halves

    @property
    def _share(self) -> float:
        """The tolerance τ of each text, such that (1 + τ)² = 1 + tol: errors of both texts and their product stay within `tol`."""
        return float(np.sqrt(1 + self.options.tol) - 1)

    def _integrals(self, session: Session, problems: Sequence[Problem], mode: Mode, tol: float) -> list[tuple[Integral, float]]:
        """Return the integral of each problem, and the seconds it took."""
        o = self.options
        tasks = [
            Task(replace(problem, mode=mode), schedule(o.rule, tol, o.max_evaluations, (0.0, 1.0), True, session.preparation.epsilon))
            for problem in problems
        ]
        return [(done.integral, done.seconds) for done in attempt(session.model, tasks, session.budget)]

    def _mixed(self, short: Half, session: Session, text: Text) -> tuple[Half, Parts]:
        """Project the other text on the token vectors of `short`, of four parts also on its baseline: n (+ 1) reverse passes and PROBES.

        t_j^⊥ · t_i^⊥ = t_j · t_i^⊥: it suffices that the vectors of `short` are projected. In the parts the other text has the rows.
        """
        common = self.common(text, short.text)
        vectors = common.left(short.integral.value[:, _columns(short.text.problem)]).T  # (n, D)
        if self.options.decomposition == "four":
            vectors = np.vstack([vectors, common.start_b])
        length = float(np.linalg.norm(vectors)) or 1.0
        random = np.random.default_rng(0).standard_normal((PROBES, vectors.shape[1])) / np.sqrt(PROBES)
        directions = torch.from_numpy(np.vstack([vectors / length, _without(text.own, random.T).T]))
        projected = replace(text.problem, objective=Projection(directions, self.kind))
        ((integral, seconds),) = self._integrals(session, [projected], Mode.REVERSE, self._share / 2)
        half = Half(text, integral, "mixed", len(directions), seconds)
        return half, _projected_parts(short, half, common, length)

    def _pack(self, a: Half, b: Half, parts: Parts, seconds: float) -> PairAttribution:
        notes = [f"Text {number}: {note}" for number, half in ((1, a), (2, b)) for note in half.text.problem.encoded.notes]
        if "central" in (a.way, b.way) and self.options.mode != "central":
            notes.append("An operation of this model has no forward mode: derivatives come from central differences, good to about 1e-4.")
        return PairAttribution(
            a=_side(a, self.first.baseline.name),
            b=_side(b, self.second.baseline.name),
            decomposition=self.options.decomposition,
            shared=parts.common.shared,
            matrix=parts.matrix,
            row_terms=parts.rows,
            column_terms=parts.columns,
            bias=float(parts.common.start_a @ parts.common.start_b),
            similarity=parts.common.similarity,
            unit=self.kind,
            error=parts.error,
            scale=parts.scale,
            notes=tuple(notes),
            warnings=tuple(f"Text {number}: {said}" for number, half in ((1, a), (2, b)) for said in half.text.problem.encoded.warnings),
            **provenance(self.first.preparation, seconds),
        )


def spanned(*vectors: Floats) -> Floats:
    """(r, D) orthonormal basis of what vectors (D,) span, whatever their order and lengths; see NEARLY for those nearly parallel."""
    units = [vector / length for vector in vectors if (length := np.linalg.norm(vector)) > 0]
    if not units:
        return np.zeros((0, len(vectors[0])))
    _, sizes, basis = np.linalg.svd(np.stack(units), full_matrices=False)
    return np.asarray(basis[sizes > NEARLY * sizes[0]])


def _without(basis: Floats, vectors: Floats) -> Floats:
    """(D, …) → (D, …): the vectors less what the rows of the basis span."""
    return np.asarray(vectors - basis.T @ (basis @ vectors))


def _contracted(a: Half, b: Half, common: Common) -> Parts:
    """Return the parts from both texts' token vectors. |δ_i · t_j| ≤ ‖δ_i‖ ‖t_j‖ gives the bound on their error."""
    left, right = common.left(a.integral.value), common.left(b.integral.value)
    length_a, length_b = float(np.linalg.norm(common.start_a)), float(np.linalg.norm(common.start_b))
    return Parts(
        common,
        matrix=left.T @ right,
        rows=left.T @ common.start_b,
        columns=common.start_a @ right,
        error=a.error * (b.mass + length_b) + b.error * (a.mass + length_a) + a.error * b.error,
        scale=a.mass * b.mass + a.mass * length_b + b.mass * length_a,
    )


def _projected_parts(short: Half, long: Half, common: Common, length: float) -> Parts:
    """Return the parts with the projected text in the rows. Its outputs: n token vectors of `short`, its baseline where it counts, PROBES.

    The projections are themselves the sums that are wanted, so their error is bounded twice: by their own, over all of them
    (Σ_j |x_j| ≤ √n ‖x‖), and by Cauchy-Schwarz with the probes' estimate of ‖δ_i‖. The smaller one counts.
    """
    columns = _columns(short.text.problem)
    wanted, probes = np.split(long.integral.value, [-PROBES])
    mass = float(np.linalg.norm(probes, axis=0).sum())
    length_long, length_short = float(np.linalg.norm(common.start_a)), float(np.linalg.norm(common.start_b))
    matrix, rows = np.zeros((wanted.shape[1], short.integral.value.shape[1])), np.zeros(wanted.shape[1])
    matrix[:, columns] = length * wanted[: len(columns)].T
    if len(wanted) > len(columns):
        rows = length * wanted[-1]
    own = long.error * min(np.sqrt(len(wanted)) * length, short.mass + length_short)
    return Parts(
        common,
        matrix=matrix,
        rows=rows,
        columns=common.start_a @ common.left(short.integral.value),
        error=own + short.error * (mass + length_long) + short.error * long.error,
        scale=mass * short.mass + mass * length_short + short.mass * length_long,
    )


def _side(half: Half, baseline: str) -> Side:
    encoded, integral = half.text.problem.encoded, half.integral
    return Side(
        text=encoded.texts[0],
        read=encoded.read[0],
        baseline=baseline,
        evaluations=integral.evaluations,
        passes=half.passes,
        mode=half.way,
        stop=next((stop for stop in integral.stops if not stop.converged), Stop.CONVERGED),
        **encoded.marks,
    )


@contextmanager
def _of(number: int) -> Iterator[None]:
    """Say in errors of a text which of the documents it is."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"documents[{number}]: {error}") from error


def _columns(problem: Problem) -> list[int]:
    """Return the tokens that move."""
    moving = (problem.path.velocity((0.5,)) != 0).any(dim=-1)[0]
    return [int(i) for i in torch.nonzero(moving)[:, 0]]


def _moving(problem: Problem) -> int:
    return len(_columns(problem))


def _passes(problem: Problem, mode: Mode) -> int:
    return problem.k if mode is Mode.REVERSE else _moving(problem)


def _embed(session: Session, encoded: Sequence[Encoded]) -> Floats:
    """(n, D) plain embeddings, each text of its own length; equal lengths share a batch."""
    model = session.model
    rows: dict[int, Floats] = {}
    lengths = sorted({len(one) for one in encoded})
    with lease(model.module), torch.no_grad():
        for length in lengths:
            alike = [i for i, one in enumerate(encoded) if len(one) == length]
            size = max(1, session.budget.tokens // length)
            for batch in (alike[first : first + size] for first in range(0, len(alike), size)):
                names = encoded[batch[0]].features
                features = {name: torch.stack([encoded[i].features[name] for i in batch]).to(model.device) for name in names}
                rows |= dict(zip(batch, model.run(features, None, None).double().cpu().numpy(), strict=True))
    return np.stack([rows[i] for i in range(len(encoded))])


def _pairs(model: Any, model_b: Any, baseline: Any, baseline_b: Any, given: Mapping[str, Any]) -> Pairs:
    options, loaded = pair_options_from(given), load(model)
    return Pairs(loaded, loaded if model_b is None else load(model_b), baseline, baseline_b, options)


def default_baseline(model: TextModel) -> baselines.Baseline:
    """Return the measured choice for pairs: the pad token where there is one, else the model's own default.

    With it the strongest cell of a row is more often the same word of the other text than with mask or mean (docs/pairs.md).
    """
    return baselines.pad if "pad" in special_tokens(model.tokenizer) else baselines.default(model)


def _encoder(model: TextModel) -> SentenceEncoder:
    if not isinstance(model, SentenceEncoder):
        raise OptionError(
            f"a pair matrix needs a sentence encoder; {model.card.name} is of kind {model.card.kind}"
            + ("; it reads both texts at once: lineal.explain(model, (a, b))" if model.card.kind == "classifier" else "")
        )
    return model


def pair_options_from(given: Mapping[str, Any]) -> PairOptions:
    """Return the options of a verb for pairs; OptionError names the nearest when one is unknown."""
    check_known(given, PairOptions, ("model_b", "baseline", "baseline_b"))
    return PairOptions(**given)
