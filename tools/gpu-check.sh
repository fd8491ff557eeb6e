#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# gpu-check.sh [OUT]: what a machine with an NVIDIA GPU can prove, in 8 minutes:
# the build (or one that was carried along), unit tests, conformance on cuda:0
# and on NVIDIA's OpenCL and Vulkan drivers, compute-sanitizer, bench.  It needs
# a C compiler and the driver; it uses no network and says what it lacks.
#
# OUT (default: gpu-check) gets a log for each step, conform's JSON, JUnit and
# HTML, and summary.txt and summary.json, which are whole after each step: what
# a kill leaves is true.  Exit 0: every step that could run passed, and
# conformance on cuda:0 was one of them; 1: one failed; 3: there was no GPU.
#
#   B=build             where the build is, or is made
#   GPU_CHECK_LIMIT=480 seconds for all of it
#
# gpu-check.sh --carry: on the machine that has built, copies the libraries that
# the build needs, but for the C library, to $B/lib, so that the tree runs on one
# that lacks them.
set -u
case ${1:-} in
-h | --help) sed -n '4,23s/^# \{0,1\}//p' "$0"; exit 0 ;;
--carry)
    cd "$(dirname "$0")/.." || exit 1
    B=${B:-build}
    mkdir -p "$B/lib" || exit 1
    find "$B/halcyon" "$B/halcc" "$B/tests" -type f -perm -u+x \
        ! -name '*.*' -exec ldd {} + 2>/dev/null |
        awk '/=> \// && $1 !~ /^(lib(c|m|dl|rt|pthread)\.so|ld-)/ {print $3}' |
        sort -u | xargs -r cp -Lt "$B/lib" || exit 1
    echo "$(find "$B/lib" -name 'lib*' | wc -l) libraries in $B/lib"
    exit 0
    ;;
-*) echo "gpu-check: no option '$1' (see --help)" >&2; exit 2 ;;
esac
start=$SECONDS
out=${1:-gpu-check}
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
limit=${GPU_CHECK_LIMIT:-480}
[[ $limit =~ ^[0-9]+$ ]] || { echo "GPU_CHECK_LIMIT is no number" >&2; exit 1; }
JOBS=$(nproc 2>/dev/null || echo 2)
export HALCYON_CACHE_DIR=$out/cache
rm -f "$out"/summary.* "$out"/*.log
mkdir -p -m 700 "$HALCYON_CACHE_DIR"

passed=0 failed=0 missing=0 cuda_passed=no lines=()

left() { echo $((limit - (SECONDS - start))); }

# json_text STRING: as a JSON string's inside.
json_text() {
    printf '%s' "$1" | tr '\t\n' '  ' | tr -d '\000-\037' |
        sed 's/\\/\\\\/g; s/"/\\"/g'
}

# Written aside and renamed, so that a reader sees a whole one.
summarise() {
    local i name state took what comma=
    {
        printf '%s\n' "${lines[@]}" | while IFS=$'\t' read -r name state took what; do
            printf '%-20s %-8s %5s s  %s\n' "$name" "$state" "$took" "$what"
        done
        echo "$passed passed, $failed failed, $missing missing"
    } >"$out/summary.txt.new"
    {
        printf '{"schema":"gpu-check-1","passed":%d,"failed":%d,"missing":%d,' \
            "$passed" "$failed" "$missing"
        printf '"cuda_conformance":"%s","seconds":%d,"steps":[' "$cuda_passed" \
            $((SECONDS - start))
        for i in "${lines[@]}"; do
            IFS=$'\t' read -r name state took what <<<"$i"
            printf '%s\n{"name":"%s","state":"%s","seconds":%s,"what":"%s"}' \
                "$comma" "$name" "$state" "$took" "$(json_text "$what")"
            comma=,
        done
        printf '\n]}\n'
    } >"$out/summary.json.new"
    mv "$out/summary.txt.new" "$out/summary.txt"
    mv "$out/summary.json.new" "$out/summary.json"
}

note() { # NAME STATE SECONDS WHAT
    case $2 in
    passed) passed=$((passed + 1)) ;;
    failed) failed=$((failed + 1)) ;;
    *) missing=$((missing + 1)) ;;
    esac
    lines+=("$1"$'\t'"$2"$'\t'"$3"$'\t'"$4")
    printf '%-20s %-8s %5s s  %s\n' "$1" "$2" "$3" "$4"
    summarise
}

# step NAME SECONDS COMMAND...: its output in NAME.log; no step may take more
# than it is given, nor than is left of the whole.
step() {
    local name=$1 most=$2 rest began=$SECONDS rc what
    shift 2
    rest=$(left)
    if [ "$rest" -lt 5 ]; then
        note "$name" missing 0 "no time is left of $limit s"
        return 1
    fi
    [ "$most" -le "$rest" ] || most=$rest
    timeout -k 5 "$most" "$@" >"$out/$name.log" 2>&1 </dev/null
    rc=$?
    what=$(grep -vE '^[[:space:]]*$' "$out/$name.log" | tail -1 | cut -c1-160)
    if [ "$rc" = 0 ]; then
        note "$name" passed $((SECONDS - began)) "$what"
        return 0
    fi
    [ "$rc" != 124 ] && [ "$rc" != 137 ] || what="stopped after $most s; $what"
    note "$name" failed $((SECONDS - began)) "exit $rc: $what"
    return 1
}

# ---- what is here --------------------------------------------------------

find_library() {
    local d name=$1 path=${LD_LIBRARY_PATH:-}
    for d in ${path//:/ } /usr/lib/x86_64-linux-gnu \
        /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib /usr/local/nvidia/lib64 \
        /usr/lib/wsl/lib; do
        [ ! -e "$d/$name" ] || { echo "$d/$name"; return 0; }
    done
    PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | awk -v n="$name" '$1 == n {print $NF; exit}' | grep .
}

add_path() { # FOLDER
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$1
}

# What --carry has put beside the build is found before the system's own: only
# what this machine lacks is shown, so that its programs (nvidia-smi, the
# sanitizer) and its driver keep their libraries.
add_carried() {
    local lib carried=$out/carried
    rm -rf "$carried"
    [ -d "$B/lib" ] || return 0
    mkdir -p "$carried"
    for lib in "$B"/lib/lib*; do
        find_library "${lib##*/}" >/dev/null ||
            ln -s "$(realpath "$lib")" "$carried/"
    done
    add_path "$carried"
}

find_tool() { # NAME: in PATH, or where the toolkit has it
    command -v "$1" 2>/dev/null && return 0
    [ -x "/usr/local/cuda/bin/$1" ] && echo "/usr/local/cuda/bin/$1"
}

look() {
    local driver smi
    gpu=no
    if driver=$(find_library libcuda.so.1); then
        note driver passed 0 "$driver"
        if [ -e "${GPU_CHECK_DEVICE:-/dev/nvidiactl}" ] || [ -e /dev/dxg ]; then
            gpu=yes
        else
            note device missing 0 "no /dev/nvidiactl: the driver is here, a GPU is not"
        fi
    else
        note driver missing 0 "no libcuda.so.1: NVIDIA's driver is not installed"
    fi
    if smi=$(find_tool nvidia-smi); then
        step nvidia-smi 20 "$smi" \
            --query-gpu=name,driver_version,compute_cap,memory.total \
            --format=csv,noheader
    else note nvidia-smi missing 0 "no nvidia-smi"; fi
}

# ---- the build -----------------------------------------------------------

# runs PROGRAM ARGS...: whether a carried build is for this machine.
runs() { timeout 20 "$@" >/dev/null 2>&1 </dev/null; }

build() {
    if [ -x "$B/halcyon" ] && runs "$B/halcyon" --version; then
        note build passed 0 "carried: $B/halcyon"
        return 0
    fi
    # This machine's own may be too old for it.
    if [ -x "$B/halcyon" ] && [ -d "$B/lib" ] &&
        runs env LD_LIBRARY_PATH="$(realpath "$B/lib")" "$B/halcyon" --version; then
        add_path "$(realpath "$B/lib")"
        note build passed 0 "carried: $B/halcyon, with all its libraries"
        return 0
    fi
    [ ! -x "$B/halcyon" ] ||
        note carried missing 0 "$("$B/halcyon" --version 2>&1 </dev/null | tail -1)"
    if ! command -v make >/dev/null; then
        note build failed 0 "no make, and no build was carried along"
        return 1
    fi
    if ! command -v "${CC:-cc}" >/dev/null; then
        note build failed 0 "no C compiler '${CC:-cc}', and no build was carried along"
        return 1
    fi
    # The kernels alone take minutes where cores are few.
    step build 300 make -s -j"$JOBS" B="$B" all
}

# The programs that a carried build has; a missing cmocka is not its fault.
# shellcheck disable=SC2016 # expanded by the inner shell
unit() {
    local programs
    programs=$(find "$B/tests" -name 'test_*' -type f -perm -u+x \
        ! -name '*.*' 2>/dev/null | grep -E '/(hal|compiler/test_(halbin|ptx)|backends/test_cuda)' | sort)
    if [ -z "$programs" ]; then
        note unit missing 0 "no test programs in $B/tests (make tests, which needs cmocka)"
        return 0
    fi
    step unit 90 bash -c 'bad=0 n=0
        for p; do
            n=$((n + 1))
            timeout 30 "$p" || { bad=$((bad + 1)); echo "FAILED: $p"; }
        done
        echo "$n programs, $bad failed"; [ "$bad" = 0 ]' _ $programs
}

# ---- on the GPU ----------------------------------------------------------

has_device() { # NAME: Halcyon finds it
    HALCYON_DEVICES=$1 timeout 30 "$B/halcyon" info >"$out/info-${1%%:*}.log" 2>&1 \
        </dev/null && grep -q "$1" "$out/info-${1%%:*}.log"
}

conform() { # NAME DEVICE SECONDS ARGS...
    local name=$1 device=$2 most=$3
    shift 3
    # What it has to do may take longer than its budget, so it gets some more.
    step "$name" $((most + 30)) "$B/halcyon" conform --device "$device" \
        --budget "$most"s --resume "$out/$name.parts" --json "$out/$name.json" --junit "$out/$name.xml" \
        --html "$out/$name.html" "$@"
}

on_cuda() {
    if ! has_device cuda:0; then
        note conform-cuda missing 0 "halcyon info has no cuda:0: $(tail -1 "$out/info-cuda.log" | cut -c1-100)"
        return 0
    fi
    if conform conform-cuda cuda:0 150; then cuda_passed=yes; fi
    local sanitizer
    if sanitizer=$(find_tool compute-sanitizer); then
        step sanitizer 60 "$sanitizer" --error-exitcode 9 \
            --target-processes all "$B/halcyon" conform --device cuda:0 \
            --case 'kernel.*.n17' --case 'kernel.gemm.*.m3_n7_k5' \
            --case 'kernel.*gemm_tuned.*.m1[27]*' \
            --case 'kernel.*rmsnorm_tuned.*'
    else note sanitizer missing 0 "no compute-sanitizer"; fi
    step bench 60 "$B/halcyon" bench --quick --device cuda:0 \
        --json "$out/bench.json"
    # Tuned kernels beside the portable ones, at the model's full widths.
    local way
    for way in portable tuned; do
        step "gemm-$way" 30 env \
            HALCYON_KERNEL="gemm:$way,rmsnorm:$way,fp8_gemm:$way" \
            "$B/halcyon" bench \
            kernels --quick --full --op 'gemm.bf16*' --op '*rmsnorm*' \
            --device cuda:0 \
            --json "$out/gemm-$way.json"
    done
}

# NVIDIA's other drivers, by the names that their devices have.
on_other() { # BACKEND
    local device
    timeout 30 "$B/halcyon" info >"$out/info.log" 2>&1 </dev/null
    device=$(grep -iE "^ *$1:[0-9]+.*nvidia" "$out/info.log" |
        grep -oE "$1:[0-9]+" | head -1)
    if [ -z "$device" ]; then
        note "conform-$1" missing 0 "no NVIDIA device under $1"
        return 0
    fi
    conform "conform-$1" "$device" 60 --level core --level memory
}

trap 'note interrupted failed $((SECONDS - start)) "stopped by a signal"; exit 1' INT TERM

add_carried
look
if build; then
    unit
    if [ "$gpu" = yes ]; then
        on_cuda
        on_other opencl
        on_other vulkan
    else note conform-cuda missing 0 "no GPU to run on"; fi
fi
tail -1 "$out/summary.txt"
echo "results: $out"
[ "$failed" = 0 ] || exit 1
[ "$cuda_passed" = yes ] || exit 3
