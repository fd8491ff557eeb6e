# SPDX-License-Identifier: Apache-2.0
# Generated sources: lists that exist once, and data embedded in the library.

# The list of built-in backends, in the order of device ordinals.
$(B)/gen/backends.c: Makefile mk/generate.mk $(B)/flags
	@mkdir -p $(@D)
	@{ echo '#include "hal/backend.h"'; \
	   for b in $(BACKENDS); do \
	     echo "extern const struct hal_backend hal_backend_$$b;"; done; \
	   echo 'const struct hal_backend *const hal_builtin_backends[] = {'; \
	   for b in $(BACKENDS); do echo "    &hal_backend_$$b,"; done; \
	   echo '    0 };'; } > $@

# Text files as { name, text } tables, NULL at the end.
# hal_dialect_files[]: what `#include "hal_dialect.h"` finds at run time.
$(B)/gen/dialect_text.c: $(DIALECT) $(B)/list.DIALECT mk/embed.sh
	@mkdir -p $(@D)
	@sh mk/embed.sh hal_dialect_files $(DIALECT) > $(PART) && $(DONE)

# hal_profile_files[]: the stand-in profiles.
$(B)/gen/profiles.c: $(PROFILES) $(B)/list.PROFILES mk/embed.sh
	@mkdir -p $(@D)
	@sh mk/embed.sh hal_profile_files $(PROFILES) > $(PART) && $(DONE)

# hal_kernel_files[]: the kernels' sources, which the self-test edits.
KERNEL_TEXT := $(KERNELS) $(wildcard kernels/quant/*.h)
$(B)/gen/kernel_text.c: $(KERNEL_TEXT) $(B)/list.KERNEL_TEXT mk/embed.sh \
  mk/generate.mk
	@mkdir -p $(@D)
	@sh mk/embed.sh hal_kernel_files $(KERNEL_TEXT) > $(PART) && $(DONE)

# hal_page_files[]: the page of `halcyon conform --html`.
$(B)/gen/page_text.c: conformance/report_page.html mk/embed.sh
	@mkdir -p $(@D)
	@sh mk/embed.sh hal_page_files $< > $(PART) && $(DONE)

# Stock kernels: .k -> .halbin each, merged into one, embedded.  Another build
# of the same kernels (a sanitizer's, say) may name the first one's.
STOCK_HALBIN ?= $(B)/stock.halbin
STOCK := $(patsubst kernels/%.k,$(B)/kernels/%.halbin,$(KERNELS))

# What other kernels than the plainest include.
$(patsubst kernels/%.k,$(B)/kernels/%.halbin,$(filter $(addprefix kernels/,\
  fp8_%.k int8_%.k int4_%.k gguf_%.k attention%.k mla_fp8%.k swiglu.k sample.k \
  speculate.k topk.k rope.k kv_append_rope.k rmsnorm.k softmax.k),$(KERNELS))): $(wildcard kernels/quant/*.h)

# Of these, PTX for the chips that they are tuned for.
TUNED := $(patsubst kernels/%.k,$(B)/kernels/%.halbin,$(wildcard kernels/tuned/cuda/*.k))
$(TUNED): $(wildcard kernels/tuned/cuda/*.h)
$(TUNED): HALCCFLAGS += --target cuda$(if $(shell \
  command -v $${HALCYON_CLANG:-clang}),$(comma)ptx.$(TUNED_FOR))
TUNED_FOR = sm80
$(B)/kernels/tuned/cuda/fp8_gemm_mma.halbin: TUNED_FOR = sm89
comma := ,

# A copy that is as old as its bytes: a compiler that has been linked again and
# is the same does not compile the kernels anew, which takes minutes.
$(B)/halcc.same: $(B)/halcc
	@cmp -s $< $@ || { cp $< $(PART) && $(DONE); }

$(B)/kernels/%.halbin: kernels/%.k $(B)/halcc.same $(B)/list.HALCCFLAGS_GIVEN
	@mkdir -p $(@D)
	$(B)/halcc $(HALCCFLAGS) -o $@ $<

$(B)/stock.halbin: $(STOCK) $(B)/list.STOCK $(B)/halcc.same
	$(B)/halcc --merge -o $@ $(STOCK)

# Changes when the container is another one, which may be older.
$(B)/gen/stock.path: FORCE
	@mkdir -p $(@D)
	@echo '$(abspath $(STOCK_HALBIN))' | \
	  { cmp -s - $@ || echo '$(abspath $(STOCK_HALBIN))' > $@; }

$(B)/gen/stock.c: $(STOCK_HALBIN) $(B)/gen/stock.path mk/generate.mk
	@mkdir -p $(@D)
	@printf '%s\n' '__asm__(".section .rodata\n.balign 64\n"' \
	  '".global hal_stock_halbin\nhal_stock_halbin:\n"' \
	  '".incbin \"$(abspath $<)\"\n"' \
	  '".global hal_stock_halbin_end\nhal_stock_halbin_end:\n.byte 0\n"' \
	  '".previous\n");' > $@

# Rebuild when the bytes change, not only the text.
$(B)/gen/stock.o: $(STOCK_HALBIN)
