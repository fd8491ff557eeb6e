/* SPDX-License-Identifier: Apache-2.0 */
/* The reflection record: one @kernel ... @end for each KERNEL, which the
 * expander reads (docs/dialect.md).  Whatever else is expanded is ignored. */
#define HAL_META_PARAM(i, ...) __VA_ARGS__;
#define KERNEL(name, ...) \
    @kernel name GROUP CHUNK 0 0 : HAL_EACH(HAL_META_PARAM, __VA_ARGS__) @end
