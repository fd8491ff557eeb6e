#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh [STEP...]: builds and runs all tests, or the named steps.  One line a
# step; its whole output lies in $B/check/STEP.log.  Ends with one line that
# counts: "N passed, N failed, N skipped".  A step that proves nothing fails.
#
# Steps report through two functions: `count PASSED FAILED SKIPPED` and `skip
# WHY`; a step whose command fails without a count is one failure.
set -u
cd "$(dirname "$0")/.."
B=${B:-build}
MAKE=${MAKE:-make}
JOBS=$(nproc)
LOGS=$B/check
GOLDEN=${HALCYON_SHARED_GOLDEN:-../shared/golden/kernels}
mkdir -p "$LOGS"

passed=0 failed=0 skipped=0
step_passed=0 step_failed=0 step_skipped=0

count() {
    step_passed=$((step_passed + $1))
    step_failed=$((step_failed + $2))
    step_skipped=$((step_skipped + $3))
}
skip() {
    echo "skipped: $*"
    step_skipped=$((step_skipped + 1))
}

# Software devices of a machine without a GPU.  Correctness, not speed: one
# driver thread for each worker of the runner.
swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
export HALCYON_CACHE_DIR=${HALCYON_CACHE_DIR:-$PWD/$B/cache}

# unit DIR [WRAPPER...]: every cmocka program under DIR/tests.
unit() {
    local dir=$1 program out rc p f s leaks
    shift
    for program in "$dir"/tests/*/test_*; do
        case $program in *.o | *.d | *.so) continue ;; esac
        [ -x "$program" ] || continue
        echo "== $program"
        # The validation layers and lavapipe leak; what is ours is looked at in
        # the other programs.
        case $program in
        */test_vulkan_validation) leaks=0 ;;
        *) leaks=1 ;;
        esac
        out=$(ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=$leaks \
            timeout 300 "$@" "$program" 2>&1 </dev/null)
        rc=$?
        echo "$out"
        p=$(echo "$out" | sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p' | awk '{n += $1} END {print n + 0}')
        f=$(echo "$out" | grep -c '^\[  FAILED  \] [^0-9]')
        s=$(echo "$out" | sed -nE 's/^\[  SKIPPED \] ([0-9]+) test.*/\1/p' | awk '{n += $1} END {print n + 0}')
        # A crash, a sanitizer's report or an empty program is a failure too.
        if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi
        if [ $((p + f + s)) = 0 ]; then f=1; fi
        [ "$f" = 0 ] || echo "FAILED: $program (exit $rc)"
        count "$p" "$f" "$s"
    done
}

# conform BINARY ARGS...: a conformance run whose verdicts are counted from its
# JSON; unsupported counts as skipped.
conform() {
    local binary=$1 json rc
    shift
    json=$(mktemp "$LOGS/conform.XXXXXX")
    # shellcheck disable=SC2086 # a wrapper and its options may stand before it
    $binary conform --json "$json" "$@" </dev/null
    rc=$?
    local verdicts
    verdicts=$(sed -nE 's/.*"verdict":[[:space:]]*"([a-z]+)".*/\1/p' "$json")
    rm -f "$json"
    local p s f
    p=$(echo "$verdicts" | grep -cE '^(pass|xfail|waived)$')
    s=$(echo "$verdicts" | grep -cE '^(unsupported)$')
    f=$(echo "$verdicts" | grep -cvE '^(pass|xfail|waived|unsupported)?$')
    if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi
    if [ $((p + f)) = 0 ]; then f=1; fi
    [ "$f" = 0 ] || echo "FAILED: conform $* (exit $rc)"
    count "$p" "$f" "$s"
}

build() { # build DIR VARS...: the library, the tools and the unit tests
    local dir=$1
    shift
    $MAKE -s -j"$JOBS" B="$dir" WERROR=-Werror "$@" all tests
}

step_build() {
    build "$B" && count 1 0 0
}

# README's program builds as README says, and prints 42 for each device.
readme() {
    local dir=$LOGS/readme
    mkdir -p "$dir"
    awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' README.md >"$dir/scale.c"
    if grep -nE '^@[A-Z_]+@$' README.md; then
        echo "FAILED: README has placeholders"
        return 1
    fi
    if ! cc -I. -o "$dir/scale" "$dir/scale.c" "$B/libhalcyon.a" -lhwloc \
        -lcjson -lxxhash -ldl -lm -pthread || ! "$dir/scale" | tee "$dir/out"; then
        echo "FAILED: README's program"
        return 1
    fi
    if ! grep -q '^cpu:0 .* 42 ' "$dir/out" || grep -vq ' 42 ' "$dir/out"; then
        echo "FAILED: README's program prints something else than 42"
        return 1
    fi
    count 1 0 0
}

step_tree() {
    local target
    for target in layers sizes format-check; do
        if $MAKE -s "$target"; then count 1 0 0; else
            echo "FAILED: make $target"
            count 0 1 0
        fi
    done
    if git ls-files -co --exclude-standard | grep -vE '\.(json|safetensors)$|^LICENSE$' |
        xargs -d '\n' grep -L SPDX | grep .; then
        echo "FAILED: files without an SPDX line"
        count 0 1 0
    else count 1 0 0; fi
    readme || count 0 1 0
    # A second make has nothing to do.
    if [ -z "$($MAKE -s B="$B" WERROR=-Werror all tests 2>&1)" ]; then count 1 0 0; else
        echo "FAILED: a second make prints something"
        count 0 1 0
    fi
    # The other compiler has no complaints.
    if command -v clang >/dev/null; then
        if git ls-files -co --exclude-standard '*.c' |
            xargs -P"$JOBS" -n8 clang -std=gnu11 -D_GNU_SOURCE -I. -I"$B/gen" \
                -fsyntax-only -Wall -Wextra -Wshadow -Wconversion \
                -Wno-sign-conversion -Wstrict-prototypes -Wvla -Werror; then
            count 1 0 0
        else
            echo "FAILED: clang has complaints"
            count 0 1 0
        fi
    else skip "clang is not installed"; fi
}

step_unit() {
    unit "$B"
}

golden() {
    if [ -f "$GOLDEN/index.json" ]; then echo "--golden $GOLDEN"; fi
}

step_conform() {
    # shellcheck disable=SC2046
    conform "$B/halcyon" $(golden)
}

# More drivers: rusticl (and its 65,535 loop iterations), and SwiftShader, which
# has no 8/16-bit storage, so that the packed images run.
step_drivers() {
    RUSTICL_ENABLE=llvmpipe HALCYON_OPENCL_PLATFORMS=rusticl \
        conform "$B/halcyon" --device opencl:0 --level core --level memory \
        --level kernels-f32
    if [ -f "$swiftshader" ]; then
        VK_DRIVER_FILES=$swiftshader VK_ICD_FILENAMES=$swiftshader \
            conform "$B/halcyon" --device vulkan:0 --level core \
            --level memory --level kernels-bf16
    else skip "SwiftShader (Debian's chromium) is not installed"; fi
}

# Three chips at once in one process, each on a driver of its own.
step_standins() {
    RUSTICL_ENABLE=llvmpipe VK_ADD_DRIVER_FILES=$swiftshader \
        conform "$B/halcyon" --device ascend-910b --device biren-br100 \
        --device moore-s4000 --level core --level memory
    # Kernels within the chips' limits: 28 KiB of shared memory, no 8/16-bit
    # storage, other group sizes.
    RUSTICL_ENABLE=llvmpipe VK_ADD_DRIVER_FILES=$swiftshader \
        conform "$B/halcyon" --device ascend-910b --device biren-br100 \
        --device moore-s4000 --case 'kernel.*.primes' --case 'kernel.*.n17' \
        --case 'golden.edge.*' --case 'golden.onnx.*'
}

# The other images of the same kernels, on lavapipe: raw addresses, packed words,
# and its other vector widths.
step_variants() {
    local some=(--device vulkan:0 --case 'kernel.*.primes'
        --case 'kernel.*.n1[567]' --case 'kernel.*.misaligned'
        --case 'kernel.gemm.*.m1[37]_*' --case 'golden.edge.*')
    HALCYON_VARIANT=vulkan.bda conform "$B/halcyon" "${some[@]}"
    HALCYON_VARIANT=vulkan.packed conform "$B/halcyon" "${some[@]}"
    LP_NATIVE_VECTOR_WIDTH=128 conform "$B/halcyon" "${some[@]}"
}

step_isa() {
    local isa
    for isa in base v3 v4; do
        if HALCYON_CPU_ISA=$isa "$B/halcyon" conform --device cpu:0 \
            --case api.device.count >/dev/null 2>&1; then
            HALCYON_CPU_ISA=$isa conform "$B/halcyon" --device cpu:0 \
                --case 'kernel.*' --case 'golden.*'
        else skip "this processor has no $isa"; fi
    done
}

# Address and undefined-behaviour sanitizers; then the kernels' own code under
# them, for the baseline processor.
step_asan() {
    export ASAN_OPTIONS=abort_on_error=0:allocator_may_return_null=1
    # Clover, Mesa's old OpenCL, leaks as it is unloaded: leave it out.
    mkdir -p "$B/icd"
    cp /etc/OpenCL/vendors/pocl.icd "$B/icd/" 2>/dev/null
    export OCL_ICD_VENDORS=$PWD/$B/icd
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    build "$B/asan" SAN=address,undefined OPT=-O1 \
        STOCK_HALBIN="$B/stock.halbin" || return 1
    unit "$B/asan"
    conform "$B/asan/halcyon" --device cpu:0 --level core --level memory \
        --timeout 5
    $MAKE -s -j"$JOBS" B="$B/asan" WERROR=-Werror SAN=address,undefined OPT=-O1 \
        HALCCFLAGS="--target cpu.base --cflags=-fsanitize=address,undefined" \
        "$B/asan/halcyon" || return 1
    HALCYON_CPU_ISA=base conform "$B/asan/halcyon" --device cpu:0 --timeout 5 \
        --case 'kernel.*.primes' --case 'kernel.*.n1[5-7]' \
        --case 'kernel.*.misaligned' --case 'kernel.gem*.m[1-9]_*' \
        --case 'kernel.gem*.m1[3-7]_*' --case 'kernel.attention.*.[dopqv]*' \
        --case 'golden.edge.*' --case 'golden.onnx.*'
    unset ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS OCL_ICD_VENDORS
}

step_tsan() {
    export TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp:halt_on_error=1
    build "$B/tsan" SAN=thread OPT=-O1 STOCK_HALBIN="$B/stock.halbin" || return 1
    unit "$B/tsan"
    conform "$B/tsan/halcyon" --device cpu:0 --case 'api.thread.*' \
        --case 'api.stream.*' --timeout 5
}

step_valgrind() {
    local name
    command -v valgrind >/dev/null || { skip "valgrind is missing"; return 0; }
    # The core, and the readers beneath it.
    rm -rf "$B/valgrind"
    mkdir -p "$B/valgrind/tests/core"
    for name in "$B"/tests/hal/test_* "$B"/tests/compiler/test_halbin \
        "$B"/tests/compiler/test_preprocess; do
        case $name in *.o | *.d) continue ;; esac
        ln -s "$PWD/$name" "$B/valgrind/tests/core/"
    done
    unit "$B/valgrind" valgrind -q --error-exitcode=9 --leak-check=full \
        --errors-for-leak-kinds=definite --fair-sched=yes
}

# Hostile bytes for every reader of files from outside; short here, long by hand:
# build/fuzz/tests/fuzz/fuzz_halbin -max_total_time=3600.
step_fuzz() {
    local target out
    command -v clang >/dev/null || { skip "clang is missing"; return 0; }
    $MAKE -s -j"$JOBS" B="$B/fuzz" CC=clang OPT=-O1 \
        SAN=fuzzer-no-link,address,undefined STOCK_HALBIN="$B/stock.halbin" \
        fuzzers || return 1
    for target in "$B"/fuzz/tests/fuzz/fuzz_*; do
        case $target in *.o | *.d) continue ;; esac
        out=$(cd "$LOGS" && ASAN_OPTIONS=allocator_may_return_null=1 \
            timeout 120 "$OLDPWD/$target" -max_total_time=10 -timeout=10 \
            -rss_limit_mb=4096 -print_final_stats=1 2>&1)
        if [ $? = 0 ] && echo "$out" | grep -q 'number_of_executed_units: [1-9]'; then
            echo "$out" | grep 'number_of_executed_units'
            count 1 0 0
        else
            echo "$out" | tail -40
            echo "FAILED: $target"
            count 0 1 0
        fi
    done
}

# Vulkan's validation layers over the kernels.
step_validation() {
    HALCYON_VULKAN_VALIDATION=1 conform "$B/halcyon" --device vulkan:0 \
        --case 'kernel.*' --case 'api.launch.*' --case 'api.copy.*'
}

# Oclgrind finds data races between barriers, and accesses past a buffer's end;
# it is about 1000 times slower, so small cases of every kernel, with the image
# that has groups of many threads.
step_oclgrind() {
    local log=$PWD/$LOGS/oclgrind.races before
    command -v oclgrind >/dev/null || { skip "oclgrind is missing"; return 0; }
    rm -f "$log"
    before=$step_failed
    HALCYON_VARIANT=opencl conform "oclgrind --data-races --log $log $B/halcyon" \
        --device opencl:0 --timeout 20 --case 'kernel.*.f32.n17' \
        --case 'kernel.*.bf16.n17' --case 'kernel.*.f16.n17' \
        --case 'kernel.gemm.*.m3_n7_k5' --case 'kernel.gemv.*.m1_n3_k17' \
        --case 'kernel.attention.*.one' --case 'kernel.rope_*.f32.one' \
        --case 'kernel.embedding.f32.one' --case 'kernel.copy_strided.*.one'
    if [ -s "$log" ]; then
        echo "FAILED: Oclgrind complains"
        head -50 "$log"
        count 0 1 0
    elif [ "$before" = "$step_failed" ]; then count 1 0 0; fi
}

run_step() {
    local name=$1 start rc
    step_passed=0 step_failed=0 step_skipped=0
    start=$SECONDS
    "step_$name" >"$LOGS/$name.log" 2>&1
    rc=$?
    if [ $((step_passed + step_failed + step_skipped)) = 0 ]; then
        echo "FAILED: the step proved nothing (exit $rc)" >>"$LOGS/$name.log"
        step_failed=1
    fi
    printf '%-12s %5d passed %4d failed %4d skipped %5d s\n' "$name" \
        "$step_passed" "$step_failed" "$step_skipped" $((SECONDS - start))
    if [ "$step_failed" != 0 ]; then
        grep -E 'FAILED|error:|ERROR|fail  |crash  |timeout  ' \
            "$LOGS/$name.log" | head -40 | sed 's/^/    /'
        echo "    ... the last lines of $LOGS/$name.log:"
        tail -n 25 "$LOGS/$name.log" | sed 's/^/    /'
    fi
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    skipped=$((skipped + step_skipped))
}

steps=${*:-build tree unit conform drivers standins variants isa asan tsan valgrind validation oclgrind fuzz}
for step in $steps; do
    if ! declare -F "step_$step" >/dev/null; then
        echo "check: no step '$step'" >&2
        exit 2
    fi
    run_step "$step"
    # Nothing can run without the build.
    if [ "$step" = build ] && [ "$failed" != 0 ]; then break; fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
