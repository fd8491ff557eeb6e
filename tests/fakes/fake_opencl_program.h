/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_opencl_program.h - the part of fake_opencl.c, which alone includes it,
 * that builds programs and launches kernels.
 */

/* "... void NAME(a, b, c)": NAME, and 3. */
static void parse(struct object *o, const char *text)
{
    const char *at = strstr(text, "void ");
    size_t n;

    if (!at)
        return;
    at += 5;
    n = strcspn(at, "(");
    snprintf(o->name, sizeof o->name, "%.*s", (int)n, at);
    o->n_args = 1;
    for (at += n; *at && *at != ')'; at++)
        o->n_args += *at == ',';
}

cl_program clCreateProgramWithSource(cl_context c, cl_uint n,
                                     const char **texts, const size_t *sizes,
                                     cl_int *code)
{
    struct object *o;
    char *copy;

    (void)n;
    DUE_OBJECT(code);
    object_of(c, CONTEXT);
    o = object_create(PROGRAM);
    copy = strndup(texts[0], sizes[0]);
    parse(o, copy);
    o->bytes = (unsigned char *)copy;
    o->size = sizes[0] + 1;
    return (cl_program)(void *)o;
}

cl_program clCreateProgramWithBinary(cl_context c, cl_uint n,
                                     const cl_device_id *ids,
                                     const size_t *sizes,
                                     const unsigned char **binaries,
                                     cl_int *status, cl_int *code)
{
    (void)ids;
    if (fake.bad_binaries == 1) {
        *code = CL_INVALID_BINARY;
        *status = CL_INVALID_BINARY;
        return NULL;
    }
    return clCreateProgramWithSource(c, n, (const char **)binaries, sizes,
                                     code);
}

cl_int clBuildProgram(cl_program p, cl_uint n, const cl_device_id *ids,
                      const char *options,
                      void(CL_CALLBACK *notify)(cl_program, void *), void *data)
{
    struct object *o = object_of(p, PROGRAM);

    (void)n, (void)ids, (void)notify, (void)data;
    DUE();
    fake.n_plain += options && strstr(options, "-cl-opt-disable");
    if (fake.bad_binaries == 2) {
        fake.bad_binaries = 0;
        return CL_BUILD_PROGRAM_FAILURE;
    }
    return o->name[0] ? CL_SUCCESS : CL_BUILD_PROGRAM_FAILURE;
}

cl_int clGetProgramBuildInfo(cl_program p, cl_device_id id,
                             cl_program_build_info what, size_t size, void *out,
                             size_t *out_size)
{
    (void)p, (void)id, (void)what;
    DUE();
    return give_text("a warning\nbad.k:3:1: error: no kernel\nmore\n", size,
                     out, out_size);
}

cl_int clGetProgramInfo(cl_program p, cl_program_info what, size_t size,
                        void *out, size_t *out_size)
{
    struct object *o = object_of(p, PROGRAM);

    DUE();
    fake.n_exports += what == CL_PROGRAM_BINARIES;
    if (what == CL_PROGRAM_BINARY_SIZES)
        return give(&o->size, sizeof o->size, size, out, out_size);
    memcpy(*(unsigned char **)out, o->bytes, o->size);
    return CL_SUCCESS;
}

cl_int clReleaseProgram(cl_program p)
{
    return object_release(p, PROGRAM);
}

cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *code)
{
    struct object *program = object_of(p, PROGRAM), *o;

    DUE_OBJECT(code);
    if (strcmp(program->name, name)) {
        *code = CL_INVALID_KERNEL_NAME;
        return NULL;
    }
    o = object_create(KERNEL);
    o->n_args = program->n_args;
    snprintf(o->name, sizeof o->name, "%s", name);
    return (cl_kernel)(void *)o;
}

cl_int clReleaseKernel(cl_kernel k)
{
    return object_release(k, KERNEL);
}

cl_int clGetKernelInfo(cl_kernel k, cl_kernel_info what, size_t size, void *out,
                       size_t *out_size)
{
    cl_uint n = object_of(k, KERNEL)->n_args;

    (void)what;
    DUE();
    return give(&n, sizeof n, size, out, out_size);
}

cl_int clGetKernelWorkGroupInfo(cl_kernel k, cl_device_id id,
                                cl_kernel_work_group_info what, size_t size,
                                void *out, size_t *out_size)
{
    size_t value[3] = { 256, 0, 0 };

    (void)k, (void)id;
    DUE();
    if (what == CL_KERNEL_COMPILE_WORK_GROUP_SIZE)
        value[0] = 0;
    if (what == CL_KERNEL_PRIVATE_MEM_SIZE)
        value[0] = 24;
    return give(value, size, size, out, out_size);
}

cl_int clSetKernelArg(cl_kernel k, cl_uint i, size_t size, const void *value)
{
    struct object *o = object_of(k, KERNEL);

    DUE();
    if (i >= o->n_args || i >= MAX_ARGS || size > 8)
        return CL_INVALID_ARG_INDEX;
    o->args[i] = 0;
    memcpy(&o->args[i], value, size);
    return CL_SUCCESS;
}

/* A kernel whose scalars say that it is long: takes its time, or waits. */
static void run_long(int64_t n, int64_t times)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    if (!fake.long_above || n < 0 || times < 0 || n * times <= fake.long_above)
        return;
    for (int i = 0; !i || i < fake.long_ms; i++)
        nanosleep(&pause, NULL);
    atomic_fetch_add(&fake.n_long, 1);
    while (fake.hold_long)
        nanosleep(&pause, NULL);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint n_dims,
                              const size_t *first, const size_t *global,
                              const size_t *local, cl_uint n,
                              const cl_event *wait, cl_event *out)
{
    struct object *o = object_of(k, KERNEL);

    (void)q, (void)n_dims, (void)first, (void)global, (void)local;
    (void)n, (void)wait;
    DUE();
    fake.n_launches++;
    fake.launcher = (unsigned long)pthread_self();
    if (!strcmp(o->name, "advance")) {
        run_long((int32_t)o->args[o->n_args - 2],
                 (int32_t)o->args[o->n_args - 1]);
        struct object *m = object_of((const void *)(uintptr_t)o->args[0], MEM);
        uint32_t v;

        if (!m)
            return CL_INVALID_KERNEL_ARGS;
        memcpy(&v, m->bytes + o->args[1], 4);
        v = v * 3 + (uint32_t)o->args[o->n_args - 1];
        memcpy(m->bytes + o->args[1], &v, 4);
    }
    return event_create(out);
}
