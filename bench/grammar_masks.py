#!/usr/bin/env python3
"""Times compiling grammars and masking tokens on a vocabulary of 131,072 tokens (Tekken).

    build/venv/bin/python bench/grammar_masks.py build/dev/tests/grammar_tool

For each grammar: compiling; then masks at each token of an answer, on a grammar that no matcher
has used before (first) and on one that another has used with the same answer (then). One JSON
object on standard output, with the machine and the commit; a line a grammar on standard error.
"""

import datetime
import json
import pathlib
import statistics
import subprocess
import sys

import mistral_common
from origin import commit, machine

VOCABULARY = pathlib.Path(mistral_common.__file__).parent / "data/tekken_240911.json"
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
        "kind": {"enum": ["customer", "supplier", "partner"]},
        "address": {
            "type": "object",
            "properties": {
                "street": {"type": "string", "minLength": 1},
                "city": {"type": "string", "maxLength": 60},
                "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
                "place": {"type": "array", "items": {"type": "number"}, "minItems": 2,
                          "maxItems": 2},
            },
            "required": ["street", "city"],
            "additionalProperties": False,
        },
        "notes": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["name", "age", "kind", "address"],
    "additionalProperties": False,
}
ANSWER = {
    "name": 'Grace Brewster Murray Hopper, née Murray "Amazing"', "age": 85,
    "email": "grace.hopper@example.com", "tags": ["navy", "compiler", "COBOL and more of it"],
    "kind": "partner",
    "address": {"street": "12 Long Winding Road behind the old mill", "city": "Arlington",
                "zip": "22202", "place": [38.8799, -77.1068]},
    "notes": "A ship in port is safe; but that is not what ships are built for. Sail out to sea.",
}


def questions():
    text = json.dumps(ANSWER, ensure_ascii=False)
    yield "json_object", {"kind": "json_object", "text": "", "time": text}
    yield "schema", {"kind": "json_schema", "text": json.dumps(SCHEMA), "time": text}
    yield "schema, indented", {"kind": "json_schema", "text": json.dumps(SCHEMA),
                               "time": json.dumps(ANSWER, ensure_ascii=False, indent=2)}
    yield "schema, open objects", {
        "kind": "json_schema", "time": text,
        "text": json.dumps(SCHEMA).replace(', "additionalProperties": false', "")}
    yield "regex", {"kind": "regex", "time": "Grace Hopper 1906-12-09",
                    "text": "[A-Z][a-z]+ [A-Z][a-z]+ (19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]"}
    yield "choice of 200", {"kind": "choice", "time": "choice number 117",
                            "text": json.dumps([f"choice number {i}" for i in range(200)])}
    tags = {"triggers": ["<tool_call>"], "structures": [
        {"begin": "<tool_call>", "schema": SCHEMA, "end": "</tool_call>"}]}
    yield "structural tags", {"kind": "structural_tags", "text": json.dumps(tags),
                              "time": f"Let me look that up.\n<tool_call>{text}</tool_call>"}


def figures(times):
    times = sorted(times)
    return {"median": round(statistics.median(times), 1),
            "mean": round(statistics.mean(times), 1),
            "p99": round(times[int(len(times) * 0.99)], 1)}


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: bench/grammar_masks.py GRAMMAR_TOOL")
    out = {"command": " ".join(["bench/grammar_masks.py", *sys.argv[1:]]),
           "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
           "commit": commit("bench/grammar_masks.py"), "machine": machine(),
           "vocabulary": VOCABULARY.name, "schema": SCHEMA, "answer": ANSWER, "grammars": {}}
    tool = subprocess.Popen([sys.argv[1], VOCABULARY], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    for name, question in questions():
        tool.stdin.write(json.dumps(question) + "\n")
        tool.stdin.flush()
        line = tool.stdout.readline()
        answer = json.loads(line) if line else {"error": "the tool ended"}
        if "error" in answer:
            sys.exit(f"{name}: {answer['error']}")
        found = {"compile_ms": round(answer["compile_ms"], 1), "masks": len(answer["masks_us"]),
                 "first_us": figures(answer["first_us"]), "then_us": figures(answer["masks_us"]),
                 "kib": answer["bytes"] >> 10}
        out["grammars"][name] = found
        print(f"{name}: {json.dumps(found)}", file=sys.stderr, flush=True)
    out["machine"]["load_average_after"] = machine()["load_average"]
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
