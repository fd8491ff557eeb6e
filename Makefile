# SPDX-License-Identifier: Apache-2.0
# Halcyon.  `make help` lists the targets.  Everything built lies under $(B).

B ?= build
CC ?= cc
SAN ?=
WERROR ?= $(if $(CI),-Werror)
BACKENDS ?= cpu opencl vulkan cuda
OPT ?= -O2
DEBUG ?= -g

ifneq ($(words $(B)),1)
$(error B='$(B)' is to be one folder's name, without spaces)
endif

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion \
	-Wstrict-prototypes -Wvla $(WERROR)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
CPPFLAGS_ALL := -I. -I$(B)/gen -D_GNU_SOURCE $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 $(OPT) $(DEBUG) -fPIC -fvisibility=hidden -pthread \
	$(WARN) $(SANFLAGS) $(CFLAGS)
LIBS := -lhwloc -lcjson -lxxhash -ldl -lm -pthread
# What the conformance suite needs beside them.
LIBS_CONFORMANCE := -lnettle
# What a killed build leaves is named otherwise and so never taken for whole.
PART = $(@D)/.part.$(@F)
DONE = mv $(PART) $@
COMPILE = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -MT $@ -MF $(@:.o=.d) \
	-c -o $(PART) $< && $(DONE)
HALCCFLAGS ?=
# As it was given, without what single kernels add.
HALCCFLAGS_GIVEN := $(HALCCFLAGS)
LINK = $(CC) $(SANFLAGS) $(LDFLAGS) -pthread -rdynamic -o $(PART)

# ---- sources: a folder is a floor -------------------------------------
SRC_compiler := $(wildcard compiler/*.c)
SRC_hal := $(wildcard hal/*.c)
SRC_backends := $(wildcard backends/common/*.c) \
	$(foreach b,$(BACKENDS),$(wildcard backends/$(b)/*.c))
SRC_kernels := $(wildcard kernels/*.c)
SRC_conformance := $(wildcard conformance/*.c conformance/*/*.c)
SRC_tools := $(wildcard tools/*.c tools/*/*.c)
KERNELS := $(wildcard kernels/*.k kernels/tuned/*/*.k)
DIALECT := $(wildcard kernels/dialect/*.h)
PROFILES := $(wildcard backends/profiles/*.ini)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
GEN_compiler := $(B)/gen/dialect_text.o
GEN_backends := $(B)/gen/backends.o $(B)/gen/profiles.o
OBJ_compiler := $(call obj,$(SRC_compiler)) $(GEN_compiler)
OBJ_core := $(call obj,$(SRC_hal) $(SRC_backends)) $(GEN_backends)
OBJ_kernels := $(call obj,$(SRC_kernels)) $(B)/gen/stock.o
OBJ_lib := $(OBJ_compiler) $(OBJ_core) $(OBJ_kernels)
OBJ_halcc := $(call obj,$(wildcard tools/halcc/*.c))
OBJ_halcyon := $(call obj,$(filter-out tools/halcc/%,$(SRC_tools)))
OBJ_conformance := $(call obj,$(SRC_conformance)) $(B)/gen/kernel_text.o \
	$(B)/gen/page_text.o

include mk/deps.mk
include mk/generate.mk
include mk/test.mk
include mk/check.mk
include mk/install.mk

all: $(B)/libhalcyon.a $(B)/libhalcyon.so $(B)/halcc $(B)/halcyon ## build the library and the tools

# Changes when what everything is built with changes.
BUILT_WITH = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) $(BACKENDS)
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(BUILT_WITH)' | { cmp -s - $@ || echo '$(BUILT_WITH)' > $@; }

# Changes when a variable does: what a source that is gone was part of is made
# again without it.
$(B)/list.%: FORCE
	@mkdir -p $(B)
	@echo '$($*)' | { cmp -s - $@ || echo '$($*)' > $@; }

OBJECTS = $(filter-out $(B)/list.%,$^)
ARCHIVE = rm -f $(PART) && $(AR) rcs $(PART) $(OBJECTS) && $(DONE)

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(COMPILE)

$(B)/gen/%.o: $(B)/gen/%.c $(B)/flags
	$(COMPILE)

$(B)/libcompiler.a: $(OBJ_compiler) $(B)/list.OBJ_compiler
	$(ARCHIVE)

$(B)/libhalcyon.a: $(OBJ_lib) $(B)/list.OBJ_lib
	$(ARCHIVE)

$(B)/libhalcyon.so: $(OBJ_lib) $(B)/list.OBJ_lib
	$(LINK) -shared -Wl,-soname,libhalcyon.so.0 $(OBJECTS) $(LIBS) && $(DONE)

$(B)/libconformance.a: $(OBJ_conformance) $(B)/list.OBJ_conformance
	$(ARCHIVE)

$(B)/halcc: $(OBJ_halcc) $(B)/libcompiler.a $(B)/list.OBJ_halcc
	$(LINK) $(OBJECTS) $(LIBS) && $(DONE)

$(B)/halcyon: $(OBJ_halcyon) $(B)/libconformance.a $(B)/libhalcyon.a \
  $(B)/list.OBJ_halcyon
	$(LINK) $(OBJECTS) $(LIBS) $(LIBS_CONFORMANCE) && $(DONE)

clean: ## remove everything built
	rm -rf $(B)

help: ## this list
	@sed -nE 's/^([a-z%-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | \
	  sort | expand -t 18

FORCE:

.PHONY: all clean help FORCE

-include $(shell find $(B)/obj $(B)/gen $(B)/tests -name '*.d' 2>/dev/null)
