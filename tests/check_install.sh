# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables of check.sh
#
# check_install.sh: the step that uses an installed tree; part of check.sh, and
# no program.

# An installed tree alone builds README's program, compiles a .k, takes a plug-in
# made against its headers, and judges that plug-in by its own vectors.  Outside
# of this tree, where nothing of it can be found.
step_install() {
    local root usr name
    root=$(mktemp -d /tmp/halcyon-install.XXXXXX) || return 1
    usr=$root/usr
    # shellcheck disable=SC2064 # this folder, now
    trap "rm -rf '$root'" EXIT
    $MAKE -s B="$B" WERROR=-Werror install PREFIX="$usr" || return 1
    $MAKE -s B="$B" WERROR=-Werror install PREFIX="/a prefix" \
        DESTDIR="$root/a dest" || return 1
    awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' README.md >"$root/scale.c"
    for name in staged links shared static operator kernel plugin standin golden; do
        (set -e; cd "$root"; "install_$name")
        # Not as a condition: that would switch set -e off.
        # shellcheck disable=SC2181
        if [ $? = 0 ]; then count 1 0 0; else
            echo "FAILED: install: $name"
            count 0 1 0
        fi
    done
    rm -rf "$root"
    trap - EXIT
}
install_flags() {
    PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig pkg-config "$@" halcyon
}
install_staged() { # DESTDIR stands in no file; both may hold spaces
    local pc="a dest/a prefix/lib/pkgconfig/halcyon.pc"
    test -x "a dest/a prefix/bin/halcyon"
    grep -qxF 'prefix=/a\ prefix' "$pc"
    PKG_CONFIG_PATH=${pc%/*} pkg-config --cflags halcyon | grep -F -e '-I/a\ prefix/include/halcyon'
    test "halcyon $(install_flags --modversion)" = "$(usr/bin/halcyon version)"
}
install_shared() {
    # shellcheck disable=SC2046
    cc -o shared scale.c $(install_flags --cflags --libs)
    LD_LIBRARY_PATH=usr/lib HALCYON_DEVICES=cpu:0 ./shared | grep '^device 0: 42$'
}
install_static() {
    # shellcheck disable=SC2046
    cc -o static scale.c $(PKG_CONFIG_PATH=$PWD/usr/lib/pkgconfig \
        pkg-config --cflags --libs halcyon-static)
    if readelf -d static | grep libhalcyon; then return 1; fi
    HALCYON_DEVICES=cpu:0 ./static | grep '^device 0: 42$'
}
install_block() { # install_block KIND N: the nth ```KIND block of programs.md
    awk -v fence="^\`\`\`$1\$" -v n="$2" '$0 ~ fence {on = ++k == n; next}
        /^```/ {on = 0} on' usr/share/doc/halcyon/docs/programs.md
}
install_links() { # no manual points at what is not installed
    local page target bad=0 pages=0
    while read -r page; do
        pages=$((pages + 1))
        while read -r target; do
            [ -e "${page%/*}/$target" ] || { echo "$page: $target"; bad=1; }
        done < <(grep -oE '\]\([^)#:]+' "$page" | cut -c3-)
    done < <(find usr/share/doc/halcyon -name '*.md')
    test "$bad" = 0 && test "$pages" -gt 0
}
install_operator() {
    install_block c 1 >operator.c
    # shellcheck disable=SC2046
    cc -o operator operator.c $(install_flags --cflags --libs) \
        -Wl,-rpath,"$(install_flags --variable=libdir)"
    test "$(HALCYON_DEVICES=cpu:0 ./operator)" = "1.000 2.000"
}
install_kernel() {
    install_block k 1 >scale.k
    usr/bin/halcc -o scale.halbin scale.k
    usr/bin/halcc --list scale.halbin | grep 'scale(inout f32 x, arg f32 a'
    install_block c 2 >load.c
    # shellcheck disable=SC2046
    cc -o load load.c $(install_flags --cflags --libs)
    test "$(LD_LIBRARY_PATH=usr/lib HALCYON_DEVICES=cpu:0 ./load)" = 42
}
install_plugin() {
    # A copy that has another name, as docs/porting.md has it.
    mkdir renamed mychip
    cp usr/share/halcyon/examples/plugin/* renamed
    sed -i 's/^#define EXAMPLE_NAME .*/#define EXAMPLE_NAME "mychip"/' \
        renamed/example.h
    # shellcheck disable=SC2046
    cc -shared -fPIC -pthread $(install_flags --cflags) \
        -o mychip/libhalcyon-mychip.so renamed/*.c
    HALCYON_BACKEND_PATH=$PWD/mychip usr/bin/halcyon info | grep '^mychip:0 '
    # shellcheck disable=SC2046
    cc -Wall -Wextra -Werror -shared -fPIC -pthread \
        $(install_flags --cflags) -o libhalcyon-example.so \
        usr/share/halcyon/examples/plugin/*.c
    # Found by the shared library's users too.
    LD_LIBRARY_PATH=usr/lib HALCYON_BACKEND_PATH=$PWD \
        HALCYON_DEVICES=example:0 ./shared | grep '^device 0: 42$'
    HALCYON_BACKEND_PATH=$PWD usr/bin/halcyon conform --device example:0 \
        --level core --level memory
}
install_standin() {
    HALCYON_BACKEND_PATH=$PWD \
        HALCYON_PROFILE_PATH=usr/share/halcyon/examples/profiles \
        usr/bin/halcyon conform --device my-chip --level memory \
        --case 'api.*' --json my-chip.json
    grep '"stands_on":.*"example:0"' my-chip.json >/dev/null
}
install_golden() { # the pack is found beside the program
    usr/bin/halcyon conform --device cpu:0 --level golden --case 'golden.edge.*'
}
