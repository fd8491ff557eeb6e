# SPDX-License-Identifier: Apache-2.0
# The checks on the tree itself.

layers: ## who may include whom (mk/layers.txt)
	@sh mk/layers.sh

sizes: ## files and functions that are too long
	@sh mk/sizes.sh

# What is there, committed or not.
FORMATTED := $(wildcard $(shell git ls-files -co --exclude-standard \
	'*.c' '*.h' 2>/dev/null))
format: ## clang-format the tree
	@clang-format -i $(FORMATTED)

format-check: ## fails where clang-format would change something
	@clang-format --dry-run -Werror $(FORMATTED) && \
	  echo "format: $(words $(FORMATTED)) files as they should be"

.PHONY: layers sizes format format-check

# ---- the two commands of the README --------------------------------------
conform: deps ## the main job: deps, build, conformance on every device found
	@$(MAKE) --no-print-directory all
	$(B)/halcyon conform $(CONFORM)

check: deps-test ## deps, build, all tests (what CI runs)
	@B=$(B) MAKE="$(MAKE)" bash tests/check.sh

check-%: ## one step of check alone, e.g. make check-unit
	@B=$(B) MAKE="$(MAKE)" bash tests/check.sh $*

sanitize: ## tests under the address+undefined and the thread sanitizer
	@B=$(B) MAKE="$(MAKE)" bash tests/check.sh asan tsan

.PHONY: conform check sanitize
