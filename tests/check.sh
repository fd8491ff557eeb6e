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
export LOGS

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

# each ARGS...: the rest of the line for each line of stdin, as many at a time as
# there are cores: `each FUNCTION [ARGS...]` runs `FUNCTION LINE LOG [ARGS...]`
# and prints the logs in the order of the lines, so that a run reads like another.
each() {
    local logs n=0 line rc
    logs=$(mktemp -d "$LOGS/each.XXXXXX")
    while read -r line; do
        n=$((n + 1))
        printf '%s\0%s/%04d\0' "$line" "$logs" "$n"
    done | xargs -0 -r -n2 -P"$JOBS" bash -c \
        'n=$#; line=${*:n-1:1} log=${*:n:1}
        "$1" "$line" "$log" "${@:2:n-3}" >"$log" 2>&1 </dev/null' _ "$@"
    rc=${PIPESTATUS[1]}
    cat "$logs"/* 2>/dev/null
    # Killed, it does not begin the rest.  A line that tally misses the end of.
    [ "$rc" -le 123 ] || echo "== some, or all, that did not run ($rc)"
    rm -rf "$logs"
}

# All steps, in their order.
steps='build tree unit install conform selftest drivers standins variants cuda isa
    asan tsan valgrind validation oclgrind fuzz'

# Programs that run longest, to be begun first: the last one to end is alone.
slow='test_cuda_text|test_ptxas|test_gcc_equal|test_selftest|test_reports|test_gpu_check|test_expect|test_runner|test_resume|test_report|test_compile|test_package|test_ends|test_vulkan_validation|test_vulkan_memory|test_ops|test_fault'

# Programs that hold a driver's clock against the host's.
alone='test_opencl_(real|order)'

# What a step leaves out, where it could find nothing.
without=none

# Programs of step_cuda.
nvidia='test_(emu|cuda|ptx)[^/]*'

programs() { # the cmocka programs under DIR/tests whose sources are there
    local program
    for program in "$1"/tests/*/test_*; do
        case $program in *.o | *.d | *.so) continue ;; esac
        compgen -G "tests/*/${program##*/}.c" >/dev/null || continue
        [[ ! $program =~ /($without)$ ]] || continue
        [ ! -x "$program" ] || echo "$program"
    done | awk -v slow="/($slow)\$" '$0 ~ slow {print 0, $0; next} {print 1, $0}' |
        sort -s -k1,1 | cut -d' ' -f2-
}

# how RC: how a program ended that has not ended well.
how() {
    case $1 in
    124) echo "took too long" ;;
    129 | 1[3-9]?) echo "killed by SIG$(kill -l $(($1 - 128)))" ;;
    *) echo "exit $1" ;;
    esac
}
export -f how

# unit_one PROGRAM LOG [WRAPPER...]: ends with a line "@ PASSED FAILED SKIPPED".
unit_one() {
    local program=$1 log=$2 out rc p f s last leaks try start=$SECONDS
    shift 2
    echo "== $program"
    # The validation layers and lavapipe leak, and beside oneDNN's threads the
    # leak checker crashes itself; what is ours is looked at in the others.
    case $program in
    */test_vulkan_validation | */test_native) leaks=0 ;;
    *) leaks=1 ;;
    esac
    out=$log.out
    # Beside other threads of a driver or of OpenMP it does so now and then
    # ("Tracer caught signal 11"), which says nothing of the program: once more.
    for try in 1 2 3; do
        [ "$try" = 1 ] || echo "run again: the leak checker crashed"
        ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=$leaks \
            timeout 300 "$@" "$program" >"$out" 2>&1
        rc=$?
        cat "$out"
        grep -q 'LeakSanitizer has encountered a fatal error' "$out" || break
    done
    p=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p' "$out" | awk '{n += $1} END {print n + 0}')
    # Each is named twice: where it failed, and at the end.
    f=$(grep '^\[  FAILED  \] [^0-9]' "$out" | sort -u | wc -l)
    s=$(sed -nE 's/^\[  SKIPPED \] ([0-9]+) test.*/\1/p' "$out" | awk '{n += $1} END {print n + 0}')
    last=$(sed -nE 's/^\[ RUN      \] //p' "$out" | tail -n 1)
    rm -f "$out"
    # A crash, a sanitizer's report or an empty program is a failure too.
    if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi
    if [ $((p + f + s)) = 0 ]; then f=1; fi
    # The last test to begin is the one that did not come back.
    [ "$f" = 0 ] || echo "FAILED: $program ($(how "$rc"); the last to begin:" \
        "$last)"
    echo "$((SECONDS - start)) s"
    echo "@ $p $f $s"
}
export -f unit_one

# tally LOG: the "@" lines in it, one for each of the programs that were begun.
tally() {
    local line
    while read -r line; do
        # shellcheck disable=SC2086 # three numbers
        count $line
    done < <(sed -nE 's/^@ ([0-9]+ [0-9]+ [0-9]+)$/\1/p' "$1")
    if [ "$(grep -c '^== ' "$1")" != "$(grep -c '^@ ' "$1")" ]; then
        echo "FAILED: a program left no counts"
        count 0 1 0
    fi
    if ! grep -q '^== ' "$1"; then
        echo "FAILED: there is no program"
        count 0 1 0
    fi
}

# unit DIR [WRAPPER...]: every cmocka program under DIR/tests.  Most of them wait
# now and then, for a driver, a child or a clock: one more than there are cores.
unit() {
    local dir=$1 log
    shift
    log=$(mktemp "$LOGS/unit.XXXXXX")
    programs "$dir" | grep -vE "/($alone)\$" |
        JOBS=$((JOBS + 1)) each unit_one "$@" >"$log"
    programs "$dir" | grep -E "/($alone)\$" | JOBS=1 each unit_one "$@" >>"$log"
    cat "$log"
    tally "$log"
    rm -f "$log"
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

build() { # build DIR ARGS...: targets, and variables of make
    local dir=$1
    shift
    $MAKE -s -j"$JOBS" B="$dir" WERROR=-Werror "$@"
}

step_build() {
    build "$B" all tests && count 1 0 0
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
    if ! grep -q '^device 0: 42$' "$dir/out" || grep -vq ': 42$' "$dir/out"; then
        echo "FAILED: README's program prints something else than 42"
        return 1
    fi
    count 1 0 0
}

existing() { # of the files on stdin, those that have not been removed
    local file
    while read -r file; do [ ! -e "$file" ] || echo "$file"; done
}

step_tree() {
    local target
    for target in layers sizes format-check; do
        if $MAKE -s "$target"; then count 1 0 0; else
            echo "FAILED: make $target"
            count 0 1 0
        fi
    done
    if git ls-files -co --exclude-standard | existing | grep -vE '\.(json|safetensors)$|^LICENSE$' |
        xargs -d '\n' grep -L SPDX | grep .; then
        echo "FAILED: files without an SPDX line"
        count 0 1 0
    else count 1 0 0; fi
    for target in $steps; do
        sed -n '/check-STEP/,$p' CONTRIBUTING.md | grep -qw "$target" && continue
        echo "FAILED: CONTRIBUTING does not name the step $target"
        count 0 1 0
    done
    readme || count 0 1 0
    # A second make has nothing to do.
    if [ -z "$($MAKE -s B="$B" WERROR=-Werror all tests 2>&1)" ]; then count 1 0 0; else
        echo "FAILED: a second make prints something"
        count 0 1 0
    fi
    make_again
    # The other compiler has no complaints.
    if command -v clang >/dev/null; then
        if git ls-files -co --exclude-standard '*.c' | existing |
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
    without=$nvidia unit "$B"
}

golden() {
    if [ -f "$GOLDEN/index.json" ]; then echo "--golden $GOLDEN"; fi
}

step_conform() {
    # shellcheck disable=SC2046
    conform "$B/halcyon" $(golden)
}

# planted ARGS...: a self-test that must catch what it plants.
planted() {
    local json rc caught
    json=$(mktemp "$LOGS/planted.XXXXXX")
    "$B/halcyon" conform --self-test --quiet --json "$json" "$@" </dev/null
    rc=$?
    caught=$(grep -cE '"outcome":[[:space:]]*"caught"' "$json")
    rm -f "$json"
    if [ "$rc" != 0 ] || [ "$caught" = 0 ]; then
        echo "FAILED: the self-test $* (exit $rc)"
        count 0 1 0
    fi
    count "$caught" 0 0
}

# What NVIDIA's devices get, proven without one: the unit tests, and conformance
# on a fake driver, whose kernels are their CUDA text on the CPU, threads forward
# and reversed, so that a missing barrier shows.  Each kernel is a library of its
# own and takes some of the room that late ones have for thread-local memory.
step_cuda() {
    local log order
    log=$(mktemp "$LOGS/unit.XXXXXX")
    programs "$B" | grep -E "/$nvidia\$" | each unit_one >"$log"
    cat "$log"
    tally "$log"
    rm -f "$log"
    export HALCYON_CUDA_LIB=$PWD/$B/tests/fakes/fake_cuda.so
    export HALCYON_NVRTC_LIB=$PWD/$B/tests/fakes/fake_nvrtc.so
    export HALCYON_CUBLASLT_LIB=$PWD/$B/tests/fakes/fake_cublaslt.so
    export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=262144
    conform "$B/halcyon" --device cuda:0 --level core --level memory
    FAKE_CUDA_DEVICES=2 conform "$B/halcyon" --device cuda:0 --device cuda:1 \
        --case 'api.copy.*' --case 'api.device.*' --case 'api.stream.*'
    # The stock kernels' PTX, which needs no NVRTC, run as its CUDA text on the
    # CPU; threads in both orders, so that a barrier that is missing makes one
    # of them wrong.
    for order in forward reversed; do
        HALCYON_NVRTC_LIB=/nowhere HALCYON_EMU_ORDER=$order \
            conform "$B/halcyon" --device cuda:0 \
            --case 'kernel.*.primes' --case 'kernel.*.n1[5-7]' \
            --case 'kernel.gem*.m1[3-7]_*' --case 'kernel.moe*' \
            --case 'kernel.gemm_native.*' --case 'kernel.*gemm_tuned.*' --case 'kernel.*rmsnorm_tuned.*' \
            --case 'kernel.attention.*.[dopqv]*' --case 'golden.*'
    done
    # Without PTX: NVRTC gets the text.
    HALCYON_VARIANT=cuda conform "$B/halcyon" --device cuda:0 \
        --case 'kernel.*.primes'
    planted --device cuda:0 --mutant '[br]*'
    planted --device cuda:0 --mutant 'kernel.[a-e]*'
    unset HALCYON_CUDA_LIB HALCYON_NVRTC_LIB HALCYON_CUBLASLT_LIB GLIBC_TUNABLES
}

# Planted faults: each must be caught, by name, on every device.
step_selftest() {
    local json=$LOGS/selftest.json caught lived
    rm -f "$json"
    "$B/halcyon" conform --self-test --json "$json" </dev/null
    local rc=$?
    [ -f "$json" ] || { echo "FAILED: no report of the self-test"; return 1; }
    caught=$(grep -cE '"outcome":[[:space:]]*"caught"' "$json")
    lived=$(grep -cE '"outcome":[[:space:]]*"(lived|broken)"' "$json")
    if [ "$rc" != 0 ] && [ "$lived" = 0 ]; then lived=1; fi
    # What no device here shows proves nothing: it has a name there.
    if ! grep -qE '"unproven":[[:space:]]*\[\]' "$json"; then
        lived=$((lived + 1))
    fi
    [ "$lived" = 0 ] || echo "FAILED: the self-test (exit $rc)"
    count "$caught" "$lived" 0
}

# More drivers: PoCL's basic device, which runs work in the calling thread;
# rusticl (and its 65,535 loop iterations); and SwiftShader, which has no 8/16-bit
# storage, so that the packed images run.
step_drivers() {
    local log
    log=$(mktemp "$LOGS/unit.XXXXXX")
    POCL_DEVICES=basic HALCYON_OPENCL_PLATFORMS=Portable \
        each unit_one >"$log" <<<"$B/tests/backends/test_opencl_order"
    cat "$log"
    tally "$log"
    rm -f "$log"
    POCL_DEVICES=basic HALCYON_OPENCL_PLATFORMS=Portable \
        conform "$B/halcyon" --device opencl:0 --case 'api.stream.*' \
        --case 'api.launch.*'
    export RUSTICL_ENABLE=llvmpipe HALCYON_OPENCL_PLATFORMS=rusticl
    conform "$B/halcyon" --device opencl:0 --level core --level memory \
        --level kernels-f32
    # What changes nothing on the CPU's and PoCL's groups of one thread.
    planted --device opencl:0 --mutant 'kernel.*_barrier'
    planted --device opencl:0 --mutant 'kernel.grouped_gemv*'
    unset RUSTICL_ENABLE HALCYON_OPENCL_PLATFORMS
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
# and its other vector widths.  The misaligned cases are of every kernel and dtype.
step_variants() {
    local some=(--device vulkan:0 --case 'kernel.*.primes'
        --case 'kernel.*.n17' --case 'kernel.*.misaligned'
        --case 'golden.edge.*')
    HALCYON_VARIANT=vulkan.bda conform "$B/halcyon" "${some[@]}"
    HALCYON_VARIANT=vulkan.packed conform "$B/halcyon" "${some[@]}"
    LP_NATIVE_VECTOR_WIDTH=128 conform "$B/halcyon" "${some[@]}"
}

# The levels of instructions that step_conform leaves out: it runs these cases
# with the best one, which nobody has to name.
driver_line() { HALCYON_DEVICES=cpu:0 "$B/halcyon" info | grep '^  driver '; }
step_isa() {
    local isa best
    best=$(driver_line) || return 1
    for isa in base v3 v4; do
        if ! HALCYON_CPU_ISA=$isa "$B/halcyon" conform --device cpu:0 \
            --case api.device.count >/dev/null 2>&1; then
            skip "this processor has no $isa"
        elif [ "$(HALCYON_CPU_ISA=$isa driver_line)" = "$best" ]; then
            echo "$isa: as in step conform"
        else
            HALCYON_CPU_ISA=$isa conform "$B/halcyon" --device cpu:0 \
                --case 'kernel.*' --case 'golden.*'
        fi
    done
}

# Vulkan's validation layers over every kernel and dtype, the largest grids, and
# what is refused.
step_validation() {
    HALCYON_VULKAN_VALIDATION=1 conform "$B/halcyon" --device vulkan:0 \
        --case 'kernel.*.misaligned' --case 'kernel.*.n1[5-7]' \
        --case 'kernel.*70001*' --case 'kernel.refuse.*' \
        --case 'kernel.attention_combine.*' --case 'kernel.scale.*' \
        --case 'api.launch.*' --case 'api.copy.*'
}

# Oclgrind finds data races between barriers, and accesses past a buffer's end;
# it is about 1000 times slower, so small cases of every kernel, with the image
# that has groups of many threads; kv257 is one with several tiles of keys.
step_oclgrind() {
    local log=$PWD/$LOGS/oclgrind.races before
    command -v oclgrind >/dev/null || { skip "oclgrind is missing"; return 0; }
    rm -f "$log"
    before=$step_failed
    HALCYON_VARIANT=opencl conform "oclgrind --data-races --log $log $B/halcyon" \
        --device opencl:0 --timeout 20 --case 'kernel.*.f32.n17' \
        --case 'kernel.*.bf16.n17' --case 'kernel.*.f16.n17' \
        --case 'kernel.gemm.*.m3_n7_k5' --case 'kernel.gemv.*.m1_n3_k17' \
        --case 'kernel.attention.*.one' --case 'kernel.attention.f32.kv257' \
        --case 'kernel.rope_*.f32.one' --case 'kernel.int8_gemv.f32.m1_n1_k1' \
        --case 'kernel.cast.i32_bf16.n17' --case 'kernel.speculate.f32.one' \
        --case 'kernel.*8_gemm.f32.m3_n7_k5' --case 'kernel.grouped*.f32.one' \
        --case 'kernel.embedding.f32.one' --case 'kernel.copy_strided.*.one'
    if [ -s "$log" ]; then
        echo "FAILED: Oclgrind complains"
        head -50 "$log"
        count 0 1 0
    elif [ "$before" = "$step_failed" ]; then count 1 0 0; fi
}

# failed_blocks LOG: the last lines of each program in it that failed.
failed_blocks() {
    awk '/^== / {n = 0; bad = 0}
        {line[n++] = $0}
        /^FAILED: / {bad = 1}
        /^@ / {
            if (bad) {
                print "... " line[0]
                for (i = n > 40 ? n - 40 : 1; i < n; i++) print line[i]
            }
            n = 0
        }' "$1" | head -n 200
}

# Processor time of this shell and of what it has waited for, in seconds.
cpu_seconds() {
    local stat
    read -r -a stat <"/proc/$$/stat"
    cpu=$(((stat[13] + stat[14] + stat[15] + stat[16]) / $(getconf CLK_TCK)))
}

# shellcheck source=tests/check_install.sh
. tests/check_install.sh
# shellcheck source=tests/check_make.sh
. tests/check_make.sh
# shellcheck source=tests/check_sanitize.sh
. tests/check_sanitize.sh

run_step() {
    local name=$1 start rc cpu before
    step_passed=0 step_failed=0 step_skipped=0
    start=$SECONDS
    cpu_seconds
    before=$cpu
    "step_$name" >"$LOGS/$name.log" 2>&1
    rc=$?
    if [ $((step_passed + step_failed + step_skipped)) = 0 ]; then
        echo "FAILED: the step proved nothing (exit $rc)" >>"$LOGS/$name.log"
        step_failed=1
    elif [ "$rc" != 0 ] && [ "$step_failed" = 0 ]; then
        echo "FAILED: the step ended early (exit $rc)" >>"$LOGS/$name.log"
        step_failed=1
    fi
    cpu_seconds
    printf '%-12s %5d passed %4d failed %4d skipped %5d s %5d s of processors\n' \
        "$name" "$step_passed" "$step_failed" "$step_skipped" \
        $((SECONDS - start)) $((cpu - before))
    if [ "$step_failed" != 0 ]; then
        grep -E 'FAILED|error:|ERROR|fail  |crash  |timeout  ' \
            "$LOGS/$name.log" | head -40 | sed 's/^/    /'
        failed_blocks "$LOGS/$name.log" | sed 's/^/    /'
        echo "    ... the last lines of $LOGS/$name.log:"
        tail -n 25 "$LOGS/$name.log" | sed 's/^/    /'
    fi
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    skipped=$((skipped + step_skipped))
}

for step in ${*:-$steps}; do
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
