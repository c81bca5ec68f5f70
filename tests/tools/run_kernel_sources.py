"""What cmake/kernel_sources.cmake makes of edits: a kernel's hash changes with what it includes and
with nothing else."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
from cli_harness import Checks  # noqa: E402


def hashes(source, out):
    subprocess.run(["cmake", f"-DSOURCE={source}", f"-DOUT={out}", "-P",
                    os.path.join(ROOT, "cmake", "kernel_sources.cmake")], check=True, timeout=60)
    with open(out) as file:
        return dict(re.findall(r'{"(\w+ \w+)", "(\w+)"}', file.read()))


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        source, out = os.path.join(folder, "src"), os.path.join(folder, "out.cc")
        shutil.copytree(os.path.join(ROOT, "src", "kernels"), os.path.join(source, "kernels"))
        shutil.copytree(os.path.join(ROOT, "src", "tensor", "formats"),
                        os.path.join(source, "tensor", "formats"))
        before = hashes(source, out)
        checks.check(len(before) > 100, f"{len(before)} kernels")
        checks.equal(hashes(source, out), before, "nothing changed")

        def changed(path, text):
            with open(os.path.join(source, path), "a") as file:
                file.write(text)
            nonlocal before
            after = hashes(source, out)
            out_of = {name for name in before if before[name] != after[name]}
            before = after
            return out_of

        wgmma = "cuda paged_attention_wgmma"
        checks.equal(changed("kernels/cuda/paged_attention_wgmma.cu", "//\n"), {wgmma}, "one file")
        arch = changed("kernels/cuda/arch/wgmma.cuh", "//\n")
        checks.check(wgmma in arch and "cuda rms_norm" not in arch, f"a header: {sorted(arch)}")
        blocks = changed("kernels/cpu/formats/q8_0.h", "//\n")
        checks.check("cpu linear_block_avx512" in blocks or any("cpu linear" in n for n in blocks),
                     "a block format's vectors")
        checks.check(wgmma not in blocks, "they are of the CPU's kernels alone")
        decoded = changed("tensor/formats/q8_0.h", "//\n")
        checks.check("cuda linear_gemv_block" in decoded, "a block format that GPU kernels decode")
        library = changed("kernels/cuda/contract/cublaslt_linear.cu", "//\n")
        checks.check("cuda linear_cublaslt" in library and wgmma not in library,
                     "what defines a header's functions")
        with open(os.path.join(source, "kernels/cpu/aaa.cc"), "w") as file:
            file.write('#include "kernels/reference.h"\n')
        checks.equal({n for n, h in hashes(source, out).items() if before.get(n) != h},
                     {"cpu aaa"}, "a new file")
    checks.finish()


if __name__ == "__main__":
    main()
