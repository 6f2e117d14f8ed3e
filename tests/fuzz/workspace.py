"""A folder with tiny random models of every kind and the files that the commands read, made once and used by all cases."""

from __future__ import annotations

import json
import random
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import lineal
from lineal.models.probe import save_probe
from lineal.records.base import Record
from tests import families, records, tiny, tiny_lm
from tests.fuzz import values
from tests.fuzz.cases import contradictions

KINDS = ("classifier", "encoder", "decoder", "tagger", "reader", "masked", "seq2seq", "probe")


class Workspace:
    """Models by kind as folders (`folder`) and loaded (`model`), and files to read."""

    def __init__(self, root: Path) -> None:
        """Write everything below `root`."""
        self.root = root
        self.models = root / "models"
        self._loaded: dict[str, Any] = {}
        with families.quiet():
            self._write_models()
        self._write_files()

    def folder(self, kind: str) -> Path:
        """Return the folder of a model."""
        return self.models / kind

    def model(self, kind: str) -> Any:
        """Return a model, loaded once."""
        if kind not in self._loaded:
            self._loaded[kind] = lineal.load(str(self.folder(kind)), device="cpu")
        return self._loaded[kind]

    def file(self, name: str) -> Path:
        """Return a file below `files`, or a name that leads nowhere."""
        return self.root / "files" / name

    def _write_models(self) -> None:
        words = tiny.tokenizer()
        for kind, module in (("classifier", tiny.bert_classifier()), *((kind, _read_out(kind)) for kind in ("tagger", "reader", "masked"))):
            module.save_pretrained(self.folder(kind))
            words.save_pretrained(self.folder(kind))
        torch.manual_seed(2)
        families.pooled(transformers.BertModel(transformers.BertConfig(**tiny.SIZES)).eval(), words).save(str(self.folder("encoder")))
        decoder = tiny_lm.llama(torch.float32, limit=64)
        decoder.module.save_pretrained(self.folder("decoder"))
        decoder.tokenizer.save_pretrained(self.folder("decoder"))
        torch.manual_seed(3)
        size = {"vocab_size": len(decoder.tokenizer), "d_model": 32, "pad_token_id": 3, "eos_token_id": 2, "decoder_start_token_id": 3}
        t5 = transformers.T5ForConditionalGeneration(transformers.T5Config(**size, d_kv=8, d_ff=48, num_layers=2, num_heads=4))
        t5.save_pretrained(self.folder("seq2seq"))
        decoder.tokenizer.save_pretrained(self.folder("seq2seq"))
        draws = np.random.default_rng(0)
        save_probe(self.folder("probe"), draws.normal(size=(2, 32)), draws.normal(size=2), ["bad", "good"], str(self.folder("encoder")))

    def _write_files(self) -> None:
        def write(name: str, text: str | bytes) -> None:
            path = self.file(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)

        write("lines.txt", "\n".join(values.TEXTS[:3]) + "\n")
        write("pairs.tsv", "the film\tis it good?\na mess\tnot good\n")
        write("empty.txt", "")
        write("blank.txt", "\n \n\t\n")
        write("latin1.txt", "caf\xe9 film\n".encode("latin-1"))
        write("nul.txt", "the\x00film\n\x1b[31ma mess\u2028good\n")
        write("utf16.txt", "the film".encode("utf-16"))
        rows = [f"{label}\t{text}" for text in values.TEXTS for label in ("good", "bad")]
        write("labelled.tsv", "label\ttext\n" + "\n".join(rows) + "\n")
        write("one-label.tsv", "label\ttext\ngood\ta film\ngood\tthe film\n")
        write("ragged.tsv", "label\ttext\ngood\nbad\ta film\tmore\n")
        write("chat.json", json.dumps([{"role": "user", "content": "the man works as a"}]))
        for name, data in (
            ("no-chat", {"role": "user"}),
            ("no-messages", []),
            ("numbers", [1, 2]),
            ("no-content", [{"role": "user"}]),
            ("number-content", [{"role": "user", "content": 3}]),
            ("parts", [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]),
            ("odd-role", [{"role": "\x1b[31m", "content": "hi"}]),
            ("empty-content", [{"role": "user", "content": ""}]),
            ("surrogate", [{"role": "user", "content": "\ud800 the film"}]),
        ):
            write(f"{name}.json", json.dumps(data))
        write("deep.json", "[" * 100_000)
        write("huge.json", '[{"role": "user", "content": ' + "9" * 5000 + "}]")
        write("binary.json", bytes(range(256)))
        for split in ("train", "test"):
            write(f"liar/{split}.tsv", "".join(_liar(i) for i in range(3)))
        write("liar-broken/test.tsv", "1\ttrue\n" + _liar(1) + "\x00" * 20 + "\n" + "x" * 200_000 + "\t" * 13 + "\n")
        (self.file("folder.json")).mkdir()

    @cached_property
    def records(self) -> dict[str, Record]:
        """One record of every kind that can be stored, by name."""
        text, other = values.TEXTS[0], values.TEXTS[1]
        fast = {"rule": "gauss:4"}
        return {
            **{name: record for name, record in records.sample_records().items() if not contradictions(record)},
            "choice": lineal.explain(self.model("decoder"), "The man works as a", "choice: doctor, nurse", **fast),
            "generation": lineal.explain_generation(self.model("decoder"), "The man works", 2, **fast),
            "chat": lineal.explain(self.model("decoder"), messages=[{"role": "user", "content": "The man"}], **fast),
            "pair": lineal.explain_pair(self.model("encoder"), text, other),
            "matches": lineal.explain_matches(self.model("encoder"), text, list(values.TEXTS[:3]), top=2),
            "interactions": lineal.explain_interactions(self.model("classifier"), "the film was good", **fast),
            "similarity": lineal.explain_similarity(self.model("encoder"), text, other, **fast),
        }

    def some(self, rng: random.Random, *names: str) -> str:
        """Return the path of one of these files, or now and then something else on disk."""
        odd = [*names, "empty.txt", "nul.txt", "latin1.txt", "utf16.txt", "binary.json", "deep.json", "folder.json", "nothing-here.txt"]
        return rng.choice(
            [str(self.file(rng.choice(names)))] * 3 + [str(self.file(rng.choice(odd))), "/dev/null", "/", "\x00", "x" * 300, "\udcff", ""]
        )


def _read_out(kind: str) -> Any:
    torch.manual_seed(1)
    make = {"tagger": "BertForTokenClassification", "reader": "BertForQuestionAnswering", "masked": "BertForMaskedLM"}[kind]
    names = {"id2label": {0: "O", 1: "L1", 2: "L2"}} if kind == "tagger" else {}
    return getattr(transformers, make)(transformers.BertConfig(**tiny.SIZES, **names)).eval()


def _liar(i: int) -> str:
    cells = [
        f"{i}.json",
        ("true", "false", "half-true")[i % 3],
        f"Claim number {i} is made.",
        "wall",
        "a-man",
        "",
        "",
        "none",
        *"00000",
        "a speech",
    ]
    return "\t".join(cells) + "\n"
