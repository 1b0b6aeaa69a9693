#!/usr/bin/env bash
# Tests the daemon with a real Home Assistant: discovery, values, events, lost audio and restarts.
# The first run sets up Home Assistant (tests/system/home_assistant/setup.sh: two minutes, 0.9 GB,
# in .cache/). Needs root for a chroot into its Debian root.
#
#   tests/system/home_assistant.sh                      with target/debug/genred
#   tests/system/home_assistant.sh --bin PATH           with another one
#   tests/system/home_assistant.sh --only lost          only this check; may be repeated
#   tests/system/home_assistant.sh --broker embedded    only this broker (or `mosquitto`)
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."

bin=$PWD/target/debug/genred only=() brokers=(mosquitto embedded)
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) case "$2" in /*) bin=$2 ;; *) bin=$here/$2 ;; esac; shift 2 ;;
        --only) only+=(--only "$2"); shift 2 ;;
        --broker) brokers=("$2"); shift 2 ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "home_assistant: unknown argument $1; see --help" >&2; exit 2 ;;
    esac
done
[ -x "$bin" ] || { echo "home_assistant: \`$bin\` is missing; build it (\`cargo build\`) or name one with --bin" >&2; exit 2; }
if [ "$(id -u)" -ne 0 ]; then
    echo "home_assistant: needs root for debootstrap and chroot; going on with sudo" >&2
    [ ${#brokers[@]} -gt 1 ] || only+=(--broker "${brokers[0]}")
    exec sudo -E "$PWD/tests/system/home_assistant.sh" --bin "$bin" "${only[@]}"
fi

tests/system/home_assistant/setup.sh
scripts/fetch_audio.sh

# The sound server unpacked by scripts/setup.sh if none is installed.
PATH=$PATH:$PWD/.cache/sound/bin
export GENRED_MODELS=${GENRED_MODELS:-$PWD/models}
library=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ -e "$library" ]; then export ORT_DYLIB_PATH=$library; fi
# A check selected by name may exist for mosquitto only.
[ ${#only[@]} -eq 0 ] || [ ${#brokers[@]} -eq 1 ] || brokers=(mosquitto)
failed=0
for broker in "${brokers[@]}"; do
    printf 'home_assistant: Home Assistant in MQTT 5, broker %s\n' "$broker" >&2
    PYTHONDONTWRITEBYTECODE=1 python3 tests/system/home_assistant/checks.py --broker "$broker" \
        --bin "$bin" --root "$PWD/.cache/home-assistant" --songs "$PWD/.cache/test-audio" "${only[@]}" || failed=1
done
exit $failed
