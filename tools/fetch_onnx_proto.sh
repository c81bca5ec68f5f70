#!/usr/bin/env bash
# Puts what the build takes from the wheels pinned in tools/pypi.txt (onnx-ml.proto and, where there
# is a CUDA toolkit, FlashInfer's headers) below build/third_party, where CMake looks for it.
# quickstart and test do the same.
cd "$(dirname "$0")/.."
source tools/lib.sh
step "fetching headers from PyPI"
unpack_third_party
