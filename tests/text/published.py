"""What ./test unpacks into build/published: vocabularies and chat templates of models."""

import glob
import os
import struct

FOLDER = os.path.join("build", "published")
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
           11: "<q", 12: "<d"}


def gguf_metadata(path):
    """Every key of a GGUF file's header; strings and lists of strings as bytes."""
    with open(path, "rb") as file:
        data = file.read()
    at = 8
    if data[:4] != b"GGUF":
        raise SystemExit(f"{path}: not a GGUF file")

    def scalar(form):
        nonlocal at
        at += struct.calcsize(form)
        return struct.unpack_from(form, data, at - struct.calcsize(form))[0]

    def text():
        nonlocal at
        size = scalar("<Q")
        at += size
        return data[at - size:at]

    def value(kind):
        nonlocal at
        if kind == 8:
            return text()
        if kind != 9:
            return scalar(SCALARS[kind])
        kind, count = scalar("<I"), scalar("<Q")
        if kind == 8:
            return [text() for _ in range(count)]
        form = "<" + str(count) + SCALARS[kind][1]
        at += struct.calcsize(form)
        return list(struct.unpack_from(form, data, at - struct.calcsize(form)))

    _, count = scalar("<Q"), scalar("<Q")
    return {text().decode(): value(scalar("<I")) for _ in range(count)}


def vocabularies():
    """{name: path} of the GGUF vocabularies."""
    paths = sorted(glob.glob(os.path.join(FOLDER, "ggml-vocab-*.gguf")))
    if len(paths) < 19:
        raise SystemExit(f"{FOLDER}: {len(paths)} vocabularies, expected 19; ./test unpacks them")
    return {os.path.basename(p)[len("ggml-vocab-"):-len(".gguf")]: p for p in paths}


def templates():
    """{name: source} of the template files and of the templates in the vocabularies."""
    found = {}
    for path in sorted(glob.glob(os.path.join(FOLDER, "templates", "*.jinja"))):
        with open(path, encoding="utf-8", newline="") as file:
            found[os.path.basename(path)] = file.read()
    for name, path in vocabularies().items():
        for key, value in gguf_metadata(path).items():
            if key.startswith("tokenizer.chat_template") and isinstance(value, bytes):
                found[name + ":" + key] = value.decode()
    if len(found) < 71:
        raise SystemExit(f"{FOLDER}: {len(found)} templates, expected 71 or more")
    return found
