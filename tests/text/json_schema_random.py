#!/usr/bin/env python3
"""Random JSON Schemas as grammars: nothing that masks let through is invalid by PyPI's jsonschema.

    json_schema_random.py --tool build/dev/tests/grammar_tool [--seed 1] [--schemas 800]

Schemas join up to four keywords at random, two levels deep, with references to themselves and each
other. Of each that is accepted eight texts are drawn. Ends with one line of totals.
"""

import argparse
import json
import random
import sys

import jsonschema
from json_schema_suite import FORMATS, Report, Tool, check_judge, judge_drawn

NAMES = ["a", "ab", "b", "x-1", "é", 'q"']
PATTERNS = ["^a", "b$", "a", "^[a-c]{1,3}$", "^(ab|c)*$", "[0-9]{2}", "^.{0,2}$", "^x-", "^$",
            "^[^a]*$"]
TYPES = ["integer", "number", "string", "array", "object", "boolean", "null", ["string", "null"],
         ["integer", "object"], ["number", "array"]]
VALUES = [1, "a", "ab", None, True, 2.5, -3, 'é"', 12, [1], {"a": 1}]
PLAIN = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
         "maxLength", "pattern", "enum", "const", "minItems", "maxItems", "required",
         "propertyNames", "minProperties", "maxProperties", "not", "format"]
NESTED = ["items", "prefixItems", "properties", "additionalProperties", "patternProperties",
          "anyOf", "oneOf", "allOf"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def number(self):
        r = self.random
        return r.choice([r.randint(-20, 20), r.randint(-2000, 2000) / 100, 0, r.random(),
                         r.randint(-9, 9) * 10 ** r.randint(0, 12)])

    def plain(self, keyword):
        r = self.random
        if keyword.endswith("imum"):
            return self.number()
        if keyword.startswith("min"):
            return r.randint(0, 2)
        if keyword.startswith("max"):
            return r.randint(0, 5)
        return {
            "multipleOf": lambda: r.randint(1, 40),
            "pattern": lambda: r.choice(PATTERNS),
            "enum": lambda: r.sample(VALUES, r.randint(1, 5)),
            "const": lambda: r.choice(VALUES),
            "required": lambda: r.sample(NAMES, r.randint(1, 2)),
            "propertyNames": lambda: r.choice([{"pattern": r.choice(PATTERNS)}, {"maxLength": 2},
                                               {"enum": ["a", "b"]}]),
            "not": lambda: {"type": r.choice(["string", "integer", "object", ["null", "array"]])},
            "format": lambda: r.choice(FORMATS),
        }[keyword]()

    def nested(self, keyword, depth):
        r = self.random
        if keyword in ("items", "additionalProperties"):
            return self.schema(depth)
        if keyword == "properties":
            return {name: self.schema(depth) for name in r.sample(NAMES, r.randint(1, 3))}
        if keyword == "patternProperties":
            return {name: self.schema(depth) for name in r.sample(PATTERNS, r.randint(1, 2))}
        return [self.schema(depth) for _ in range(r.randint(1, 3))]

    def schema(self, depth):
        r = self.random
        kind = r.random()
        if kind < 0.07:
            return r.choice([True, {}, {"title": "x"}, False])
        if kind < 0.14:
            return {"$ref": r.choice(["#/$defs/p", "#/$defs/q", "#"])}
        schema = {"type": r.choice(TYPES)} if r.random() < 0.8 else {}
        for keyword in r.sample(PLAIN + NESTED, r.randint(0, 4)):
            if keyword in PLAIN:
                schema[keyword] = self.plain(keyword)
            elif depth > 0:
                schema[keyword] = self.nested(keyword, depth - 1)
        return schema


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schemas", type=int, default=800)
    args = parser.parse_args()
    maker, tool, report = Maker(args.seed), Tool(args.tool), Report(verbose=False)
    validator = jsonschema.Draft202012Validator
    check_judge()
    for number in range(args.schemas):
        schema = maker.schema(2)
        if isinstance(schema, bool):
            continue
        schema["$defs"] = {"p": maker.schema(1), "q": maker.schema(1)}
        report.add("schemas")
        answer = tool.ask(kind="json_schema", text=json.dumps(schema),
                          sample={"count": 8, "seed": number, "tokens": 250})
        if "error" in answer:
            if answer["code"] != "unsupported":
                report.fault("no refusal", answer["error"], json.dumps(schema))
            continue
        report.add("accepted")
        judge_drawn(answer, validator(schema, format_checker=validator.FORMAT_CHECKER), schema,
                    report)
    counts = report.counts
    if 2 * counts["accepted"] < counts["schemas"]:
        report.fault("most schemas are refused", counts["accepted"], "of", counts["schemas"])
    print(f"{counts['schemas']} random JSON Schemas ({counts['accepted']} accepted, "
          f"{counts['drawn']} texts drawn, {counts['drawn invalid']} invalid): "
          + ("all agree" if not report.faults else f"{report.faults} differ"))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
