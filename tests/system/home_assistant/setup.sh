#!/usr/bin/env bash
# Home Assistant in a Debian root of its own, in .cache/home-assistant: it needs a newer Python than most
# systems have. Once about two minutes and 0.9 GB; quick when all is there. Needs root: debootstrap and
# chroot do. Whatever is mounted stays as it is.
set -euo pipefail
cd "$(dirname "$0")/../../.."

VERSION=2026.11.0
# The first Debian release with Python 3.14, which this version asks for.
RELEASE=forky

root=.cache/home-assistant
say() { printf 'home_assistant: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ "$(id -u)" -eq 0 ] || die "debootstrap and chroot need root; run this as root, or with sudo"

# Packages of the system, of which the tests need more than the root does.
missing=()
for package in debootstrap ca-certificates mosquitto mosquitto-clients pulseaudio pulseaudio-utils libasound2-plugins ffmpeg python3; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove "${missing[@]}" >&2 ||
        die "not everything could be installed without removing something else; install ${missing[*]} by hand"
fi

[ "$(cat "$root/opt/ha/version" 2>/dev/null)" = "$VERSION" ] && exit 0

# An aborted debootstrap may have left its /proc mounted: that is not ours to delete.
discard() {
    [ -d "$1" ] || return 0
    ! mountpoint -q "$1/proc" || umount "$1/proc"
    rm -rf --one-file-system "$1"
}

new=$root.new log=$root.log
discard "$new"
mkdir -p "$(dirname "$root")"

# The mirror that apt uses, if it is one of Debian's: other distributions have no release of that name.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ') || true
mirror=${mirror:-http://deb.debian.org/debian}
# An older debootstrap does not know the release by name; the script of `sid` serves for all.
say "Debian $RELEASE from $mirror into $root"
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$RELEASE" "$new" "$mirror" /usr/share/debootstrap/scripts/sid >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; die "debootstrap failed; all it said is in $log"; }

# The root resolves names and trusts certificates as this system does.
cp -L /etc/resolv.conf /etc/hosts "$new/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$new/etc/ssl/certs/"
if [ -e /etc/pip.conf ]; then cp -L /etc/pip.conf "$new/etc/"; fi

say "Home Assistant $VERSION"
cat >"$new/root/install.sh" <<'INSTALL'
set -eu
python3 -m venv /opt/ha
/opt/ha/bin/pip install --no-cache-dir -q uv
install() { /opt/ha/bin/uv pip install -q --no-cache --python /opt/ha/bin/python "$@"; }
install "homeassistant==$1"
# Home Assistant would fetch what its integrations need when it starts them. It runs with --skip-pip,
# so that they are here from the beginning; the manifests name them, with their versions.
install $(/opt/ha/bin/python - <<'PYTHON'
import json, pathlib, homeassistant
components = pathlib.Path(homeassistant.__file__).parent / "components"
for name in ("mqtt", "hassio", "isal"):
    print(*json.loads((components / name / "manifest.json").read_text()).get("requirements", []))
PYTHON
)
/opt/ha/bin/python -c 'import homeassistant.components.mqtt.config_flow'
INSTALL
# Folders of wheels that pip is told of are not in the root.
env -u PIP_FIND_LINKS SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    chroot "$new" /bin/bash /root/install.sh "$VERSION" >>"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; die "Home Assistant could not be installed; all that was said is in $log"; }
rm -rf "$new/root/install.sh" "$new"/var/cache/apt/archives/*.deb
printf '%s\n' "$VERSION" >"$new/opt/ha/version"

# Under its final name only once it is whole.
discard "$root"
mv "$new" "$root"
rm -f "$log"
say "done: $root"
