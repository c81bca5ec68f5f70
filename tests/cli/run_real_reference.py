"""SmolLM2-135M-Instruct by the reference kernels alone: prompts, ids and every greedy token."""

from cli_harness import Checks, real_model
from run_real_model import check_mode, golden_cases

SECONDS = 60


def main():
    checks = Checks()
    check_mode(checks, real_model(), golden_cases(), "reference", "--reference")
    checks.finish()


if __name__ == "__main__":
    main()
