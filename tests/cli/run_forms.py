"""`ingot run` held to a form: JSON of a schema, a regex, a grammar; and forms that are none."""

import json
import os
import re
import tempfile

from cli_harness import BadInput, Checks, ingot, ingot_json, real_model

SECONDS = 10
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
                                           "age": {"type": "integer", "minimum": 0}},
          "required": ["name", "age"], "additionalProperties": False}


def main():
    checks = Checks()
    model = real_model()
    with tempfile.TemporaryDirectory() as folder:
        schema, rules = os.path.join(folder, "schema.json"), os.path.join(folder, "rules.ebnf")
        with open(schema, "w", encoding="utf-8") as file:
            json.dump(SCHEMA, file)
        with open(rules, "w", encoding="utf-8") as file:
            file.write('root ::= "It is " place "."\nplace ::= "Rome" | "Paris"\n')
        ask = ("run", model, "Tell me of a person.", "--max-tokens", "60")
        by_text = ingot_json(*ask, "--json-schema", json.dumps(SCHEMA))
        checks.equal(sorted(json.loads(by_text["text"])), ["age", "name"], "--json-schema")
        checks.equal(by_text["finish_reason"], "stop", "and it ends")
        by_file = ingot_json(*ask, "--json-schema-file", schema)
        checks.equal(by_file["token_ids"], by_text["token_ids"], "--json-schema-file: the same")
        text = ingot_json(*ask, "--regex", "[a-z]{3}-[0-9]{2}", "--temperature", "1")["text"]
        checks.check(re.fullmatch("[a-z]{3}-[0-9]{2}", text), f"--regex: {text!r}")
        done = ingot("run", model, "What is the capital of France?", "--grammar-file", rules)
        checks.equal(done.stdout, b"It is Paris.\n", "--grammar-file, streamed")
        bad = BadInput(checks, folder)
        prompt = ("run", model, "hi")
        bad.refused("a schema that cannot be enforced", *prompt, "--json-schema",
                    '{"type": "array", "uniqueItems": true}', names=("#/uniqueItems",))
        bad.refused("no JSON", *prompt, "--json-schema", "{", names=("schema",))
        bad.refused("no expression", *prompt, "--regex", "((", names=("byte 2",))
        bad.refused("no file", *prompt, "--grammar-file", folder + "/none", names=("none",))
        bad.refused("two forms", *prompt, "--regex", "a", "--grammar", "root ::= \"a\"", code=2,
                    names=("--grammar goes without --regex",))
        bad.refused("a rule that is missing", *prompt, "--grammar", "root ::= a",
                    names=("grammar",))
    checks.finish()


if __name__ == "__main__":
    main()
