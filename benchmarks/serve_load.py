"""How `lineal serve` holds up: seconds to the first answer, then visitors who ask for a while, with a tiny model on this machine.

    python benchmarks/serve_load.py --visitors 20 --seconds 120

Each visitor asks a question of a fresh text, waits for the record, and asks again. Printed: requests, errors by status, median and slowest
answer, and the server's resident memory before and after. --model NAME measures the first answer of a real model instead: the command
is started twice, cold as the disk's cache allows and warm.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import httpx

PORT, TOKEN = 8791, "token-of-the-benchmark"
WORDS = ["a", "an", "the", "film", "was", "very", "good", "bad", "but", "ending", "of", "it", "is", "not", "time", "man", "works", "as"]


def tiny_model(folder: Path) -> Path:
    """Write a two-layer classifier over a few words."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "initializer_range": 0.3}
    config = transformers.BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, **names).save_pretrained(folder)
    return folder


def started(model: str) -> subprocess.Popen[bytes]:
    """Start the command and wait until it answers at all."""
    server = subprocess.Popen([sys.executable, "-m", "lineal", "serve", model, "--port", str(PORT), "--token", TOKEN])
    for _ in range(600):
        try:
            httpx.get(f"http://127.0.0.1:{PORT}/")
            return server
        except httpx.HTTPError:
            time.sleep(0.05)
    raise SystemExit("the server does not answer")


def body(model: str, text: str) -> dict[str, object]:
    return {"model": model, "question": "label", "fields": {"text": text}}


def memory(process: int) -> float:
    """Return resident MiB (Linux)."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def visit(client: httpx.AsyncClient, model: str, ends: float, found: list[tuple[int, float]], seed: int) -> None:
    words = random.Random(seed)
    while time.monotonic() < ends:
        begun = time.monotonic()
        try:
            said = await client.post("/api/explain", json=body(model, " ".join(words.choices(WORDS, k=words.randint(4, 20)))))
            found.append((said.status_code, time.monotonic() - begun))
        except httpx.HTTPError:
            found.append((0, time.monotonic() - begun))


async def load(model: str, process: int, visitors: int, seconds: float) -> None:
    found: list[tuple[int, float]] = []
    limits = httpx.Limits(max_connections=visitors)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=60, limits=limits) as client:
        await client.post("/api/explain", json=body(model, "the film was good"))
        before = memory(process)
        ends = time.monotonic() + seconds
        await asyncio.gather(*(visit(client, model, ends, found, seed) for seed in range(visitors)))
        after = memory(process)
    times = [spent for status, spent in found if status == 200]
    print(f"{visitors} visitors, {seconds:g} s: {len(found)} requests, by status {dict(Counter(status for status, _ in found))}")
    print(f"median {median(times):.3f} s, slowest {max(times):.3f} s; resident memory {before:.0f} MiB before, {after:.0f} MiB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--model")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = asked.model or str(tiny_model(Path(folder)))
        for what in ("first start", "second start"):
            begun = time.monotonic()
            server = started(model)
            try:
                up = time.monotonic() - begun
                said = httpx.post(
                    f"http://127.0.0.1:{PORT}/api/explain",
                    json=body(model, "the film was good"),
                    headers={"authorization": f"Bearer {TOKEN}"},
                    timeout=120,
                )
                said.raise_for_status()
                print(f"{what}: {up:.1f} s until it answers, {time.monotonic() - begun:.1f} s until the first record")
                if what == "second start" and not asked.model:
                    asyncio.run(load(model, server.pid, asked.visitors, asked.seconds))
            finally:
                server.terminate()
                server.wait(30)


if __name__ == "__main__":
    main()
