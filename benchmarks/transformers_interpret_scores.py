"""One classifier, one target, the scores of transformers-interpret 0.10 and ours, and where the difference comes from.

    pip install --no-deps transformers-interpret==0.10.0      (its pins ask for transformers 3 or 4; it runs without them)
    python benchmarks/transformers_interpret_scores.py

Its target is the probability of the class and its baseline the pad token; ours is set to the same. What is left is its rule (50 points of
Gauss-Legendre), its scaling to length 1, and its convergence delta.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import lineal

SHARED = Path(os.environ.get("LINEAL_SHARED", Path(__file__).parent.parent.parent / "shared"))
TEXTS = (
    "not a masterpiece , but an hour well spent .",
    "the plot is thin and the jokes are old , yet the cast is glorious .",
    "a tepid , overlong and strangely joyless film .",
)


def difference(theirs: Any, c: int) -> float:
    """Return F(text) − F(baseline) as they run the model: with their own segment ids."""
    with torch.no_grad():
        text, baseline = (
            torch.softmax(
                theirs.model(ids, attention_mask=theirs.attention_mask, token_type_ids=theirs.token_type_ids).logits[0].double(), 0
            )
            for ids in (theirs.input_ids, theirs.ref_input_ids)
        )
    return float(text[c] - baseline[c])


def main() -> None:
    from transformers_interpret import SequenceClassificationExplainer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHARED / "models" / "minilm-movie-sentiment"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    module = transformers.AutoModelForSequenceClassification.from_pretrained(options.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    model = lineal.load(module, tokenizer)
    theirs = SequenceClassificationExplainer(module, tokenizer)
    for text in TEXTS:
        shown = theirs(text)
        raw = theirs.attributions._attributions.sum(dim=-1)[0].detach().double().numpy()
        c = int(theirs.selected_index)
        ours = lineal.explain(model, text, lineal.targets.label(c, unit="prob"), baseline="pad", tol=1e-3)
        default = lineal.explain(model, text, lineal.targets.label(c))
        inner, own = slice(1, -1), difference(theirs, c)
        segments = theirs.token_type_ids[0].tolist()
        times = np.dot([score for _, score in shown], raw) / np.dot(raw, raw)
        print(f"\n{text}\n  class {ours.targets[0]}, F(text) {ours.f_input[0]:.4f}, F(baseline) {ours.f_baseline[0]:.4f}")
        print(f"  our residual {ours.residual[0]:+.1e}; theirs {raw.sum() - ours.delta[0]:+.1e}, run as they run it {raw.sum() - own:+.1e}")
        print(f"  their segment ids {segments}, the tokenizer's {tokenizer(text)['token_type_ids']}")
        print(
            f"  their convergence delta {float(theirs.attributions.delta[0]):+.4f}: its baseline also has all positions 0, the path has not"
        )
        print(f"  raw scores differ by at most {np.abs(raw - ours.scores[0]).max():.1e}, the largest is {np.abs(ours.scores[0]).max():.3f}")
        print(f"  they show scores times {times:.2f}, so that their squares add up to 1")
        print(f"  correlation with our default (logit, mask): {np.corrcoef(raw[inner], default.scores[0, inner])[0, 1]:.3f}")
        for token, (_, score), one, two, three in zip(ours.tokens, shown, raw, ours.scores[0], default.scores[0], strict=True):
            print(
                f"    {token:12s} shown {score:+.3f}   raw {one:+.4f}   ours, prob and pad {two:+.4f}   ours, logit and mask {three:+.3f}"
            )


if __name__ == "__main__":
    main()
