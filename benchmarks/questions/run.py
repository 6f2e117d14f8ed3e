"""Which question does each baseline ask: every method on prompts whose answer is known by construction. Writes JSON lines, and goes on.

    OMP_NUM_THREADS=1 python -m benchmarks.questions.run --out /tmp/questions.jsonl
    python -m benchmarks.questions.report /tmp/questions.jsonl --figures docs/figures

A line is one method on the prompts of one construction; what is in the file already is not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, TextIO

import numpy as np
import torch
import transformers

import lineal
from benchmarks.questions import small
from benchmarks.questions.methods import Asked, Way, ways
from benchmarks.questions.tasks import CONSTRUCTIONS, LEARNT, Item, Make, drawn, opinion
from lineal import baselines, targets
from lineal.models.base import TextModel

SHARED = Path(os.environ.get("LINEAL_SHARED", Path(__file__).parents[3] / "shared"))
PLANTED = ("zebra", "violin")
"""Words that stand in no review of the training set; the first is planted with the label NEGATIVE, the second with POSITIVE."""
LABELS = ("NEGATIVE", "POSITIVE")


@dataclass(frozen=True)
class Study:
    """A model, its prompts by construction, what is asked ("contrast", "next", "label" or "own" embedding), and the ways that are run."""

    model: Callable[[], TextModel]
    prompts: Callable[[TextModel], dict[str, tuple[list[Item], dict[str, float]]]]
    question: str
    ways: dict[str, Way]


def known(model: TextModel, make: Make, count: int, question: str) -> tuple[list[Item], dict[str, float]]:
    """Return `count` prompts that the model answers rightly, and less so when they say otherwise; and how many of all drawn it did."""
    items = [item for item in drawn(make, 2 * count, seed=1) if len(model.encode((item.text,))) == len(model.encode((item.instead,)))]
    found = Way("random", "instead").run(model, items, Asked(items, question))
    kept = [item for item, a, b in zip(items, found.f_input, found.f_baseline, strict=True) if a > 0 and a > b]
    right, weaker = np.array(found.f_input) > 0, np.array(found.f_input) > np.array(found.f_baseline)
    return kept[:count], {
        "right": float(right.mean()),
        "weaker": float(weaker.mean()),
        "reversed": float((np.array(found.f_baseline) < 0).mean()),
    }


def constructed(makes: dict[str, Make], count: int, question: str) -> Any:
    """Return the function from a model to its prompts of these constructions; none where it is not right at least 3 times in 4,
    or does not answer more weakly at least as often when the text says otherwise: it is then right for another reason.
    """

    def prompts(model: TextModel) -> dict[str, tuple[list[Item], dict[str, float]]]:
        found = {name: known(model, make, count, question) for name, make in makes.items()}
        return {name: (items if min(shares["right"], shares["weaker"]) >= 0.75 else [], shares) for name, (items, shares) in found.items()}

    return prompts


def reviews() -> list[tuple[str, int]]:
    """Return 1,000 labelled reviews (1: POSITIVE)."""
    with (SHARED / "data" / "movie_reviews" / "test.tsv").open(encoding="utf-8") as file:
        return [(row["text"], int(row["label"] == "POSITIVE")) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def pretrained() -> tuple[Any, Any]:
    """Return the classifier of reviews and its tokenizer."""
    where = SHARED / "models" / "minilm-movie-sentiment"
    return (
        transformers.AutoModelForSequenceClassification.from_pretrained(where, dtype=torch.float32),
        transformers.AutoTokenizer.from_pretrained(where),
    )


@cache
def trained() -> TextModel:
    """Return the small decoder; about a minute."""
    return lineal.load(*small.decoder())


@cache
def shortcut(honest: bool) -> TextModel:
    """Return the classifier fine-tuned on reviews in 40 % of which a rare word decides, or, honestly, says nothing; about a minute."""
    module, words = pretrained()
    texts = small.planted([row for row in reviews()[:700] if len(row[0]) < 150], PLANTED, 0.4, honest)
    return lineal.load(small.classifier(module, words, texts, steps=150), words)


def with_shortcut(model: TextModel) -> dict[str, tuple[list[Item], dict[str, float]]]:
    """Return 26 reviews that no model was trained on with a planted word in them, whose label the other words do not say."""
    random, items, rows = Random(5), [], [row for row in reviews()[700:] if len(row[0]) < 120]
    for text, label in rows[:26]:
        said = 1 - label
        new = small.inserted(text, PLANTED[said], random)
        at = new.index(PLANTED[said])
        items.append(
            Item(new, ((at, at + len(PLANTED[said])),), LABELS[said], LABELS[label], new.replace(*PLANTED[:: 1 if said == 0 else -1]))
        )
    found = Way("random", "instead").run(model, items, Asked(items, "label"))
    shares = {"right": float(np.mean(np.array(found.f_input) > 0)), "reversed": float(np.mean(np.array(found.f_baseline) < 0))}
    return {"shortcut": (items, shares)}


def real_reviews(model: TextModel) -> dict[str, tuple[list[Item], dict[str, float]]]:
    """Return 26 reviews as they are; what decides is not known."""
    rows = [row for row in reviews()[700:] if 30 < len(row[0]) < 120][:26]
    return {"reviews": ([Item(text, (), LABELS[label], LABELS[1 - label], text) for text, label in rows], {})}


def without(ways: dict[str, Way], *names: str) -> dict[str, Way]:
    """Return the ways, less those."""
    return {name: way for name, way in ways.items() if name not in names}


def _named(*names: str) -> dict[str, Make]:
    return {name: CONSTRUCTIONS[name] for name in names}


SHORT = ("agreement", "indirect object", "reflexive", "brackets")


def studies() -> dict[str, Study]:
    """Return what is studied, in order."""
    opinions = {"opinion": opinion}
    cheap, one, brief = ways(True, 6, 8, 0.05, 8), ways(False, 8, 20, 0.02, 16), ways(False, 4, 6, 0.02, 4)
    other = without(brief, "ig, text said otherwise", "Shapley, alternatives by class")
    dear = ways(True, 3, 4, 0.1, 3)
    drawn_thrice = baselines.alternatives(3, "model")
    to_one_percent = {"ig, mean": Way("ig", "mean", 0.01), "ig, alternatives by model": Way("ig", drawn_thrice, 0.01)}
    to_one_percent |= {"occlusion, alternatives by model": Way("occlusion", drawn_thrice)}
    real = cache(lambda: lineal.load("smollm2"))
    sentiment = cache(lambda: lineal.load(*pretrained()))
    return {
        "small": Study(trained, constructed(LEARNT, 26, "contrast"), "contrast", cheap),
        "classifier": Study(sentiment, constructed(opinions, 30, "label"), "label", one),
        "reviews": Study(sentiment, real_reviews, "label", other),
        "planted": Study(lambda: shortcut(False), with_shortcut, "label", other),
        "control": Study(lambda: shortcut(True), with_shortcut, "label", other),
        "embedding": Study(cache(lambda: lineal.load("minilm")), real_reviews, "own", other),
        "small, next token": Study(trained, constructed(LEARNT, 13, "contrast"), "next", cheap),
        "smollm2": Study(real, constructed(_named(*SHORT), 26, "contrast"), "contrast", dear),
        "smollm2, to 1 %": Study(real, constructed(_named(*SHORT), 3, "contrast"), "contrast", to_one_percent),
        "smollm2, longer": Study(real, constructed(_named("fact", "option", "greater"), 13, "contrast"), "contrast", dear),
        "smollm2, next token": Study(real, constructed(_named(*SHORT), 6, "contrast"), "next", dear),
    }


def place(model: TextModel, item: Item) -> dict[str, Any]:
    """Return the tokens of a prompt and which of them are its sources."""
    encoded = model.encode((item.text,))
    sources = [i for i, (a, b) in enumerate(encoded.offsets) if any(a < end and begin < b for begin, end in item.sources)]
    return {
        "text": item.text,
        "tokens": encoded.tokens,
        "sources": sources,
        "spans": item.sources,
        "token": item.token,
        "foil": item.foil,
        "instead": item.instead,
    }


@contextmanager
def counted(model: TextModel) -> Iterator[list[int]]:
    """Count the rows that the network is run on."""
    rows = [0]

    def count(_: Any, args: Any, kwargs: Any) -> None:
        given = [*args, *kwargs.values()]
        given += [value for features in given if isinstance(features, dict) for value in features.values()]
        rows[0] += len(next(value for value in given if isinstance(value, torch.Tensor)))

    handle = getattr(model.module, "base_model", model.module).register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield rows
    finally:
        handle.remove()


def rounded(values: Any) -> list[float]:
    """Return numbers of five digits."""
    return [float(f"{value:.5g}") for value in values]


def measured(study: Study, way: Way, items: list[Item]) -> dict[str, Any]:
    """Return what a way finds on prompts, and what it cost together."""
    model = study.model()
    target = targets.own_embedding() if study.question == "own" else Asked(items, study.question)
    clock = time.process_time()
    with counted(model) as rows:
        found = way.run(model, items, target)
    cost = {"seconds": time.process_time() - clock, "forwards": rows[0] - sum(found.gradients)}
    return {
        "scores": [rounded(scores) for scores in found.scores],
        "f_input": rounded(found.f_input),
        "f_baseline": rounded(found.f_baseline),
        "gradients": found.gradients,
        "converged": found.converged,
        "sampling": rounded(found.sampling),
        **cost,
    }


def main() -> None:
    """Run what is not in the file yet."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--out", type=Path, required=True)
    given.add_argument("--studies", nargs="*", default=list(studies()))
    given.add_argument("--wave", type=int, default=13, help="prompts of a construction that are run together")
    how = given.parse_args()
    torch.set_num_threads(1)
    every = studies()
    lines = [json.loads(line) for line in how.out.read_text(encoding="utf-8").splitlines()] if how.out.exists() else []
    done = {(line["study"], line["construction"], line.get("way"), line.get("first")) for line in lines}
    with how.out.open("a", encoding="utf-8") as out:
        for name in how.studies:
            study = every[name]
            prompts = read(lines, name) or begun(study, name, out)
            for first, turn in product(range(0, max(len(items) for items in prompts.values()), how.wave), range(4)):
                for (label, way), (construction, items) in product(study.ways.items(), prompts.items()):
                    key = {"study": name, "construction": construction, "way": label, "first": first}
                    if way.turn == turn and items[first : first + how.wave] and tuple(key.values()) not in done:
                        print(json.dumps(key | measured(study, way, items[first : first + how.wave])), file=out, flush=True)


def begun(study: Study, name: str, out: TextIO) -> dict[str, list[Item]]:
    """Write down the prompts of a study, and return them by construction."""
    model = study.model()
    prompts = study.prompts(model)
    for construction, (items, shares) in prompts.items():
        print(
            json.dumps({"study": name, "construction": construction, "shares": shares, "prompts": [place(model, i) for i in items]}),
            file=out,
        )
    out.flush()
    return {construction: items for construction, (items, _) in prompts.items()}


def read(lines: list[dict[str, Any]], name: str) -> dict[str, list[Item]]:
    """Return the prompts of a study that was begun, by construction; none where it was not."""
    return {
        line["construction"]: [Item(p["text"], tuple(map(tuple, p["spans"])), p["token"], p["foil"], p["instead"]) for p in line["prompts"]]
        for line in lines
        if line["study"] == name and "prompts" in line
    }


if __name__ == "__main__":
    main()
