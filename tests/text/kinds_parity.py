#!/usr/bin/env python3
"""Token ids of Unigram, WordPiece, WordLevel, SentencePiece and tiktoken vocabularies, and what
every normalizer, pre-tokenizer and decoder of tokenizer.json does, equal those of the PyPI packages
`tokenizers`, `sentencepiece` and `tiktoken`.

The vocabularies are trained on the spot, over generated text in more than twenty scripts.

usage: kinds_parity.py --tool build/dev/tests/text_tool [--texts 300] [--seed 1] [--only NAME]
"""

import argparse
import base64
import importlib.util
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import unicodedata

import sentencepiece
import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

import parity
from sentencepiece_added import check_added, check_chatglm

# First and last letter of twenty-six scripts.
SCRIPTS = {
    "latin": ("a", "z"), "latin-ext": ("\u00e0", "\u017e"), "greek": ("\u03b1", "\u03c9"),
    "cyrillic": ("\u0430", "\u044f"), "armenian": ("\u0561", "\u0586"),
    "hebrew": ("\u05d0", "\u05ea"), "arabic": ("\u0621", "\u064a"),
    "devanagari": ("\u0905", "\u0939"), "bengali": ("\u0985", "\u09b9"),
    "gurmukhi": ("\u0a05", "\u0a39"), "gujarati": ("\u0a85", "\u0ab9"),
    "tamil": ("\u0b85", "\u0bb9"), "telugu": ("\u0c05", "\u0c39"),
    "kannada": ("\u0c85", "\u0cb9"), "malayalam": ("\u0d05", "\u0d39"),
    "sinhala": ("\u0d85", "\u0dc6"), "thai": ("\u0e01", "\u0e2e"), "lao": ("\u0e81", "\u0eae"),
    "tibetan": ("\u0f40", "\u0f69"), "burmese": ("\u1000", "\u1021"),
    "georgian": ("\u10d0", "\u10f0"), "ethiopic": ("\u1200", "\u1248"),
    "khmer": ("\u1780", "\u17a2"), "mongolian": ("\u1820", "\u1842"),
    "hiragana": ("\u3041", "\u3093"), "katakana": ("\u30a1", "\u30f3"),
    "han": ("\u4e00", "\u4e80"), "hangul": ("\uac00", "\uac80"), "cherokee": ("\u13a0", "\u13f4"),
}
MARKS = ["\u0301", "\u0308", "\u093e", "\u094d", "\u0e31", "\u064b", "\u05b0", "\u3099", "\u200d"]
WIDE = ["\uff21", "\uff42", "\uff13", "\uff01", "\u3000", "\ufb01", "\u2460", "\u00bd", "\u33a1",
        "\u2122", "\u0130", "\u1e9e", "\u03c2", "\u212b", "\uac01", "\u1100\u1161\u11a8", "\u00ad",
        "\u2126", "\u2028", "\u200b", "\u00a0", "\ufeff", "\ufffd", "\u2581", "\u30fc"]
LIGHT = ["don't", "##ing", "un", "able", ".", ",", "!", "?", "'", '"', "-", "[CLS]", "[SEP]",
         "[MASK]", "</w>", "do not", "n't", " . ", " ' "]


def letters(script, rng, count):
    first, last = (ord(c) for c in SCRIPTS[script])
    usable = [c for c in map(chr, range(first, last + 1)) if unicodedata.category(c) != "Cn"]
    return "".join(rng.choice(usable) for _ in range(count))


def corpus(seed):
    """Sentences of words that come again, so that training finds pieces."""
    rng = random.Random(seed)
    lines = []
    for script in SCRIPTS:
        words = [letters(script, rng, rng.randint(1, 6)) for _ in range(30)]
        for _ in range(12):
            lines.append(" ".join(rng.choice(words) for _ in range(rng.randint(3, 12))) + ".")
    return parity.CORPUS + lines


def texts(count, seed):
    rng = random.Random(seed)
    pieces = parity.PIECES + WIDE + LIGHT + MARKS
    out = parity.texts(count // 3, seed) + corpus(1)[-60:]
    while len(out) < count:
        kind = rng.randint(0, 3)
        length = rng.randint(1, 20)
        if kind == 0:  # any code points
            points = [rng.choice((rng.randint(0, 0x2ff), rng.randint(0, 0xd7ff),
                                  rng.randint(0xe000, 0x10ffff))) for _ in range(length)]
            out.append("".join(chr(p) for p in points if is_known(p)) or "a")
        elif kind == 1:  # random bytes
            out.append(rng.randbytes(length).decode("utf-8", "replace"))
        elif kind == 2:
            out.append("".join(letters(rng.choice(list(SCRIPTS)), rng, rng.randint(1, 5))
                               + rng.choice(MARKS + [" ", " ", "  "]) for _ in range(length)))
        else:
            out.append("".join(rng.choice(pieces) for _ in range(length)))
    return out


def is_known(point):
    """Assigned in the Unicode version of this Python (14 for 3.11), which ours and the oracles' are
    not older than; of newer characters each has its own idea."""
    return unicodedata.category(chr(point)) not in ("Cn", "Cs")


def all_characters():
    """Every character, some to a line, a space around each."""
    points = [p for p in range(0x110000) if is_known(p) and not 0xf0100 <= p < 0x10fff0]
    return [" ".join(map(chr, points[i:i + 512])) for i in range(0, len(points), 512)]


class Report:
    def __init__(self, tool, only):
        self.tool, self.only, self.cases, self.failed = tool, only, 0, []
        self.folder = tempfile.mkdtemp(prefix="ingot-kinds-")

    def wants(self, name):
        return not self.only or self.only in name

    def path(self, name, data):
        folder = os.path.join(self.folder, name.replace("/", "-"))
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, data[0])
        with open(path, "wb") as file:
            file.write(data[1])
        return path

    def compare(self, name, path, samples, want, *flags):
        """Our ids of `samples` against want(text)."""
        ours = parity.run_tool(self.tool, "tokenize", path, samples, *flags)
        wrong = 0
        for text, answer in zip(samples, ours, strict=True):
            expected = want(text)
            if answer.get("ids") == expected:
                continue
            wrong += 1
            if wrong <= 3:
                at = next((i for i, (a, b) in enumerate(zip(expected, answer.get("ids", [])))
                           if a != b), 0)
                print(f"{name}: {text[:300]!r}\n  at {at}\n  want {expected[:60]}\n"
                      f"  have {str(answer)[:400]}")
        self.end(name, len(samples), wrong)

    def compare_text(self, name, path, ids, want):
        """Our text of lists of ids against want(ids); the streamed text is the same."""
        ours = parity.run_tool(self.tool, "detokenize", path, [{"ids": i} for i in ids])
        wrong = 0
        for i, answer in zip(ids, ours, strict=True):
            expected = want(i)
            ok = answer.get("text") == answer.get("streamed")
            # The rules for ill-formed bytes are others there.
            if ok and ("\ufffd" in expected or answer.get("text") == expected):
                continue
            wrong += 1
            if wrong <= 3:
                print(f"{name}: {i}\n  want {expected!r}\n  have {answer}")
        self.end(name, len(ids), wrong)

    def end(self, name, count, wrong):
        print(f"{name}: {count} texts, {wrong} differ", flush=True)
        self.cases += 1
        if wrong:
            self.failed.append(name)


def check_hf(report, name, tokenizer, samples, special=True, decode=True):
    if not report.wants(name):
        return
    path = report.path(name, ("tokenizer.json", tokenizer.to_str().encode()))
    for flags in ([], ["--special"])[:2 if special else 1]:
        report.compare(name + "".join(flags), path, samples,
                       lambda t, f=flags: tokenizer.encode(t, add_special_tokens=bool(f)).ids,
                       *flags)
    if decode:
        ids = [tokenizer.encode(t, add_special_tokens=False).ids for t in samples]
        report.compare_text(name + "/text", path, ids, tokenizer.decode)


# --- tokenizer.json -------------------------------------------------------------------------------

def train_unigram(byte_fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    special += [f"<0x{b:02X}>" for b in range(256) if byte_fallback]
    trainer = trainers.UnigramTrainer(vocab_size=1600, unk_token="<unk>", special_tokens=special,
                                      show_progress=False)
    tokenizer.train_from_iterator(corpus(2), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return models.Unigram([tuple(v) for v in model["vocab"]], model["unk_id"], byte_fallback)


def unigram_variants(charsmap):
    meta = pre_tokenizers.Metaspace
    two = normalizers.Replace(Regex(" {2,}"), " ")
    marks = normalizers.Replace(Regex(" {2,}"), "\u2581")
    model = train_unigram()
    precompiled = normalizers.Precompiled(charsmap)

    def make(normalizer, steps, decoder, model=model, added=()):
        tokenizer = Tokenizer(model)
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = steps
        tokenizer.decoder = decoder
        tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
        tokenizer.add_tokens(list(added))
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", 1)])
        return tokenizer

    yield "unigram/t5", make(normalizers.Sequence([precompiled, marks]), meta(),
                             decoders.Metaspace())
    yield "unigram/xlm-r", make(
        normalizers.Sequence([precompiled, two]),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), meta()]), decoders.Metaspace())
    yield "unigram/albert", make(
        normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'),
                              normalizers.NFKD(), normalizers.StripAccents(),
                              normalizers.Lowercase(), precompiled, two]),
        meta(), decoders.Metaspace())
    for scheme in ("first", "always", "never"):
        for cut in (True, False):
            yield f"unigram/metaspace-{scheme}-{cut}", make(
                None, meta(prepend_scheme=scheme, split=cut),
                decoders.Metaspace(prepend_scheme=scheme))
    yield "unigram/added", make(
        two, meta(), decoders.Metaspace(),
        added=[AddedToken("<mask>", lstrip=True, normalized=False), AddedToken("<tool>"),
               AddedToken("the", single_word=True), AddedToken("<", rstrip=True)])
    yield "unigram/bytes", make(
        None, meta(split=False),
        decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(),
                           decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        model=train_unigram(True))
    yield "unigram/scripts", make(
        None, pre_tokenizers.Sequence([pre_tokenizers.UnicodeScripts(), meta()]),
        decoders.Metaspace())


def train_wordpiece(prefix="##"):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=1800, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        continuing_subword_prefix=prefix, show_progress=False)
    tokenizer.train_from_iterator(corpus(3), trainer)
    return json.loads(tokenizer.to_str())["model"]["vocab"]


def wordpiece_variants(vocab):
    def make(normalizer, post=None, prefix="##", vocab=vocab, most=100, cleanup=True):
        tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]",
                                               continuing_subword_prefix=prefix,
                                               max_input_chars_per_word=most))
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece(prefix=prefix, cleanup=cleanup)
        tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        cls, sep = ("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])
        tokenizer.post_processor = post or processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[cls, sep])
        return tokenizer

    cls, sep = ("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])
    bert = normalizers.BertNormalizer
    yield "wordpiece/uncased", make(bert())
    yield "wordpiece/cased", make(bert(lowercase=False), processors.BertProcessing(sep, cls))
    yield "wordpiece/accents", make(bert(strip_accents=False),
                                    processors.RobertaProcessing(sep, cls), cleanup=False)
    yield "wordpiece/plain", make(bert(clean_text=False, handle_chinese_chars=False))
    yield "wordpiece/short-words", make(None, most=3)
    other = train_wordpiece("@@")
    yield "wordpiece/other-prefix", make(bert(), prefix="@@", vocab=other)


def other_models():
    words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(corpus(4), trainers.WordLevelTrainer(
        vocab_size=400, special_tokens=["[UNK]"], show_progress=False))
    yield "wordlevel", words
    clip = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    clip.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    clip.pre_tokenizer = pre_tokenizers.Whitespace()
    clip.decoder = decoders.BPEDecoder()
    clip.train_from_iterator(corpus(5), trainers.BpeTrainer(
        vocab_size=1200, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False))
    yield "bpe/end-of-word", clip
    prefixed = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"))
    prefixed.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    prefixed.decoder = decoders.WordPiece()
    prefixed.train_from_iterator(corpus(5), trainers.BpeTrainer(
        vocab_size=1200, special_tokens=["<unk>"], continuing_subword_prefix="##",
        show_progress=False))
    yield "bpe/continuing-prefix", prefixed
    spelled = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<unk>"))
    spelled.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"), "removed", invert=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)])
    spelled.decoder = decoders.ByteLevel()
    spelled.train_from_iterator(corpus(6), trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    yield "bpe/clip", spelled
    byte_normalizer = Tokenizer(models.BPE())
    byte_normalizer.normalizer = normalizers.ByteLevel()
    byte_normalizer.decoder = decoders.ByteLevel()
    byte_normalizer.train_from_iterator(corpus(6)[:40], trainers.BpeTrainer(
        vocab_size=400, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    yield "bpe/byte-normalizer", byte_normalizer


def spell_bytes_with(normalizer=None, steps=()):
    """Ids are bytes, or where words end those of a word's last symbol: they show all that happens
    before the model."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(alphabet + [c + "</w>" for c in alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], end_of_word_suffix="</w>"))
    if normalizer:
        tokenizer.normalizer = normalizer
    spelling = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, spelling])
    return tokenizer


def component_variants(charsmap):
    n, p = normalizers, pre_tokenizers
    for normalizer in (n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(),
                       n.Nmt(), n.BertNormalizer(), n.Precompiled(charsmap), n.ByteLevel(),
                       n.Strip(), n.BertNormalizer(strip_accents=False, lowercase=False)):
        name = json.loads(spell_bytes_with(normalizer).to_str())["normalizer"]
        yield "normalizer/" + "-".join(str(v) for v in name.values())[:40], spell_bytes_with(
            normalizer)
    steps = [p.Whitespace(), p.WhitespaceSplit(), p.BertPreTokenizer(), p.UnicodeScripts(),
             p.Digits(individual_digits=True), p.Digits(individual_digits=False),
             p.CharDelimiterSplit("a"), p.Metaspace(prepend_scheme="first")]
    behaviors = ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous")
    steps += [p.Punctuation(behavior) for behavior in behaviors]
    for step in steps:
        row = json.loads(spell_bytes_with(None, [step]).to_str())["pre_tokenizer"]
        name = "-".join(str(v) for v in row["pretokenizers"][0].values())
        yield "pre-tokenizer/" + name, spell_bytes_with(None, [step])
    for behavior in behaviors:
        for invert in (False, True):
            yield f"pre-tokenizer/split-{behavior}-{invert}", spell_bytes_with(
                None, [p.Split(Regex(r"\s+|[\d,]"), behavior, invert),
                       p.Split("a", behavior, invert)])
    yield "pre-tokenizer/sequence", spell_bytes_with(
        n.Sequence([n.NFKD(), n.Sequence([n.StripAccents(), n.Prepend("x")])]),
        [p.Sequence([p.WhitespaceSplit(), p.Punctuation()]), p.Digits(),
         p.ByteLevel(add_prefix_space=True, use_regex=True)])
    for front in (n.Strip(), n.Nmt(), n.Replace(Regex("^[ a]+"), ""), n.StripAccents(),
                  n.Prepend("z")):
        yield f"pre-tokenizer/first-{type(front).__name__}", spell_bytes_with(
            front, [p.Metaspace(prepend_scheme="first")])


# --- SentencePiece --------------------------------------------------------------------------------

SPM = [
    ("unigram", {}),
    ("unigram-bytes", {"byte_fallback": True}),
    ("unigram-user", {"user_defined_symbols": ["<mask>", "hello", "  ", "\u4eba\u5de5", "ab"],
                      "control_symbols": ["<ctl>", "x"]}),
    ("unigram-identity", {"normalization_rule_name": "identity", "add_dummy_prefix": False,
                          "remove_extra_whitespaces": False}),
    ("unigram-suffix", {"treat_whitespace_as_suffix": True}),
    ("unigram-cf", {"normalization_rule_name": "nmt_nfkc_cf", "split_by_whitespace": False}),
    ("unigram-nfkc", {"normalization_rule_name": "nfkc", "split_digits": True}),
    ("bpe", {"model_type": "bpe"}),
    ("bpe-llama", {"model_type": "bpe", "byte_fallback": True, "split_digits": True,
                   "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
                   "allow_whitespace_only_pieces": True}),
    ("bpe-gemma", {"model_type": "bpe", "byte_fallback": True, "add_dummy_prefix": False,
                   "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
                   "user_defined_symbols": ["<start_of_turn>", "\n", "\n\n", "\u2581\u2581",
                                            "the"]}),
    ("bpe-suffix", {"model_type": "bpe", "treat_whitespace_as_suffix": True}),
    ("bpe-rare", {"model_type": "bpe", "character_coverage": 0.98, "byte_fallback": True}),
]


def train_spm(options, seed=7):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus(seed)), model_writer=out, vocab_size=3000,
        minloglevel=2, num_threads=1, hard_vocab_limit=False, **options)
    return out.getvalue()


def check_spm(report, name, data, samples):
    if not report.wants(name):
        return
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    path = report.path(name, ("tokenizer.model", data))
    samples = [t for t in samples if "\0" not in t]  # the package ends strings there
    report.compare(name, path, samples, processor.encode, "--plain")
    bos = [processor.bos_id()]
    report.compare(name + "--special", path, ["plain", "\u4eba 1"],
                   lambda t: bos + processor.encode(t), "--special")
    ids = [i for i in map(processor.encode, samples) if processor.unk_id() not in i]
    report.compare_text(name + "/text", path, ids, processor.decode)


def drop_characters(data):
    """A BPE model without the pieces of some characters that longer pieces hold."""
    from sentencepiece import sentencepiece_model_pb2
    model = sentencepiece_model_pb2.ModelProto.FromString(data)
    kept = [p for i, p in enumerate(model.pieces)
            if p.type != p.NORMAL or len(p.piece) > 1 or i % 3 != 0]
    del model.pieces[:]
    model.pieces.extend(kept)
    return model.SerializeToString()


# --- tiktoken -------------------------------------------------------------------------------------

def check_tiktoken(report, samples):
    model = parity.train_byte_level()
    back = {c: b for b, c in bytes_alphabet().items()}
    tokens = sorted(((i, bytes(back[c] for c in t)) for t, i in model["vocab"].items()
                     if all(c in back for c in t)))
    ranks = {token: rank for rank, (_, token) in enumerate(tokens)}
    data = "".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in ranks.items()).encode()
    n = len(ranks)
    qwen = {name: n + i for i, name in enumerate(
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<|extra_{i}|>" for i in range(205)])}
    for file, split, special in (("qwen.tiktoken", parity.QWEN2, qwen),
                                 ("tokenizer.model", parity.LLAMA3,
                                  {"<|begin_of_text|>": n, "<|eot_id|>": n + 9})):
        name = "tiktoken/" + file
        if not report.wants(name):
            continue
        oracle = tiktoken.Encoding(name, pat_str=split, mergeable_ranks=ranks,
                                   special_tokens=special)
        path = report.path(name, (file, data))
        more = samples + ["a<|im_end|>b<|extra_204|>", "<|eot_id|>x"]
        report.compare(name, path, more, lambda t, o=oracle: o.encode(t, allowed_special="all"))
        report.compare(name + "--plain", path, more,
                       lambda t, o=oracle: o.encode(t, disallowed_special=()), "--plain")
        report.compare_text(name + "/text", path, [oracle.encode_ordinary(t) for t in samples],
                            oracle.decode)


def data_of(package, *path):
    """A data file of an installed package, which is not imported."""
    folder = importlib.util.find_spec(package).submodule_search_locations[0]
    with open(os.path.join(folder, *path), "rb") as file:
        return file.read()


def check_published(report, samples):
    """Vocabularies that models were published with."""
    for version, file in (("v1", "tokenizer.model.v1"),
                          ("v3", "mistral_instruct_tokenizer_240323.model.v3")):
        if report.wants("published/mistral-" + version):
            data = data_of("mistral_common", "data", file)
            check_spm(report, "published/mistral-" + version, data, samples)
    if not report.wants("published/qwen"):
        return
    data = data_of("dashscope", "resources", "qwen.tiktoken")
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split,
                                                                      data.splitlines())}
    oracle = tiktoken.Encoding("qwen", pat_str=parity.QWEN2, mergeable_ranks=ranks,
                               special_tokens={})
    path = report.path("published/qwen", ("qwen.tiktoken", data))
    report.compare("published/qwen", path, samples, oracle.encode_ordinary, "--plain")
    report.compare_text("published/qwen/text", path, [oracle.encode_ordinary(t) for t in samples],
                        oracle.decode)


def bytes_alphabet():
    """GPT-2's alphabet: byte -> character."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in printable}
    others = [b for b in range(256) if b not in table]
    return {**table, **{b: chr(256 + i) for i, b in enumerate(others)}}


# --- vocab.txt and GGUF's copies ------------------------------------------------------------------

def check_vocab_txt(report, vocab, samples):
    if not report.wants("vocab.txt"):
        return
    oracle = next(t for name, t in wordpiece_variants(vocab) if name == "wordpiece/uncased")
    lines = sorted(vocab, key=vocab.get)
    data = "".join(line + "\n" for line in lines).encode()
    path = report.path("vocab.txt", ("vocab.txt", data))
    report.compare("vocab.txt", path, samples, lambda t: oracle.encode(t).ids, "--special")
    phantom = [t if t.startswith("[") and t.endswith("]") else t[2:] if t.startswith("##")
               else "\u2581" + t for t in lines]
    types = [3 if t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") else 1 for t in lines]
    dump = {"model": "bert", "pre": "default", "tokens": phantom, "types": types,
            "unk_id": vocab["[UNK]"], "cls_id": vocab["[CLS]"], "sep_id": vocab["[SEP]"]}
    path = report.path("vocab.txt/gguf", ("bert.vocab.json", json.dumps(dump).encode()))
    report.compare("vocab.txt/gguf", path, samples, lambda t: oracle.encode(t).ids, "--special")


def check_gguf_t5(report, data, samples):
    if not report.wants("gguf/t5"):
        return
    from sentencepiece import sentencepiece_model_pb2
    model = sentencepiece_model_pb2.ModelProto.FromString(data)
    dump = {"model": "t5", "pre": "default", "tokens": [p.piece for p in model.pieces],
            "scores": [p.score for p in model.pieces], "types": [p.type for p in model.pieces],
            "charsmap": list(model.normalizer_spec.precompiled_charsmap), "unk_id": 0, "eos_id": 2,
            "remove_extra_spaces": True}
    path = report.path("gguf/t5", ("t5.vocab.json", json.dumps(dump).encode()))
    oracle = sentencepiece.SentencePieceProcessor(model_proto=data)
    samples = [t for t in samples if "\0" not in t]
    report.compare("gguf/t5", path, samples, oracle.encode, "--plain")
    report.compare("gguf/t5--special", path, ["a b", "\u4eba"],
                   lambda t: oracle.encode(t) + [2], "--special")


# --- long runs ------------------------------------------------------------------------------------

LONG = ("sentencepiece-unigram", "sentencepiece-unigram-user", "sentencepiece-bpe-llama",
        "gguf-t5", "unigram-t5", "unigram-albert", "unigram-scripts", "wordpiece-uncased",
        "wordpiece-plain", "wordlevel", "bpe-end-of-word", "bpe-clip", "tiktoken-qwen.tiktoken",
        "vocab.txt")
RUNS = [" ", "\n", "a", "1", "!", "\u4eba", "\u0301", "\u2581", "\U0001f600", "\u00e9", "e\u0301",
        "##", "\ufb01", "\U0001f468\u200d"]


def check_long_runs(report, paths):
    """A MiB of one class, on a stack of 256 KiB, in bounded time."""
    if not report.wants("runs"):
        return
    lines = [unit * ((1 << 20) // len(unit.encode())) for unit in RUNS]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    slow = 0
    for path in paths:
        limit = lambda: resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, 256 << 10))
        try:
            done = subprocess.run([report.tool, "tokenize", path], input=text, check=False,
                                  capture_output=True, preexec_fn=limit, timeout=120)
        except subprocess.TimeoutExpired:
            print(f"{path}: more than 120 s for {len(RUNS)} MiB")
            slow += 1
            continue
        rows = done.stdout.decode().splitlines()
        if done.returncode != 0 or len(rows) != len(RUNS) or any('"error"' in r for r in rows):
            print(f"{path}: status {done.returncode}, {len(rows)} answers {done.stderr[:300]}")
            slow += 1
    report.end("runs", len(paths), slow)


def runs_of(count):
    return [unit * count for unit in RUNS]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    report = Report(args.tool, args.only)
    samples = texts(args.texts, args.seed) + runs_of(700)
    spm = {name: train_spm(options) for name, options in SPM
           if report.wants("sentencepiece/" + name) or name == "unigram"}
    from sentencepiece import sentencepiece_model_pb2
    charsmap = sentencepiece_model_pb2.ModelProto.FromString(
        spm["unigram"]).normalizer_spec.precompiled_charsmap
    for name, data in spm.items():
        check_spm(report, "sentencepiece/" + name, data, samples)
    for kind in ("unigram-bytes", "bpe-llama", "bpe-gemma"):
        if kind in spm:
            check_added(report, "sentencepiece/" + kind + "/added", spm[kind], samples)
    if "bpe-llama" in spm:
        check_chatglm(report, "sentencepiece/bpe-llama/chatglm", spm["bpe-llama"], samples)
        check_spm(report, "sentencepiece/bpe-holes", drop_characters(spm["bpe-llama"]), samples)
    vocab = train_wordpiece()  # not twice the same
    check_gguf_t5(report, spm["unigram"], samples)
    for name, tokenizer in unigram_variants(charsmap):
        check_hf(report, name, tokenizer, samples)
    for name, tokenizer in wordpiece_variants(vocab):
        check_hf(report, name, tokenizer, samples)
    for name, tokenizer in other_models():
        check_hf(report, name, tokenizer, samples)
    everything = samples + all_characters()
    for name, tokenizer in component_variants(charsmap):
        check_hf(report, name, tokenizer, everything, special=False, decode=False)
    check_tiktoken(report, samples)
    check_published(report, everything)
    check_vocab_txt(report, vocab, samples)
    paths = [os.path.join(folder, file) for folder, _, files in sorted(os.walk(report.folder))
             for file in files]
    check_long_runs(report, [p for p in paths if os.path.basename(os.path.dirname(p)) in LONG])
    shutil.rmtree(report.folder)
    print(f"{report.cases - len(report.failed)} of {report.cases} comparisons agree")
    for name in report.failed:
        print(f"differs: {name}")
    return 1 if report.failed or (not args.only and report.cases < 150) else 0


if __name__ == "__main__":
    sys.exit(main())
