#!/usr/bin/env bash
# Tests the web pages in Debian's Chromium with a real daemon and real music (tests/system/web/).
# Loopback only, about five minutes.
#
#   tests/system/web.sh                         with target/debug/genred
#   tests/system/web.sh --bin PATH              with another one
#   tests/system/web.sh --shots DIR             keep screenshots (default: .cache/web/shots)
#   tests/system/web.sh --lint                  only the type check and the lint of the pages
#   tests/system/web.sh --install               only install the npm packages
#   tests/system/web.sh -- ARGUMENT…            for Playwright, such as `resume` or `--headed`
#
# Needs Node 20, npm, ffmpeg and the Debian package `chromium`.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."

absolute() { case "$1" in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }

bin=$PWD/target/debug/genred shots=$PWD/.cache/web/shots only="" arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) bin=$(absolute "$2"); shift 2 ;;
        --shots) shots=$(absolute "$2"); shift 2 ;;
        --lint | --install) only=$1; shift ;;
        --) shift; arguments=("$@"); break ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "web: unknown argument $1; see --help" >&2; exit 2 ;;
    esac
done

# The packages are outside of the tree; a link makes them visible to the modules.
tests=$PWD/tests/system/web packages=$PWD/.cache/web
if ! cmp -s "$tests/package-lock.json" "$packages/package-lock.json" || [ ! -d "$packages/node_modules" ]; then
    mkdir -p "$packages"
    cp "$tests/package.json" "$tests/package-lock.json" "$packages/"
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm --prefix "$packages" ci --no-audit --no-fund >&2
fi
ln -sfn ../../../.cache/web/node_modules "$tests/node_modules"
[ "$only" != --install ] || exit 0
if [ "$only" = --lint ]; then
    npm --prefix "$tests" run --silent types
    exec npm --prefix "$tests" run --silent lint
fi

[ -x "$bin" ] || { echo "web: \`$bin\` is missing; build it (\`cargo build\`) or name one with --bin" >&2; exit 2; }
command -v chromium >/dev/null || { echo "web: install the Debian package \`chromium\`" >&2; exit 2; }
scripts/fetch_audio.sh
export GENRED_MODELS=${GENRED_MODELS:-$PWD/models}
runtime=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ -e "$runtime" ]; then export ORT_DYLIB_PATH=$runtime; fi
export GENRED_BIN=$bin GENRED_SHOTS=$shots GENRED_AUDIO=${GENRED_AUDIO:-$PWD/.cache/test-audio}
mkdir -p "$shots"
cd "$tests"
exec node_modules/.bin/playwright test "${arguments[@]}"
