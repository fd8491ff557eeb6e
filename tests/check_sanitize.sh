# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables of check.sh
#
# check_sanitize.sh: the steps that build everything once more with a compiler's
# checks in it (asan, tsan, fuzz), or run under a checking processor (valgrind);
# part of check.sh, and no program.

# sanitized NAME SANITIZERS ARGS...: the same into $B/NAME, with the kernels and
# the emulator of the plain build; reports need no more than line numbers.  Tests
# that the step leaves out are not built.
sanitized() {
    local name=$1 san=$2
    shift 2
    build "$B/$name" SAN="$san" OPT=-O1 DEBUG=-g1 EMU="$B/emu" \
        TESTS_BUT="$without" "$@"
}

# Kernels with the sanitizers' checks in their own code, one of each family: a
# compiler needs minutes for some of them even without optimisation.
instrumented='add argmax attention_paged cast copy embedding gemm gemv int8_gemv
    moe_gemv rmsnorm rope router sample softmax swiglu'
instrument_one() { # KERNEL LOG
    "$B/halcc" --target cpu.base --cflags='-fsanitize=address,undefined -O0' \
        -o "$B/asan/instrumented/$1.halbin" "kernels/$1.k"
}
export -f instrument_one
instrument() {
    local k parts=()
    mkdir -p "$B/asan/instrumented"
    rm -f "$B"/asan/instrumented/*
    export B
    printf '%s\n' $instrumented | each instrument_one
    for k in kernels/*.k; do
        k=$(basename "$k" .k)
        if [[ " ${instrumented//$'\n'/ } " != *" $k "* ]]; then
            parts+=("$B/kernels/$k.halbin")
        elif [ -f "$B/asan/instrumented/$k.halbin" ]; then
            parts+=("$B/asan/instrumented/$k.halbin")
        else
            echo "FAILED: $k has not been compiled with the sanitizers"
            return 1
        fi
    done
    "$B/halcc" --merge -o "$B/asan/instrumented.halbin" "${parts[@]}"
}

# Address and undefined-behaviour sanitizers; then the kernels' own code under
# them, for the baseline processor.
step_asan() {
    # Compilers over every kernel, minutes long; what is ours of it is fuzzed.
    local without='test_gcc_equal|test_cuda_text|test_cuda_nvrtc|test_ptxas|test_gpu_check'
    export ASAN_OPTIONS=abort_on_error=0:allocator_may_return_null=1
    # Clover, Mesa's old OpenCL, leaks as it is unloaded: leave it out.
    mkdir -p "$B/icd"
    cp /etc/OpenCL/vendors/pocl.icd "$B/icd/" 2>/dev/null
    export OCL_ICD_VENDORS=$PWD/$B/icd
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    sanitized asan address,undefined STOCK_HALBIN="$B/stock.halbin" all tests ||
        return 1
    unit "$B/asan"
    conform "$B/asan/halcyon" --device cpu:0 --level core --level memory \
        --timeout 5
    instrument || return 1
    rm -f "$B"/asan/libhalcyon.*
    # The program alone: the tests have run.
    sanitized asan address,undefined \
        STOCK_HALBIN="$B/asan/instrumented.halbin" "$B/asan/halcyon" || return 1
    HALCYON_CPU_ISA=base conform "$B/asan/halcyon" --device cpu:0 --timeout 5 \
        --case 'kernel.*.primes' --case 'kernel.*.n1[5-7]' \
        --case 'kernel.*.misaligned' --case 'kernel.gem*.m[1-9]_*' \
        --case 'kernel.gem*.m1[3-7]_*' --case 'kernel.attention.*.[dopqv]*' \
        --case 'golden.edge.*' --case 'golden.onnx.*'
    unset ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS OCL_ICD_VENDORS
}

step_tsan() {
    # One thread each (most of the compiler's), or many short-lived processes;
    # they run under the other sanitizers.
    local without='compiler/test_(cpu_vectors|gcc_equal|halbin|halcc|pp_limits|preprocess|ptx|reflect|rules|spirv|tools)|test_(bench|commands|golden_list)|test_(cuda_text|cuda_nvrtc|emu|emu_mma|ptxas|gpu_check)|conformance/test_(ends|expect|package|report|reports|resume|selftest)'
    export TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp:halt_on_error=1
    sanitized tsan thread STOCK_HALBIN="$B/stock.halbin" all tests || return 1
    unit "$B/tsan"
    conform "$B/tsan/halcyon" --device cpu:0 --case 'api.thread.*' \
        --case 'api.stream.*' --case 'api.device.*' --case 'api.error.*' \
        --timeout 5
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
    # Freeing the C library's own memory at the end of a child would print what
    # its parent has not printed yet.
    unit "$B/valgrind" valgrind -q --error-exitcode=9 --leak-check=full \
        --run-libc-freeres=no \
        --errors-for-leak-kinds=definite --fair-sched=yes \
        --suppressions="$PWD/tests/valgrind.supp"
}

# Hostile bytes for every reader of files from outside; short here, long by hand:
# build/fuzz/tests/fuzz/fuzz_halbin -max_total_time=3600.
fuzz_one() { # TARGET LOG
    local target=$PWD/$1 out name=${1##*/fuzz_} seeds
    echo "== $1"
    # What it finds goes beside the committed corpus, not into it.
    mkdir -p "$LOGS/corpus/$name"
    seeds=$PWD/tests/fuzz/corpus/$name
    [ "$name" != profile ] || seeds=$PWD/backends/profiles
    [ -d "$seeds" ] || seeds=corpus/$name
    # Undefined behaviour that is only printed would pass.
    out=$(cd "$LOGS" && ASAN_OPTIONS=allocator_may_return_null=1 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        timeout 120 "$target" -max_total_time=4 -timeout=60 \
        -rss_limit_mb=4096 -print_final_stats=1 "corpus/$name" "$seeds" 2>&1)
    if [ $? = 0 ] && echo "$out" | grep 'number_of_executed_units: [1-9]'; then
        echo "@ 1 0 0"
    else
        echo "$out" | tail -40
        echo "FAILED: $1"
        echo "@ 0 1 0"
    fi
}
export -f fuzz_one

step_fuzz() {
    local target log
    command -v clang >/dev/null || { skip "clang is missing"; return 0; }
    sanitized fuzz fuzzer-no-link,address,undefined CC=clang \
        STOCK_HALBIN="$B/stock.halbin" fuzzers || return 1
    log=$(mktemp "$LOGS/fuzz.XXXXXX")
    for target in "$B"/fuzz/tests/fuzz/fuzz_*; do
        case $target in *.o | *.d) continue ;; esac
        echo "$target"
    done | each fuzz_one >"$log"
    cat "$log"
    tally "$log"
    rm -f "$log"
}
