"""Every subcommand with --json prints JSON lines and nothing else; --help shows an example."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from cli_harness import (BINARY, DATA, ROOT, Checks, ingot, ingot_json, real_model,
                         wait_for_reading)

sys.path.insert(0, os.path.join(ROOT, "tests", "server"))
from server_harness import Server  # noqa: E402

CASE = os.path.join(DATA, "goldens", "llama-mha")
# tests/server/run_embeddings.py, tests/onnx, tests/cli/run_serve.py
ELSEWHERE = {"embed", "exec", "serve"}
RUN_KEYS = ["prompt_token_ids", "token_ids", "text", "finish_reason", "timings"]
TIMING_KEYS = ["load_ms", "prefill_ms", "ttft_ms", "decode_ms", "prefill_tok_s", "decode_tok_s"]


def commands(model, folder):
    """Arguments and standard input by subcommand; a new subcommand must be added here."""
    engine = os.path.join(folder, "small.engine")
    ids = ["--prompt-ids", "1,2,3"]
    return {
        "build": (["build", CASE, "--output", engine], b""),
        "bench": (["bench", CASE, "--prompt-tokens", "16", "--decode-tokens", "4", "--batch", "2",
                   "--decode-prompt", "4", "--repeat", "1", "--random-prompts", "--profile"], b""),
        "chat": (["chat", model, "--max-tokens", "4"], b"Hi\n/reset\nHo\n/exit\nnever read\n"),
        "compare": (["compare", engine, "--tokens", "8"], b""),
        "conformance": (["conformance", CASE], b""),
        "convert": (["convert", CASE, "--output", os.path.join(folder, "checkpoint")], b""),
        "detokenize": (["detokenize", model, "19556,28"], b""),
        "devices": (["devices", "--measure"], b""),
        "inspect": (["inspect", engine], b""),
        "knobs": (["knobs"], b""),
        "plan": (["plan", CASE], b""),
        "pull": (["pull", "smollm2-135m-instruct"], b""),
        "run": (["run", CASE, *ids, "--max-tokens", "4", "--logprobs", "2"], b""),
        "tokenize": (["tokenize", model], "Zürich ☂".encode()),
        "version": (["version"], b""),
    }


def json_lines(text):
    try:
        return [json.loads(line) for line in text.decode().splitlines()]
    except ValueError:
        return None


def check_values(checks, results):
    run = results["run"][0]
    checks.equal(list(run)[:4] + list(run)[-1:], RUN_KEYS, "run: its keys")
    checks.equal(list(run["timings"]), TIMING_KEYS, "run: its timings")
    checks.equal(run["prompt_token_ids"], [1, 2, 3], "run: the prompt's ids")
    checks.equal(len(run["logprobs"]), len(run["token_ids"]), "run: logprobs of each token")
    best = run["logprobs"][0]["top"][0]
    checks.equal(best["token_id"], run["token_ids"][0], "run: greedy takes the best token")
    checks.equal(len(results["chat"]), 2, "chat: an answer to each line before /exit")
    checks.equal(results["compare"][0]["status"], "pass", "compare: fast and reference agree")
    kernels = {(s["kernel"], s["reference_kernel"]) for s in results["compare"][0]["steps"]}
    checks.check(any(fast != slow for fast, slow in kernels), "compare: the kernels differ")
    checks.equal(results["detokenize"][0]["text"], "Hello,", "detokenize: the text")
    bench = results["bench"][0]
    for figure in ("prefill_tok_s", "decode_tok_s", "batch_decode_tok_s"):
        checks.check(bench[figure] > 0, f"bench: {figure} is {bench[figure]:.1f}")
    for key in ("model", "dtype", "threads", "isa", "device", "version", "batch", "seed"):
        checks.check(key in bench, f"bench: states its {key}")
    listed = results["devices"][0]["devices"][0]
    checks.equal((bench["device_model"], bench["device_detail"]),
                 (listed["model"], listed["detail"]), "bench: describes its device")
    for rate in ("copy_bytes_s", "gemm_flop_s"):
        checks.check(listed["measured"][rate] > 1e7, f"devices: {rate} {listed['measured'][rate]}")
    checks.check(len(bench["profile"]["decode"]) > 5, "bench: times of steps")
    checks.check(len(results["inspect"][0]["devices"][0]["choices"]) > 0, "inspect: kernel choices")
    commit = results["version"][0]["commit"]
    git = shutil.which("git") and subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"],
                                                 capture_output=True, check=False)
    own = os.path.exists(os.path.join(ROOT, ".git")) and git and git.returncode == 0
    wanted = "[0-9a-f]{12}(-dirty)?" if own else ""
    checks.check(re.fullmatch(wanted, commit), f"version: its commit {commit}")
    checks.equal(bench["commit"], commit, "bench: the same commit")


SPREAD = ["mean", "p50", "p90", "p99"]


def check_bench_modes(checks, folder):
    """The modes of bench, on a tiny model and on random weights."""
    def bench(*arguments):
        done = ingot("bench", *arguments, "--json", env={"INGOT_CACHE_DIR": folder})
        checks.equal(done.returncode, 0, f"bench {' '.join(arguments)[:60]}: exit code")
        return json.loads(done.stdout)

    def configured(out, mode):
        for key in ("model", "version", "commit", "device", "device_model", "dtype",
                    "activation_dtype", "max_batch_size", "max_num_tokens", "max_seq_len",
                    "kv_tokens", "seed", "knobs", "weight_bytes", "plan_hash", "memory", "kernels"):
            checks.check(key in out, f"bench {mode}: states its {key}")
        checks.equal(out["mode"], mode, f"bench {mode}: its name")

    sizes = ["--isl", "12", "--osl", "6", "--repeat", "2"]
    out = bench("throughput", CASE, *sizes[:4], "--num-requests", "7", "--max-batch-size", "3",
                "--concurrency", "5")
    configured(out, "throughput")
    checks.equal((out["requests"], out["prompt_tokens"], out["output_tokens"]), (7, 84, 42),
                 "bench throughput: every token of every request")
    checks.equal((out["max_batch_size"], out["concurrency"]), (3, 5), "bench throughput: limits")
    for key in ("ttft_ms", "itl_ms", "tpot_ms", "request_ms"):
        checks.equal(list(out[key]), SPREAD, f"bench throughput: {key}")
        checks.check(out[key]["p50"] <= out[key]["p90"] <= out[key]["p99"],
                     f"bench throughput: {key} in order")
    for key in ("requests_s", "output_tok_s", "total_tok_s", "elapsed_s", "steps"):
        checks.check(out[key] > 0, f"bench throughput: {key} is {out[key]}")
    checks.check("gpu" in out and out["gpu"] is None, "bench throughput: a CPU waits for nobody")
    checks.check(1 <= out["mean_batch"] <= 3, f"bench throughput: mean batch {out['mean_batch']}")

    data = os.path.join(folder, "requests.jsonl")
    with open(data, "w") as file:
        file.write('{"input_ids": [1, 2, 3], "output_tokens": 2}\n\n{"input_ids": [4]}\n')
    out = bench("throughput", CASE, *sizes[:4], "--dataset", data)
    checks.equal((out["requests"], out["prompt_tokens"], out["output_tokens"]), (2, 4, 8),
                 "bench throughput: a dataset's requests")
    with open(data, "a") as file:
        file.write('{"input_ids": [-1]}\n')
    done = ingot("bench", "throughput", CASE, "--dataset", data)
    checks.check(done.returncode == 1 and b"requests.jsonl:4" in done.stderr,
                 f"bench throughput: a wrong line is named: {done.stderr!r}")

    out = bench("latency", CASE, *sizes, "--profile")
    configured(out, "latency")
    for key in ("ttft_ms", "ms_per_token", "request_ms", "prefill_tok_s"):
        checks.check(out[key] > 0, f"bench latency: {key} is {out[key]}")
    checks.equal(len(out["ttft_runs"]), 2, "bench latency: each run")
    for part in ("prefill", "decode"):
        rows = out["profile"][part]
        checks.check(len(rows) > 3 and all(row["us"] > 0 for row in rows),
                     f"bench latency: profile of {part}")
    preset = ["--random-weights", "smollm2-135m"]
    out = bench("decode", *preset, *sizes, "--batch", "1,3")
    configured(out, "decode")
    checks.check(out["random_weights"], "bench decode: weights are random")
    checks.equal(out["model"], "random:smollm2-135m", "bench decode: the preset's name")
    checks.equal([row["batch"] for row in out["batches"]], [1, 3], "bench decode: its batches")
    checks.check(all(row["decode_tok_s"] > 0 for row in out["batches"]), "bench decode: rates")

    for flags, osl in ([], 32), (["--osl", "40"], 40):
        out = bench("kernels", CASE, *sizes[:2], *flags, "--batch", "2")
        checks.equal(out["osl"], osl, f"bench kernels: tokens of an answer {flags}")
    for key in ("copy_bytes_s", "gemm_flop_s"):
        checks.check(out["measured"][key] > 0, f"bench kernels: {key}")
    for rows in (out["prefill"], out["decode"][0]["kernels"]):
        checks.check({"linear", "paged_attention"} <= {row["op"] for row in rows},
                     "bench kernels: products and attention")
        checks.check(all(row["us"] > 0 and row["gb_s"] > 0 and row["roof_share"] > 0
                         for row in rows), "bench kernels: times and rates")


def check_bench_refusals(checks, folder):
    """Models and flags that no mode takes."""
    preset = ["--random-weights", "smollm2-135m"]
    for what, arguments, names in (
            ("an unknown preset", ["--random-weights", "gpt-9"], [b"llama-3.1-70b", b"qwen-7b"]),
            ("a model and a preset", ["decode", CASE, *preset], [b"--random-weights"]),
            ("neither", ["latency"], [b"--random-weights"]),
            ("an unknown mode", ["speed", CASE], [b"throughput", b"'speed'"]),
            ("KV memory of nothing", ["latency", CASE, "--kv-memory", "0"], [b"--kv-memory"])):
        done = ingot("bench", *arguments)
        checks.check(done.returncode in (1, 2) and all(n in done.stderr for n in names),
                     f"bench: {what}: {done.stderr!r}")
    done = ingot("run", "random:smollm2-135m", "Hi", env={"INGOT_CACHE_DIR": folder})
    checks.check(done.returncode == 1 and b"weights are random" in done.stderr,
                 f"run of random weights: {done.stderr!r}")


def check_bench_of_small_engine(checks, folder):
    """Steps past what an engine was built for run untuned kernels: one line says so."""
    engine = os.path.join(folder, "small.engine")
    ingot_json("build", CASE, "--output", engine, "--no-tune", "--max-batch-size", "4",
               "--max-num-tokens", "16")
    for what, model, arguments, told in (
            ("as many rows", engine, ["--batch", "2,4"], None),
            ("few tokens of a larger step", engine, ["--batch", "1", "--max-num-tokens", "64"],
             None),
            ("more rows", engine, ["--batch", "2,24"],
             b"up to 4 sequences and 16 tokens, those here have up to 24 and 24: larger steps run "
             b"kernels that are not tuned for them; 'ingot build --max-batch-size 24 "
             b"--max-num-tokens 24'"),
            ("more tokens", engine, ["--batch", "2", "--max-num-tokens", "20"],
             b"'ingot build --max-batch-size 4 --max-num-tokens 20'"),
            ("no engine", CASE, ["--batch", "24"], None)):
        done = ingot("bench", "decode", model, "--isl", "2", "--osl", "8", "--repeat", "1",
                     *arguments, env={"INGOT_CACHE_DIR": folder})
        checks.equal(done.returncode, 0, f"bench of {what}: exit code {done.stderr[-200:]!r}")
        lines = [line for line in done.stderr.splitlines() if b"built for steps of" in line]
        checks.equal(len(lines), 1 if told else 0, f"bench of {what}: lines of the engine's limits")
        checks.check(not told or (lines and told in lines[0] and engine.encode() in lines[0]),
                     f"bench of {what}: the line says {told!r}: {lines}")


def check_bench_serve(checks, model, folder):
    """bench serve against a server of the real model: its figures, its page."""
    page = os.path.join(folder, "report.html")
    with Server(model) as server:
        def bench(*arguments):
            done = ingot("bench", *arguments, "--url", server.url, "--random-prompts", "--vocab",
                         "256", "--isl", "5", "--osl", "6", "--ignore-eos", "--json")
            checks.equal(done.returncode, 0, f"bench serve: exit code {done.stderr[-200:]!r}")
            checks.check(b"Output token throughput" in done.stderr, "bench serve: a table beside")
            return json.loads(done.stdout)
        out = bench("serve", "--num-requests", "9", "--concurrency", "3", "--warmup", "2",
                    "--slo-e2e-ms", "1e9", "--report", page)
        whole = bench("serve", "--num-requests", "4", "--rate", "200", "--no-stream")
    checks.equal((out["completed"], out["failed"], out["total_input_tokens"],
                  out["total_output_tokens"], out["max_concurrent_requests"]), (9, 0, 45, 54, 3),
                 "bench serve: every token of every request")
    checks.equal(out["request_goodput"], out["request_throughput"], "bench serve: all are good")
    for name in ("ttft", "tpot", "itl", "e2el"):
        row = [out[f"{kind}_{name}_ms"] for kind in ("median", "p90", "p99")]
        checks.check(0 <= row[0] <= row[1] <= row[2], f"bench serve: {name} in order: {row}")
    for key in ("url", "endpoint", "model", "rate", "isl", "osl", "seed", "version", "commit",
                "stream"):
        checks.check(key in out["configuration"], f"bench serve: states its {key}")
    checks.equal(out["configuration"]["model"], server.ready["model"], "bench serve: the model")
    checks.equal((whole["completed"], whole["total_output_tokens"], whole["mean_ttft_ms"]),
                 (4, 24, None), "bench serve: whole answers")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    checks.check(text.count("<svg") == 6 and "</html>" in text and "://" not in
                 text.replace(server.url, ""), "bench serve: a page that needs no other")


def check_bench_serve_of_ids(checks):
    """A server without a tokenizer streams ids, whose times are known too."""
    with Server(CASE) as server:
        done = ingot("bench", "serve", "--url", server.url, "--random-prompts", "--vocab", "128",
                     "--isl", "5", "--osl", "6", "--num-requests", "4", "--concurrency", "1",
                     "--ignore-eos", "--json")
    checks.equal(done.returncode, 0, f"bench serve of ids: exit code {done.stderr[-200:]!r}")
    out = json.loads(done.stdout)
    checks.equal((out["completed"], out["total_output_tokens"]), (4, 24), "bench serve of ids")
    checks.check(out["mean_ttft_ms"] and out["mean_tpot_ms"],
                 f"bench serve of ids: time to first token {out['mean_ttft_ms']} "
                 f"and of later ones {out['mean_tpot_ms']}")


def check_plan(checks, results, folder):
    plan = results["plan"][0]
    for key in ("weight_bytes", "kv_bytes_per_token", "activation_bytes", "free_bytes",
                "kv_room_tokens", "max_seq_len"):
        checks.check(plan[key] > 0, f"plan: {key} is {plan[key]}")
    checks.equal((plan["fits"], plan["table"][-1]["context"]), (True, plan["max_seq_len"]),
                 "plan: a tiny model fits, at its whole context")
    done = ingot("plan", "--random-weights", "llama-3.1-70b", "--json")
    plan = json.loads(done.stdout)
    fits = plan["free_bytes"] > 142e9
    checks.equal((plan["weight_bytes"] // 10**9, plan["kv_bytes_per_token"], plan["fits"]),
                 (141, 2 * 80 * 8 * 128 * 2, fits), "plan: the arithmetic of a 70B model")
    checks.equal(done.returncode, 0 if fits else 1, "plan: exit code")
    if fits:
        return
    checks.check(b"does not fit" in done.stderr, f"plan: {done.stderr!r}")
    done = ingot("bench", "latency", "--random-weights", "llama-3.1-70b",
                 env={"INGOT_CACHE_DIR": folder})
    checks.check(done.returncode == 1 and b"weights alone do not fit" in done.stderr and
                 b"GiB are free" in done.stderr, f"a 70B model is refused: {done.stderr!r}")


def check_sources(checks, model, folder):
    """tokenize reads every kind of source alike, and detokenize leads back."""
    engine = os.path.join(folder, "smollm2.engine")
    checkpoint = os.path.join(folder, "smollm2")
    ingot_json("build", model, "--output", engine)
    ingot_json("convert", model, "--output", checkpoint)
    texts = ["Hello, world", "Zürich ☂ 山\n\ttabs", "", "  two  spaces  ", "<|im_start|>user"]
    lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
    expected = None
    for source in (model, engine, checkpoint, "smollm2-135m-instruct"):
        found = ingot("tokenize", source, "--jsonl", stdin=lines).stdout
        back = ingot("detokenize", source, "--jsonl", "--special", stdin=found).stdout
        checks.equal([json.loads(line) for line in back.splitlines()], texts,
                     f"{os.path.basename(source)}: tokenize and back")
        expected = expected or found
        checks.equal(found, expected, f"{os.path.basename(source)}: the same ids")
    answers = [ingot_json("run", source, "Name a colour.", "--max-tokens", "6")["token_ids"]
               for source in (model, engine, checkpoint)]
    checks.check(answers[0] == answers[1] == answers[2], "run: one answer from GGUF, engine and "
                 f"checkpoint: {answers}")


def check_odd_paths(checks, folder):
    """A path that is no UTF-8 keeps no result from being printed; no case is a row as well."""
    target = os.path.join(folder.encode(), b"\xff.engine")
    done = ingot("build", CASE, "--output", target, "--json")
    checks.equal(done.returncode, 0, f"build to a path that is no UTF-8: {done.stderr[-200:]!r}")
    checks.check(json_lines(done.stdout), f"and its JSON: {done.stdout[:80]!r}")
    empty = os.path.join(folder, "empty")
    os.mkdir(empty)
    done = ingot("conformance", empty, CASE, "--json")
    lines = json_lines(done.stdout) or []
    checks.equal((done.returncode, [line["status"] for line in lines]), (1, ["fail", "pass"]),
                 "conformance of a folder that holds no case")
    checks.check("neither a golden case" in lines[0]["reason"], "conformance: says what is missing")


def check_sampling(checks, model):
    def sampled(*flags):
        return ingot_json("run", model, "Tell a story.", "--max-tokens", "12", *flags)
    one, two = (sampled("--temperature", "1", "--seed", "5") for _ in range(2))
    checks.equal(one["token_ids"], two["token_ids"], "equal seeds, equal answers")
    other = sampled("--temperature", "1", "--seed", "6")
    checks.check(one["token_ids"] != other["token_ids"], "another seed, another answer")
    greedy = sampled()
    only = sampled("--temperature", "1", "--top-k", "1")
    checks.equal(only["token_ids"], greedy["token_ids"], "top-k 1 is greedy")
    stop = greedy["text"][4:9]
    stopped = sampled("--stop", "never to be found", "--stop", stop)
    checks.equal((stopped["text"], stopped["finish_reason"]),
                 (greedy["text"][:greedy["text"].index(stop)], "stop"), f"--stop {stop!r}")
    done = ingot("run", model, "Tell a story.", "--max-tokens", "12")
    checks.equal(done.stdout.decode(), greedy["text"] + "\n", "text on standard output, streamed")
    checks.check(b"tok/s" in done.stderr, "tokens/s on standard error")
    twin = ingot_json("run", model, "Tell a story.", env={"INGOT_MAX_TOKENS": "3"})
    checks.equal(twin["token_ids"], greedy["token_ids"][:3], "INGOT_MAX_TOKENS is --max-tokens")


def wait_for_report(chat):
    """The line on standard error that ends an answer."""
    for line in chat.stderr:
        if line.startswith(b"[") and b"tok/s" in line:
            return line
    return b""


def check_interrupt(checks, model):
    """Ctrl-C cancels the answer alone; the chat goes on; at the prompt Ctrl-C leaves."""
    chat = subprocess.Popen([BINARY, "chat", model, "--max-tokens", "2000"], bufsize=0,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    chat.stdin.write(b"Write a very long story about the sea and the people who live by it.\n")
    chat.stdout.read(1)
    chat.send_signal(signal.SIGINT)
    checks.check(b"cancelled" in wait_for_report(chat), "chat: Ctrl-C cancels the answer")
    chat.stdin.write(b"What is the capital of France?\n")
    report = wait_for_report(chat)
    checks.check(b"cancelled" not in report and report, f"chat: and goes on: {report!r}")
    wait_for_reading(chat)
    chat.send_signal(signal.SIGINT)
    checks.equal(chat.wait(timeout=60), 0, "chat: Ctrl-C at the prompt leaves")


def check_run_interrupt(checks, model):
    """Ctrl-C ends a run's answer: what there is of it is printed, exit code 130."""
    story = "Write a very long story about the sea and the people who live by it."
    for flags in ([], ["--json"]):
        run = subprocess.Popen([BINARY, "run", model, story, "--max-tokens", "4000", *flags],
                               bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        if flags:  # nothing is printed before the end: the handler tells that it answers
            wait_for_handler(run.pid)
            time.sleep(0.3)
        started = b"" if flags else run.stdout.read(1)
        run.send_signal(signal.SIGINT)
        out, error = run.communicate(timeout=60)
        what = f"run {' '.join(flags)}, Ctrl-C"
        checks.equal(run.returncode, 130, f"{what}: exit code ({error[-200:]!r})")
        if flags:
            answer = json.loads(out)
            checks.equal(answer["finish_reason"], "cancelled", f"{what}: finish_reason")
            checks.equal(list(answer), RUN_KEYS, f"{what}: its keys")
            checks.check(len(answer["token_ids"]) < 4000, f"{what}: {answer['text'][:40]!r}")
        else:
            checks.check((started + out).endswith(b"\n"), f"{what}: ends the line")
            checks.check(b"cancelled" in error, f"{what}: says so: {error!r}")


def wait_for_handler(pid):
    """Until the process has the pipe that wakes it at SIGINT, beside its output and errors."""
    pipes = f"/proc/{pid}/fd"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError):  # one closed since
            links = [os.readlink(os.path.join(pipes, fd)) for fd in os.listdir(pipes)]
            if sum(link.startswith("pipe:") for link in links) >= 4:
                return
        time.sleep(0.01)


def main():
    checks = Checks()
    model = real_model()
    with tempfile.TemporaryDirectory() as folder:
        table = commands(model, folder)
        cache = {"INGOT_CACHE_DIR": os.path.join(folder, "cache")}
        results = {}
        for name, (arguments, stdin) in table.items():
            env = {} if name == "pull" else cache
            done = ingot(*arguments, "--json", stdin=stdin, env=env)
            checks.equal(done.returncode, 0, f"{name}: exit code {done.stderr[-200:]!r}")
            results[name] = json_lines(done.stdout)
            checks.check(results[name] and all(isinstance(r, dict) for r in results[name]),
                         f"{name}: JSON objects alone: {done.stdout[:80]!r}")
            usage = ingot(name, "--help")
            checks.check(usage.returncode == 0 and b"Example:" in usage.stdout and
                         b"INGOT_JSON" in usage.stdout, f"{name}: --help has example and twins")
        listed = set(re.findall(r"^  ([a-z]+) ", ingot("--help").stdout.decode(), re.MULTILINE))
        checks.equal(listed - ELSEWHERE, set(table), "every listed subcommand was run")
        check_values(checks, results)
        checks.equal(results["pull"][0]["path"], model, "pull: the path")
        check_plan(checks, results, folder)
        check_bench_modes(checks, folder)
        check_bench_refusals(checks, folder)
        check_bench_of_small_engine(checks, folder)
        check_bench_serve(checks, model, folder)
        check_bench_serve_of_ids(checks)
        check_sources(checks, model, folder)
        check_odd_paths(checks, folder)
        check_sampling(checks, model)
        check_interrupt(checks, model)
        check_run_interrupt(checks, model)
    checks.finish()


if __name__ == "__main__":
    main()
