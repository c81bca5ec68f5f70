#!/usr/bin/env python3
"""JSON Schemas as grammars, against the JSON Schema test suite and PyPI's jsonschema as the judge.

    json_schema_suite.py --tool build/dev/tests/grammar_tool [--verbose]

Of each schema of the suite that the check accepts, instances that the suite calls invalid must be
refused byte by byte, however their members are ordered, and valid ones accepted in the order of
members that the grammar has; then texts drawn at random among the allowed tokens must be valid.
Of a format (optional/format) valid texts may be left out, but not all of them. Schemas of our own
(below) are drawn from at greater length. Ends with one line of totals.
"""

import argparse
import itertools
import json
import pathlib
import re
import subprocess
import sys

import jsonschema

SUITE = pathlib.Path(__file__).resolve().parents[2] / "build/json_schema_suite"
DRAFTS = {
    "draft4": jsonschema.Draft4Validator,
    "draft6": jsonschema.Draft6Validator,
    "draft7": jsonschema.Draft7Validator,
    "draft2019-09": jsonschema.Draft201909Validator,
    "draft2020-12": jsonschema.Draft202012Validator,
}
# `format` asserts here, and only annotates in the suite's main part.
UNASSERTED = {"format"}
# Those that are enforced; schema_formats.cc says which of their texts are left out.
FORMATS = ["date", "time", "date-time", "duration", "uuid", "ipv4", "ipv6", "hostname", "email",
           "uri", "uri-reference", "iri", "iri-reference", "json-pointer"]
MOST_TEXTS = 150
LEAST_ACCEPTED = 948  # schemas of the suite and of our own
# Valid instances of accepted schemas that the grammars leave out. Keywords beside `$ref` count, as
# they do since 2019-09; the suite's older schemas do not say which draft they are.
LEFT_OUT = {("ref", "ref overrides any sibling keywords", "ref valid, maxItems ignored")}
# Schemas of our own, as people write them: texts are drawn from each.
OWN = [
    {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 9},
                                      "age": {"type": "integer", "minimum": 0, "maximum": 150},
                                      "mail": {"type": "string", "format": "email"}},
     "required": ["name", "age"]},
    {"type": "object", "properties": {"a": {"type": "integer"}, "ab": {"type": "null"},
                                      "\"\n": {"type": "boolean"}, "\u0001": {"const": 1}},
     "additionalProperties": {"type": "string"}},
    {"type": "object", "properties": {"a": {}, "b": {}, "c": {}, "d": {}}, "minProperties": 2,
     "maxProperties": 3, "additionalProperties": False},
    {"type": "object", "properties": {"a": {"const": 1}}, "maxProperties": 2},
    {"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}},
    {"type": "object", "patternProperties": {"^a": {"type": "integer"}, "b$": {"minimum": 5}},
     "additionalProperties": {"type": "null"}, "required": ["aab"]},
    {"type": "object", "patternProperties": {"^x-": {"type": "boolean"}},
     "properties": {"x-a": {}, "y": {"type": "string"}}},
    {"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}],
     "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4},
    {"type": "array", "items": {"type": "number", "minimum": -1.5, "exclusiveMaximum": 2},
     "minItems": 2},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 0.001},
    {"type": "number", "minimum": -1e-6},
    {"type": "integer", "multipleOf": 7, "minimum": -50},
    {"type": "integer", "multipleOf": 12, "exclusiveMaximum": 500},
    {"type": ["number", "null"], "multipleOf": 3},
    {"type": "number", "multipleOf": 1},
    {"not": {"type": ["integer", "object", "array"]}},
    {"type": "string", "pattern": "^[A-Z]{2}-\\d{3,5}$", "maxLength": 7},
    {"type": "string", "pattern": "a.c", "minLength": 5, "maxLength": 8},
    {"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "z$"}, {"maxLength": 6}]},
    {"type": "string", "pattern": "^[^\\x00-\\x1f]+$", "maxLength": 12},
    {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}], "minimum": 10},
    {"oneOf": [{"type": "object", "properties": {"kind": {"const": kind}, "x": {"type": kind}},
                "required": ["kind", "x"]} for kind in ("string", "integer", "boolean")]},
    {"oneOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 6},
               {"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}]},
    {"allOf": [{"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
               {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
               {"anyOf": [{"minProperties": 1}, {"type": "object"}]}], "type": "object"},
    {"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "properties": {"value": {"type": "integer"}, "children": {
            "type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}},
        "required": ["value"], "additionalProperties": False}}},
    {"enum": ["a\"b\\c/\u00e9\n", 1.5, -2.0, None, {"k": [1, {"l": "m"}]}, []]},
] + [{"type": "string", "format": name} for name in FORMATS]
# Expressions for whole answers; Python's `re` judges them.
EXPRESSIONS = [r"(ab|c)+[0-9]{2,4}", r"[^a-z]?x{0,3}(yz)?", r"(19|20)\d\d-(0[1-9]|1[0-2])",
               r"\+?[1-9][0-9]{1,14}", r"(a|b)*abb", r"[\w.]+@[\w]+\.(com|org)"]


def spellings(value):
    """The value as json.dumps writes it, with each order of its members, whole numbers as such."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return [json.dumps(value, ensure_ascii=False)]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return [json.dumps(value), str(int(value))]
    if isinstance(value, (int, float)):
        return [json.dumps(value)]
    texts = []
    if isinstance(value, list):
        for parts in itertools.product(*map(spellings, value)):
            texts.append("[" + ", ".join(parts) + "]")
            if len(texts) >= MOST_TEXTS:
                break
        return texts
    for order in itertools.permutations(value.items()):
        members = [[f"{json.dumps(key, ensure_ascii=False)}: {text}" for text in spellings(item)]
                   for key, item in order]
        for parts in itertools.product(*members):
            texts.append("{" + ", ".join(parts) + "}")
            if len(texts) >= MOST_TEXTS:
                return texts
    return texts


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path, "bytes"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("json_schema_suite: the tool ended: " + json.dumps(question)[:2000])
        return json.loads(line)


class Report:
    def __init__(self, verbose):
        self.counts = dict.fromkeys(
            ("schemas", "accepted", "valid", "valid refused", "invalid", "invalid accepted",
             "drawn", "drawn invalid", "unfinished", "dead"), 0)
        self.faults = 0
        self.verbose = verbose

    def add(self, name, count=1):
        self.counts[name] += count

    def fault(self, kind, *details):
        self.faults += 1
        if self.faults <= 40 or self.verbose:
            print(kind + ":", *(str(detail)[:400] for detail in details), file=sys.stderr)


def judge_drawn(answer, validator, schema, report):
    for sample in answer.get("samples", []):
        if sample is None:
            report.add("unfinished")
            continue
        report.add("drawn")
        raw = bytes.fromhex(sample)
        try:
            value = json.loads(raw.decode("utf-8"))
            errors = [error.message for error in validator.iter_errors(value)]
        except (UnicodeDecodeError, ValueError) as error:
            errors = [str(error)]
        if errors:
            report.add("drawn invalid")
            report.fault("drawn and invalid", json.dumps(schema), raw, errors[0])
    if answer.get("dead"):
        report.add("dead", answer["dead"])
        report.fault("nothing may follow", json.dumps(schema), answer["dead"])


def check_judge():
    """jsonschema passes over formats whose packages are missing."""
    missing = set(FORMATS) - set(jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers)
    if missing:
        sys.exit(f"json_schema_suite: jsonschema does not check {sorted(missing)}")


def run_suite(tool, report):
    formats = set()  # of which a text of the suite's was accepted
    for draft, validator_class in DRAFTS.items():
        folder = SUITE / draft
        for path in sorted([*folder.glob("*.json"), *folder.glob("optional/format/*.json")]):
            is_format = path.parent != folder
            for case in json.loads(path.read_text(encoding="utf-8")):
                schema = case["schema"]
                report.add("schemas")
                texts = [spellings(test["data"]) for test in case["tests"]]
                answer = tool.ask(kind="json_schema", text=json.dumps(schema),
                                  accept=[text for group in texts for text in group],
                                  sample={"count": 6, "seed": 1, "tokens": 300})
                if "error" in answer:
                    if report.verbose:
                        print("refused:", draft, path.stem, case["description"], answer["error"])
                    if answer["code"] not in ("unsupported", "invalid_argument"):
                        report.fault("no refusal", answer["error"], json.dumps(schema))
                    continue
                report.add("accepted")
                accepted = iter(answer.get("accepted", []))
                for test, group in zip(case["tests"], texts):
                    results = [next(accepted) for _ in group]
                    where = (draft, path.stem, case["description"], test["description"])
                    if test["valid"]:
                        report.add("valid")
                        if is_format and any(results) and isinstance(test["data"], str):
                            formats.add(path.stem)
                        if not any(results) and path.stem not in UNASSERTED:
                            report.add("valid refused")
                            if where[1:] not in LEFT_OUT and not is_format:
                                report.fault("valid and refused", where, json.dumps(schema),
                                             json.dumps(test["data"]))
                    else:
                        report.add("invalid")
                        if any(results):
                            report.add("invalid accepted")
                            report.fault("invalid and accepted", where, json.dumps(schema),
                                         json.dumps(test["data"]))
                checker = validator_class.FORMAT_CHECKER
                judge_drawn(answer, validator_class(schema, format_checker=checker), schema, report)
    # Ours have ASCII alone, the suite's valid ones do not.
    missing = set(FORMATS) - formats - {"iri", "iri-reference"}
    if missing:
        report.fault("no text accepted of the formats", sorted(missing))


def run_own(tool, report):
    for seed, schema in enumerate(OWN):
        answer = tool.ask(kind="json_schema", text=json.dumps(schema),
                          sample={"count": 60, "seed": seed, "tokens": 400})
        if "error" in answer:
            report.fault("refused", json.dumps(schema), answer["error"])
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        judge_drawn(answer, jsonschema.Draft202012Validator(schema, format_checker=checker), schema,
                    report)
    for seed, expression in enumerate(EXPRESSIONS):
        answer = tool.ask(kind="regex", text=expression,
                          sample={"count": 60, "seed": seed, "tokens": 200})
        for sample in answer["samples"]:
            if sample is None:
                report.add("unfinished")
                continue
            report.add("drawn")
            text = bytes.fromhex(sample).decode("utf-8")
            if not re.fullmatch(expression, text):
                report.add("drawn invalid")
                report.fault("drawn and invalid", expression, text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    report = Report(args.verbose)
    tool = Tool(args.tool)
    check_judge()
    run_suite(tool, report)
    run_own(tool, report)
    totals = ", ".join(f"{name} {count}" for name, count in report.counts.items())
    # Refusing more is a loss too; the pinned suite has 1,452 schemas.
    if report.counts["accepted"] < LEAST_ACCEPTED:
        report.fault(f"accepted {report.counts['accepted']} schemas, expected {LEAST_ACCEPTED}",
                     "the suite", "")
    differs = report.faults or not report.counts["drawn"]
    print(f"{report.counts['schemas']} JSON Schemas of the suite ({totals}): "
          + (f"{report.faults} differ" if differs else "all agree"))
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
