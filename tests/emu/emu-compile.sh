#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# emu-compile.sh BUILD IN OUT: CUDA text, or the cuda images of a .halbin, to a
# library of the emulator (tests/emu/emu.h), or where OUT ends with .o to an
# object for one.  BUILD is where emu-text and emu.o have been built.  Runs in
# the root of the tree; needs g++.
set -e
build=$1 in=$2 out=$3
made=$(mktemp "$out.XXXXXX")
trap 'rm -f "$made" "$made.cpp"' EXIT
"$build/emu/emu-text" "$in" >"$made.cpp"
case $out in
*.o) how=-c objects= ;;
*) how=-shared objects=$build/emu/emu.o ;;
esac
# shellcheck disable=SC2086 # flags and objects are words
"${HALCYON_CXX:-g++}" -x c++ -std=gnu++14 -O1 -fPIC -fvisibility=hidden -pthread \
    -fno-strict-aliasing -w -I. $how -o "$made" "$made.cpp" -x none $objects
mv "$made" "$out"
