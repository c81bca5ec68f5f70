#!/usr/bin/env bash
# On a GPU machine, in an unpacked pack.sh archive: the speed table of docs/gpu.md, on random
# weights of Llama 3.1 8B's shapes, and the same work in transformers where it is installed.
#   ./bench.sh [FOLDER for the results] [throughput rows: "128/128 1000/1000 2048/128 128/2048"]
cd "$(dirname "$0")" || exit 1
results=${1:-.}
rows=${2-128/128 1000/1000 2048/128 128/2048}
model=${DEV_INGOT_BENCH_MODEL:-random:llama-3.1-8b}
export LD_LIBRARY_PATH=$PWD/lib:${LD_LIBRARY_PATH:-} INGOT_LOG=warn
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export INGOT_CACHE_DIR=$work/cache
engine=$work/model.engine
nvidia-smi --query-gpu=name,power.limit,clocks.max.sm,driver_version --format=csv,noheader
step() { printf '\n== %s [%d s]\n' "$*" "$SECONDS"; }
keep() { tee -a "$results/bench.jsonl"; }

for cache in cold warm; do
  step "build, $cache timing cache"
  bin/ingot build "$model" --device cuda --max-batch-size 512 --max-num-tokens 8192 \
    --output "$engine" --json | keep
done
bench() { bin/ingot bench "$@" --device cuda --json | keep; }
step "latency: context 1024"
bench latency "$engine" --isl 1024 --osl 128 --repeat 3
step "first token: prompt 2048"
bench latency "$engine" --isl 2048 --osl 2 --repeat 5
step "decode, prompt 128"
bench decode "$engine" --isl 128 --osl 128 --batch 1,8,64,128,256,512
for row in $rows; do
  isl=${row%/*} osl=${row#*/}
  step "throughput $row"
  bench throughput "$engine" --isl "$isl" --osl "$osl" --max-batch-size 512 \
    --num-requests $((osl > 500 ? 768 : 1536))
done
if [ -f hf_llama.py ] && python3 -c 'import transformers' 2>/dev/null; then
  step "transformers, eager"
  python3 hf_llama.py 2>/dev/null | keep
fi
step done
