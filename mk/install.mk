# SPDX-License-Identifier: Apache-2.0
# install: all that a program, a kernel author and a backend's author need; an
# installed tree needs nothing of this one.

PREFIX ?= /usr/local
space := $() $()
DEST := "$(DESTDIR)$(PREFIX)"
# Headers keep their folders, since they include one another by them; one folder
# of ours holds these, so that no other package's "kernels/" is in the way.
HEADERS := hal/hal.h hal/errors.def hal/backend.h compiler/kernel_desc.h \
	$(filter-out %_internal.h,$(wildcard kernels/ops*.h))
# What the installed manuals point at, under the names that they use.
LINKED := hal/hal.h hal/backend.h kernels/ops.h kernels/dialect/hal_dialect.h \
	compiler/reserved.def compiler/variants.def CONTRIBUTING.md
VERSION = $(shell awk '/define HAL_VERSION_(MAJOR|MINOR|PATCH)/ \
	{v = v d $$3; d = "."} END {print v}' hal/hal.h)

install: all ## install library, headers, tools and manuals under $(PREFIX)
	install -d $(DEST)/bin $(DEST)/lib/pkgconfig $(DEST)/share/halcyon \
	  $(DEST)/share/doc/halcyon
	install -m 755 $(B)/halcc $(B)/halcyon $(DEST)/bin
	install -m 644 $(B)/libhalcyon.a $(DEST)/lib
	install -m 755 $(B)/libhalcyon.so $(DEST)/lib/libhalcyon.so.0
	ln -sf libhalcyon.so.0 $(DEST)/lib/libhalcyon.so
	@printf '%s\n' 'prefix=$(subst $(space),\ ,$(PREFIX))' 'libdir=$${prefix}/lib' \
	  'includedir=$${prefix}/include/halcyon' '' 'Name: Halcyon' \
	  'Description: portable accelerator HAL' 'Version: $(VERSION)' \
	  'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lhalcyon' \
	  'Libs.private: $(LIBS)' > $(DEST)/lib/pkgconfig/halcyon.pc
	@# The archive by its name: -lhalcyon means the shared library where both
	@# are.  Plug-ins call back into the program, hence -rdynamic.
	@sed -e 's|^Libs: .*|Libs: $${libdir}/libhalcyon.a -rdynamic $(LIBS)|' \
	  -e '/^Libs.private/d' -e 's|^Name: .*|Name: Halcyon, static|' \
	  $(DEST)/lib/pkgconfig/halcyon.pc \
	  > $(DEST)/lib/pkgconfig/halcyon-static.pc
	for f in $(HEADERS); do install -D -m 644 $$f \
	  $(DEST)/include/halcyon/$$f || exit 1; done
	for f in $(DIALECT); do install -D -m 644 $$f \
	  $(DEST)/share/halcyon/dialect/$${f##*/} || exit 1; done
	for f in $(PROFILES); do install -D -m 644 $$f \
	  $(DEST)/share/halcyon/profiles/$${f##*/} || exit 1; done
	for f in examples/*/*; do install -D -m 644 $$f \
	  $(DEST)/share/halcyon/$$f || exit 1; done
	for f in $(LINKED); do install -D -m 644 $$f \
	  $(DEST)/share/doc/halcyon/$$f || exit 1; done
	cp -R conformance/golden $(DEST)/share/halcyon/
	cp -R README.md CHANGELOG.md LICENSE docs $(DEST)/share/doc/halcyon/

.PHONY: install
