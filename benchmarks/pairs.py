"""Measure pair matrices: exactness, cost, sanity, usefulness, and the choice of the reference.

    python benchmarks/pairs.py exactness --limit 200     # residuals, correlation with human scores
    python benchmarks/pairs.py references --limit 24     # what each baseline does to the parts, in both decompositions
    python benchmarks/pairs.py alignment --limit 100     # strongest cell per row against exact word matches
    python benchmarks/pairs.py removal --limit 24        # how fast the similarity falls without the tokens that matrices name
    python benchmarks/pairs.py vectors --limit 12        # the same projection for one text against a vector that stays
    python benchmarks/pairs.py figures                   # docs/figures/pair_matrix.svg and pair_alignment.svg
    python benchmarks/pairs.py cost --nodes 24           # time and peak memory of forward, reverse and a peer, each in its own process

`exactness --log FILE` appends a line per finished pair and goes on from there. Pairs: SemEval STS 2015, images and headlines, from
../shared/data/sts (or $LINEAL_SHARED). Model: minilm.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch

import lineal
from lineal import baselines
from lineal.engine.tangents import Mode
from lineal.evaluation.pair_removal import pair_removal
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.forward import answer
from lineal.models.lease import lease
from lineal.records.pair import PairAttribution
from lineal.verbs.options import PairOptions
from lineal.verbs.pair_parts import contracted
from lineal.verbs.pair_session import Pairs

SHARED = Path(os.environ.get("LINEAL_SHARED") or Path(__file__).parents[2] / "shared")
FILES = ("images-2015.tsv", "headlines-2015.tsv")


@dataclass(frozen=True)
class Row:
    """Two sentences and how similar people found them, 0 to 5."""

    score: float
    a: str
    b: str


def rows(limit: int, least: float = 0.0, most: float = 5.0, seed: int = 0) -> list[Row]:
    """Return scored pairs drawn at random, from each file in turn."""
    found = []
    for name in FILES:
        lines = (SHARED / "data" / "sts" / name).read_text(encoding="utf-8").splitlines()
        scored = [Row(float(s), a, b) for s, a, b in (line.split("\t")[:3] for line in lines) if s and least <= float(s) <= most]
        chosen = np.random.default_rng(seed).permutation(len(scored))[: (limit + 1) // 2]
        found.append([scored[i] for i in chosen])
    return [row for both in zip(*found, strict=True) for row in both][:limit]


def both(model: TextModel, row: Row, **how: Any) -> dict[str, PairAttribution]:
    """Return the pair in both decompositions, of the same token vectors: 16 Gauss points and tangent passes."""
    options = PairOptions(decomposition="four", rule="gauss:16", mode="forward")
    pairs = Pairs(model, model, how.get("baseline"), how.get("baseline_b"), options)
    texts = pairs.text(pairs.first, row.a), pairs.text(pairs.second, row.b)
    (a,), (b,) = pairs._halves(pairs.first, texts[:1], [Mode.FORWARD]), pairs._halves(pairs.second, texts[1:], [Mode.FORWARD])
    assert a is not None, "it has a mode"
    assert b is not None, "it has a mode"
    found = {}
    for decomposition in ("four", "projected"):
        pairs.options = replace(options, decomposition=decomposition)
        found[decomposition] = pairs._pack(a, b, contracted(a, b, pairs.common(*texts)), 0.0)
    return found


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1])


def exactness(limit: int, tol: float, decomposition: str, log: Path | None) -> None:
    model, pairs = lineal.load("minilm"), rows(limit)
    found = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log is not None and log.exists() else []
    for row in pairs[len(found) :]:
        begun = time.process_time()
        record = lineal.explain_pair(model, row.a, row.b, tol=tol, decomposition=decomposition)
        seconds = time.process_time() - begun
        found.append(_numbers(record) | {"seconds": seconds, "human": row.score})
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found[-1]) + "\n")
    columns = {name: np.array([line[name] for line in found]) for name in found[0]}
    residual, error = np.abs(columns["residual"]), columns["error"]
    cost, converged = columns["seconds"].mean(), sum(columns["converged"])
    print(f"pairs {len(found)}, {decomposition}, tol {tol}, converged {converged}, {cost:.2f} s of CPU each")
    covered = int((residual <= error).sum())
    print(f"|residual|: worst {residual.max():.2e}, median {np.median(residual):.2e}; within the stated error: {covered}")
    print(f"stated error: median {np.median(error):.2e}; |residual| / error: worst {(residual / error).max():.3f}")
    kept, share = (error / columns["scale"]).max() / tol, np.median(error / columns["mass"])
    print(f"error / (tol × scale): worst {kept:.3f}; error / mass: median {share:.4f}")
    print(f"points per text: median {np.median(columns['points']):.0f}, most {columns['points'].max():.0f}")
    print(f"modes: {sorted({mode for line in found for mode in line['modes']})}")
    print(f"shared: mean {columns['shared'].mean():+.4f}, largest {np.abs(columns['shared']).max():.4f}")
    for name in ("similarity", "matrix", "explained", "largest"):
        print(f"Spearman with human scores, {name}: {spearman(columns[name], columns['human']):.3f}")
    print(f"Pearson of the sum of the matrix with the similarity: {np.corrcoef(columns['matrix'], columns['similarity'])[0, 1]:.4f}")
    for row in pairs[:3]:
        one, other = (
            lineal.explain_pair(model, *texts, tol=tol, decomposition=decomposition) for texts in ((row.a, row.b), (row.b, row.a))
        )
        assert np.abs(one.matrix - other.matrix.T).max() < 1e-4, "swapped texts transpose the matrix"
    print("swapped texts transpose the matrix: 3 of 3 pairs, to 1e-4")


def _numbers(record: PairAttribution) -> dict[str, Any]:
    return {
        "similarity": record.similarity,
        "matrix": float(record.matrix.sum()),
        "shared": record.shared,
        "explained": record.explained,
        "largest": float(record.words().matrix.max()),
        "residual": record.residual,
        "error": record.error,
        "scale": record.scale,
        "mass": record.mass,
        "points": (record.a.evaluations + record.b.evaluations) / 2,
        "converged": record.converged,
        "modes": [record.a.mode, record.b.mode],
    }


def reference_embedding(model: TextModel, encoded: Encoded, token: int) -> np.ndarray:
    """ê of the text with every content token replaced by one token."""
    with lease(model.module), torch.no_grad():
        ids = encoded.features["input_ids"].clone()
        ids[[i for i, role in enumerate(encoded.roles) if role == "content"]] = token
        found = model.run({name: value[None] for name, value in encoded.features.items()} | {"input_ids": ids[None]}, None, None)[0]
    return torch.nn.functional.normalize(found, dim=-1).numpy()


def orthogonal(model: TextModel, row: Row, candidates: Sequence[int]) -> dict[str, Any]:
    """Choose for each text the candidate whose reference is most nearly orthogonal to the other text, and to the other reference."""
    a, b = model.encode([row.a]), model.encode([row.b])
    e_a, e_b = (torch.nn.functional.normalize(answer(model, one), dim=-1).numpy() for one in (a, b))
    left = np.stack([reference_embedding(model, a, token) for token in candidates])
    right = np.stack([reference_embedding(model, b, token) for token in candidates])
    cost = np.abs(left @ e_b)[:, None] + np.abs(right @ e_a)[None, :] + np.abs(left @ right.T)
    i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return {"baseline": baselines.Word(candidates[i]), "baseline_b": baselines.Word(candidates[j])}


def references(limit: int, names: Sequence[str]) -> None:
    """Print, for each baseline and decomposition, like pairs and half as many unlike ones."""
    model = lineal.load("minilm")
    words = [(t, i) for t, i in model.tokenizer.get_vocab().items() if re.fullmatch(r"[a-z]{4,}", t)]
    chosen = np.random.default_rng(0).permutation(len(words))[:48]
    candidates = [words[i][1] for i in sorted(chosen)]
    head = "| pairs | reference | decomposition | Σ matrix | similarity | other parts | Σ of cells without sign | r with similarity "
    print(f"{head}| error / mass | top-1 words |\n{'|---' * 10}|")
    for kind, pairs in {"like": rows(limit, least=3.5), "unlike": rows(limit // 2, most=1.5)}.items():
        for name in names:
            found = []
            for row in pairs:
                found.append(both(model, row, **(orthogonal(model, row, candidates) if name == "orthogonal" else {"baseline": name})))
            for decomposition in ("four", "projected"):
                print(_reference(kind, name, decomposition, [records[decomposition] for records in found]), flush=True)


def _reference(kind: str, name: str, decomposition: str, records: Sequence[PairAttribution]) -> str:
    sums, similarities = [r.matrix.sum() for r in records], [r.similarity for r in records]
    hits = [top1(record.words().matrix, *shared(record.words())) for record in records]
    right, all_ = (sum(hit[i] for hit in hits) for i in (0, 1))
    parts = [(r.row_terms.sum() + r.column_terms.sum(), r.bias, r.shared) for r in records]
    rest = "{1:+.3f}, {2:+.3f}" if decomposition == "four" else "{3:+.3f}"
    return (
        f"| {kind} | {name} | {decomposition} | {np.mean(sums):.3f} | {np.mean(similarities):.3f} "
        f"| {rest.format(0, *np.mean(parts, axis=0))} | {np.mean([np.abs(r.words().matrix).sum() for r in records]):.2f} "
        f"| {np.corrcoef(sums, similarities)[0, 1]:.2f} | {np.median([r.error / r.mass for r in records]):.4f} "
        f"| {right / max(1, all_):.3f} of {all_} |"
    )


def shared(pair: PairAttribution) -> tuple[list[int], list[int]]:
    """Return rows and columns of the words (of letters) that occur exactly once in both texts."""
    left, right = ([token.lower() for token in side.tokens] for side in (pair.a, pair.b))
    both = [w for w in left if w.isalpha() and left.count(w) == 1 and right.count(w) == 1]
    return [left.index(w) for w in both], [right.index(w) for w in both]


def top1(matrix: np.ndarray, at: Sequence[int], expected: Sequence[int]) -> tuple[int, int]:
    """Return (hits, words): rows whose largest cell is the same word of the other text."""
    return sum(int(np.argmax(matrix[i])) == j for i, j in zip(at, expected, strict=True)), len(at)


def removal(limit: int) -> None:
    model = lineal.load("minilm")
    records = [both(model, row) for row in rows(limit, least=3.5)]
    for decomposition in ("four", "projected"):
        for sides in ("a", "b", "both"):
            curves = [pair_removal(model, record[decomposition], sides=sides) for record in records]
            ahead, spread = (np.array([getattr(curve, name) for curve in curves]) for name in ("ahead", "spread"))
            said = f"{ahead.mean():+.3f} below random order, which varies by {spread.mean():.3f}"
            print(f"{decomposition}, {sides}: {said}; more in {int((ahead > spread).sum())} of {len(curves)}", flush=True)


def alignment(limit: int) -> None:
    """Compare three matrices on exact word matches in paraphrases, content cells only."""
    from transformers import AutoModel

    model = lineal.load("minilm")
    network = AutoModel.from_pretrained(model.module[0].model.config._name_or_path, attn_implementation="eager").eval()
    counts: dict[str, list[int]] = {}
    for row in rows(limit, least=4.0):
        records = both(model, row)
        record = records["projected"]
        words = record.words()
        at, expected = shared(words)
        inside = [np.array([role == "content" for role in side.roles]) for side in (words.a, words.b)]
        matrices = {
            "matrix, projected": words.matrix,
            "matrix, four parts": records["four"].words().matrix,
            "attention of the last layer": attention(network, model, record),
            "cosine of token vectors": contextual(network, model, record),
        }
        for name, matrix in matrices.items():
            masked = np.where(inside[0][:, None] & inside[1][None, :], matrix, -np.inf)
            hits, total = top1(masked, at, expected)
            count = counts.setdefault(name, [0, 0])
            count[0] += hits
            count[1] += total
    for name, (hits, total) in counts.items():
        print(f"{name}: {hits / total:.3f} ({hits} of {total} words in {limit} paraphrases)")


def by_words(cells: np.ndarray, record: PairAttribution, mean: bool) -> np.ndarray:
    """Sum or average a token matrix to the record's words."""
    summed = record.model_copy(update={"matrix": cells}).words().matrix
    sizes = record.model_copy(update={"matrix": np.ones_like(cells)}).words().matrix
    return summed / sizes if mean else summed


def attention(network: Any, model: TextModel, record: PairAttribution) -> np.ndarray:
    """Mean over heads of what the first text's tokens attend to in the second, both read in one sequence."""
    ids = [model.tokenizer(text, add_special_tokens=True)["input_ids"] for text in record.texts]
    joined = torch.tensor([ids[0] + ids[1][1:]])
    types = torch.tensor([[0] * len(ids[0]) + [1] * (len(ids[1]) - 1)])
    with torch.no_grad():
        last = network(input_ids=joined, token_type_ids=types, output_attentions=True).attentions[-1][0].mean(dim=0).numpy()
    cells = np.concatenate([np.zeros((len(ids[0]), 1)), last[: len(ids[0]), len(ids[0]) :]], axis=1)
    return by_words(cells, record, mean=False)


def contextual(network: Any, model: TextModel, record: PairAttribution) -> np.ndarray:
    vectors = []
    with torch.no_grad():
        for text in record.texts:
            ids = torch.tensor([model.tokenizer(text)["input_ids"]])
            vectors.append(torch.nn.functional.normalize(network(input_ids=ids).last_hidden_state[0], dim=-1).numpy())
    return by_words(vectors[0] @ vectors[1].T, record, mean=True)


def cost(nodes: int, threads: int) -> None:
    """Run every way in its own process on the same pair and nodes, and print CPU seconds and the memory beyond the loaded model."""
    found = {}
    for way in ("forward", "four", "mixed", "mixed four", "reverse", "retrivex"):
        done = subprocess.run(
            [sys.executable, __file__, "one", way, "--nodes", str(nodes), "--threads", str(threads)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"{way}: failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        found[way] = json.loads(done.stdout.strip().splitlines()[-1])
        own = found[way]
        print(
            f"{way}: {own['cpu']:.1f} s CPU, {own['wall']:.1f} s, {own['memory']:.0f} MB beyond the model, Σ matrix {own['sum']:.5f}",
            flush=True,
        )


PAIR = Row(4.0, "A small brown dog is chewing on a big wooden stick in the yard.", "A puppy gnaws on a piece of wood outside.")


def one(way: str, nodes: int) -> None:
    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    if way == "retrivex":
        from retrivex.stransformers import IntJacobianExplainableTransformer

        folder = lineal.load("minilm").module[0].model.config._name_or_path
        model = IntJacobianExplainableTransformer(folder, device="cpu")

        def run() -> Any:
            return model.explain(PAIR.a, PAIR.b, layer_index=0, num_interpolation_steps=nodes)[0]
    else:
        model = lineal.load("minilm")
        mode, _, four = ("forward four" if way == "four" else way).partition(" ")
        how = {"mode": mode, "decomposition": four or "projected"}
        lineal.explain_pair(model, "a b", "c d", rule="gauss:2", **how)  # the first run pays for what later ones do not

        def run() -> Any:
            return lineal.explain_pair(model, PAIR.a, PAIR.b, rule=f"gauss:{nodes}", **how).matrix

    before, cpu, wall = peak(), time.process_time(), time.perf_counter()
    matrix = run()
    print(
        json.dumps(
            {
                "cpu": time.process_time() - cpu,
                "wall": time.perf_counter() - wall,
                "memory": peak() - before,
                "sum": float(np.asarray(matrix).sum()),
            }
        )
    )


def vectors(limit: int) -> None:
    """Compare scores t_i · v of one text, v its own embedding or the other text's, with t_i · v^⊥, the baseline's direction taken out."""
    model, options = lineal.load("minilm"), PairOptions(decomposition="four", rule="gauss:16", mode="forward")
    for name in ("pad", "mask"):
        pairs, found = Pairs(model, model, name, None, options), {"own": [], "other": []}
        for row in rows(limit):
            text, other = pairs.text(pairs.first, row.a), pairs.text(pairs.first, row.b)
            (half,) = pairs._halves(pairs.first, [text], [Mode.FORWARD])
            assert half is not None, "it has a mode"
            start = text.start / np.linalg.norm(text.start)
            for question, v in (("own", text.end), ("other", other.end)):
                scores = half.integral.value.T @ v
                projected = half.integral.value.T @ (v - (v @ start) * start)
                gap = np.abs(scores - projected).sum() / np.abs(scores).sum()
                found[question].append((v @ start, np.corrcoef(scores, projected)[0, 1], gap))
        for question, numbers in found.items():
            baseline, alike, gap = np.array(numbers).T
            said = f"F(baseline) {baseline.mean():+.4f}, largest {np.abs(baseline).max():.4f}; r of the scores {alike.min():.4f} at worst"
            print(f"{name}, {question}: {said}; Σ|change| / Σ|scores| {np.median(gap):.4f}, {gap.max():.4f} at worst", flush=True)


def figures(folder: Path) -> None:
    """Draw the pair of the documents."""
    from lineal.views import plot_alignment, plot_pair, save_plot

    record = lineal.explain_pair("minilm", PAIR.a, PAIR.b)
    save_plot(plot_pair(record), folder / "pair_matrix.svg")
    save_plot(plot_alignment(record), folder / "pair_alignment.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("exactness", "references", "alignment", "removal", "vectors", "figures", "cost", "one"))
    parser.add_argument("way", nargs="?", default="forward")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--decomposition", choices=("projected", "four"), default="projected")
    parser.add_argument("--log", type=Path, help="where exactness keeps its numbers, to go on from")
    parser.add_argument("--names", nargs="+", default=["mask", "pad", "unk", "mean", "zero", "orthogonal"], help="references to compare")
    parser.add_argument("--tol", type=float, default=0.01)
    parser.add_argument("--nodes", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.what == "one":
        one(given.way, given.nodes)
    elif given.what == "cost":
        cost(given.nodes, given.threads)
    elif given.what == "vectors":
        vectors(given.limit)
    elif given.what == "figures":
        figures(Path(__file__).parents[1] / "docs" / "figures")
    elif given.what == "exactness":
        exactness(given.limit, given.tol, given.decomposition, given.log)
    elif given.what == "removal":
        removal(given.limit)
    elif given.what == "references":
        references(given.limit, given.names)
    else:
        alignment(given.limit)


if __name__ == "__main__":
    main()
