"""The lean program serves an engine without graph, passes, importers and compiler.

Builds an engine, deletes its device sections, and demands the same tokens from both files, which
are also the reference's. The lean binary must hold no symbol of the rooms it does without.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASE = os.path.join(ROOT, "tests", "data", "goldens", "llama-mha")
FORBIDDEN = ("ingot::Graph::", "ingot::run_pipeline(", "ingot::GgufFile::",
             "ingot::SafetensorsFile::", "ingot::build_model(", "ingot::compile(",
             "ingot::lower(", "ingot::verify(", "google::protobuf")
INGOT = os.environ["INGOT_BINARY"]
LEAN = os.path.join(os.path.dirname(os.path.abspath(INGOT)), "ingot_lean")


def fail(message):
    sys.exit(f"run_lean: {message}")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def golden_integers(name):
    with open(os.path.join(CASE, "golden.safetensors"), "rb") as file:
        data = file.read()
    size, = struct.unpack_from("<Q", data)
    info = json.loads(data[8:8 + size])[name]
    begin, end = info["data_offsets"]
    code, width = {"I64": ("q", 8), "I32": ("i", 4)}[info["dtype"]]
    return list(struct.unpack_from(f"<{(end - begin) // width}{code}", data, 8 + size + begin))


def section_names(path):
    """Section table: after a 64-byte header, 64 bytes a section, the name in the first 32."""
    with open(path, "rb") as file:
        header = file.read(64)
        count, = struct.unpack_from("<I", header, 12)
        return [file.read(64)[:32].rstrip(b"\0").decode() for _ in range(count)]


def symbols(path):
    return run("nm", "-C", "--defined-only", path)


def check_symbols():
    full, lean = symbols(INGOT), symbols(LEAN)
    if "ingot::load_engine(" not in lean:
        fail(f"{LEAN} has no symbols to look at")
    for name in FORBIDDEN:
        if name in lean:
            fail(f"{LEAN} holds {name}")
    known = [name for name in FORBIDDEN if name in full]
    if len(known) < 6:
        fail(f"{INGOT} holds only {known}: the list of forbidden names is stale")
    print(f"no symbol of {len(FORBIDDEN)} forbidden names in ingot_lean, {len(known)} in ingot")


def main():
    check_symbols()
    prompt, greedy = golden_integers("input_ids.0"), golden_integers("greedy.0")
    with tempfile.TemporaryDirectory() as folder:
        engine = os.path.join(folder, "tuned.engine")
        stripped = os.path.join(folder, "stripped.engine")
        run(INGOT, "build", CASE, "--dtype", "float32", "--output", engine)
        run(LEAN, "strip", engine, stripped)
        if not any(name.startswith("device.") for name in section_names(engine)):
            fail("the engine has no device section to delete")
        if any(name.startswith("device.") for name in section_names(stripped)):
            fail("a device section is left")
        ids = ",".join(map(str, prompt))
        tokens = {path: [int(t) for t in run(LEAN, "run", path, ids, str(len(greedy))).split(",")]
                  for path in (engine, stripped)}
    if tokens[engine] != tokens[stripped]:
        fail(f"tokens differ: {tokens[engine]} tuned, {tokens[stripped]} without device sections")
    if tokens[engine] != greedy:
        fail(f"expected the reference's tokens {greedy}, found {tokens[engine]}")
    print(f"{len(greedy)} tokens are the reference's, with and without device sections")


if __name__ == "__main__":
    main()
