"""SmolLM2-135M-Instruct answers as its reference: prompts, ids and every greedy token, float32.

Fast kernels twice (the same every run); run_real_reference.py has reference kernels. Also the
memory that a run takes.
"""

import json
import os
import subprocess
import sys
import tempfile

from cli_harness import BINARY, DATA, Checks, ingot, ingot_json, real_model

ALONE = True
KV_BYTES_PER_TOKEN = 2 * 30 * 3 * 64 * 4  # K and V, 30 layers, 3 heads of 64, float32
ROOM = 150 * 10**6


def arguments(case):
    """The command-line way to a case's prompt; None for a conversation with answers in it."""
    if "text" in case:
        return ["--raw", case["text"]]
    roles = [message["role"] for message in case["messages"]]
    contents = [message["content"] for message in case["messages"]]
    if roles == ["user"]:
        return [contents[0]]
    if roles == ["system", "user"]:
        return ["--system", contents[0], contents[1]]
    return None


def run_case(checks, model, case, mode, *flags):
    given = arguments(case)
    if given is None:
        given = ["--prompt-ids", ",".join(map(str, case["input_ids"]))]
    found = ingot_json("run", model, *given, "--temperature", "0", "--max-tokens",
                       str(len(case["greedy"])), *flags)
    name = f"{case['name']} ({mode})"
    checks.equal(found["prompt_token_ids"], case["input_ids"], f"{name}: prompt ids")
    checks.equal(found["token_ids"], case["greedy"], f"{name}: {len(case['greedy'])} greedy tokens")
    checks.equal(found["text"], case["output"], f"{name}: text")
    ended = "stop" if case["greedy"][-1] == 2 else "length"
    checks.equal(found["finish_reason"], ended, f"{name}: finish reason")
    return found["token_ids"] == case["greedy"]


def check_chat_history(checks, model, case):
    """The conversation of a case through `chat`: its history must render to the case's prompt."""
    users = [m["content"] for m in case["messages"] if m["role"] == "user"]
    done = subprocess.run([BINARY, "chat", model, "--json", "--temperature", "0", "--max-tokens",
                           "24"], input="\n".join(users).encode(), capture_output=True, check=False)
    checks.equal(done.returncode, 0, f"{case['name']}: chat's exit code")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    checks.equal(len(lines), len(users), f"{case['name']}: answers in chat")
    answered = case["messages"][1]["content"]
    # The second answer is comparable only where the first one is the history of the case.
    if lines and lines[0]["text"] == answered:
        checks.equal(lines[1]["token_ids"], case["greedy"], f"{case['name']}: second turn in chat")


def check_rendered(checks, model, cases):
    lines = "".join(json.dumps({"ids": case["input_ids"]}) + "\n" for case in cases)
    done = subprocess.run([BINARY, "detokenize", model, "--jsonl", "--special"],
                          input=lines.encode(), capture_output=True, check=True)
    for case, line in zip(cases, done.stdout.splitlines(), strict=True):
        checks.equal(json.loads(line), case["rendered"], f"{case['name']}: rendered prompt")


def check_conformance(checks, model, path):
    """The same cases with the reference's tokens fed in; a wrong token in the file must show."""
    def rows(file, *flags):
        done = ingot("conformance", file, "--model", model, "--json", *flags)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    for dtype in ("float32", "bfloat16"):
        status, found = rows(path, "--dtype", dtype)
        checks.equal((status, [row["status"] for row in found]), (0, 8 * ["pass"]),
                     f"conformance in {dtype}")
        checks.check(all(row["max_error"] > 0 for row in found),
                     f"conformance in {dtype}: measured")
    # bfloat16 judged as float32 must not pass: the rules tell them apart.
    status, found = rows(path, "--arithmetic", "bfloat16")
    checks.equal((status, len(found)), (1, 8), "conformance: bfloat16 is not float32")
    with open(path, encoding="utf-8") as file:
        changed = json.load(file)
    changed["cases"] = changed["cases"][:1]
    changed["cases"][0]["greedy"][1] += 1
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(changed, file)
        file.flush()
        status, found = rows(file.name, "--dtype", "bfloat16")
        checks.check(status == 1 and "greedy token 1" in found[0]["reason"],
                     f"conformance: a wrong token shows: {found}")


def check_memory(checks, model):
    """Resident memory of a short run, measured by the kernel for the child process."""
    process = subprocess.Popen([BINARY, "run", model, "Hi", "--max-tokens", "8", "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    tokens = len(out["prompt_token_ids"]) + 8
    allowed = os.path.getsize(model) + tokens * KV_BYTES_PER_TOKEN + ROOM
    peak = usage.ru_maxrss * 1024
    checks.equal(status, 0, "memory: the run's status")
    checks.check(peak <= allowed,
                 f"memory: peak {peak / 1e6:.0f} MB, allowed {allowed / 1e6:.0f} MB")


GOLDENS = os.path.join(DATA, "goldens", "real", "smollm2-135m-instruct-q4_1.json")


def golden_cases():
    with open(GOLDENS, encoding="utf-8") as file:
        return json.load(file)["cases"]


def check_mode(checks, model, cases, mode, *flags):
    right = [run_case(checks, model, case, mode, *flags) for case in cases]
    tokens = sum(len(case["greedy"]) for case, good in zip(cases, right) if good)
    checks.equal((len(cases), tokens), (8, 230), f"{mode}: cases and exact tokens")


def main():
    checks = Checks()
    cases = golden_cases()
    model = real_model()
    check_rendered(checks, model, cases)
    check_mode(checks, model, cases, "fast, first run")
    check_mode(checks, model, cases, "fast, second run")
    check_chat_history(checks, model, next(c for c in cases if c["name"] == "turns"))
    check_conformance(checks, model, GOLDENS)
    check_memory(checks, model)
    checks.finish()


if __name__ == "__main__":
    sys.exit(main())
