"""Wrong command lines and variables: one error line that says what was expected and found."""

import os
import re
import tempfile

from cli_harness import CASE, IDS, ROOT, BadInput, Checks, ingot


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
    number = "--max-tokens: expected a whole number"
    for arguments, says in (
            (["--progress", "foo"], "--progress: expected bar, json or none, found 'foo'"),
            (["--max-tokens", "9" * 20], f"{number} below 2^63, found '{'9' * 20}'"),
            (["--max-tokens", "many"], f"{number}, found 'many'"),
            (["--max-tokens", "0x10"], f"{number}, found '0x10'"),
            (["--max-tokens", "1.5"], f"{number}, found '1.5'"),
            (["--max-tokens", ""], f"{number}, found ''"),
            (["--temperature", "1e999"], "--temperature: expected a number below 1e308, found"),
            (["--temperature", "1x"], "--temperature: expected a number, found '1x'"),
            (["--temperature", ""], "--temperature: expected a number, found ''"),
            (["--raw=maybe"], "--raw: expected true or false, found 'maybe'")):
        bad.refused(" ".join(arguments), "run", CASE, *arguments, code=2, names=[says])
    for name, value, says in (
            ("INGOT_MAX_TOKENS", "many", "INGOT_MAX_TOKENS: expected a whole number, found 'many'"),
            ("INGOT_PROGRESS", "x", "INGOT_PROGRESS: expected bar, json or none, found 'x'"),
            ("INGOT_JSON", "maybe", "INGOT_JSON: expected true or false, found 'maybe'")):
        bad.refused(f"{name}={value}", "run", CASE, code=2, names=[says], env={name: value})
    # Numbers are decimal, also behind a zero and a sign.
    for text in ("010", "+10"):
        done = ingot("run", CASE, "--prompt-ids", "1", "--max-tokens", text, env=bad.env)
        bad.checks.equal(len(done.stdout.split(b",")), 10, f"--max-tokens {text} is ten")


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
    bad.checks.check(not os.path.exists(os.path.join(ROOT, "llama-mha.engine")),
                     "an empty --output writes nothing")
    for arguments, env in ((["--system", ""], {}), ([], {"INGOT_PROMPT_IDS": "",
                                                         "INGOT_DTYPE": ""})):
        done = ingot("run", CASE, "--prompt-ids", "1", "--max-tokens", "1", *arguments,
                     env={**bad.env, **env})
        bad.checks.equal(done.returncode, 0, f"{arguments} {env}: counts as absent")


def variables_of_scripts():
    """What tests, tools and the scripts of the root read from the environment."""
    reads = re.compile(r"""(?:environ(?:\.get\(|\[)|getenv\(|_environment\()"(INGOT_\w+)"|"""
                       r"""\$\{?(INGOT_[A-Z_]+)""")
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
    bad.checks.check({"INGOT_BINARY", "INGOT_JOBS", "INGOT_SIM_SEEDS", "INGOT_UPDATE_GOLDEN",
                      "INGOT_TIDY_BASE"} <= names, f"scripts read {sorted(names)}")
    found = warnings(**{name: os.environ.get(name, "1") for name in names
                        if name not in bad.env},
                     INGOT_MAX_TOKENS="1", INGOT_OSL="1", INGOT_OVERLAP="1", INGOT_JSON="1",
                     INGOT_PYPI_INDEX="", INGOT_HTTP_CONNECT_TIMEOUT="1")
    bad.checks.equal(found, [], "variables that are read give no warning")
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
        check_variables(bad)
    checks.finish()


if __name__ == "__main__":
    main()
