"""compare and conformance tell arithmetics apart: tight where kernels agree, failing where not.

Every golden of the Llama family and SmolLM2, in bfloat16 and as stored.
"""

import json
import os

from cli_harness import DATA, Checks, ingot, real_model

SECONDS = 20
GOLDENS = [os.path.join(DATA, "goldens", name)
           for name in ("llama-mha", "llama3-gqa-rope", "mistral-swa", "qwen2-tied")]
ALLOWED = {"float32": 1e-4, "float16": 2**-9, "bfloat16": 2**-6}


def compared(model, *flags):
    done = ingot("compare", model, "--json", *flags)
    return done.returncode, json.loads(done.stdout)


def check_compare(checks, model, *flags, dtype):
    name = f"compare {os.path.basename(model)} {' '.join(flags)} in {dtype}"
    status, report = compared(model, *flags)
    worst = max(report["steps"], key=lambda step: step["max_error"])
    checks.equal((status, report["status"]), (0, "pass"), name)
    checks.equal(report["tolerance"], ALLOWED[dtype], f"{name}: its tolerance")
    checks.check(report["max_error"] == worst["max_error"] <= ALLOWED[dtype],
                 f"{name}: {worst['max_error']:.2e} at most, in {worst['op']} ({worst['kernel']})")
    # The same run judged more strictly than kernels can be fails, by exit code too.
    status, report = compared(model, *flags, "--tolerance", str(worst["max_error"] / 2))
    checks.equal((status, report["status"]), (1, "fail"), f"{name}: half of that fails")


def check_conformance(checks):
    """Each golden passes in its arithmetic; the other one, judged the same way, fails."""
    def rows(*flags):
        done = ingot("conformance", *GOLDENS, "--json", *flags)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]
    for dtype, other in (("bfloat16", "float32"), ("float32", "bfloat16")):
        for extra in ([], ["--reference"]):
            status, lines = rows("--dtype", dtype, *extra)
            checks.check(status == 0 and all(line["status"] == "pass" for line in lines),
                         f"conformance in {dtype} {extra}: {len(lines)} cases pass")
            status, lines = rows("--dtype", dtype, "--arithmetic", other, *extra)
            checks.equal(status, 1, f"{other} judged as {dtype} {extra}: exit code")
            for line in lines:
                said = "did not run" if dtype == "bfloat16" else "max error"
                checks.check(line["status"] == "fail" and said in line["reason"],
                             f"{line['case']}, {other} as {dtype} {extra}: {line['reason']}")
                if dtype == "bfloat16":
                    checks.check(line["rms_error"] < 1e-3,
                                 f"{line['case']}: rms {line['rms_error']:.1e}")


def main():
    checks = Checks()
    for model in GOLDENS + [real_model()]:
        for dtype in ALLOWED:
            check_compare(checks, model, "--dtype", dtype, dtype=dtype)
    check_compare(checks, real_model(), dtype="float32")
    check_conformance(checks)
    checks.finish()


if __name__ == "__main__":
    main()
