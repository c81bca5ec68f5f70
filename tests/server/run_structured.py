"""Answers held to a form: JSON of schemas, judged by jsonschema; the openai client's parse();
forced tools; all beside answers that are free."""

import concurrent.futures
import contextlib
import io
import json
import os
import re
import sys
import textwrap
from typing import Literal

import jsonschema
import openai
import pydantic
from server_harness import LIMIT, Oracle, Server

from cli_harness import ROOT, Checks, real_model

sys.path.insert(0, os.path.join(ROOT, "tests", "text"))
from json_schema_suite import OWN  # noqa: E402

SECONDS = 25
NAME = "smollm2-135m-instruct"
ASK = [{"role": "user", "content": "Tell me of a person."}]


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=0, le=150)
    mood: Literal["good", "bad"]


WEATHER = {"type": "function", "function": {
    "name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "maxLength": 12},
                                         "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["city", "days"], "additionalProperties": False}}}
TIME = {"type": "function", "function": {"name": "0clock", "parameters": {
    "type": "object", "properties": {"zone": {"enum": ["CET", "UTC"]}}, "required": ["zone"],
    "additionalProperties": False}}}


def client_of(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=LIMIT)


def in_form(schema):
    return {"type": "json_schema", "json_schema": {"name": "form", "schema": schema}}


def check_parse(checks, client):
    done = client.chat.completions.parse(model=NAME, messages=ASK, response_format=Person,
                                         temperature=0, max_tokens=80)
    person = done.choices[0].message.parsed
    checks.check(isinstance(person, Person), f"chat.completions.parse: {person!r}")
    said = client.chat.completions.create(
        model=NAME, messages=[*ASK, done.choices[0].message, *ASK], max_tokens=4).choices[0].message
    checks.check(said.content, f"a parsed message goes back as it came: {said.content!r}")
    done = client.responses.parse(model=NAME, input="Tell me of a person.", text_format=Person,
                                  temperature=0, max_output_tokens=80)
    checks.check(isinstance(done.output_parsed, Person), f"responses.parse: {done.output_parsed!r}")
    with client.chat.completions.stream(model=NAME, messages=ASK, response_format=Person,
                                        temperature=0, max_tokens=80) as stream:
        events = [event.type for event in stream]
        checks.equal(stream.get_final_completion().choices[0].message.parsed, person,
                     "a stream parses to the same")
    checks.check(events.count("content.delta") > 3, f"and comes in pieces: {len(events)} events")


def judged(client, schema, seed, model=NAME, **more):
    """An error text, "cut" for an answer that max_tokens ended, or None where it is valid."""
    done = client.chat.completions.create(model=model, messages=ASK, seed=seed, temperature=1,
                                          response_format=in_form(schema), **more)
    choice = done.choices[0]
    if choice.finish_reason == "length":
        return "cut"
    try:
        jsonschema.Draft202012Validator(schema).validate(json.loads(choice.message.content))
    except (ValueError, jsonschema.ValidationError) as error:
        return f"{schema}: {choice.message.content!r}: {error}"
    return None


def check_schemas(checks, client, what, seeds, **more):
    jobs = [(schema, seed) for schema in OWN for seed in range(seeds)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda job: judged(client, *job, **more), jobs))
    wrong = [text for text in said if text not in (None, "cut")]
    checks.equal(wrong, [], f"{what}: {len(jobs)} answers in {len(OWN)} schemas, "
                            f"{said.count('cut')} cut at max_tokens")
    checks.check(said.count(None) > len(jobs) // 3, f"{what}: {said.count(None)} were whole")


def check_beside_free(checks, client):
    """A free answer's text does not depend on who is held to a form beside it."""
    def free(_):
        return client.completions.create(model=NAME, prompt="Once upon a time", max_tokens=40,
                                         temperature=0).choices[0].text

    def held(seed):
        return client.completions.create(
            model=NAME, prompt="Phone:", max_tokens=40, temperature=1, seed=seed,
            extra_body={"structured_outputs": {"regex": "[0-9]{3}-[0-9]{4,12}"}}).choices[0].text

    alone, held_alone = free(0), [held(seed) for seed in range(3)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        all_held = pool.map(held, range(3))
        all_free = pool.map(free, range(3))
        texts, frees = list(all_held), list(all_free)
    checks.equal(frees, [alone] * 3, "free answers beside held ones")
    checks.equal(texts, held_alone, "and held ones beside free ones")
    checks.check(all(re.fullmatch("[0-9]{3}-[0-9]{4,12}", text) for text in texts),
                 f"in their form: {texts}")
    many = client.completions.create(
        model=NAME, prompt="A colour:", n=4, temperature=2, seed=1, max_tokens=9,
        extra_body={"structured_outputs": {"choice": ["red", "green", "blue"]}})
    checks.equal({c.text for c in many.choices} - {"red", "green", "blue"}, set(),
                 f"choices share the form: {[c.text for c in many.choices]}")
    logprobs = client.chat.completions.create(
        model=NAME, messages=ASK, max_tokens=9, temperature=0, logprobs=True, top_logprobs=3,
        extra_body={"structured_outputs": {"choice": ["zzz"]}}).choices[0]
    checks.equal(logprobs.message.content, "zzz", "an unlikely choice")
    checks.check(logprobs.logprobs.content[0].logprob < -1, "has the model's own log probability")


def check_tools(checks, client):
    """The oracle's random bytes as calls."""
    def calls(seed, **more):
        return client.chat.completions.create(
            model="oracle", seed=seed, max_tokens=600, tools=[WEATHER, TIME],
            messages=[{"role": "user", "content": f"call {seed}"}], **more).choices[0]

    seen = set()
    for seed in range(12):
        choice = calls(seed, tool_choice="required", parallel_tool_calls=False)
        found = choice.message.tool_calls or []
        if choice.finish_reason == "length":
            continue
        checks.equal((len(found), choice.finish_reason, choice.message.content),
                     (1, "tool_calls", None), f"required, seed {seed}: one call and no text")
        tool = {"weather": WEATHER, "0clock": TIME}[found[0].function.name]
        jsonschema.validate(json.loads(found[0].function.arguments),
                            tool["function"]["parameters"])
        seen.add(found[0].function.name)
    checks.equal(seen, {"weather", "0clock"}, "any of the tools")
    choice = calls(1, tool_choice={"type": "function", "function": {"name": "0clock"}})
    checks.equal([c.function.name for c in choice.message.tool_calls], ["0clock"], "a named tool")
    streamed = list(client.chat.completions.create(
        model="oracle", seed=3, max_tokens=600, tools=[TIME], stream=True,
        tool_choice="required", parallel_tool_calls=False, messages=ASK))
    pieces = [c for chunk in streamed for c in chunk.choices[0].delta.tool_calls or []]
    checks.equal(pieces[0].function.name, "0clock", "streamed: the name first")
    arguments = json.loads("".join(c.function.arguments or "" for c in pieces))
    jsonschema.validate(arguments, TIME["function"]["parameters"])
    checks.check(True, f"streamed: its arguments {arguments}")


class Forecast(pydantic.BaseModel):
    """Tells the weather of the next days."""
    city: str = pydantic.Field(max_length=20)
    days: int = pydantic.Field(ge=1, le=7)


def check_described_tools(checks, client):
    """SmolLM2's template knows no tools: they are described to it, and its calls are held."""
    ask = [{"role": "user", "content": "What is the weather in Oslo in the next three days?"}]
    given = {"model": NAME, "messages": ask, "temperature": 0, "max_tokens": 120}

    def valid(call, what):
        tool = {"weather": WEATHER, "0clock": TIME}[call.function.name]
        arguments = json.loads(call.function.arguments)
        jsonschema.validate(arguments, tool["function"]["parameters"])
        checks.check(True, f"{what}: {call.function.name} {arguments}")

    one = client.chat.completions.create(tools=[WEATHER, TIME], tool_choice="required",
                                         parallel_tool_calls=False, **given).choices[0]
    checks.equal((one.finish_reason, one.message.content, len(one.message.tool_calls)),
                 ("tool_calls", None, 1), "SmolLM2, a tool required")
    valid(one.message.tool_calls[0], "SmolLM2, required")
    named = client.chat.completions.create(
        tools=[WEATHER, TIME], tool_choice={"type": "function", "function": {"name": "0clock"}},
        **given).choices[0]
    checks.equal([c.function.name for c in named.message.tool_calls], ["0clock"],
                 "SmolLM2, a named tool")
    valid(named.message.tool_calls[0], "SmolLM2, named")
    with client.chat.completions.stream(tools=[openai.pydantic_function_tool(Forecast)],
                                        tool_choice="required", parallel_tool_calls=False,
                                        **given) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
        call = message.tool_calls[0]
    checks.check(isinstance(call.function.parsed_arguments, Forecast),
                 f"SmolLM2, strict and streamed: {call.function.parsed_arguments!r}")
    result = {"role": "tool", "tool_call_id": call.id, "content": "Snow."}
    after = client.chat.completions.create(**{**given, "messages": [*ask, message, result],
                                              "max_tokens": 4}).choices[0].message
    checks.check(after.content, f"SmolLM2, what was parsed goes back: {after.content!r}")
    free = client.chat.completions.create(tools=[WEATHER], **given).choices[0]
    checks.check(free.message.content or free.message.tool_calls,
                 f"SmolLM2, auto: {free.message.content!r} {free.message.tool_calls}")
    turns = [*ask, one.message, {"role": "tool", "tool_call_id": one.message.tool_calls[0].id,
                                 "content": "Snow, -4 degrees."}]
    after = client.chat.completions.create(tools=[WEATHER, TIME], tool_choice="none",
                                           **{**given, "messages": turns}).choices[0]
    checks.check(after.message.content and not after.message.tool_calls,
                 f"SmolLM2, the next turn: {after.message.content!r}")


def check_refused(checks, client):
    for schema, keyword in (({"type": "array", "uniqueItems": True}, "uniqueItems"),
                            ({"type": "string", "pattern": "("}, "pattern")):
        try:
            judged(client, schema, 0)
            checks.check(False, f"{keyword} was taken")
        except openai.BadRequestError as error:
            checks.check(keyword in str(error) and error.param.startswith("response_format"),
                         f"{keyword}: {error.body}")


def check_compiling_waits_alone(checks, client):
    """Free answers do not wait for forms of others to be compiled."""
    def heavy(i):
        pattern = "^(a|b)*a(a|b){8}$"
        names = {f"p{i}_{k}": {"type": "string", "pattern": pattern} for k in range(20)}
        return judged(client, {"type": "object", "properties": names}, i, model="oracle",
                      max_tokens=8)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        forms = [pool.submit(heavy, i) for i in range(6)]
        client.completions.create(model="oracle", prompt="a", max_tokens=1)
        done = sum(form.done() for form in forms)
        checks.check(done < 4, f"a free answer came when {done} of 6 forms were answered")
        checks.equal({form.result() for form in forms} - {"cut", None}, set(),
                     "and these are in their forms")


def check_form_faults(checks, client):
    """A form with too many ways to read a text ends its own answer, and the caller is told."""
    grammar = 'root ::= w "!"\nw ::= l | l w | l w w\nl ::= [a-z ,.A-Z] | [a-z] | [a-e ] | [^x]'
    try:
        done = client.completions.create(model=NAME, prompt="Once", max_tokens=400, temperature=0,
                                         extra_body={"grammar": grammar})
        checks.check(False, f"a heavy grammar was answered: {done.choices[0]}")
    except openai.BadRequestError as error:
        checks.check("more work" in str(error) and error.param == "grammar",
                     f"a heavy grammar: {error.body}")
    many = {"enum": [f"v{i * 7919 % 10007}" for i in range(8000)]}
    checks.equal(judged(client, many, 1, max_tokens=40), None, "an enum of 8000 texts")


def check_documentation(checks, server):
    """The Python of docs/serving.md, as it stands there but for the address."""
    with open(os.path.join(ROOT, "docs", "serving.md"), encoding="utf-8") as file:
        blocks = re.findall(r"(?:^    .*\n)+", file.read(), re.MULTILINE)
    blocks = [textwrap.dedent(block) for block in blocks if "client.chat.completions" in block]
    names = {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for block in blocks:
            # The first has no bound of its own.
            block = block.replace("http://127.0.0.1:8000", server.url)
            exec(block.replace("stream=True,", "stream=True, max_tokens=16,"), names)
    checks.check(len(blocks) == 3 and names["wish"].days in range(1, 8) and
                 re.search(r"name='.+' age=\d+\n", said.getvalue()),
                 f"docs/serving.md: {said.getvalue()!r} {names.get('wish')}")


def main():
    checks = Checks()
    with Server(real_model(), "--served-model-name", NAME, "--max-num-seqs", "16") as server:
        client = client_of(server)
        check_parse(checks, client)
        check_beside_free(checks, client)
        check_refused(checks, client)
        check_described_tools(checks, client)
        check_form_faults(checks, client)
        check_documentation(checks, server)
        check_schemas(checks, client, "SmolLM2", 1, max_tokens=60)
    with Oracle(rows=32, context=1024) as server:
        client = client_of(server)
        check_compiling_waits_alone(checks, client)
        check_tools(checks, client)
        check_schemas(checks, client, "random bytes", 4, model="oracle", max_tokens=300)
    checks.finish()


if __name__ == "__main__":
    main()
