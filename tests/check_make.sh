# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables of check.sh
#
# check_make.sh: what make makes of a build that was killed and of a source that
# is gone; part of check.sh, and no program.

# small ARGS...: make of a library of three sources and of the example plug-in.
small() {
    MAKEFLAGS='' $MAKE -s B="$LOGS/make" CC="$LOGS/make/cc" \
        SRC_compiler='compiler/memory.c compiler/tool.c compiler/words.c' "$@"
}

# A compiler that leaves half of its output and takes make with it when one of
# its words is $KILLED.
killer() {
    rm -rf "$LOGS/make"
    mkdir -p "$LOGS/make"
    cat >"$LOGS/make/cc" <<'END'
#!/bin/sh
last=
for word; do
    [ "$last" != -o ] || out=$word
    [ "$word" != "$KILLED" ] || killed=yes
    last=$word
done
[ -n "$killed" ] || exec cc "$@"
echo half >"$out"
kill -9 0
END
    chmod +x "$LOGS/make/cc"
}

# A target that was half made is made again.
made_whole() { # WORD TARGET
    local out=$LOGS/make/$2
    # shellcheck disable=SC2086 # make and its options
    MAKEFLAGS='' KILLED=$1 setsid -w $MAKE -s B="$LOGS/make" \
        CC="$LOGS/make/cc" "$out" >/dev/null 2>&1
    if ! find "$LOGS/make" -type f -exec grep -qx half {} + ||
        ! small "$out" || grep -qx half "$out"; then
        echo "FAILED: make takes half of $2 for whole"
        return 1
    fi
    count 1 0 0
}

made_without() { # a source that is gone
    local lib=$LOGS/make/libcompiler.a
    if ! small "$lib" || ! ar t "$lib" | grep -q words.o ||
        ! small SRC_compiler=compiler/memory.c "$lib" ||
        ar t "$lib" | grep -q words.o; then
        echo "FAILED: a source that is gone stays in its library"
        return 1
    fi
    count 1 0 0
}

made_otherwise() { # with other flags
    local plugin=$LOGS/make/examples/libhalcyon-example.so
    local kernel=$LOGS/make/kernels/add.halbin
    # A compiler of kernels that is there already: the plain build's.
    ln -sf "$PWD/$B/halcc" "$LOGS/make/halcc"
    if ! small "$plugin" || ! small LDFLAGS=-Wl,--build-id=0xabcdef01 "$plugin" ||
        ! readelf -n "$plugin" | grep -q 'Build ID: abcdef01$'; then
        echo "FAILED: LDFLAGS do not reach the linker"
        return 1
    fi
    if ! small -o "$LOGS/make/halcc" "$kernel" ||
        ! small -o "$LOGS/make/halcc" HALCCFLAGS='--target opencl' "$kernel" ||
        "$B/halcc" --list "$kernel" | grep -q cpu; then
        echo "FAILED: other HALCCFLAGS leave the kernels as they were"
        return 1
    fi
    count 1 0 0
}

helped() { # each target that has words is listed with them
    local has lists
    has=$(cat Makefile mk/*.mk | grep -cE '^[^[:space:]#]+:.* ## ')
    lists=$($MAKE -s help | wc -l)
    if [ "$lists" = 0 ] || [ "$has" != "$lists" ]; then
        echo "FAILED: make help lists $lists of $has targets"
        return 1
    fi
    count 1 0 0
}

make_again() {
    helped || count 0 1 0
    killer
    made_whole -c obj/hal/errors.o || count 0 1 0
    made_whole -shared examples/libhalcyon-example.so || count 0 1 0
    made_whole -shared tests/fakes/fake_nvrtc.so || count 0 1 0
    made_without || count 0 1 0
    made_otherwise || count 0 1 0
}
