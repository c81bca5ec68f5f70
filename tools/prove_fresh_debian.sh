#!/usr/bin/env bash
# Proves ./quickstart (with --test also ./test) in a fresh Debian 12 made by debootstrap, as root.
#   tools/prove_fresh_debian.sh [--test] [--keep] [--build-only] [FOLDER]
# The new root gets this machine's Debian mirror, certificates and pip settings, and a clone of this
# repository with what is not committed yet; nothing that was built or installed here, nothing that
# lies beside the repository, and no CUDA. It is removed at the end without --keep.
cd "$(dirname "$0")/.."
. tools/lib.sh

run_tests=0 keep=0 build_only=0 root=/var/tmp/ingot-debian
for argument in "$@"; do
  case $argument in
    --test) run_tests=1 ;;
    --keep) keep=1 ;;
    --build-only) build_only=1 ;;
    --*) die "unknown option $argument" ;;
    *) root=$argument ;;
  esac
done
[ "$(id -u)" -eq 0 ] || die "debootstrap and chroot need root"
command -v debootstrap >/dev/null || die "debootstrap is not installed"
[ ! -e "$root" ] || die "$root is there already"
sources=/etc/apt/sources.list.d/debian.sources
mirror=${DEV_INGOT_DEBIAN_MIRROR:-$(sed -n 's/^URIs: *//p' "$sources" 2>/dev/null | head -n 1)}
mirror=${mirror:-http://deb.debian.org/debian}

clean_up() {
  for place in proc dev/shm dev ""; do
    if mountpoint -q "$root/$place"; then umount -l "$root/$place"; fi
  done
  if [ "$keep" -eq 0 ]; then rm -rf --one-file-system "$root"; fi
}
trap clean_up EXIT

step "making a minimal Debian 12 in $root"
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" \
  >"$(log_file debootstrap)" 2>&1 || { tail -n 5 "$(log_file debootstrap)" >&2; die debootstrap; }
# A file system of its own, as / is on a machine: mount namespaces begin there.
mount --bind "$root" "$root"
mount --make-private "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"

step "giving it this machine's network settings"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
if [ -f "$sources" ]; then
  rm -f "$root/etc/apt/sources.list"
  cp "$sources" "$root/etc/apt/sources.list.d/"
fi
for file in /etc/pip.conf /root/.config/pip/pip.conf /etc/apt/apt.conf.d/99*; do
  if [ -f "$file" ]; then install -D -m 644 "$file" "$root$file"; fi
done
if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
  cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates >/dev/null 2>&1
fi
passed=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_CERT \
  SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE INGOT_PYPI_INDEX DEV_INGOT_JOBS; do
  if [ -n "${!name:-}" ]; then passed+=("$name=${!name}"); fi
done

step "cloning to $root/ingot, with what is not committed"
here=(git -c "safe.directory=*")
"${here[@]}" bundle create --quiet "$root/ingot.bundle" HEAD
git init --quiet --initial-branch=main "$root/ingot"
git -C "$root/ingot" pull --quiet --ff-only "$root/ingot.bundle" HEAD
rm "$root/ingot.bundle"
"${here[@]}" ls-files -z --cached --others --exclude-standard |
  tar --null --files-from=- --ignore-failed-read --create |
  tar --extract --no-same-owner --directory "$root/ingot"
"${here[@]}" ls-files -z --deleted | (cd "$root/ingot" && xargs --null --no-run-if-empty rm -f)
inside() { chroot "$root" env -i "${passed[@]}" "$@"; }
if inside sh -c 'command -v cc || command -v cmake || command -v python3'; then
  die "the new root is not fresh"
fi

if [ "$build_only" -eq 1 ]; then
  step "installing and building inside (no model)"
  inside bash -c 'cd /ingot && . tools/lib.sh && install_packages tools/packages.txt &&
    unpack_third_party && build_preset release'
else
  step "./quickstart inside"
  begin=$SECONDS
  inside bash -c 'cd / && ingot/quickstart'
  echo "quickstart: $((SECONDS - begin)) s"
  step "./quickstart a second time"
  inside /ingot/quickstart
fi
if [ "$run_tests" -eq 1 ]; then
  step "./test inside"
  begin=$SECONDS
  inside /ingot/.ci/run  # ./test, with clang-tidy over the last commit and what is not committed
  echo "test: $((SECONDS - begin)) s"
fi
say "proved in a fresh Debian 12 ($SECONDS s)"
