"""Which words each word's path goes over, remembered per word, baseline and search. The search itself: `lineal.methods.dig.search`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lineal.kept import Kept
from lineal.methods.contract import Case
from lineal.methods.dig.neighbours import Neighbours, rows_of, table
from lineal.methods.dig.search import BASELINE, Ids, Strategy, find_anchors
from lineal.models.base import TextModel

GROUP = 1024
"""Words whose anchors are found together."""

_anchors: Kept[tuple[Any, ...], Ids] = Kept(most=65536)  # words and baselines per model: about 40 MB at 30 steps
_rows: Kept[tuple[str, str], int] = Kept(most=65536)


@dataclass(frozen=True)
class Search:
    """How anchors are chosen; see `lineal.methods.dig.search.find_anchors`. neighbours: candidates per step."""

    strategy: Strategy
    steps: int
    neighbours: int
    revisit: bool = False
    stride: int | None = None

    def prepare(self, cases: Sequence[Case]) -> None:
        """Find the anchors of all words of several texts of one model together, from all their baselines; `stations` then knows them."""
        if cases:
            words = np.concatenate([np.array(case.encoded.ids)[list(case.moving)] for case in cases for _ in case.starts])
            starts = torch.cat([start[list(case.moving)] for case in cases for start in case.starts])
            self.anchors(cases[0].model, words, starts)

    def stations(self, case: Case, start: Tensor) -> list[Tensor]:
        """Return for every step, from the word's side, where the tokens that move are: (n, d) embeddings of anchors, or the baseline."""
        moving = list(case.moving)
        words, baselines = np.array(case.encoded.ids)[moving], start[moving]
        found = []
        for ids in self.anchors(case.model, words, baselines).T:
            rows = table(case.model, np.where(ids == BASELINE, words, ids))
            found.append(torch.where(torch.as_tensor(ids == BASELINE, device=rows.device)[:, None], baselines, rows))
        return found

    def anchors(self, model: TextModel, words: Ids, starts: Tensor) -> Ids:
        """Return the (n, steps) anchors of words (n,) on their way to their baselines (n, d).

        Equal words with equal baselines share anchors; those of earlier texts are remembered, keyed by the hash of all embeddings, never
        by the model's name. What is found for a word does not depend on the words it is found with.
        """
        known = Neighbours(model, self.neighbours)
        spelled = np.array([_digest(start) for start in starts])
        keys = [(known.fingerprint, word, start, self) for word, start in zip(words.tolist(), spelled.tolist(), strict=True)]
        found = _anchors.known(model.module, keys)
        new = np.array(list({key: i for i, key in enumerate(keys) if key not in found}.values()), dtype=np.int64)
        for rows in np.split(new, range(GROUP, len(new), GROUP)):
            if len(rows):
                made = self._found(known, words[rows], starts[torch.as_tensor(rows, device=starts.device)], spelled[rows])
                found |= _anchors.add(model.module, dict(zip([keys[i] for i in rows], made, strict=True)))
        return np.array([found[key] for key in keys])

    def _found(self, known: Neighbours, words: Ids, starts: Tensor, spelled: Any) -> Ids:
        names, first, which = np.unique(spelled, return_index=True, return_inverse=True)
        baselines = starts[torch.as_tensor(first, device=starts.device)]
        spellings, owner = [(known.fingerprint, name) for name in names.tolist()], known.model.module
        at = _rows.known(owner, spellings)
        if len(at) < len(spellings):
            at = _rows.add(owner, dict(zip(spellings, rows_of(known.model, baselines).tolist(), strict=True)))
        return find_anchors(
            words,
            which,
            baselines,
            np.array([at[spelling] for spelling in spellings]),
            self.steps,
            known.of,
            lambda ids: table(known.model, ids),
            self.strategy,
            self.revisit,
            self.stride,
        )


def _digest(vector: Tensor) -> str:
    return hashlib.blake2b(vector.detach().contiguous().cpu().view(torch.uint8).numpy().tobytes(), digest_size=16).hexdigest()
