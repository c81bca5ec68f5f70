#!/usr/bin/env python3
"""On a GPU machine, in an unpacked pack.sh archive: what `ingot serve` gives on a GPU.

    ./serve_check.py [--device cuda] [--model random:llama-3.1-8b] [--tokenizer DIR|VOCAB.gguf]
                     [--chat-template FILE]

Defaults of rows and steps; answers held to forms (JSON schema, regex, choice, forced tools), alone
and beside free ones, each judged here; a client that leaves; embeddings of small models against
those of the CPU. Prints a line a check; status 1 where one failed. Python's own library alone.
"""

import argparse
import concurrent.futures
import glob
import http.client
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EMBEDDERS = ("roberta", "llama-mha", "qwen2-tied", "gpt-neox-serial")
SCHEMA = {"type": "object", "additionalProperties": False,
          "required": ["name", "age", "mood", "tags"],
          "properties": {"name": {"type": "string", "maxLength": 12},
                         "age": {"type": "integer", "minimum": 0, "maximum": 150},
                         "mood": {"enum": ["good", "bad"]},
                         "tags": {"type": "array", "maxItems": 3,
                                  "items": {"type": "string", "maxLength": 6}}}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "additionalProperties": False, "required": ["city", "days"],
    "properties": {"city": {"type": "string", "maxLength": 8},
                   "days": {"type": "integer", "minimum": 1, "maximum": 7}}}}}
failures = []
figures = {}


def check(good, what):
    print("ok   " if good else "FAIL ", what, flush=True)
    if not good:
        failures.append(what)


class Server:
    port = 0  # of the one that runs

    def __init__(self, binary, model, device, *flags):
        self.process = subprocess.Popen(
            [binary, "serve", model, "--device", device, "--port", "0", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        begin = time.monotonic()
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if found := re.match(r"listening on http://127\.0\.0\.1:(\d+)", line):
                Server.port = int(found[1])
            if line.startswith("ready"):
                break
        self.seconds = time.monotonic() - begin

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.read()
        check(self.process.wait(60) == 0, "the server ends with status 0 on SIGTERM")


def post(path, body):
    connection = http.client.HTTPConnection("127.0.0.1", Server.port, timeout=300)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


def get(path):
    connection = http.client.HTTPConnection("127.0.0.1", Server.port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def chat(**more):
    body = {"messages": [{"role": "user", "content": "Tell me of a person."}], "max_tokens": 200,
            **more}
    return post("/v1/chat/completions", body)


def fits(text):
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return (isinstance(value, dict) and sorted(value) == sorted(SCHEMA["properties"]) and
            isinstance(value["name"], str) and len(value["name"]) <= 12 and
            type(value["age"]) is int and 0 <= value["age"] <= 150 and
            value["mood"] in ("good", "bad") and isinstance(value["tags"], list) and
            len(value["tags"]) <= 3 and
            all(isinstance(tag, str) and len(tag) <= 6 for tag in value["tags"]))


def stream_gaps(tokens, seed):
    """Milliseconds between the events of a free answer, and to the first."""
    connection = http.client.HTTPConnection("127.0.0.1", Server.port, timeout=300)
    begin = time.monotonic()
    connection.request("POST", "/v1/completions", json.dumps(
        {"prompt": "Once upon a time", "max_tokens": tokens, "stream": True, "seed": seed,
         "ignore_eos": True}), {"Content-Type": "application/json"})
    times = []
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            times.append(time.monotonic())
    connection.close()
    return [1000 * (b - a) for a, b in zip([begin, *times], times)]


def check_forms(many):
    status, answer = chat(response_format={"type": "json_schema", "json_schema": {
        "name": "person", "schema": SCHEMA}}, seed=1)
    check(status == 200 and fits(answer["choices"][0]["message"]["content"]),
          f"an answer fits its schema: {answer if status != 200 else answer['choices'][0]}")
    status, answer = chat(structured_outputs={"regex": "[a-c]{3}-[0-9]{4}"}, seed=2)
    check(status == 200 and re.fullmatch("[a-c]{3}-[0-9]{4}",
                                         answer["choices"][0]["message"]["content"]),
          f"an answer fits its regex: {answer}"[:200])
    status, answer = chat(structured_outputs={"choice": ["red", "green", "blue"]}, seed=3)
    check(status == 200 and answer["choices"][0]["message"]["content"] in ("red", "green", "blue"),
          "an answer is one of the choices")
    status, answer = chat(tools=[WEATHER], tool_choice="required", seed=4)
    call = answer["choices"][0]["message"].get("tool_calls", [{}])[0] if status == 200 else {}
    check(call.get("function", {}).get("name") == "weather" and
          1 <= json.loads(call["function"]["arguments"])["days"] <= 7,
          f"a forced call fits its parameters: {answer if status != 200 else call}"[:200])

    def held(seed):
        form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
        status, answer = chat(response_format=form, seed=seed, temperature=1.2)
        if status != 200:
            return "status"
        if answer["choices"][0]["finish_reason"] == "length":
            return "cut"
        return "fits" if fits(answer["choices"][0]["message"]["content"]) else "wrong"

    with concurrent.futures.ThreadPoolExecutor(2 * many) as pool:
        alone = [gap for one in pool.map(lambda s: stream_gaps(128, s), range(many))
                 for gap in one[1:]]
        forms = [pool.submit(held, 100 + seed) for seed in range(many)]
        beside = [gap for one in pool.map(lambda s: stream_gaps(128, s), range(many))
                  for gap in one[1:]]
        verdicts = [form.result() for form in forms]
    check(verdicts.count("fits") + verdicts.count("cut") == many and "fits" in verdicts,
          f"{many} held answers beside {many} free ones: "
          f"{ {v: verdicts.count(v) for v in sorted(set(verdicts))} }")
    for name, gaps in ("alone", alone), ("beside held answers", beside):
        gaps.sort()
        figures[f"ms between tokens of {many} free answers, {name}"] = {
            "median": round(statistics.median(gaps), 2),
            "p99": round(gaps[len(gaps) * 99 // 100], 2)}


def check_leaving():
    for _ in range(8):
        connection = http.client.HTTPConnection("127.0.0.1", Server.port, timeout=60)
        connection.request("POST", "/v1/completions", json.dumps(
            {"prompt": "a", "max_tokens": 4000, "stream": True, "ignore_eos": True}),
            {"Content-Type": "application/json"})
        connection.getresponse().readline()
        connection.close()
    for _ in range(100):
        running = re.search(r"^ingot_num_requests_running\S* (\d+)", get("/metrics"), re.M)
        if running and running[1] == "0":
            break
        time.sleep(0.05)
    check(running is not None and running[1] == "0", "clients that left leave nothing running")


def vectors(binary, model, device):
    texts = [[1, 2, 3, 4, 5], [7, 8, 9], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]]
    with Server(binary, model, device, "--task", "embed", "--dtype", "float32"):
        name = json.loads(get("/v1/models"))["data"][0]["id"]
        status, answer = post("/v1/embeddings", {"model": name, "input": texts,
                                                 "encoding_format": "float"})
    return [one["embedding"] for one in answer["data"]] if status == 200 else answer


def check_embeddings(binary, model, device):
    name = os.path.basename(model)
    mine, cpu = vectors(binary, model, device), vectors(binary, model, "cpu")
    if isinstance(mine, dict) or isinstance(cpu, dict):
        return check(False, f"embeddings of {name}: {mine} {cpu}"[:300])
    worst = max(abs(a - b) for x, y in zip(mine, cpu) for a, b in zip(x, y))
    norms = [math.sqrt(sum(a * a for a in x)) for x in mine]
    check(worst < 1e-4 and all(abs(n - 1) < 1e-3 for n in norms),
          f"embeddings of {name} are the CPU's: largest difference {worst:.2g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=os.path.join(HERE, "bin/ingot"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="random:llama-3.1-8b")
    parser.add_argument("--tokenizer")
    parser.add_argument("--chat-template", help="a file, where the model has none")
    parser.add_argument("--goldens", default=os.path.join(HERE, "tests/data/goldens"))
    parser.add_argument("--many", type=int, default=32)
    parser.add_argument("--json", help="the figures")
    args = parser.parse_args()
    flags = ["--tokenizer-dir", args.tokenizer] if args.tokenizer else []
    flags += ["--chat-template", args.chat_template] if args.chat_template else []
    with Server(args.binary, args.model, args.device, *flags) as server:
        print("\n".join(server.lines))
        figures["seconds to ready"] = round(server.seconds, 1)
        pages = re.search(r'num_blocks="(\d+)"', get("/metrics"))
        figures["KV pages of 32 tokens"] = int(pages[1])
        check_forms(args.many)
        check_leaving()
    for model in sorted(glob.glob(os.path.join(args.goldens, "*/"))):
        if os.path.basename(model.rstrip("/")) in EMBEDDERS:
            check_embeddings(args.binary, model.rstrip("/"), args.device)
    print(json.dumps(figures, indent=1))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
