#!/usr/bin/env bash
# Prints where Chromium is; on a Debian machine that has none, and where we may, it is installed first.
set -euo pipefail
found() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
found && exit
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >&2 || true
fi
found || { echo "there is no Chromium here; on Debian: apt-get install chromium" >&2 && exit 1; }
