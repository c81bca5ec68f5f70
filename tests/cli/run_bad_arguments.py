"""Wrong command lines and variables: one error line that says what was expected and found."""

import os
import re
import tempfile

from cli_harness import CASE, IDS, ROOT, BadInput, Checks, ingot, ingot_json, real_model


# Commands that take --random-weights.
RANDOM = (["build"], ["plan"], ["bench"], ["bench", "latency"])


def check_subcommands(bad):
    for what, arguments, names in (
            ("no subcommand", [], ["expected a subcommand", "found none", "ingot --help"]),
            ("an unknown one", ["frob"], ["unknown subcommand 'frob'", "ingot --help"]),
            ("a mistyped one", ["rnu", CASE], ["'rnu'", "did you mean 'run'?"]),
            ("a flag before it", ["--json", "run", CASE], ["a subcommand first", "'--json'"]),
            ("an unknown flag before it", ["--frob"], ["a subcommand first", "'--frob'"])):
        bad.refused(what, *arguments, code=2, names=names)
    for name in ("frob", "xyzzy"):
        done = ingot(name)
        bad.checks.check(b"did you mean" not in done.stderr, f"{name}: nothing is near")


def check_counts(bad):
    """Too many arguments, in their order, and too few."""
    for what, arguments, names in (
            ("two too many", ["run", CASE, "Hi", "second", "third"],
             ["run: expected model [prompt], found also 'second' 'third'", "ingot run --help"]),
            ("one where none goes", ["version", "more"],
             ["version: expected no argument, found also 'more'"]),
            ("a model missing", ["run"], ["run: expected model, found none", "ingot run --help"]),
            ("folders missing", ["conformance"], ["conformance: expected dirs, found none"]),
            ("an unknown flag", ["run", CASE, "--fly", "3"], ["run: unknown flag '--fly'"]),
            ("before what is missing", ["run", "--fly"], ["run: unknown flag '--fly'"]),
            ("a mistyped flag", ["run", CASE, "--max-token=5"],
             ["unknown flag '--max-token'", "did you mean '--max-tokens'?"]),
            ("a flag's value missing", ["run", CASE, "--max-tokens"],
             ["--max-tokens: expected a value, found none"])):
        bad.refused(what, *arguments, code=2, names=names)


def check_values(bad):
    number, real = "--max-tokens: expected a whole number", "--temperature: expected a number"
    for arguments, says in (
            (["--progress", "foo"], "--progress: expected bar, json or none, found 'foo'"),
            (["--max-tokens", "9" * 20], f"{number} below 2^63, found '{'9' * 20}'"),
            (["--max-tokens", "many"], f"{number}, found 'many'"),
            (["--max-tokens", "0x10"], f"{number}, found '0x10'"),
            (["--max-tokens", "+-5"], f"{number}, found '+-5'"),
            (["--max-tokens", "++5"], f"{number}, found '++5'"),
            (["--max-tokens", "1.5"], f"{number}, found '1.5'"),
            (["--max-tokens", ""], f"{number}, found ''"),
            (["--temperature", "1e999"], f"{real} of 1e-308 to 1e308 in size, found '1e999'"),
            (["--temperature", "1e-999"], f"{real} of 1e-308 to 1e308 in size, found '1e-999'"),
            *((["--temperature", text], f"{real}, found '{text}'")
              for text in ("1x", "0x10", "0x1p-1", "+-1", "+", " 1", "1 ")),
            (["--temperature", ""], f"{real}, found ''"),
            (["--raw=maybe"], "--raw: expected true or false, found 'maybe'")):
        bad.refused(" ".join(arguments), "run", CASE, *arguments, code=2, names=[says])
    for name, value, says in (
            ("INGOT_MAX_TOKENS", "many", "INGOT_MAX_TOKENS: expected a whole number, found 'many'"),
            ("INGOT_TUNE_SECONDS", "abc", "INGOT_TUNE_SECONDS: expected a number, found 'abc'"),
            ("INGOT_PROGRESS", "x", "INGOT_PROGRESS: expected bar, json or none, found 'x'"),
            ("INGOT_JSON", "maybe", "INGOT_JSON: expected true or false, found 'maybe'")):
        bad.refused(f"{name}={value}", "run", CASE, code=2, names=[says], env={name: value})
    # Numbers are decimal, also behind a zero and a sign.
    for text in ("010", "+10"):
        done = ingot("run", CASE, "--prompt-ids", "1", "--max-tokens", text, env=bad.env)
        bad.checks.equal(len(done.stdout.split(b",")), 10, f"--max-tokens {text} is ten")
    for text in ("+0.5", "5e-1", ".5"):
        done = ingot("run", CASE, *IDS, "--temperature", text, env=bad.env)
        bad.checks.equal(done.returncode, 0, f"--temperature {text} is a number")


def check_empty_values(bad):
    """An unset variable of a script must not count as a flag that was not given."""
    target = bad.path("empty")
    os.mkdir(target)
    for command, flags in {
            ("build", CASE): ("output", "dtype", "kv-dtype", "tokenizer-dir", "random-weights",
                              "device", "minShapes"),
            ("convert", CASE): ("output", "dtype"), ("compare", CASE): ("prompt-ids",),
            ("run", CASE): ("prompt-ids", "stop", "threads", "plugin", "device", "progress"),
            ("exec", "none.onnx"): ("dump-outputs", "load-inputs"),
            ("pull", "smollm2-135m-instruct"): ("revision", "file"),
            ("bench", CASE): ("random-weights", "dataset", "kv-memory")}.items():
        for flag in flags:
            bad.refused(f"{command[0]} --{flag} ''", *command, f"--{flag}", "", code=2,
                        names=[f"--{flag}: expected"])
    bad.refused("exec of an input twice", "exec", "none.onnx", "--load-inputs", "x:a.npy",
                "--load-inputs", "x:b.npy", code=2,
                names=["--load-inputs: input 'x' is given twice, as 'a.npy' and 'b.npy'"])
    # With an open standard input, which is not read.
    for arguments in (["run", CASE, ""], ["run", CASE, "", "--raw"], ["run", CASE, "", *IDS],
                      ["run", CASE]):
        bad.refused(f"an empty prompt {arguments[3:]}", *arguments, code=2, names=["prompt"])
    done = ingot("tokenize", real_model(), "", "--json", env=bad.env, stdin=b"a text")
    bad.checks.equal(done.stdout.strip(), b'{"ids":[]}', f"an empty text has no tokens: {done}")
    bad.refused("detokenize of no ids", "detokenize", real_model(), "", code=2, names=["ids"],
                stdin=b"1")
    bad.checks.check(not os.path.exists(os.path.join(ROOT, "llama-mha.engine")),
                     "an empty --output writes nothing")
    for arguments, env in ((["--system", ""], {}), ([], {"INGOT_PROMPT_IDS": "",
                                                         "INGOT_DTYPE": ""})):
        done = ingot("run", CASE, "--prompt-ids", "1", "--max-tokens", "1", *arguments,
                     env={**bad.env, **env})
        bad.checks.equal(done.returncode, 0, f"{arguments} {env}: counts as absent")


def check_other_kinds_flags(bad):
    """Flags that say nothing about what is given, and a length past the model's context."""
    for flag in ("file", "revision"):
        bad.refused(f"pull of a pinned file --{flag}", "pull", "smollm2-135m-instruct",
                    f"--{flag}", "nosuch", code=2, names=[f"--{flag}", "one pinned file"])
    bad.refused("conformance of a folder --model", "conformance", CASE, "--model", "/x", code=2,
                names=["--model: expected .json files of a model's answers, found none"])
    encoder = os.path.join(os.path.dirname(CASE), "bert-tiny")
    bad.refused("build of an encoder --task generate", "build", encoder, "--task", "generate",
                "--no-tune", "--output", bad.path("encoder.engine"),
                names=[encoder, "--task generate", "is an encoder"])
    bad.checks.check(not os.path.exists(bad.path("encoder.engine")), "no engine of an encoder")
    for length, warned in ((100000, 1), (64, 0)):
        done = ingot("build", CASE, "--no-tune", "--max-seq-len", str(length), "--output",
                     bad.path("long.engine"), env=bad.env)
        says = f"--max-seq-len {length}: the model's context holds 256, which counts".encode()
        bad.checks.equal((done.returncode, done.stderr.count(says)), (0, warned),
                         f"build --max-seq-len {length}: {done.stderr[-200:]!r}")


def check_bench_modes(bad):
    """A flag that the mode does not read would be ignored; a variable may be another command's."""
    for mode, flag, value, others in (
            (["latency", CASE], "prompt-tokens", "0", "'bench' without a mode"),
            (["latency", CASE], "batch", "2", "'bench decode', 'bench kernels'"),
            (["throughput", CASE], "repeat", "2", "'bench decode', 'bench latency'"),
            (["kernels", CASE], "rate", "1", "'bench serve'"),
            ([CASE], "isl", "8", "'bench throughput'"),
            (["kernels", CASE], "gpu-times", "",
             "'bench decode', 'bench latency', 'bench throughput'"),
            (["serve"], "device", "cpu", "'bench' without a mode"),
            (["serve"], "kv-memory", "1", "'bench decode'")):
        given = [f"--{flag}", value] if value else [f"--{flag}"]
        bad.refused(f"bench {mode[0]} --{flag}", "bench", *mode, *given, code=2,
                    names=[f"--{flag}: 'bench", "does not read it, but ", others])
    bad.refused("bench --gpu-times without a GPU", "bench", "latency", CASE, "--gpu-times", code=2,
                names=["--gpu-times: expected a GPU as --device, found 'cpu'"])
    bad.refused("bench --batch 1,x", "bench", "decode", CASE, "--batch", "1,x", code=2,
                names=["--batch: expected counts of sequences like 1,2,3, found 'x'"])
    for mode in ("decode", "kernels"):
        bad.refused(f"bench {mode} of more rows than a step has", "bench", mode, CASE, "--batch",
                    "1,4", "--max-batch-size", "2", code=2,
                    names=["--batch 4: --max-batch-size is 2"])
    bad.refused("bench kernels of short answers", "bench", "kernels", CASE, "--osl", "7", code=2,
                names=["--osl: expected 8 to ", "found 7"])
    for number in ("99999999999", "-1", "x", ""):
        bad.refused(f"device number '{number}'", "bench", "latency", CASE, "--device",
                    f"cpu:{number}", code=2,
                    names=[f"expected a number from 0 to 2147483647 after ':', found '{number}'"])
    done = ingot("bench", "latency", CASE, "--isl", "4", "--osl", "2", "--repeat", "1",
                 env={**bad.env, "INGOT_PROMPT_TOKENS": "0", "INGOT_RATE": "3"})
    bad.checks.equal(done.returncode, 0, f"variables of other modes: {done.stderr[-200:]!r}")
    for arguments, found in (([], "none"), ([CASE, "--random-weights", "smollm2-135m"], "both")):
        for command in RANDOM:
            says = f"expected a model or --random-weights with a preset, found {found}"
            bad.refused(f"{command} of {found}", *command, *arguments, code=2, names=[says])


def check_presets(bad):
    """A preset that does not exist, by the flag and by the name of a model."""
    for command in (*RANDOM, ["run", *IDS], ["serve"], ["chat"]):
        bad.refused(f"{command} random:nosuch", *command, "random:nosuch", code=2,
                    names=["random:nosuch: ", "expected one of ", "smollm2-135m"])
    for command in RANDOM:
        bad.refused(f"{command} --random-weights nosuch", *command, "--random-weights", "nosuch",
                    code=2, names=["--random-weights: ", "expected one of ", "smollm2-135m"])


def check_kinds(bad):
    """Files of another kind: what was expected, and what is there."""
    engine, junk, empty = bad.path("s.engine"), bad.path("junk.engine"), bad.path("empty.engine")
    ingot_json("build", CASE, "--output", engine, "--no-tune", env=bad.env)
    with open(junk, "wb") as file:
        file.write(b"root:x:0")
    with open(empty, "wb"):
        pass
    weights = os.path.join(CASE, "model.safetensors")
    for command in ("build", "convert"):
        bad.refused(f"{command} of an engine", command, engine,
                    names=[engine, "found an engine, which is built already", "'ingot run'"])
    models = ("expected an engine, a GGUF, .safetensors, .bin (PyTorch's weights) or .onnx file "
              "or a model directory")
    for command, expected in (("run", models), ("build", models), ("inspect", models),
                              ("exec", "expected a complete ONNX file"),
                              ("tokenize", "a tokenizer.json")):
        arguments = IDS if command == "run" else ["Hi"] if command == "tokenize" else []
        bad.refused(f"{command} of junk", command, junk, *arguments,
                    names=[junk, expected, "a file of 8 bytes that begins with 72 6f 6f 74 3a 78"])
        bad.refused(f"{command} of nothing", command, empty, *arguments,
                    names=[empty, "found an empty file"])
        bad.refused(f"{command} of a device", command, "/dev/null", *arguments,
                    names=["/dev/null", "found a character device" if command != "tokenize" else
                           "expected"])
    bad.refused("exec of weights", "exec", weights, names=[weights, "found a safetensors file of"])
    bad.refused("exec of a model", "exec", CASE, names=[CASE, "'ingot run'", ".onnx file"])
    bad.refused("exec of a folder", "exec", bad.folder, names=["found a directory"])
    bad.refused("conformance of nothing", "conformance", bad.path("none"), CASE,
                names=[bad.path("none"), "no such file or directory"])
    long = "x" * 5000
    for command in ("conformance", "run", "build", "inspect", "exec", "tokenize", "compare", "plan",
                    "convert", "bench", "pull", "chat", "detokenize"):
        done = ingot(command, long, env=bad.env)
        bad.checks.equal(done.returncode in (1, 2), True, f"{command} of a long name fails")
        bad.checks.check(b"[internal]" not in done.stderr and b"error:" in done.stderr,
                         f"{command} of a long name: {done.stderr[-200:]!r}")
    bad.refused("conformance of a long name", "conformance", long, names=["File name too long"])
    done = ingot("run", CASE, *IDS, "--plugin", junk, env=bad.env)
    bad.checks.equal(done.stderr.count(b"junk.engine"), 1, f"a plugin's path once: {done.stderr!r}")
    target = bad.path("none/x.engine")  # before the model, which does not exist, is looked for
    bad.refused("build into no folder", "build", bad.path("none.gguf"), "--output", target, code=2,
                names=["--output", target, f"expected the folder {bad.path('none')}/"])
    bad.refused("build below a file", "build", CASE, "--output", junk + "/x", code=2,
                names=["--output", "expected the folder", "junk.engine"])
    pipe = bad.path("pipe")
    os.mkfifo(pipe)
    bad.refused("build into a pipe", "build", CASE, "--output", pipe, code=2,
                names=["--output", "expected a regular file or nothing, found a pipe"])
    bad.refused("build into a folder", "build", CASE, "--output", bad.folder, code=2,
                names=["--output", "found a directory"])


def check_configs(bad):
    """Values of a model's files that no run can take: file, key, expected and found."""
    ends = "'eos_token_id': expected 0 to 511, found 99999"
    folder = bad.model_with("ends", eos_token_id=99999)
    bad.refused("an end token past the vocabulary", "run", folder, *IDS,
                names=[os.path.join(folder, "config.json"), ends])
    with open(os.path.join(folder, "generation_config.json"), "w", encoding="utf-8") as file:
        file.write('{"eos_token_id": [2, 99999]}')
    bad.refused("and in generation_config.json", "run", folder, *IDS,
                names=[os.path.join(folder, "generation_config.json"), ends])
    folder = bad.model_with("long", max_position_embeddings=2**31 - 1)
    bad.refused("a longer context than there are positions", "run", folder, *IDS,
                names=[os.path.join(folder, "config.json"), "'max_position_embeddings'",
                       "at most 2147483616, found 2147483647", "'ingot build --max-seq-len N'"])
    engine = bad.path("long.engine")
    ingot_json("build", folder, "--output", engine, "--max-seq-len", "64", env=bad.env)
    bad.checks.equal(ingot("run", engine, *IDS, env=bad.env).returncode, 0, "it helps as it says")
    for method in ("awq", "gptq", "fp8", "bitsandbytes"):
        folder = bad.model_with(method, quantization_config={"quant_method": method, "bits": 4})
        for command in (["run", folder, *IDS], ["build", folder, "--output", bad.path("q.engine")],
                        ["convert", folder, "--output", bad.path("q")]):
            bad.refused(f"{command[0]} of {method}", *command,
                        names=["config.json", "'quantization_config'", f'found "{method}"'])
    folder = bad.model_with("tokenizer")
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
        file.write("{")
    for command in ("run", "tokenize"):
        bad.refused(f"{command} with half a tokenizer.json", command, folder, "Hi",
                    names=[os.path.join(folder, "tokenizer.json"), "byte 2"])


def check_advice(bad):
    """The command that was called, not the room below it, says which of its flags helps."""
    engine = bad.path("bare.engine")
    ingot_json("build", CASE, "--output", engine, "--no-tune", env=bad.env)
    said = "expected a tokenizer, found none"
    bad.refused("run without tokenizer", "run", engine, "Hi",
                names=[said, "--prompt-ids", "--tokenizer-dir"])
    bad.refused("chat without tokenizer", "chat", engine, names=[said, "--tokenizer-dir"])
    done = ingot("chat", engine, env=bad.env)
    bad.checks.check(b"--prompt-ids" not in done.stderr, "chat has no --prompt-ids to advise")
    big = bad.model_with("wide", max_position_embeddings=2**31 - 32)
    kv = ["--max-tokens", str(2**31 - 64)]
    bad.refused("run without memory", "run", big, "--prompt-ids", "1,2", *kv,
                names=["KV cache", "are free; lower --max-seq-len ('ingot plan' shows what fits)"])


def variables_of_scripts():
    """What tests, tools and the scripts of the root read from the environment."""
    reads = re.compile(r"""(?:environ(?:\.get\(|\[)|getenv\(|_environment\()"""
                       r""""((?:DEV_)?INGOT_\w+)"|\$\{?((?:DEV_)?INGOT_[A-Z_]+)""")
    names = set()
    paths = [os.path.join(ROOT, name) for name in ("test", "check", "quickstart", ".ci/run")]
    for folder in ("tests", "tools", "bench"):
        for parent, _, files in os.walk(os.path.join(ROOT, folder)):
            paths += [os.path.join(parent, f) for f in files if f.endswith((".py", ".sh", ".cc"))]
    for path in paths:
        with open(path, encoding="utf-8") as file:
            names.update(name for pair in reads.findall(file.read()) for name in pair if name)
    return names


def check_variables(bad):
    """A variable that nothing reads is named once; those that something reads are not."""
    def warnings(**env):
        done = ingot("version", env={**bad.env, **env})
        bad.checks.equal(done.returncode, 0, f"{sorted(env)}: runs")
        return done.stderr.decode().splitlines()

    found = warnings(INGOT_NOSUCH="1")
    bad.checks.equal(len(found), 1, f"an unknown variable: one line: {found}")
    bad.checks.check("warning" in found[0] and "INGOT_NOSUCH" in found[0], "it warns and names it")
    bad.checks.check("did you mean" not in found[0], "nothing is near INGOT_NOSUCH")
    found = warnings(INGOT_THREAD="1", INGOT_MAX_TOKEN="3")
    bad.checks.equal(len(found), 1, f"two unknown variables: one line: {found}")
    for near in ("INGOT_THREADS", "INGOT_MAX_TOKENS"):
        bad.checks.check(f"did you mean {near}?" in found[0], f"{near} is near")
    names = variables_of_scripts()
    bad.checks.check({f"DEV_INGOT_{name}" for name in (
        "BINARY", "JOBS", "SIM_SEEDS", "UPDATE_GOLDEN", "TIDY_BASE")} <= names,
                     f"scripts read {sorted(names)}")
    found = warnings(**{name: os.environ.get(name, "1") for name in names
                        if name not in bad.env},
                     INGOT_MAX_TOKENS="1", INGOT_OSL="1", INGOT_OVERLAP="1", INGOT_JSON="1",
                     INGOT_PYPI_INDEX="", INGOT_HTTP_CONNECT_TIMEOUT="1")
    bad.checks.equal(found, [], "what the program or scripts (DEV_INGOT_*) read gives no warning")
    found = warnings(INGOT_SIM_SEEDS="1")
    bad.checks.equal(len(found), 1, f"a test's variable without DEV_ is unknown: {found}")
    bad.refused("beside an error", "run", bad.path("none.gguf"), *IDS, names=["none.gguf"],
                env={"INGOT_NOSUCH": "1", "INGOT_LOG": "error"})


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        bad = BadInput(checks, folder)
        check_subcommands(bad)
        check_counts(bad)
        check_values(bad)
        check_empty_values(bad)
        check_other_kinds_flags(bad)
        check_bench_modes(bad)
        check_presets(bad)
        check_variables(bad)
        check_kinds(bad)
        check_configs(bad)
        check_advice(bad)
    checks.finish()


if __name__ == "__main__":
    main()
