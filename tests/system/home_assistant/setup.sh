#!/usr/bin/env bash
# Installs Home Assistant in a Debian root in .cache/home-assistant, since it needs a newer Python
# than most systems have. The first run takes two minutes and 0.9 GB. Needs root for debootstrap and
# chroot. Existing mounts are not changed.
set -euo pipefail
cd "$(dirname "$0")/../../.."

VERSION=2026.11.0
# The first Debian release with Python 3.14, which this version requires.
RELEASE=forky

root=.cache/home-assistant
say() { printf 'home_assistant: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ "$(id -u)" -eq 0 ] || die "debootstrap and chroot need root; run this as root, or with sudo"

# Packages of the system; the tests need more than the root does.
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

# After an aborted debootstrap, /proc may still be mounted; it must not be deleted.
discard() {
    [ -d "$1" ] || return 0
    ! mountpoint -q "$1/proc" || umount "$1/proc"
    rm -rf --one-file-system "$1"
}

new=$root.new log=$root.log
discard "$new"
mkdir -p "$(dirname "$root")"

# The mirror of apt if it is one of Debian; other distributions do not have this release.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ') || true
mirror=${mirror:-http://deb.debian.org/debian}
# An older debootstrap does not know the release; the script of `sid` works for all releases.
say "Debian $RELEASE from $mirror into $root"
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$RELEASE" "$new" "$mirror" /usr/share/debootstrap/scripts/sid >"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; die "debootstrap failed; all it said is in $log"; }

# Name resolution and certificates are those of this system.
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
# Home Assistant runs with --skip-pip, since it would download the requirements of its integrations
# at run time. They are installed here, with the versions of the manifests.
install $(/opt/ha/bin/python - <<'PYTHON'
import json, pathlib, homeassistant
components = pathlib.Path(homeassistant.__file__).parent / "components"
for name in ("mqtt", "hassio", "isal"):
    print(*json.loads((components / name / "manifest.json").read_text()).get("requirements", []))
PYTHON
)
/opt/ha/bin/python -c 'import homeassistant.components.mqtt.config_flow'
INSTALL
# Configured wheel folders of pip do not exist in the root.
env -u PIP_FIND_LINKS SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    chroot "$new" /bin/bash /root/install.sh "$VERSION" >>"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; die "Home Assistant could not be installed; all that was said is in $log"; }
rm -rf "$new/root/install.sh" "$new"/var/cache/apt/archives/*.deb
printf '%s\n' "$VERSION" >"$new/opt/ha/version"

# Renamed only when complete.
discard "$root"
mv "$new" "$root"
rm -f "$log"
say "done: $root"
