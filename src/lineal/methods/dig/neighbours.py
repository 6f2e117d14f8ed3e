"""Which words of the vocabulary lie nearest to a word, by Euclidean distance of their input embeddings. Knows nothing about paths.

Found by blocked matrix products for the words that are asked for, and remembered: in a sparse file below the cache folder when it can be
written (only visited rows take space, each with a checksum), else in memory. The file is named after a hash of all embedding weights, never
after the model, so a fine-tuned or edited model cannot meet another model's neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.errors import OptionError
from lineal.kept import Kept
from lineal.methods.dig.rows import Rows
from lineal.models.base import TextModel
from lineal.models.loading import cache_folder

BLOCK = 8192
"""Vocabulary rows looked up at a time: what is in memory beside the table itself."""
GROUP = 256
"""Words that are looked up together."""
SPARE = 32
"""Candidates beyond k whose exact distance is computed: rounding in the matrix product may swap close ones."""
WORK_BYTES = 16 << 20
"""Most memory for the exact distances of one group of words."""

Ids = NDArray[np.int64]

_fingerprints: Kept[tuple[object, ...], str] = Kept(most=1)
_stores: Kept[tuple[Path, str, int], Rows] = Kept(most=4)


class Neighbours:
    """The k nearest words of a word, nearest first, itself left out; equal distances in the order of their ids.

    Cost: V·d multiplications per new word, nothing for a known one. Raises OptionError when the vocabulary has no k other words.
    """

    def __init__(self, model: TextModel, k: int) -> None:
        """Open what is known about this embedding table."""
        if not 1 <= k < model.vocabulary:
            raise OptionError(
                f"{k} neighbours were asked for; the vocabulary of {model.vocabulary} words allows 1 to {model.vocabulary - 1}"
            )
        self.model, self.k, self.fingerprint = model, k, fingerprint(model)
        self._known = _store(model, self.fingerprint, k)

    def of(self, words: Sequence[int] | Ids) -> Ids:
        """Return the (n, k) neighbours of n words."""
        wanted, place = np.unique(np.asarray(words, dtype=np.int64), return_inverse=True)
        found, known = self._known.get(wanted)
        unknown = np.flatnonzero(~known)
        for rows in np.split(unknown, range(GROUP, len(unknown), GROUP)):
            if len(rows):
                found[rows] = nearest(self.model, wanted[rows], self.k)
                self._known.put(wanted[rows], found[rows])
        return found[place.ravel()]

    def index(self) -> None:
        """Find the neighbours of the whole vocabulary: V²·d multiplications, 4·V·k bytes."""
        self.of(np.arange(self.model.vocabulary))


def nearest(model: TextModel, words: Ids, k: int, spare: int = SPARE) -> Ids:
    """Return the (n, k) nearest words, without any memory of earlier answers; those of one word do not depend on the others.

    Every vocabulary block is compared by |a|² − 2⟨a, w⟩ in the precision of the weights (float32 at least), and the best k + spare
    again by their exact distance in float64. Where the product's rounding could hide a nearer word among the rest, as among many equal
    rows, more are looked at, up to one block.
    """
    queries = _wide(table(model, words))  # (n, d)
    most = min(k + spare, model.vocabulary - 1)
    best = torch.full((len(words), 0), torch.inf, device=queries.device, dtype=queries.dtype)
    ids = torch.zeros((len(words), 0), dtype=torch.int64, device=queries.device)
    own = torch.as_tensor(words, device=queries.device)[:, None]
    for block, rows in blocks(model):
        vectors = _wide(rows)
        squares = torch.linalg.vector_norm(vectors, dim=1) ** 2
        distances = torch.addmm(squares[None], queries, vectors.T, alpha=-2)  # (n, b), less |w|²
        distances.masked_fill_(block[None] == own, torch.inf)
        nearer, kept = distances.topk(min(most, len(block)), dim=1, largest=False)
        best, ids = torch.cat([best, nearer], dim=1), torch.cat([ids, block[kept]], dim=1)
        best, kept = best.topk(min(most, best.shape[1]), dim=1, largest=False)
        ids = ids.gather(1, kept)
    ids = ids.sort(dim=1).values  # so that the stable sort below leaves equal distances in the order of ids
    found, farthest = _exact(model, queries, ids, k)
    length = queries.double().square().sum(dim=1)
    rounding = 4 * queries.shape[1] * torch.finfo(queries.dtype).eps * (length + farthest)
    unsure = (best.amax(dim=1).double() + length - farthest <= rounding).cpu().numpy()
    answer = found.cpu().numpy()
    if unsure.any() and most < min(BLOCK, model.vocabulary - 1):
        answer[unsure] = nearest(model, words[unsure], k, 8 * spare)
    return answer


def table(model: TextModel, ids: Ids | Tensor) -> Tensor:
    """Return the input embeddings of ids, (…, d), without a gradient."""
    with torch.no_grad():
        return model.embed(torch.as_tensor(ids, device=model.device))


def blocks(model: TextModel) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the vocabulary in pieces: ids (b,) and embeddings (b, d)."""
    for first in range(0, model.vocabulary, BLOCK):
        ids = torch.arange(first, min(first + BLOCK, model.vocabulary), device=model.device)
        yield ids, table(model, ids)


def rows_of(model: TextModel, vectors: Tensor) -> Ids:
    """Return for each of the vectors (n, d) the first word whose embedding is exactly that, or -1. One pass over the vocabulary."""
    found = torch.full((len(vectors),), model.vocabulary, device=vectors.device)
    for ids, rows in blocks(model):
        at, row = (vectors[:, :1].to(rows) == rows[:, 0]).nonzero(as_tuple=True)  # by the first dimension, then by all
        equal = (vectors[at].to(rows) == rows[row]).all(dim=1)
        found.scatter_reduce_(0, at[equal], ids[row[equal]], "amin")
    return torch.where(found < model.vocabulary, found, -1).cpu().numpy()


def fingerprint(model: TextModel) -> str:
    """Return a hash of all input embeddings. Computed once per model, and again when 256 sampled rows or the weights' versions change."""
    sample = table(model, np.linspace(0, model.vocabulary - 1, min(256, model.vocabulary)).astype(np.int64))
    versions = tuple((p.data_ptr(), p._version) for p in model.module.parameters() if p.dim() == 2 and p.shape[0] == model.vocabulary)

    def made() -> str:
        digest = hashlib.blake2b(f"{model.vocabulary}".encode(), digest_size=12)
        for _, rows in blocks(model):
            digest.update(_bytes(rows))
        return digest.hexdigest()

    return _fingerprints.get(model.module, (_bytes(sample), versions), made)


def _bytes(rows: Tensor) -> bytes:
    return rows.detach().contiguous().cpu().view(torch.uint8).numpy().tobytes()


def _wide(rows: Tensor) -> Tensor:
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.float()


def _exact(model: TextModel, queries: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the (n, k) nearest of the candidates, and the squared distance (n,) of the last of them."""
    nearest, farthest = ids[:, :k].clone(), torch.empty(len(ids), dtype=torch.float64, device=ids.device)
    size = max(1, WORK_BYTES // (8 * ids.shape[1] * queries.shape[1]))
    for part in (slice(first, first + size) for first in range(0, len(ids), size)):
        gaps = table(model, ids[part]).double()  # (n, candidates, d), then worked on in place: they are large
        distances, order = gaps.sub_(queries[part].double()[:, None]).square_().sum(dim=-1).sort(dim=1, stable=True)
        nearest[part], farthest[part] = ids[part].gather(1, order[:, :k]), distances[:, k - 1]
        del gaps
    return nearest, farthest


def _store(model: TextModel, key: str, k: int) -> Rows:
    folder = cache_folder() / "neighbours"
    return _stores.get(model.module, (folder, key, k), lambda: Rows(folder / f"{key}-{k}.rows", key, k))
