#!/usr/bin/env bash
# On a GPU machine, in an unpacked pack.sh archive: correctness of everything that runs on the GPU.
#   ./check.sh [FOLDER for the logs] [MODEL.gguf, or its parts: SmolLM2's real answers too]
# INGOT_GOLDENS: a folder with more golden cases.
# compute-sanitizer has its own script: sanitize.sh.
cd "$(dirname "$0")" || exit 1
logs=${1:-.}
shift
export LD_LIBRARY_PATH=$PWD/lib:${LD_LIBRARY_PATH:-}
export INGOT_TEST_DATA=$PWD/tests/data INGOT_LOG=warn
failed=0
report() { # name status
  printf '%-6s %s (%d s)\n' "$([ "$2" -eq 0 ] && echo ok || echo FAIL)" "$1" "$SECONDS"
  [ "$2" -eq 0 ] || failed=$((failed + 1))
  SECONDS=0
}
bin/ingot devices
report devices $?
bin/ops_tests --gtest_filter='*gpu_*' >"$logs/ops.log" 2>&1
report "operators' cases on the GPU" $?
tail -n 2 "$logs/ops.log"
grep -E '^\[  FAILED  \]' "$logs/ops.log" | sort -u | head -n 20
# A case that skipped itself has shown nothing.
gpu_cases() { # program, log
  "bin/$1" --gtest_filter='*gpu_*' >"$logs/$2.log" 2>&1 &&
    grep -Eq '^\[  PASSED  \] [1-9]' "$logs/$2.log" && ! grep -q SKIPPED "$logs/$2.log"
}
gpu_cases capi_tests twins
report "64 sequences together as each alone: invariant to the bit, else within tolerance" $?
grep -E '^\[       OK|^\[  FAILED|compared|steps in' "$logs/twins.log"
gpu_cases runtime_tests kernel_faults
report "a faulty kernel is named and the run ends" $?
grep -E '^\[       OK|^\[  FAILED' "$logs/kernel_faults.log"
gpu_cases compiler_tests tuner
report "what the tuner times candidates beside" $?
python3 faults.py >"$logs/faults.log" 2>&1
report "no GPU, no room, no memory left" $?
cat "$logs/faults.log"
if [ $# -gt 0 ]; then
  python3 real_model.py "$@" >"$logs/real_model.log" 2>&1
  report "SmolLM2's real answers" $?
  cat "$logs/real_model.log"
else
  echo "SKIP   SmolLM2's real answers: no .gguf was given"
fi
# Every case that a device can run (real/ has a model of its own); the types side by side.
conformance() { # dtype
  bin/ingot conformance "${cases[@]}" --device cuda --dtype "$1" >"$logs/conformance_$1.log" 2>&1
}
cases=()
for folder in tests/data/goldens/*/ ${INGOT_GOLDENS:+"$INGOT_GOLDENS"/*/}; do
  [ "$(basename "$folder")" = real ] || cases+=("$folder")
done
dtypes=(float32 bfloat16 float16)
pids=()
for dtype in "${dtypes[@]}"; do
  conformance "$dtype" &
  pids+=($!)
done
for i in "${!dtypes[@]}"; do
  wait "${pids[$i]}"
  report "conformance ${dtypes[$i]}, ${#cases[@]} cases" $?
  tail -n 3 "$logs/conformance_${dtypes[$i]}.log"
  grep -iE 'fail' "$logs/conformance_${dtypes[$i]}.log" | head -n 12
done
# A build tunes on the GPU, a second one asks the cache, and the engine runs on what was tuned.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export INGOT_CACHE_DIR=$work/cache
engine=$work/tuned.engine
model=tests/data/goldens/llama3-gqa-rope
build() { bin/ingot build $model --device cuda --output "$engine" --json 2>>"$logs/tune.log"; }
build >"$logs/tune_cold.json" && build >"$logs/tune_warm.json" &&
  grep -Eq '"timed": ?[1-9]' "$logs/tune_cold.json" &&
  grep -Eq '"timed": ?0[,}]' "$logs/tune_warm.json"
report "tuning, and a second build that times nothing" $?
cat "$logs/tune_cold.json" "$logs/tune_warm.json"
run() { bin/ingot run "$engine" --prompt-ids 1,2,3,4,5 --max-tokens 8 --temperature 0 --json "$@"; }
run --device cuda >"$logs/tuned_cuda.json" 2>"$logs/tuned_cuda.log" &&
  bin/ingot inspect "$engine" --json >"$logs/tuned_inspect.json" &&
  grep -q '"cuda:' "$logs/tuned_inspect.json" && grep -q '"linear_' "$logs/tuned_inspect.json" &&
  ! grep -q heuristics "$logs/tuned_cuda.log"
report "an engine runs on its device section" $?
run --device cpu >"$logs/tuned_cpu.json" 2>"$logs/tuned_cpu.log" &&
  grep -q heuristics "$logs/tuned_cpu.log"
report "the same engine on the CPU says that it was not tuned there" $?
ids() { grep -o '"token_ids": *\[[^]]*\]' "$1" | tail -n 1; }
[ -n "$(ids "$logs/tuned_cuda.json")" ]
report "tokens on the GPU: $(ids "$logs/tuned_cuda.json")" $?
ids "$logs/tuned_cpu.json"
[ "$failed" -eq 0 ] && echo "gpu check: all passed" || echo "gpu check: $failed failed"
exit $((failed > 0))
