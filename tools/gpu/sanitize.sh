#!/usr/bin/env bash
# On a GPU machine, in an unpacked pack.sh archive: compute-sanitizer over the operators' cases, a
# few cases of an operator a process. memcheck runs all of them; racecheck, which sees shared memory
# alone and is far slower, the small ones of operators whose kernels use it, and not on cuBLASLt's
# kernels: they take it minutes, and it reports copies that are ordered by barriers it does not see.
# What failed, what was stopped at its limit and what the time did not reach is printed by name; the
# last two are not proven.
#   ./sanitize.sh [FOLDER for the logs] [memcheck|racecheck|all]
# Exit status: 1 where something failed, 3 where something is not proven.
# SANITIZE_SECONDS (110): of each tool; SANITIZE_LIMIT (90): of a process; SANITIZE_JOBS (12).
# SANITIZE_CASES: an extended regular expression; the cases that it fits and no others, the large
# ones too, each in a process of its own (SANITIZE_PACK: so many of an operator in one).
cd "$(dirname "$0")" || exit 1
logs=${1:-.}/sanitize
which=${2:-all}
budget=${SANITIZE_SECONDS:-110}
export LIMIT=${SANITIZE_LIMIT:-90} LOGS=$logs
jobs=${SANITIZE_JOBS:-12}
export LD_LIBRARY_PATH=$PWD/lib:${LD_LIBRARY_PATH:-} INGOT_LOG=warn
SANITIZER=${SANITIZER:-$(command -v compute-sanitizer ||
  compgen -G '/usr/local/cuda*/bin/compute-sanitizer' | head -n 1)}
export SANITIZER
if [ -z "$SANITIZER" ]; then
  echo "sanitize: compute-sanitizer is not on this machine: nothing is proven"
  exit 1
fi
mkdir -p "$logs"

shared='^(add_rms_norm|gated_linear|layer_norm|linear|linear_add|logits_[a-z_]*|logprobs'
shared+='|moe_ffn|moe_route|paged_attention|rms_norm|rms_norm_gated_linear|rms_norm_linear|rope'
shared+='|rope_kv_append|sample|softmax)\.'
# Large shapes, and variants whose kernels others of the list run too.
large='x(32000|128256|151936|4100|4096)$|llama8b|head|smollm|gate_up|long_odd'
large+='|^logits_top_p\.gpu_(tiny|half|nearly_all)_|_(faulty|flat)_'
large+='|bf16_(decode_)?group([5-8]|16)_|_dim(96|256)$'

cases=$(bin/ops_tests --gtest_list_tests --gtest_filter='*gpu_*' |
  awk '/^[^ ]/ {suite = $1} /^ / {print suite $1}') # "op.gpu_case" a line
[ -n "$cases" ] || { echo "sanitize: bin/ops_tests lists no gpu_ cases"; exit 1; }
most=16 slow=6 race_most=6 race_slow=2
if [ -n "${SANITIZE_CASES:-}" ]; then
  cases=$(echo "$cases" | grep -E "$SANITIZE_CASES")
  [ -n "$cases" ] || { echo "sanitize: no gpu_ case fits '$SANITIZE_CASES'"; exit 1; }
  shared=. large='^$'
  most=${SANITIZE_PACK:-1} slow=$most race_most=$most race_slow=$most
fi

# Cases on standard input, packed into filters of at most $1 ($2 of linear and paged_attention).
# Operators take turns, so that time that runs out takes from each.
packed() {
  awk -F. -v most="$1" -v slow="$2" '
    {
      size = $1 == "linear" || $1 == "paged_attention" ? slow : most
      count[$1] += 1
      part = int((count[$1] - 1) / size)
      key = $1 SUBSEP part
      if (!(key in line)) {
        order[++n] = key
        turn[n] = part
      }
      line[key] = line[key] (line[key] == "" ? "" : ":") $0
    }
    END {for (i = 1; i <= n; ++i) print turn[i], line[order[i]]}' |
    sort -s -n -k1,1 | cut -d' ' -f2
}

# The cases of a log that gtest gives a mark, joined by colons.
marked() { # log, mark
  sed -n "s/^\\[ *$2 *\\] \\([a-z0-9_.]*\\) ([0-9]* ms)\$/\\1/p" "$1" | paste -sd:
}
# How many names a filter has.
count() { echo "$1" | tr ':' '\n' | grep -c .; }
# True where each of the filter's cases passed or was left out, and the sanitizer saw all of it.
all_seen() { # log, filter
  [ "$(count "$(marked "$1" OK):$(marked "$1" SKIPPED)")" -eq "$(count "$2")" ] &&
    grep -Eq '^\[  PASSED  \] [0-9]+ tests?\.' "$1" &&
    [ "$(count "$(marked "$1" SKIPPED)")" -eq "$(grep -c 'all its kernels are left out' "$1")" ] &&
    ! grep -Eq '^\[  FAILED  \]|Internal Sanitizer Error|Program hit|^=+ Warning' "$1"
}
export -f marked count all_seen

# Ends the processes whose last two arguments are these.
end_program() { # program, argument
  local folder
  for folder in /proc/[0-9]*; do
    case $(tr '\0' '\n' <"$folder/cmdline" 2>/dev/null | tail -n 2) in
      "$1"$'\n'"$2") kill -KILL "${folder#/proc/}" 2>/dev/null ;;
    esac
  done
}
export -f end_program

# TOOL FILTER: one process, one line; two where some of its cases were left out.
check_some() {
  local tool=$1 filter=$2 log status verdict left begin=$SECONDS
  log=$LOGS/$tool.$(echo "$filter" | cksum | cut -d' ' -f1).log
  if [ "$(date +%s)" -ge "$DEADLINE" ]; then
    echo "NOT-RUN $filter"
    return
  fi
  DEV_INGOT_LEAVE_OUT=$([ "$tool" != racecheck ] || echo cublaslt) \
    timeout -k 5 "$LIMIT" "$SANITIZER" --tool "$tool" --error-exitcode 99 --print-limit 200 \
    "$PWD/bin/ops_tests" --gtest_filter="$filter" >"$log" 2>&1
  status=$?
  verdict=FAIL
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    verdict=TIMEOUT
    # What the sanitizer started outlives it, and would go on beside the rest.
    end_program "$PWD/bin/ops_tests" "--gtest_filter=$filter"
  elif [ "$status" -eq 0 ] && all_seen "$log" "$filter" &&
    grep -Eq 'ERROR SUMMARY: 0 errors|RACECHECK SUMMARY: 0 hazards' "$log"; then
    verdict=clean
    left=$(marked "$log" SKIPPED)
    filter=$(marked "$log" OK)
    [ -z "$left" ] || echo "LEFT-OUT $left"
    [ -n "$filter" ] || return
  fi
  echo "$verdict $filter $((SECONDS - begin)) s, $log"
}
export -f check_some

# TOOL; filters on standard input.
run_tool() {
  local tool=$1 result=$logs/$1.txt
  DEADLINE=$(($(date +%s) + budget))
  export DEADLINE
  xargs -P "$jobs" -I{} bash -c 'check_some "$0" "$1"' "$tool" {} >"$result"
  awk -v tool="$tool" '
    {
      n = split($2, names, ":")
      split(names[1], op, ".")
      ops[op[1]] = 1
      sum[op[1], $1] += n
      all[$1] += n
    }
    $1 != "clean" {print tool ": " $0}
    END {
      for (name in ops) {
        printf "%s %-26s %4d clean %3d failed %3d timed out %3d not run %3d left out\n",
               tool, name, sum[name, "clean"], sum[name, "FAIL"], sum[name, "TIMEOUT"],
               sum[name, "NOT-RUN"], sum[name, "LEFT-OUT"] | "sort"
      }
      close("sort")
      printf "%s: %d cases clean, in processes that failed %d, not proven %d, ", tool,
             all["clean"], all["FAIL"], all["TIMEOUT"] + all["NOT-RUN"]
      printf "left out, as cuBLASLt alone runs them, %d\n", all["LEFT-OUT"]
    }' "$result"
  # What each that failed says first: logs may be lost, and a machine may not come twice.
  awk '$1 == "FAIL" {print $NF}' "$result" | while read -r log; do
    echo "$tool: $log:"
    grep -E 'access at|^=+ (Error|Internal)|(ERROR|RACECHECK) SUMMARY|^\[  FAILED' "$log" |
      sort | uniq -c | sort -rn | head -n 8
  done
  if grep -q '^FAIL' "$result" || ! grep -Eq '^(clean|LEFT-OUT|TIMEOUT|NOT-RUN)' "$result"; then
    return 1
  fi
  if grep -Eq '^(TIMEOUT|NOT-RUN)' "$result"; then return 3; fi
}

status=0
worse() { if [ "$status" -ne 1 ]; then status=$1; fi; }
if [ "$which" != racecheck ]; then
  echo "$cases" | packed "$most" "$slow" | run_tool memcheck || worse $?
fi
if [ "$which" != memcheck ]; then
  chosen=$(echo "$cases" | grep -E "$shared" | grep -vE "$large")
  echo "$cases" | grep -E "$shared" | grep -E "$large" >"$logs/racecheck_left_out.txt"
  echo "$chosen" | packed "$race_most" "$race_slow" | run_tool racecheck || worse $?
  echo "racecheck: $(wc -l <"$logs/racecheck_left_out.txt") cases of these operators left out:" \
    "$logs/racecheck_left_out.txt"
fi
exit $status
