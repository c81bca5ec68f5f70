"""lm-eval's `local-completions` on a task of three questions: the sums of log probabilities that
`ingot run` has for the same tokens."""

import math
import os
import sys
import tempfile

from server_harness import Server

from cli_harness import DATA, ROOT, Checks, ingot_json, real_model

SECONDS = 15
NAME = "smollm2-135m-instruct"
# Unpacked from its wheel without its tasks (tools/lib.sh).
sys.path.insert(0, os.path.join(ROOT, "build", "lm_eval"))
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")


def evaluate(server, folder):
    """The samples of the task: each question with its choices' log probabilities."""
    os.environ["HF_HOME"] = os.path.join(folder, "hub")
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager
    tasks = TaskManager(include_path=os.path.join(DATA, "lm_eval"), include_defaults=False)
    out = simple_evaluate(
        model="local-completions", tasks=["ingot_towns"], task_manager=tasks, log_samples=True,
        bootstrap_iters=0,
        model_args={"model": NAME, "base_url": server.url + "/v1/completions", "num_concurrent": 3,
                    "max_retries": 1})
    return out["results"]["ingot_towns"], out["samples"]["ingot_towns"]


def log_probability(model, context, continuation):
    """Of the continuation, by `ingot run`: token by token, each drawn of all that may come."""
    def ids(text):
        return ingot_json("tokenize", model, text)["ids"]

    prompt, whole = ids(context), ids(context + continuation)
    total, greedy = 0.0, True
    for at in range(len(prompt), len(whole)):
        run = ingot_json("run", model, "--prompt-ids", ",".join(map(str, whole[:at])),
                         "--max-tokens", "1", "--temperature", "0", "--logprobs", "1024")
        top = {one["token_id"]: one["logprob"] for one in run["logprobs"][0]["top"]}
        if whole[at] not in top:
            return None, False
        total += top[whole[at]]
        greedy = greedy and run["token_ids"][0] == whole[at]
    return total, greedy


def main():
    os.chdir(ROOT)
    checks = Checks()
    model = real_model()
    with tempfile.TemporaryDirectory() as folder:
        with Server(model, "--served-model-name", NAME, "--max-seq-len", "512") as server:
            results, samples = evaluate(server, folder)
    checks.equal(len(samples), 3, "three questions were asked")
    checks.check("torch" not in sys.modules, "nothing stands in for torch: it is not imported")
    compared = 0
    for sample in samples:
        for (context, continuation), answer in zip(sample["arguments"], sample["filtered_resps"],
                                                   strict=True):
            found, greedy = float(answer[0]), answer[1] in (True, "True")
            expected, best = log_probability(model, context, continuation)
            checks.check(math.isfinite(found) and found < 0, f"{continuation!r}: {found}")
            if expected is None:
                continue  # beyond the 1,024 best tokens
            compared += 1
            checks.check(abs(found - expected) < 1e-3,
                         f"{context!r} {continuation!r}: {found:.5f}, ingot run {expected:.5f}")
            checks.equal(greedy, best, f"{continuation!r}: whether it is the likeliest")
    checks.check(compared >= 5, f"{compared} choices were compared")
    acc = results["acc,none"]
    checks.check(acc >= 2 / 3, f"accuracy {acc}")
    checks.finish()


if __name__ == "__main__":
    main()
