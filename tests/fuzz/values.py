"""What people type and what nobody should: values for every option of the command line and for every argument of the Python verbs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

TEXTS = (
    "the tepid movie was a glorious mess.",
    "not good, not bad",
    "the man works as a",
    "a",
    "is it good?",
    "the film was very good. but the ending was a mess! which time is it?",
)
UGLY_TEXTS = (
    "",
    " ",
    "\n",
    "\t\t",
    "\ufeff",
    "\u200b",
    "²",
    "\x00",
    "the\x00film",
    "-1",
    "--",
    "-",
    "\udcff\udcfe",
    "the \ud83d film",
    "the \U0001f468\u200d\U0001f469\u200d\U0001f467 film",
    "\u202eelif eht\u202c",
    "הסרט היה נפלא",
    "未拆封的商品可在三十天内退货。",
    "\x1b[31mred\x1b[0m \x9b31m",
    "</script><b>{{ 7*7 }} [bold]x[/bold]",
    "[CLS] the film [SEP] [MASK]",
    "e\u0301\u0301\u0301" * 40,
    "the film " * 200,
    "good" * 5000,
)
WORDS = (
    "²",
    "٣",
    "",
    " ",
    "1e3",
    "nan",
    "inf",
    "-inf",
    "-0",
    "0",
    "-1",
    "1",
    "3",
    "2.5",
    "None",
    "true",
    "10" * 40,
    "1" + "0" * 5000,
    "0x10",
    "1_000",
)
SPELLED = (
    "self", "label", "labels", "label:L1", "label:1", "label:²", "label:99", "label:-1", "label:L9", "labels:L0,L2", "labels:",
    "labels:,", "labels:0,0", "similar:the good film", "similar:", "similar:\x00", "query:the film", "document:the film", "query:",
    "next", "next:1", "next:²", "next:999999", "next:-1", "next:", "next:" + "9" * 5000, 'token:" the"', "token:5", "token:999999",
    "token:", 'token:""', "token:²", 'token:" zyx unknown"', 'contrast:" the"~" a"', "contrast:", "contrast:~", "contrast:5~5",
    "contrast:1~", "choice:A,B", "choice:A,B,C=B", "choice:A", "choice:,", "choice:A,A", 'choice:" yes"," no"', "choice:\"",
    "choice:A,B\r,C", "choice:A\x00,B", "choices:A,B,C", 'continuation:" a doctor"', "continuation:", "word:film", "word:",
    "word:film=1", "word:film=²", "word:zzz", "entities", "entities:x", "answer", "answer:start", "answer:both", "answer:banana",
    "zero-shot:good", "zero-shot:", "fill", "fill:film", "fill:²", "fill:99999", "self:x", "labl", ":", "::", "=", "\udcff",
    "label:\udcff", "label:\x1b[31m", "\x00", "",
)  # fmt: skip
BASELINES = (
    "mask", "pad", "unk", "eos", "bos", "mean", "zero", "mask,pad", "mask,mask", "mask,", ",", "text:the film", "text:", "text:\x00",
    "text:\udcff", "text: ", "word:film", "word:", 'word:" "', "word:²", "word:zyx zyx", "random:2", "random:0", "random:²", "random:-1",
    "random:" + "9" * 30, "random:1000000000", "random:" + "9" * 5000, "nil", "", "\x1b[31m",
    "alternatives:2", "alternatives:2:class", "alternatives:²",
    "counterfactual:the film", "counterfactual:", "counterfactual:\udcff",
    "counterfactual[by=letters]:the film", "counterfactual[alignment=[[1,1]]]:the film", "counterfactual[alignment=[[99,²]]]:the film",
)  # fmt: skip
METHODS = (
    "ig", "dig-greedy", "dig-maxcount", "dig-greedy:steps=4", "dig-blog", "expected-gradients", "expected-gradients:samples=2",
    "smoothgrad-ig:samples=3", "sequential-ig", "gradient-x-input", "saliency", "occlusion", "occlusion-delete", "occlusion-attention",
    "random", "random:seed=-1", "random:seed=" + "9" * 30, "smoothgrad-ig:noise=nan", "smoothgrad-ig:noise=-1",
    "smoothgrad-ig:samples=0", "smoothgrad-ig:samples=²", "dig-greedy:steps=-1", "dig-greedy:steps=0", "dig-greedy:steps=1e9",
    "dig-greedy:neighbours=0", "dig-greedy:neighbours=999999", "dig-greedy:steps=²", "dig-greedy:steps=4:steps=5", "dig-greedy:",
    "dig-blog:factor=-3", "dig-blog:factor=999999999", "expected-gradients:seed=" + "9" * 30, "ig:", "ig:steps=3", "", "nope",
    "random:seed=1=2", "smoothgrad-ig:noise=1e308", "smoothgrad-ig:noise=inf", "expected-gradients:samples=99999999999",
)  # fmt: skip
RULES = (
    "adaptive", "nested", "gauss:8", "gauss:0", "gauss:1", "gauss:-1", "gauss:²", "gauss:2000", "gauss:100000", "gauss:" + "9" * 30,
    "gauss:" + "9" * 5000, "left:50", "left:0", "left", "right", "trapezoid", "trapezoid:1", "trapezoid:2", "simpson:4", "midpoint:3",
    "clenshaw:9", "kronrod:15", "gauss", "gauss:", "gaus:3", "left:99999999999", "trapezoid:1000000000000", ":", "", "\udcff",
    "adaptive:5",
)  # fmt: skip
DEVICES = (
    "cpu",
    "cuda",
    "cuda:1",
    "cuda:99",
    "mps",
    "meta",
    "cpu:7",
    "tpu",
    "xla",
    "",
    " ",
    "²",
    "\x00",
    "\udcff",
    "cuda:-1",
    "auto",
    "hpu",
    "privateuseone",
)
DTYPES = (
    "float32",
    "float64",
    "bfloat16",
    "float16",
    "float33",
    "int8",
    "float",
    "Tensor",
    "",
    "\x00",
    "\udcff",
    "float8_e4m3fn",
    "complex64",
    "__doc__",
    "nn",
    "bool",
)
SELECTIONS = (
    "film",
    "the|a",
    ".",
    ".*",
    "",
    "(",
    "[",
    "*",
    "(?P<",
    "\\",
    "a{99999999}",
    "zebra",
    "question",
    "user",
    "^$",
    "\x00",
    "\udcff",
    "(a+)+$",
    "²",
)
POOLS: dict[str, Sequence[str]] = {
    "target": SPELLED,
    "unit": ("logit", "log_odds", "log_prob", "prob", "cosine", "dot", "", "banana", "²", "\udcff", "LOGIT"),
    "baseline": BASELINES,
    "baselines": (*BASELINES, "mask,zero", "mask,text:a,b"),
    "method": METHODS,
    "methods": (*METHODS, "ig,random", "ig,ig", ",,", "ig,saliency,nope"),
    "metrics": (
        "comprehensiveness",
        "sufficiency",
        "comprehensiveness,sufficiency",
        "",
        ",",
        "nope",
        "log_odds",
        "aopc",
        "²",
        "\udcff",
        "stability",
        "soft",
    ),
    "removals": (
        "delete",
        "attention",
        "replace:mask",
        "replace:",
        "replace:nil",
        "",
        ",",
        "nope",
        "delete,attention",
        "replace:random:2",
        "replace:text:a",
    ),
    "rule": RULES,
    "tol": ("0.01", "0.05", "0", "1", "-1", "nan", "inf", "1e-300", "0.5", "7", "²", "", "1e-12", "0,01"),
    "max_evaluations": ("16", "64", "0", "-5", "15", "9" * 30, "1e3", "²", "", "3.5"),
    "attribute": SELECTIONS,
    "hold": SELECTIONS,
    "anchor": ("first", "bos", "none", "None", "", "second", "\udcff"),
    "layer": (
        "embeddings",
        "0",
        "-1",
        "1",
        "99",
        "-99",
        "1.5",
        "²",
        "٣",
        "--1",
        "",
        "bert",
        "bert.encoder.layer.1",
        "model.layers.0",
        "lm_head",
        "nope",
        "-",
        "9" * 30,
        "\udcff",
        "9" * 5000,
    ),
    "device": DEVICES,
    "dtype": DTYPES,
    "device_map": ("auto", "cpu", "balanced", "sequential", "nope", "", "cuda", "disk", "²"),
    "by": ("token", "word", "sentence", "region", "span", "banana", ""),
    "similarity": ("cosine", "dot", "banana", ""),
    "decomposition": ("projected", "four", "banana", None),
    "mode": ("auto", "forward", "reverse", "central", "mixed", "banana"),
    "top": ("1", "2", "0", "-1", "99999", "²", "9" * 30),
    "max_new_tokens": ("1", "2", "0", "-1", "100000", "9" * 30, "²", "255"),
    "generate": ("1", "2", "0", "-1", "100000", "9" * 30, "²"),
    "continuation": (" a doctor", "", " ", "\x00", "²", "\udcff", " the" * 400),
    "prompt": ("the", "query: ", "", "\x00", "\udcff", "the film " * 60),
    "prompt_name": ("query", "nope", "", "\udcff"),
    "route": ("query", "document", "nope", ""),
    "split": ("train", "valid", "test", "nope", "", "../x", "\x00"),
    "pick": ("choice", "gold", "true", "half-true", "nope", ""),
    "shots": ("0", "1", "2", "-1", "99", "9" * 30),
    "limit": ("1", "2", "0", "-1", "9" * 30),
    "skip": ("0", "1", "-1", "99", "9" * 30),
    "column": ("1", "2", "0", "-1", "99", "9" * 30),
    "seed": ("0", "1", "-1", "9" * 30),
}
"""Values by the name of an option. Options that are not here get any text."""


def sentence(rng: random.Random, ugly: float = 0.3) -> str:
    """Return a text; one in `ugly` is none that anybody would write, one in sixty has ten million characters."""
    if rng.random() >= ugly:
        return rng.choice(TEXTS)
    return "the film " * 1_111_111 if rng.random() < 0.05 else rng.choice(UGLY_TEXTS)


def spelled(rng: random.Random, name: str) -> str:
    """Return a value for an option of the command line."""
    pool = POOLS.get(name)
    if pool is None or rng.random() < 0.08:
        return rng.choice((*UGLY_TEXTS[:-1], *WORDS))
    return rng.choice(pool)


class Odd:
    """An object of nobody's, whose text is hostile."""

    def __repr__(self) -> str:
        """Return an escape sequence."""
        return "<odd \x1b[31m>"


def _anything() -> list[Callable[[], Any]]:
    return [
        lambda: None,
        lambda: True,
        lambda: False,
        lambda: 0,
        lambda: 1,
        lambda: -1,
        lambda: 10**400,
        lambda: 0.5,
        lambda: 1.5,
        lambda: float("nan"),
        lambda: float("inf"),
        lambda: 1e308,
        lambda: 1j,
        lambda: "",
        lambda: "²",
        lambda: "\x00",
        lambda: "\udcff",
        lambda: "0.01",
        lambda: b"bytes",
        list,
        dict,
        set,
        tuple,
        lambda: ["the film"],
        lambda: ("the film", "a mess"),
        lambda: ("a", "b", "c"),
        lambda: {"text": "the film", "label": 1},
        lambda: [[1, 2], [3]],
        lambda: (0, 3),
        lambda: (3, 0),
        lambda: [(0, 99999)],
        lambda: [10**30],
        lambda: np.zeros(3),
        lambda: np.zeros((2, 32)),
        lambda: np.float64("nan"),
        lambda: np.int64(3),
        lambda: np.array("text"),
        lambda: torch.zeros(32),
        lambda: torch.zeros(2, 5),
        lambda: torch.tensor(float("nan")),
        lambda: torch.full((32,), float("inf")),
        lambda: torch.zeros(32, dtype=torch.int64),
        Odd,
        lambda: Odd,
        lambda: len,
        lambda: Path("/"),
        lambda: iter(["the film"]),
        lambda: range(3),
    ]


ANYTHING = _anything()
"""Makers of values of every type; each call makes a fresh one."""
