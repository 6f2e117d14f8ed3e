"""LIAR (W. Y. Wang, ACL 2017): short political statements in six truth classes, asked of a language model as a multiple-choice question.

    statements, broken = liar.read("liar/test.tsv")
    for verdict in liar.explain("smollm2", statements[:20]):
        verdict.choice, verdict.was_correct, verdict.record

The data is for research use only and is not part of Lineal.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from lineal.errors import InputError, MissingExtraError, OptionError
from lineal.models import TextModel, load
from lineal.models.encoded import Encoded
from lineal.objectives.contract import Objective
from lineal.prompts import Chat, Marked
from lineal.records.attribution import Attribution
from lineal.targets.contract import Bound, Target
from lineal.targets.language import Choice
from lineal.verbs.options import Keywords, Options, lists_options
from lineal.verbs.text import explain_many

LABELS = ("pants-fire", "false", "barely-true", "half-true", "mostly-true", "true")
"""The six classes, from the worst to the best."""
LETTERS = ("A", "B", "C", "D", "E", "F")
COLUMNS = ("id", "label", "statement", "subjects", "speaker", "job", "state", "party")
WIDTH = 14
"""Columns of the published files; the ninth to thirteenth count the speaker's earlier verdicts and are not used."""
HUB, HUB_LABELS = "ucsbnlp/liar", ("false", "half-true", "mostly-true", "true", "barely-true", "pants-fire")
"""The data set on the Hugging Face hub, and the order of its label numbers."""
HUB_COLUMNS = {
    "subjects": "subject",
    "speaker": "speaker",
    "job": "job_title",
    "state": "state_info",
    "party": "party_affiliation",
    "context": "context",
}
PUBLISHED_SHARE = 0.1
"""The check of the published notebook: a residual of at most 10 % of |F(text) − F(baseline)|."""

BEGUN = "Answer: ("
"""What stands before the letter."""
INSTRUCTION = "How true is the last claim? Choose one option."
WORDS = {label: label.replace("-", " ").replace("pants fire", "pants on fire") for label in LABELS}
MENU = "Options: " + " ".join(f"({letter}) {WORDS[label]}" for letter, label in zip(LETTERS, LABELS, strict=True))


@dataclass(frozen=True)
class Statement:
    """One row. row: its line in the file, from 1."""

    id: str
    label: str
    statement: str
    subjects: str = ""
    speaker: str = ""
    job: str = ""
    state: str = ""
    party: str = ""
    context: str = ""
    row: int = 0

    @property
    def who(self) -> str:
        """The speaker as the prompt names them: "rick perry, Governor, Texas, republican"."""
        parts = (self.speaker.replace("-", " "), self.job, self.state, self.party if self.party != "none" else "")
        return ", ".join(part.strip() for part in parts if part.strip()) or "unknown"


@dataclass(frozen=True)
class Broken:
    """A row that cannot be used, and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The model's answer to one statement, explained. probabilities: of the six labels, over the six options."""

    statement: Statement
    record: Attribution
    probabilities: dict[str, float]
    explained: str
    shots: tuple[str, ...] = field(default=())

    @property
    def choice(self) -> str:
        """The label the model prefers."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])

    @property
    def was_correct(self) -> bool:
        """Whether that is the published label."""
        return self.choice == self.statement.label

    @property
    def passes_published_check(self) -> bool:
        """Whether the residual is at most 10 % of |F(text) − F(baseline)|, the only check of the published notebook."""
        return bool(abs(self.record.residual[0]) <= PUBLISHED_SHARE * abs(self.record.delta[0]))

    def to_dict(self) -> dict[str, Any]:
        """Return one JSON line: the answer, the checks, the sums per region, and the whole record."""
        record = self.record
        return {
            "id": self.statement.id,
            "row": self.statement.row,
            "statement": self.statement.statement,
            "gold": self.statement.label,
            "choice": self.choice,
            "was_correct": self.was_correct,
            "explained": self.explained,
            "probabilities": self.probabilities,
            "shots": list(self.shots),
            "converged": record.converged,
            "evaluations": record.evaluations,
            "delta": float(record.delta[0]),
            "mass": float(record.mass[0]),
            "error": float(record.error[0]),
            "residual": float(record.residual[0]),
            "cancellation": float(record.cancellation[0]),
            "passes_published_check": self.passes_published_check,
            "regions": {name or "rest": float(total[0]) for name, total in record.region_totals().items()},
            "record": record.to_dict(),
        }


def read(source: str | Path, split: str = "test") -> tuple[list[Statement], list[Broken]]:
    """Return the statements of a file, or of `split`.tsv in a folder, and the rows that are broken.

    Raises InputError when there is no such file or not one usable row.
    """
    path = Path(source) / f"{split}.tsv" if Path(source).is_dir() else Path(source)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable: {error}; give the folder with train.tsv, valid.tsv and test.tsv, or one file") from None
    good: list[Statement] = []
    broken: list[Broken] = []
    for row, cells in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
        found = _statement(cells, row)
        if isinstance(found, Statement):
            good.append(found)
        else:
            broken.append(found)
    if not good:
        reason = f"row {broken[0].row}: {broken[0].reason}" if broken else "it is empty"
        raise InputError(f"{path} has no usable row ({reason}); LIAR files are tab separated with {WIDTH} columns")
    return good, broken


def from_datasets(split: str = "test", name: str = HUB) -> list[Statement]:
    """Return the statements of a split of the data set on the hub. Needs the extra `data` and a network, or a filled cache."""
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("reading LIAR from the hub needs the extra 'hub': pip install 'lineal[hub]'") from None
    return [from_hub_row(row, i) for i, row in enumerate(datasets.load_dataset(name, split=split), start=1)]


def from_hub_row(row: Mapping[str, Any], number: int) -> Statement:
    """Return a statement from a row of the hub's data set, whose label is a number."""
    named = {field: str(row.get(column) or "") for field, column in HUB_COLUMNS.items()}
    label = row["label"] if isinstance(row["label"], str) else HUB_LABELS[row["label"]]
    return Statement(id=str(row["id"]), label=label, statement=row["statement"], row=number, **named)


def prompt(statement: Statement, examples: Sequence[Statement] = ()) -> Marked:
    """Return the question with its regions: instruction, options, example 1 … n, speaker, claim. The answer is the letter that follows.

    Instruction, options and examples come first and are the same for all statements, so that they are run once when they are held.
    """
    parts = [("instruction", INSTRUCTION, "\n"), ("options", MENU, "\n\n")]
    for i, example in enumerate(examples, start=1):
        parts.append((f"example {i}", f"{_question(example)}{LETTERS[LABELS.index(example.label)]})", "\n\n"))
    parts += [("", "Speaker: ", ""), ("speaker", statement.who, "\n"), ("", "Claim: ", ""), ("claim", statement.statement.strip(), "\n")]
    parts.append(("", BEGUN, ""))
    text, spans = "", {}
    for name, piece, after in parts:
        if name:
            spans[name] = (len(text), len(text) + len(piece))
        text += piece + after
    return Marked(text, spans)


def as_chat(asked: Marked) -> Chat:
    """Return a question as a user's message, with the same regions, and the beginning of the answer as the assistant's."""
    question = asked.text.removesuffix(BEGUN).rstrip()
    return Chat([{"role": "user", "content": Marked(question, asked.regions)}, {"role": "assistant", "content": BEGUN}])


def draw(pool: Sequence[Statement], asked: Statement, shots: int, seed: int = 0) -> list[Statement]:
    """Return `shots` examples, the same for every asked statement, except that it is never an example of itself.

    Raises OptionError when the pool has too few.
    """
    order = random.Random(seed).sample(range(len(pool)), len(pool))
    others = (pool[i] for i in order if pool[i].id != asked.id and pool[i].statement.strip() != asked.statement.strip())
    drawn = [example for example, _ in zip(others, range(shots), strict=False)]
    if len(drawn) < shots:
        raise OptionError(f"{shots} examples are wanted, the pool has {len(drawn)} besides the statement itself; ask for fewer shots")
    return drawn


@lists_options(Options)
def explain(
    model: Any,
    statements: Iterable[Statement],
    *,
    shots: int = 0,
    pool: Sequence[Statement] = (),
    seed: int = 0,
    pick: str = "choice",
    unit: str = "log_odds",
    chat: bool = False,
    baseline: Any = None,
    **options: Unpack[Keywords],
) -> Iterator[Verdict]:
    """Yield one explained verdict per statement, in order.

    shots, pool, seed: how many examples stand before the question and where they are drawn from. pick: "choice", the label the model
    prefers, "gold", the published one, or a label. unit: of the explained letter against the five others. chat: ask through the
    tokenizer's chat template, the answer begun for the model (`as_chat`). options: see
    `lineal.verbs.options.Options`; attribute="claim" asks about the claim alone, and runs everything before the speaker only once.
    Raises OptionError for an unknown label or a tokenizer without a template; as `lineal.explain_many`.
    """
    if pick not in ("choice", "gold", *LABELS):
        raise OptionError(f"unknown pick {pick!r}; choose choice, gold or one of {', '.join(LABELS)}")
    reader = load(model)
    asked = [(statement, draw(pool, statement, shots, seed)) for statement in statements]
    marked = [prompt(statement, examples) for statement, examples in asked]
    prompts: list[Marked | Chat] = [as_chat(one) if chat else one for one in marked]
    texts = [one.read_by(reader, bool(options.get("truncate"))).texts[0] for one in prompts]
    wanted = _Picked({text: statement.label if pick == "gold" else pick for text, (statement, _) in zip(texts, asked, strict=True)}, unit)
    for (statement, examples), record in zip(asked, explain_many(reader, prompts, wanted, baseline=baseline, **options), strict=True):
        assert record.choices is not None, "a choice was explained"
        found = record.choices.model_copy(update={"gold": LABELS.index(statement.label)})
        probabilities = dict(zip(LABELS, map(float, found.share[0]), strict=True))
        known = record.model_copy(update={"choices": found})
        yield Verdict(statement, known, probabilities, LABELS[found.picked], tuple(example.id for example in examples))


@dataclass(frozen=True)
class _Picked(Target):
    """A choice among the letters whose pick depends on the prompt. picks: prompt → label, or "choice"."""

    picks: Mapping[str, str]
    unit: str

    def bind(self, model: TextModel) -> Bound:
        def objective(encoded: Encoded) -> Objective:
            pick = self.picks[encoded.texts[0]]
            chosen = None if pick == "choice" else LABELS.index(pick)
            return Choice(LETTERS, chosen, self.unit, names=LABELS).bind(model)(encoded)

        return objective


def _question(statement: Statement) -> str:
    return f"Speaker: {statement.who}\nClaim: {statement.statement.strip()}\n{BEGUN}"


def _statement(cells: Sequence[str], row: int) -> Statement | Broken:
    if len(cells) != WIDTH:
        return Broken(row, f"it has {len(cells)} columns, not {WIDTH}")
    if cells[1] not in LABELS:
        return Broken(row, f"its label {cells[1]!r} is none of {', '.join(LABELS)}")
    if not cells[2].strip():
        return Broken(row, "its statement is empty")
    return Statement(row=row, context=cells[-1], **dict(zip(COLUMNS, cells, strict=False)))
