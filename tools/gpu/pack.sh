#!/usr/bin/env bash
# Packs what was built here for a GPU machine that lacks our libraries: programs (stripped), the
# shared libraries they need beside the C library, and test data. The machine unpacks it anywhere.
#   tools/gpu/pack.sh [BUILD=build/dev] [OUTPUT=build/gpu/ingot.tar.xz]
# The output's suffix says how it is compressed: .xz (smallest, minutes) or .gz.
cd "$(dirname "$0")/../.."
. tools/lib.sh

build=${1:-build/dev}
output=${2:-build/gpu/ingot.tar.xz}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/bin" "$stage/lib" "$stage/tests" "$(dirname "$output")"
for name in ingot tests/ops_tests tests/capi_tests tests/runtime_tests tests/compiler_tests \
  tests/attention_bench tests/moe_bench; do
  program=$build/$name
  strip -o "$stage/bin/$(basename "$program")" "$program"
  # The C and C++ libraries and the loader come from the machine itself.
  ldd "$program" | awk '$3 ~ /^\// {print $3}' |
    grep -vE '/lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+)\.so' |
    xargs -r -I{} cp -Lu {} "$stage/lib/"
done
cp -r tests/data "$stage/tests/data"
cp tools/gpu/{check,bench,serve,sanitize}.sh tools/gpu/{real_model,faults,serve_check}.py \
  bench/peers/hf_llama.py "$stage/"
# The programs hold the same kernels: side by side, and with a window that spans two of them, those
# are stored once.
compress=(xz -9 -T1)
if [ "${output##*.}" = gz ]; then compress=(gzip); fi
tar -C "$stage" --sort=name -cf - . | "${compress[@]}" >"$output"
say "$output: $(du -h "$output" | cut -f1)"
