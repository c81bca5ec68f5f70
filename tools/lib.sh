# Shared by quickstart, test and tools/prove_fresh_debian.sh; sourced by bash from the root of the
# repository. Every step says what it does; the first failing command ends the script with one line
# that names the step.

set -Eeuo pipefail
script_name=$(basename "$0")
current_step="starting"
build_jobs=${DEV_INGOT_JOBS:-$(nproc)}
download_cache=${DEV_INGOT_DOWNLOADS:-${XDG_CACHE_HOME:-$HOME/.cache}/ingot/downloads}

# Equal objects for equal sources wherever the checkout lies.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

say() { printf '\n== %s\n' "$*"; }
# Status 99 between shells means: the line was printed, only leave.
die() {
  trap - ERR
  printf '%s: failed while %s: %s\n' "$script_name" "$current_step" "$*" >&2
  leave
}
leave() {
  if [ "$BASH_SUBSHELL" -gt 0 ]; then exit 99; fi
  exit 1
}
failed_command() {
  if [ "$1" -eq 99 ]; then leave; fi
  die "command \"$2\" (line $3) ended with status $1"
}
on_error='failed_command "$?" "$BASH_COMMAND" "$LINENO"'
trap "$on_error" ERR
step() {
  current_step=$*
  say "$* [$(date +%H:%M:%S)]"
}

# Names in a package list: one a line, '#' starts a comment.
list_of() { sed 's/#.*//' "$1" | grep -v '^[[:space:]]*$' || true; }

# as_root COMMAND...: as root, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    command -v sudo >/dev/null || die "root or sudo is needed for: $*"
    sudo "$@"
  fi
}

# install_packages LIST...: installs the Debian packages that are missing, as root or through sudo.
install_packages() {
  command -v dpkg-query >/dev/null || die "this needs a Debian system (dpkg-query not found)"
  local missing=() name
  for name in $(for list in "$@"; do list_of "$list"; done | sort -u); do
    local state
    state=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$name")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "all packages of $* are installed"
    return
  fi
  echo "installing: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
    --no-install-recommends "${missing[@]}" >"$(log_file apt)" 2>&1 ||
    { tail -n 20 "$(log_file apt)" >&2; die "apt-get install did not succeed"; }
}

log_file() {
  mkdir -p build/logs
  echo "build/logs/$1.log"
}

# Debian's own Python: a machine may have others in front of it.
python=/usr/bin/python3

# pypi_file NAME: prints the path of the wheel that tools/pypi.txt pins, fetched at most once a
# machine; its hash is checked at every use.
pypi_file() {
  local line hash folder found
  line=$(list_of tools/pypi.txt | grep "^$1==") || die "tools/pypi.txt does not pin $1"
  hash=${line##*--hash=sha256:}
  folder=$download_cache/$hash
  found=$(compgen -G "$folder/*.whl" || true)
  if [ -z "$found" ] || ! echo "$hash  $found" | sha256sum --check --status; then
    rm -rf "$folder" "$folder.part"
    mkdir -p "$folder.part"
    echo "$line" >"$folder.part/requirements.txt"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
      --only-binary :all: --python-version 3.11 --platform manylinux_2_28_x86_64 \
      --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --platform any \
      --requirement "$folder.part/requirements.txt" --dest "$folder.part" >&2
    rm "$folder.part/requirements.txt"
    mv "$folder.part" "$folder"
    found=$(compgen -G "$folder/*.whl")
  fi
  echo "$found"
}

# pypi_archive NAME: prints the path of the source archive that tools/pypi-archives.txt pins, kept
# as pypi_file keeps wheels. pip asks an archive's build tool for its name: tools/archive_backend.py
# answers in the tools' place, so that nothing of an archive runs.
pypi_archive() {
  local line hash folder found tool
  line=$(list_of tools/pypi-archives.txt | grep "^$1==") || die "tools/pypi-archives.txt lacks $1"
  hash=${line##*--hash=sha256:}
  folder=$download_cache/$hash
  found=$(compgen -G "$folder/*.tar.gz" || true)
  if [ -z "$found" ] || ! echo "$hash  $found" | sha256sum --check --status; then
    rm -rf "$folder" "$folder.part"
    for tool in scikit_build_core hatchling; do
      mkdir -p "$folder.part/tools/$tool"
      touch "$folder.part/tools/$tool/__init__.py"
      cp tools/archive_backend.py "$folder.part/tools/$tool/build.py"
    done
    echo "$line" >"$folder.part/requirements.txt"
    PYTHONPATH=$folder.part/tools "$python" -m pip download --quiet --disable-pip-version-check \
      --no-deps --require-hashes --no-binary :all: --no-build-isolation \
      --requirement "$folder.part/requirements.txt" --dest "$folder.part" >&2
    rm -r "$folder.part/requirements.txt" "$folder.part/tools"
    mv "$folder.part" "$folder"
    found=$(compgen -G "$folder/*.tar.gz")
  fi
  echo "$found"
}

# unpack_archive NAME FOLDER STRIP PATTERN...: the files and folders of an archive that match, below
# FOLDER without their first STRIP folders. Does nothing where they are there already.
unpack_archive() {
  local archive target=$2 strip=$3
  archive=$(pypi_archive "$1")
  if [ "$(cat "$target/archive" 2>/dev/null)" = "$(basename "$archive")" ]; then return; fi
  rm -rf "$target" "$target.part"
  mkdir -p "$target.part"
  tar -xzf "$archive" -C "$target.part" --strip-components="$strip" --no-same-owner \
    --wildcards --no-wildcards-match-slash --exclude='xgrammar-*/cpp/tvm_ffi' "${@:4}"
  basename "$archive" >"$target.part/archive"
  mv "$target.part" "$target"
  echo "$target: $(find "$target" -type f | wc -l) files"
}

# Translations and manual pages that tests read, of the Debian packages in
# tools/corpus-packages.txt: build/corpus.
unpack_corpus() {
  local stamp archive target=build/corpus names=()
  stamp=$(list_of tools/corpus-packages.txt | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$target/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
  mapfile -t names < <(list_of tools/corpus-packages.txt)
  rm -rf "$target" "$target.part"
  mkdir -p "$target.part/archives"
  # Lists of packages may be missing or name versions that the mirror no longer has.
  if ! download_packages "$target.part/archives" "${names[@]}"; then
    as_root apt-get update -qq
    download_packages "$target.part/archives" "${names[@]}" ||
      { tail -n 5 "$(log_file apt-download)" >&2; die "apt-get download ${names[*]}"; }
  fi
  for archive in "$target.part"/archives/*.deb; do
    dpkg-deb --extract "$archive" "$target.part"
  done
  rm -r "$target.part/archives"
  echo "$stamp" >"$target.part/stamp"
  mv "$target.part" "$target"
  echo "$target: ${names[*]}"
}

# download_packages FOLDER NAME...
download_packages() {
  local log
  log=$PWD/$(log_file apt-download)
  (cd "$1" && shift && apt-get download -qq "$@") >"$log" 2>&1
}

# What tests read: the vocabularies and chat templates of published models in build/published, the
# JSON Schema test suite in build/json_schema_suite, lm-eval in build/lm_eval.
unpack_test_data() {
  unpack_archive llama-cpp-python build/published 4 'llama_cpp_python-*/vendor/llama.cpp/models'
  unpack_archive jsonschema build/json_schema_suite 3 'jsonschema-*/json/tests'
  unpack_lm_eval
}

# lm-eval without its 16,000 files of tasks: build/lm_eval. In pip's way it would take a quarter of
# build/venv's files for nothing.
unpack_lm_eval() {
  local wheel target=build/lm_eval
  wheel=$(pypi_file lm-eval)
  if [ "$(cat "$target/wheel" 2>/dev/null)" = "$(basename "$wheel")" ]; then return; fi
  rm -rf "$target" "$target.part"
  "$python" - "$wheel" "$target.part" <<'PY'
import re, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
keep = re.compile(r"lm_eval/(?!tasks/).*\.py$|lm_eval/tasks/[^/]*\.py$|lm_eval-[^/]*/METADATA$")
names = [name for name in archive.namelist() if keep.match(name)]
archive.extractall(sys.argv[2], names)
print(f"build/lm_eval: {len(names)} files")
PY
  basename "$wheel" >"$target.part/wheel"
  mv "$target.part" "$target"
}

# What the build takes from PyPI, laid out below build/third_party.
unpack_third_party() {
  unpack_onnx
  # XGrammar's core, with the headers it is written for.
  unpack_archive xgrammar build/third_party/xgrammar 1 'xgrammar-*/cpp' 'xgrammar-*/include' \
    'xgrammar-*/3rdparty/dlpack/include' 'xgrammar-*/3rdparty/picojson/picojson.h' \
    'xgrammar-*/LICENSE'
  if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then unpack_flashinfer; fi
}

# FlashInfer's attention headers and the CCCL they need, which is newer than the toolkit's.
unpack_flashinfer() {
  local wheel target=build/third_party/flashinfer
  wheel=$(pypi_file flashinfer-python)
  if [ "$(cat "$target/wheel" 2>/dev/null)" = "$(basename "$(dirname "$wheel")")" ]; then return; fi
  rm -rf "$target" "$target.part"
  "$python" - "$wheel" "$target.part" <<'PY'
import pathlib, re, sys, zipfile
keep = re.compile(r"flashinfer/data/(include/flashinfer/(attention/)?[^/]+\.(cuh|h)"
                  r"|cccl/libcudacxx/include/.*[^/])$")
archive, target = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
names = [name for name in archive.namelist() if keep.match(name)]
for name in names:
    path = target / name.removeprefix("flashinfer/data/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive.read(name))
print(f"{target}: {len(names)} headers")
PY
  basename "$(dirname "$wheel")" >"$target.part/wheel"
  mv "$target.part" "$target"
}

unpack_onnx() {
  local wheel target=build/third_party/onnx
  wheel=$(pypi_file onnx)
  mkdir -p "$target"
  "$python" - "$wheel" "$target/onnx-ml.proto" <<'PY'
import os, sys, zipfile
text = zipfile.ZipFile(sys.argv[1]).read("onnx/onnx-ml.proto")
target = sys.argv[2]
if not os.path.exists(target) or open(target, "rb").read() != text:  # keep its time: no rebuild
    open(target + ".part", "wb").write(text)
    os.replace(target + ".part", target)
print(f"{target}: {len(text)} bytes")
PY
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1 log
  shift
  log=$(log_file "build-$preset")
  cmake --preset "$preset" >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "cmake --preset $preset"; }
  local begin=$SECONDS
  ninja -C "build/$preset" -j"$build_jobs" "$@" >>"$log" 2>&1 ||
    { grep -E -A12 'error|FAILED' "$log" | head -n 60 >&2 || true
      die "ninja -C build/$preset (all of it: $log)"; }
  echo "built $preset in $((SECONDS - begin)) s"
}
