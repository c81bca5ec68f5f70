#!/usr/bin/env bash
# Packs what was built here for a GPU machine that lacks our libraries: programs (stripped), the
# shared libraries they need beside the C library, and test data. The machine unpacks it anywhere.
#   tools/gpu/pack.sh [BUILD=build/dev] [OUTPUT=build/gpu/ingot.tar.gz]
cd "$(dirname "$0")/../.."
. tools/lib.sh

build=${1:-build/dev}
output=${2:-build/gpu/ingot.tar.gz}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/bin" "$stage/lib" "$stage/tests" "$(dirname "$output")"
for program in "$build/ingot" "$build/tests/ops_tests" "$build/tests/attention_bench" \
  "$build/tests/moe_bench"; do
  strip -o "$stage/bin/$(basename "$program")" "$program"
  # The C and C++ libraries and the loader come from the machine itself.
  ldd "$program" | awk '$3 ~ /^\// {print $3}' |
    grep -vE '/lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+)\.so' |
    xargs -r -I{} cp -Lu {} "$stage/lib/"
done
cp -r tests/data "$stage/tests/data"
cp tools/gpu/check.sh tools/gpu/bench.sh bench/peers/hf_llama.py "$stage/"
tar -C "$stage" -czf "$output" .
say "$output: $(du -h "$output" | cut -f1)"
