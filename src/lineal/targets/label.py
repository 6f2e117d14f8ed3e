"""Questions to a classifier of whole texts: one label, several, or one that it was never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lineal.errors import OptionError, listing
from lineal.models.base import Head, TextModel, require
from lineal.models.classifier import WithHypothesis
from lineal.models.encoded import Encoded
from lineal.models.forward import answer
from lineal.objectives.label import ClassScore, EntailmentScore
from lineal.objectives.units import check_unit, in_unit
from lineal.targets.contract import Bound, Target
from lineal.typed import check_fields, listed


@dataclass(frozen=True)
class Label(Target):
    """One class: by name, by number, or None for the class predicted for the text (one forward per text).

    unit: logit, log_odds, log_prob or prob. Probabilities saturate: their gradients vanish near 0 and 1, so logits integrate better.
    """

    label: str | int | None = None
    unit: str = "logit"

    def bind(self, model: TextModel) -> Bound:
        """Look the label up; OptionError lists the labels."""
        unit, head = check_unit(self.unit), _head(model)
        chosen = None if self.label is None else head.index(self.label)
        if head.activation == "none":
            in_unit(torch.zeros(1, len(head.labels)), 0, unit, "none")

        def bound(encoded: Encoded) -> ClassScore:
            c = int(answer(model, encoded).argmax()) if chosen is None else chosen
            return ClassScore((c,), (head.names[c],), unit, head.activation)

        return bound


@dataclass(frozen=True)
class Labels(Target):
    """All classes at once (k = C), or the named ones: one shared forward pass per point, one reverse pass per class."""

    labels: Sequence[str | int] | None = None
    unit: str = "logit"

    def bind(self, model: TextModel) -> Bound:
        """Look the labels up."""
        unit, head = check_unit(self.unit), _head(model)
        named = None if self.labels is None else listed("labels", self.labels, kinds=(str, int))
        classes = tuple(range(len(head.labels))) if named is None else tuple(head.index(label) for label in named)
        objective = ClassScore(classes, tuple(head.names[c] for c in classes), unit, head.activation)
        return lambda encoded: objective


def _head(model: TextModel) -> Head:
    if model.head is None or model.card.kind != "classifier":
        raise OptionError(f"{model.card.name} is of kind {model.card.kind} and has no label for a whole text; use another target")
    return model.head


@dataclass(frozen=True)
class ZeroShot(Target):
    """Whether a label fits a text, asked of a classifier of inference: does the text entail "This example is LABEL."?

    F is the logit of entailment minus that of contradiction: the log-odds of the probability that transformers' zero-shot pipeline gives
    with multi_label=True. unit: log_odds, log_prob or prob. hypothesis: a template with {} where the label goes; it is held.
    """

    label: str
    hypothesis: str = "This example is {}."
    unit: str = "log_odds"

    def __post_init__(self) -> None:
        """Check the kinds of what was given."""
        check_fields(self)

    def reader(self, model: TextModel) -> TextModel:
        """Return the model with the hypothesis behind every text."""
        if "{}" not in self.hypothesis:
            raise OptionError(f"the hypothesis {self.hypothesis!r} has no {{}} where the label would go")
        return WithHypothesis(model, self.hypothesis.format(self.label))

    def bind(self, model: TextModel) -> Bound:
        """Find the labels of entailment and contradiction; OptionError lists the labels when there are none."""
        if check_unit(self.unit) == "logit":
            raise OptionError("zero-shot has no single logit; choose one of log_odds, log_prob, prob")
        require(model, "classifier", "zero-shot classification")
        entailment, contradiction = _inference_labels(model.head)
        objective = EntailmentScore(entailment, contradiction, self.label, self.unit)
        return lambda encoded: objective


def _inference_labels(head: Head | None) -> tuple[int, int]:
    """Return (entailment, contradiction), found by name, and contradiction opposite to entailment when no name says so."""
    labels = [label.casefold() for label in (head.labels if head else ())]
    entailment = next((i for i, label in enumerate(labels) if label.startswith("entail")), None)
    if entailment is None or len(labels) < 2:
        raise OptionError(
            f"zero-shot needs a classifier of inference with a label 'entailment'; this one has {listing(head.labels if head else ())}"
        )
    named = next((i for i, label in enumerate(labels) if label.startswith("contra")), None)
    return entailment, named if named is not None else (len(labels) - 1 if entailment == 0 else 0)
