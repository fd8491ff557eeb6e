#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deps.sh PACKAGE...: installs the Debian packages that are missing; touches no
# network when none is.  Needs root or password-less sudo, else prints the one
# line to run and stops.
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "deps: this is no Debian system; needed (by Debian's names): $*"
    exit 0
fi
missing=
for p; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] ||
        missing="$missing $p"
done
[ -z "$missing" ] && exit 0
install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "deps: packages are missing; run this, then make again:" >&2
    echo "  sudo apt-get update && sudo $install" >&2
    exit 1
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# The lists may be stale or absent: refresh them once, try twice.
for try in 1 2; do
    if { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive \
        $install; } >"$log" 2>&1; then
        exit 0
    fi
    sleep 5
done
cat "$log" >&2
echo "deps: could not install:$missing" >&2
exit 1
