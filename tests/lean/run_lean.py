"""The lean program serves an engine through the runtime without graph, passes, importers, compiler.

Builds an engine, deletes its device sections, and demands the same tokens from both files, which
are also the reference's: all prompts of the case at once, batched by the runtime's scheduler. The
lean binary must hold no symbol of the rooms it does without, and those of the runtime.
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
RUNTIME = ("ingot::EngineRunner::submit(", "ingot::Loop::step(", "ingot::Scheduler::next(")
INGOT = os.environ["DEV_INGOT_BINARY"]
LEAN = os.path.join(os.path.dirname(os.path.abspath(INGOT)), "ingot_lean")


def fail(message):
    sys.exit(f"run_lean: {message}")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def golden_cases():
    """Prompts and greedy tokens, by request."""
    with open(os.path.join(CASE, "golden.safetensors"), "rb") as file:
        data = file.read()
    size, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])

    def integers(name):
        begin, end = header[name]["data_offsets"]
        code, width = {"I64": ("q", 8), "I32": ("i", 4)}[header[name]["dtype"]]
        return list(struct.unpack_from(f"<{(end - begin) // width}{code}", data, 8 + size + begin))

    cases = [n for n in range(100) if f"input_ids.{n}" in header]
    if len(cases) < 2:
        fail("the case has fewer than two prompts")
    return ([integers(f"input_ids.{n}") for n in cases], [integers(f"greedy.{n}") for n in cases])


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
    for name in ("ingot::load_engine(", *RUNTIME):
        if name not in lean:
            fail(f"{LEAN} has no {name}")
    for name in FORBIDDEN:
        if name in lean:
            fail(f"{LEAN} holds {name}")
    known = [name for name in FORBIDDEN if name in full]
    if len(known) < 6:
        fail(f"{INGOT} holds only {known}: the list of forbidden names is stale")
    print(f"no symbol of {len(FORBIDDEN)} forbidden names in ingot_lean, {len(known)} in ingot")


def main():
    check_symbols()
    prompts, greedy = golden_cases()
    with tempfile.TemporaryDirectory() as folder:
        engine = os.path.join(folder, "tuned.engine")
        stripped = os.path.join(folder, "stripped.engine")
        run(INGOT, "build", CASE, "--dtype", "float32", "--output", engine)
        run(LEAN, "strip", engine, stripped)
        if not any(name.startswith("device.") for name in section_names(engine)):
            fail("the engine has no device section to delete")
        if any(name.startswith("device.") for name in section_names(stripped)):
            fail("a device section is left")
        count = str(len(greedy[0]))
        ids = [",".join(map(str, prompt)) for prompt in prompts]
        tokens = {path: [[int(t) for t in line.split(",")]
                         for line in run(LEAN, "run", path, count, *ids).splitlines()]
                  for path in (engine, stripped)}
    if tokens[engine] != tokens[stripped]:
        fail(f"tokens differ: {tokens[engine]} tuned, {tokens[stripped]} without device sections")
    if tokens[engine] != greedy:
        fail(f"expected the reference's tokens {greedy}, found {tokens[engine]}")
    print(f"{len(greedy)} requests together, {sum(map(len, greedy))} tokens: the reference's, with "
          "and without device sections")


if __name__ == "__main__":
    main()
