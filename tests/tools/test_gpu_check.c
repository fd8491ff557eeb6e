/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_gpu_check.c - tools/gpu-check.sh with programs of the test's own in the
 * build's place: what it says of what is missing, that it ends in time, and
 * what is left of it when it is killed.
 */
#include "tests/tools/shell.h"

/* A build whose halcyon does as $D/conform says, and a driver's folder. */
static const char stage[] =
    "mkdir -p $D/b $D/drv $D/none && : >$D/drv/libcuda.so.1 && : >$D/dev &&"
    "cat >$D/b/halcyon <<'END'\n"
    "#!/bin/sh\n"
    "case $1 in\n"
    "--version) echo halcyon 0 ;;\n"
    "info) echo 'cuda:0  NVIDIA Test' ;;\n"
    "conform) sh $D/conform ;;\n"
    "bench) echo measured ;;\n"
    "esac\n"
    "END\n"
    "chmod +x $D/b/halcyon";

#define RUN    "timeout 60 tools/gpu-check.sh $D/out"
#define ON_GPU "B=$D/b LD_LIBRARY_PATH=$D/drv GPU_CHECK_DEVICE=$D/dev " RUN

/* The state of a step in summary.json, which must be whole; "" for none. */
static const char *state_of(const char *name)
{
    static char state[32];
    cJSON *json = json_of("cat $D/out/summary.json");
    const cJSON *s;

    has_keys(json, "schema:s passed:n failed:n missing:n steps:a seconds:n");
    has_keys(first_of(json, "steps"), "name:s");
    state[0] = '\0';
    cJSON_ArrayForEach(s, cJSON_GetObjectItem(json, "steps"))
    {
        has_keys(s, "name:s state:s seconds:n what:s");
        if (!strcmp(text_of(s, "name"), name))
            snprintf(state, sizeof state, "%s", text_of(s, "state"));
    }
    cJSON_Delete(json);
    return state;
}

static void without_driver(void **state)
{
    (void)state;
    if (access("/dev/nvidiactl", F_OK) == 0 ||
        run("ldconfig -p | grep libcuda.so") == 0) {
        print_message("this machine has a driver\n");
        skip();
    }
    expect("B=$D/b " RUN, 3, "no libcuda.so.1: NVIDIA's driver is not");
    assert_string_equal(state_of("driver"), "missing");
    assert_string_equal(state_of("build"), "passed");
    assert_string_equal(state_of("conform-cuda"), "missing");
    /* a driver, and no GPU */
    expect("B=$D/b LD_LIBRARY_PATH=$D/drv GPU_CHECK_DEVICE=$D/nothing " RUN, 3,
           "a GPU is not");
    assert_string_equal(state_of("driver"), "passed");
}

static void without_compiler(void **state)
{
    (void)state;
    expect("B=$D/none CC=/nonexistent/cc " RUN, 1, "no C compiler");
    assert_string_equal(state_of("build"), "failed");
    /* a build for another machine says why it does not run */
    expect("echo '#!/nonexistent/sh' >$D/none/halcyon && chmod +x "
           "$D/none/halcyon && B=$D/none CC=/nonexistent/cc " RUN,
           1, "/none/halcyon");
    assert_string_equal(state_of("carried"), "missing");
}

static void on_a_gpu(void **state)
{
    (void)state;
    expect("echo 'echo all is \"well\"' >$D/conform; " ON_GPU, 0,
           "all is well");
    assert_string_equal(state_of("conform-cuda"), "passed");
    assert_string_equal(state_of("bench"), "passed");
    assert_string_equal(state_of("gemm-tuned"), "passed");
    assert_string_equal(state_of("conform-opencl"), "missing");
    expect("echo 'echo 3 bad; exit 1' >$D/conform; " ON_GPU, 1,
           "exit 1: 3 bad");
    assert_string_equal(state_of("conform-cuda"), "failed");
    /* a failure does not keep the rest from running */
    assert_string_equal(state_of("bench"), "passed");
}

/* Of the libraries that came along, those that this machine lacks. */
static void carried_libraries(void **state)
{
    (void)state;
    expect("mkdir -p $D/b/lib && touch $D/b/lib/libnowhere.so.9 && "
           "cp -L /lib/*/libm.so.6 $D/b/lib && "
           "echo 'echo has $(ls ${LD_LIBRARY_PATH##*:})' >$D/conform; " ON_GPU,
           0, "has libnowhere.so.9\n");
    /* all, where a build runs with nothing less */
    expect("printf '%s\n' '#!/bin/sh' 'case $LD_LIBRARY_PATH in *b/lib) exec "
           "sh $D/b/all \"$@\";; esac; exit 1' >$D/b/new && "
           "mv $D/b/halcyon $D/b/all && mv $D/b/new $D/b/halcyon && "
           "chmod +x $D/b/halcyon; " ON_GPU,
           0, "has libm.so.6 libnowhere.so.9\n");
    expect("mv $D/b/all $D/b/halcyon && rm -r $D/b/lib", 0, "");
}

static void ends_in_time(void **state)
{
    (void)state;
    expect("echo 'sleep 100' >$D/conform; s=$(date +%s); "
           "GPU_CHECK_LIMIT=12 " ON_GPU
           "; r=$?; [ $(($(date +%s) - s)) -lt 40 ] || echo late; "
           "exit $r",
           1, "stopped after");
    assert_null(strstr(output, "late"));
    assert_string_equal(state_of("conform-cuda"), "failed");
}

static void killed(void **state)
{
    (void)state;
    /* the shell's own process, once the conformance has begun */
    expect("rm -rf $D/out; echo ': >$D/begun; sleep 30' >$D/conform; "
           "B=$D/b LD_LIBRARY_PATH=$D/drv GPU_CHECK_DEVICE=$D/dev "
           "tools/gpu-check.sh $D/out >/dev/null 2>&1 & p=$!; "
           "for i in $(seq 100); do [ ! -e $D/begun ] || break; sleep 0.2; "
           "done; kill -9 $p; echo killed",
           0, "killed");
    assert_string_equal(state_of("driver"), "passed");
    assert_string_equal(state_of("build"), "passed");
    assert_string_equal(state_of("conform-cuda"), "");
}

static void words(void **state)
{
    (void)state;
    expect("tools/gpu-check.sh --help", 0, "GPU_CHECK_LIMIT");
    expect("tools/gpu-check.sh --no-such", 2, "no option");
    expect("GPU_CHECK_LIMIT=soon " RUN, 1, "is no number");
}

static int begin(void **state)
{
    return shell_begin(state) || run(stage);
}

static int end(void **state)
{
    run("rm -rf $D/*");
    return shell_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(without_driver),
        cmocka_unit_test(without_compiler),
        cmocka_unit_test(on_a_gpu),
        cmocka_unit_test(carried_libraries),
        cmocka_unit_test(ends_in_time),
        cmocka_unit_test(killed),
    };

    return cmocka_run_group_tests_name("gpu-check", tests, begin, end);
}
