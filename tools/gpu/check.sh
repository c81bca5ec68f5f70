#!/usr/bin/env bash
# On a GPU machine, in an unpacked pack.sh archive: correctness of everything that runs on the GPU.
#   ./check.sh [FOLDER for the logs]
cd "$(dirname "$0")" || exit 1
logs=${1:-.}
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
for dtype in float32 bfloat16 float16; do
  bin/ingot conformance tests/data/goldens/[lqm]* --device cuda --dtype $dtype \
    >"$logs/conformance_$dtype.log" 2>&1
  report "conformance $dtype" $?
  tail -n 6 "$logs/conformance_$dtype.log"
done
[ "$failed" -eq 0 ] && echo "gpu check: all passed" || echo "gpu check: $failed failed"
exit $((failed > 0))
