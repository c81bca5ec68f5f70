#!/usr/bin/env bash
# On a GPU machine, in an unpacked pack.sh archive: `ingot serve` under load, on random weights of
# Llama 3.1 8B's shapes: first tokens and later ones at a fixed rate, everything at once, and the
# same work by the offline bench.
#   ./serve.sh [FOLDER for the results]
# TOKENIZER: a folder or .gguf with a vocabulary of the model's size: texts, not ids, are streamed.
cd "$(dirname "$0")" || exit 1
results=${1:-.}
model=${DEV_INGOT_BENCH_MODEL:-random:llama-3.1-8b}
device=${BENCH_DEVICE:-cuda}
isl=${ISL:-467} osl=${OSL:-256} rate=${RATE:-16} timed=${TIMED:-480} crowd=${CROWD:-1024}
rows=${ROWS:-512} port=${PORT:-8100} vocab=${VOCAB:-128000}
export LD_LIBRARY_PATH=$PWD/lib:${LD_LIBRARY_PATH:-} INGOT_LOG=warn
work=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null
  wait
  rm -rf "$work"
}
trap finish EXIT
engine=$work/model.engine
step() { printf '\n== %s [%d s]\n' "$*" "$SECONDS"; }
keep() { tee -a "$results/serve.jsonl"; }

step "build"
INGOT_CACHE_DIR=$work/cache bin/ingot build "$model" \
  --device "$device" --max-batch-size "$rows" --max-num-tokens 8192 --output "$engine" --json | keep
step "serve"
bin/ingot serve "$engine" --device "$device" --port "$port" --max-num-seqs "$rows" \
  --max-queued-requests 4096 ${TOKENIZER:+--tokenizer-dir "$TOKENIZER"} \
  >"$results/server.log" 2>&1 &
server=$!
for ((i = 0; i < 1200; ++i)); do
  grep -q '^ready' "$results/server.log" && break
  kill -0 "$server" 2>/dev/null || { cat "$results/server.log"; exit 1; }
  sleep 0.1
done
bench() {
  bin/ingot bench serve --url "http://127.0.0.1:$port" --random-prompts --vocab "$vocab" \
    --ignore-eos --isl "$isl" --osl "$osl" --json "$@" | keep
}
step "first requests, which capture graphs"
bench --num-requests $((2 * rows)) --seed 1 >/dev/null
step "alone, one after the other"
bench --num-requests 8 --concurrency 1 --seed 2
step "$rate requests a second"
bench --num-requests "$timed" --rate "$rate" --seed 3 --report "$results/rate.html"
step "$crowd at once"
before=$(awk '{print $14 + $15}' "/proc/$server/stat")
bench --num-requests "$crowd" --seed 4
after=$(awk '{print $14 + $15}' "/proc/$server/stat")
echo "the server's CPU time for it: $((after - before)) ticks of 10 ms"
kill "$server"
wait "$server"
server=
step "the same work offline"
bin/ingot bench throughput "$engine" --device "$device" --isl "$isl" --osl "$osl" \
  --max-batch-size "$rows" --num-requests "$crowd" --json | keep
step done
