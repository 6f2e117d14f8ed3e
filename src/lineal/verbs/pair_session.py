"""One model, one pair of baselines, any number of pairs of texts: prepared once, integrated in the cheapest way, packed."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lineal import baselines, targets
from lineal.engine.costs import costs
from lineal.engine.field import Floats, Problem, Request, checked, evaluate
from lineal.engine.integrate import Task, attempt
from lineal.engine.tangents import Mode
from lineal.errors import InputError, OptionError
from lineal.methods.contract import Case
from lineal.models import TextModel
from lineal.models.encoded import Encoded
from lineal.models.encoder import SentenceEncoder
from lineal.models.lease import lease
from lineal.models.vocabulary import special_tokens
from lineal.objectives.embedding import Embedding, Projection, SimilarityName, check_similarity
from lineal.paths import Straight
from lineal.quadrature.contract import Integral, Stop
from lineal.quadrature.spelling import schedule
from lineal.records.pair import PairAttribution, Side
from lineal.verbs.options import PairOptions
from lineal.verbs.pack import provenance
from lineal.verbs.pair_parts import PROBES, Common, Half, Parts, Text, contracted, moving, passes, projected, spanned, without
from lineal.verbs.session import Session


class Pairs:
    """One model, one pair of baselines, one kind of similarity: what is prepared once for any number of pairs."""

    def __init__(self, model: TextModel, model_b: TextModel, baseline: Any, baseline_b: Any, options: PairOptions) -> None:
        """Bind the baselines. Raises OptionError when they, or the models, do not fit."""
        self.options = options
        target = targets.whole_embedding(options.similarity)
        baseline = default_baseline(model) if baseline is None else baseline
        self.first = self.second = Session(encoder_of(model), target, baseline, options.for_texts())
        if model_b is not model:
            self.second = Session(encoder_of(model_b), target, baseline if baseline_b is None else baseline_b, options.for_texts())
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
            return first, second, contracted(first, second, self.common(a, b))
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
        brought = without(basis, a.end - a.start) @ without(basis, b.end - b.start)
        return Common(basis, nothing, nothing, float(similarity - brought), similarity)

    def similarities(self, query: str, documents: Sequence[str]) -> Floats:
        """(n,) similarity of every document to the query: one forward pass each, in batches."""
        encoded = []
        for number, document in enumerate(documents):
            with of_document(number):
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
        modes = [cost.cheapest(problem.k, len(moving(problem))) for cost, problem in zip(measured, problems, strict=True)]
        full = [cost.of(mode, passes(problem, mode)) for cost, mode, problem in zip(measured, modes, problems, strict=True)]
        other = [cost.of(Mode.REVERSE, self._directions(problem)) for cost, problem in zip(reversed(measured), problems, strict=True)]
        choices: list[tuple[float, Mode | None, Mode | None]] = [(full[0] + other[0], modes[0], None)]
        if not needed:
            choices.append((full[1] + other[1], None, modes[1]))
        if wanted == "auto":
            choices.append((full[0] + full[1], modes[0], modes[1]))
        return min(choices, key=lambda choice: choice[0])[1:]

    def _directions(self, problem: Problem) -> int:
        """Return how many directions the other text is projected on: the token vectors, of four parts the baseline, and PROBES."""
        return len(moving(problem)) + (self.options.decomposition == "four") + PROBES

    def _halves(self, session: Session, texts: Sequence[Text], modes: Sequence[Mode | None]) -> list[Half | None]:
        """Integrate the token vectors of every text that has a mode; texts with the same mode share batches."""
        halves: list[Half | None] = [None] * len(texts)
        for mode in Mode:
            chosen = [i for i, wanted in enumerate(modes) if wanted is mode]
            found = self._integrals(session, [texts[i].problem for i in chosen], mode, self._share)
            for i, (integral, seconds) in zip(chosen, found, strict=True):
                halves[i] = Half(texts[i], integral, mode.value, passes(texts[i].problem, mode), seconds)
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
        vectors = common.left(short.integral.value[:, moving(short.text.problem)]).T  # (n, D)
        if self.options.decomposition == "four":
            vectors = np.vstack([vectors, common.start_b])
        length = float(np.linalg.norm(vectors)) or 1.0
        random = np.random.default_rng(0).standard_normal((PROBES, vectors.shape[1])) / np.sqrt(PROBES)
        directions = torch.from_numpy(np.vstack([vectors / length, without(text.own, random.T).T]))
        along = replace(text.problem, objective=Projection(directions, self.kind))
        ((integral, seconds),) = self._integrals(session, [along], Mode.REVERSE, self._share / 2)
        half = Half(text, integral, "mixed", len(directions), seconds)
        return half, projected(short, half, common, length)

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
def of_document(number: int) -> Iterator[None]:
    """Say in errors of a text which of the documents it is."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"documents[{number}]: {error}") from error


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


def default_baseline(model: TextModel) -> baselines.Baseline:
    """Return the measured choice for pairs: the pad token where there is one, else the model's own default.

    With it the strongest cell of a row is more often the same word of the other text than with mask or mean (docs/pairs.md).
    """
    return baselines.pad if "pad" in special_tokens(model.tokenizer) else baselines.default(model)


def encoder_of(model: TextModel) -> SentenceEncoder:
    """Return the model, which is a sentence encoder; OptionError otherwise."""
    if not isinstance(model, SentenceEncoder):
        raise OptionError(
            f"a pair matrix needs a sentence encoder; {model.card.name} is of kind {model.card.kind}"
            + ("; it reads both texts at once: lineal.explain(model, (a, b))" if model.card.kind == "classifier" else "")
        )
    return model
