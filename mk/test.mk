# SPDX-License-Identifier: Apache-2.0
# Unit tests: tests/<floor>/test_*.c, one cmocka program each, linked with the
# floors and with what tests/fakes/ offers.

TESTS_SRC := $(wildcard tests/*/test_*.c)
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(TESTS_SRC))
TEST_SUPPORT := $(patsubst tests/support/%.c,$(B)/tests/support/%.o,\
	$(wildcard tests/support/*.c))
FAKES := $(patsubst tests/fakes/%.c,$(B)/tests/fakes/%.so,\
	$(wildcard tests/fakes/*.c))

# With a sanitizer's checks in it, a test of many small asserts takes five to ten
# times as long to optimise as to translate, and then runs for as long.
$(B)/tests/%.o: private CFLAGS_ALL += $(if $(SAN),-O0)
$(B)/tests/fuzz/%.o: private CFLAGS_ALL := $(CFLAGS_ALL)
$(B)/tests/%.o: tests/%.c $(B)/flags
	@mkdir -p $(@D)
	$(COMPILE)

# cublasLt.h finds its neighbours by this alone; what is not there is not missed.
$(B)/tests/backends/test_cuda_blas.o: private CPPFLAGS_ALL += \
	-idirafter /usr/local/cuda/include

# Fake vendor libraries, opened with dlopen in place of the real ones.
$(B)/tests/fakes/%.so: tests/fakes/%.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fvisibility=default -MMD -MP \
	  -MT $@ -MF $(@:.so=.d) -shared -o $(PART) $< -lm && $(DONE)

# compiler tests need the lowest floor only, so that halcc can be tested before
# there are kernels.
$(B)/tests/compiler/%: $(B)/tests/compiler/%.o $(TEST_SUPPORT) $(B)/libcompiler.a
	$(LINK) $^ $(LIBS) -lcmocka && $(DONE)

# hal tests bring their own list of backends (tests/support/fake_backend.c).
$(B)/tests/hal/%: $(B)/tests/hal/%.o $(TEST_SUPPORT) $(call obj,$(SRC_hal)) \
		$(B)/gen/profiles.o $(B)/libcompiler.a
	$(LINK) $^ $(LIBS) -lcmocka && $(DONE)

# These let the library's allocations fail.
$(B)/tests/hal/test_fault $(B)/tests/backends/test_host_memory: private LIBS += \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc

$(B)/tests/%: $(B)/tests/%.o $(TEST_SUPPORT) $(B)/libconformance.a $(B)/libhalcyon.a
	$(LINK) $^ $(LIBS) $(LIBS_CONFORMANCE) -lcmocka && $(DONE)

# These run the programs that are built beside them.
$(B)/tests/compiler/test_halcc: | $(B)/halcc
$(B)/tests/tools/test_commands $(B)/tests/tools/test_bench \
  $(B)/tests/tools/test_gpu_check: | $(B)/halcc $(B)/halcyon

# libFuzzer targets; build with CC=clang SAN=fuzzer-no-link,address,undefined.
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,\
	$(wildcard tests/fuzz/fuzz_*.c))

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/libconformance.a $(B)/libhalcyon.a
	$(CC) -fsanitize=fuzzer,address,undefined -pthread -rdynamic -o $(PART) \
	  $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(LIBS_CONFORMANCE) && $(DONE)

# Its reader is the program's own.
$(B)/tests/fuzz/fuzz_bench: $(B)/obj/tools/bench/compare_read.o

fuzzers: $(FUZZERS) ## build the fuzz targets

# The plug-in of examples/; its authors' own build is in docs/porting.md.
EXAMPLE := $(B)/examples/libhalcyon-example.so
$(EXAMPLE): $(patsubst %.c,$(B)/obj/%.o,$(wildcard examples/plugin/*.c))
	@mkdir -p $(@D)
	$(LINK) -shared $^ && $(DONE)

# The emulator that runs the kernels' CUDA text on the CPU (tests/emu/emu.h): an
# object for each .k, without sanitizers, since it changes stacks by itself.
# Another build of the same kernels may name the first one's folder.
EMU ?= $(B)/emu
EMU_KERNELS := $(patsubst kernels/%.k,$(B)/emu/kernels/%.o,$(KERNELS))

$(B)/emu/emu.o: tests/emu/emu.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(filter-out $(SANFLAGS),$(CFLAGS_ALL)) -MMD -MP \
	  -MT $@ -MF $(@:.o=.d) -c -o $(PART) $< && $(DONE)

$(B)/emu/emu_text.o: tests/emu/emu_text.c $(B)/flags
	@mkdir -p $(@D)
	$(COMPILE)

$(B)/emu/emu-text: $(B)/emu/emu_text.o $(B)/libcompiler.a
	$(LINK) $^ $(LIBS) && $(DONE)

# The program is order-only: it is linked again whenever the compiler is.
$(B)/emu/kernels/%.o: $(B)/kernels/%.halbin tests/emu/emu_text.c \
  tests/emu/emu_cuda.h tests/emu/emu_internal.h tests/emu/emu-compile.sh \
  | $(B)/emu/emu-text
	@mkdir -p $(@D)
	sh tests/emu/emu-compile.sh $(B) $< $@

$(B)/emu/libhalcyon-emu.so: $(B)/emu/emu.o $(EMU_KERNELS)
	$(CC) -pthread -shared -o $(PART) $^ && $(DONE)

ifeq ($(EMU),$(B)/emu)
emu: $(B)/emu/libhalcyon-emu.so ## build the emulator of CUDA text
else
emu:
	@mkdir -p $(B)
	ln -sfn $(abspath $(EMU)) $(B)/emu
endif

# All of them, but those whose names end in this regular expression.
TESTS_BUT ?=
CHOSEN := $(if $(TESTS_BUT),$(shell printf '%s\n' $(TESTS) | \
	grep -vE '/($(TESTS_BUT))$$'),$(TESTS))

tests: $(CHOSEN) $(FAKES) $(EXAMPLE) emu ## build the unit tests

.PHONY: tests fuzzers emu
.SECONDARY:
