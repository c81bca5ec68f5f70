#!/usr/bin/env bash
# Puts onnx-ml.proto of the onnx wheel pinned in tools/pypi.txt at build/third_party/onnx, where
# CMake looks for it. quickstart and test do the same.
cd "$(dirname "$0")/.."
source tools/lib.sh
step "fetching onnx-ml.proto"
unpack_third_party
