#!/usr/bin/env python3
"""Ratios of Ingot's tokenizers to PyPI's `tokenizers`, one thread each, in one run.

1 MB of English and 1 MB of Chinese (the manual pages of Debian's manpages and manpages-zh), cut
into lines of some 4 KB, through the vocabularies in build/published. Both sides get the same
vocabulary, and their ids must be equal; rounds alternate, the best of each side counts.

    build/venv/bin/python bench/peers/hf_tokenizers.py [--tool build/dev/tests/text_tool]
        [--rounds 5] [--output bench/results/NAME.json]
"""

import argparse
import gzip
import glob
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "text"))

import tokenizers  # noqa: E402
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers  # noqa: E402

import published  # noqa: E402
import published_parity  # noqa: E402

SIZE = 1 << 20
CHUNK = 4096


def manual_pages(pattern):
    """1 MB of pages without the commands of their markup."""
    text = ""
    for path in sorted(glob.glob(pattern)):
        with gzip.open(path, "rt", encoding="utf-8", errors="ignore") as file:
            lines = [line for line in file if not line.startswith((".", "'"))]
        text += re.sub(r"\\f[A-Z]|\\", "", "".join(lines))
        if len(text.encode()) > SIZE:
            break
    data = text.encode()[:SIZE]
    if len(data) < SIZE:
        sys.exit(f"{pattern}: {len(data)} bytes; install manpages and manpages-zh")
    text, chunks = data.decode(errors="ignore"), []
    while text:
        end = text.find("\n", CHUNK) + 1 or len(text)
        chunks.append(text[:end])
        text = text[end:]
    return chunks


def llama2(meta):
    """SentencePiece's vocabulary as it is converted: its merges are the splits of its tokens."""
    tokens = [t.decode() for t in meta["tokenizer.ggml.tokens"]]
    scores, types = meta["tokenizer.ggml.scores"], meta["tokenizer.ggml.token_type"]
    vocab = {t: i for i, t in enumerate(tokens)}
    ranked = sorted((-scores[i], i) for i, t in enumerate(tokens) if types[i] == 1)
    merges = [(t[:k], t[k:]) for _, i in ranked for t in [tokens[i]] for k in range(1, len(t))
              if t[:k] in vocab and t[k:] in vocab]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True,
                                                byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.ByteFallback()
    return tokenizer


def unigram(meta):
    tokens = [t.decode() for t in meta["tokenizer.ggml.tokens"]]
    scores = meta["tokenizer.ggml.scores"]
    tokenizer = Tokenizer(models.Unigram(list(zip(tokens, scores, strict=True)),
                                         meta["tokenizer.ggml.unknown_token_id"], False))
    charsmap = bytes(b & 255 for b in meta["tokenizer.ggml.precompiled_charsmap"])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return tokenizer


def peers():
    paths = published.vocabularies()
    for name in ("gpt-2", "llama-bpe", "qwen2", "starcoder"):
        meta = published.gguf_metadata(paths[name])
        yield name, published_parity.byte_level(meta, *published_parity.SPLITS[name],
                                                whole_words=name == "llama-bpe")
    yield "llama-spm", llama2(published.gguf_metadata(paths["llama-spm"]))
    yield "bert-bge", published_parity.word_piece(published.gguf_metadata(paths["bert-bge"]))
    yield "nomic-bert-moe", unigram(
        published.gguf_metadata(paths["nomic-bert-moe"]))


class Ours:
    """text_tool, which tells how long an encoding took."""

    def __init__(self, tool, path):
        self.process = subprocess.Popen([tool, "time", path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def encode(self, lines):
        self.process.stdin.write(json.dumps(lines) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["ids"], answer["seconds"]


def measure(ours, tokenizer, lines, rounds):
    best = [1e9, 1e9]
    for _ in range(rounds):
        have, seconds = ours.encode(lines)
        best[0] = min(best[0], seconds)
        begin = time.perf_counter()
        want = tokenizer.encode_batch_fast(lines, add_special_tokens=False)  # without offsets
        best[1] = min(best[1], time.perf_counter() - begin)
        if have != [w.ids for w in want]:
            sys.exit("the ids differ")
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", default=os.path.join(ROOT, "build", "dev", "tests", "text_tool"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output")
    args = parser.parse_args()
    os.chdir(ROOT)
    texts = {"english": manual_pages("/usr/share/man/man7/*.gz"),
             "chinese": manual_pages("/usr/share/man/zh_CN/man*/*.gz")}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, tokenizer in peers():
            path = os.path.join(folder, name + ".json")
            tokenizer.save(path)
            ours = Ours(args.tool, path)
            for language, lines in texts.items():
                mine, theirs = measure(ours, tokenizer, lines, args.rounds)
                rows.append({"vocabulary": name, "text": language, "ingot_mb_s": round(1 / mine, 2),
                             "tokenizers_mb_s": round(1 / theirs, 2),
                             "ratio": round(theirs / mine, 2)})
                print(json.dumps(rows[-1]), flush=True)
    result = {"date": time.strftime("%Y-%m-%d"), "peer": f"tokenizers {tokenizers.__version__}",
              "rounds": args.rounds, "machine": platform.platform(), "rows": rows,
              "slowest_ratio": min(row["ratio"] for row in rows)}
    print(json.dumps({"slowest_ratio": result["slowest_ratio"]}))
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
