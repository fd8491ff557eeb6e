# SPDX-License-Identifier: Apache-2.0
# deps: the Debian packages that the build, the drivers and the tests need.

# To build and to run the main job.
DEPS_BUILD := gcc libc6-dev binutils libhwloc-dev libcjson-dev libxxhash-dev \
	nettle-dev glslc libshaderc-dev opencl-headers libvulkan-dev clang
# Drivers that make a machine without a GPU into several devices.
DEPS_DRIVERS := ocl-icd-libopencl1 pocl-opencl-icd mesa-vulkan-drivers
# To pass the tests.
DEPS_TEST := g++ mesa-opencl-icd chromium libcmocka-dev clang-format \
	libclang-rt-14-dev valgrind oclgrind vulkan-validationlayers spirv-tools \
	libopenblas0-pthread libdnnl2 libclblast1 git libxml2-utils pkgconf

deps: ## install what the main job needs and lacks
	@sh mk/deps.sh $(DEPS_BUILD) $(DEPS_DRIVERS)

deps-test: ## the same for the tests
	@sh mk/deps.sh $(DEPS_BUILD) $(DEPS_DRIVERS) $(DEPS_TEST)

.PHONY: deps deps-test
