/* SPDX-License-Identifier: Apache-2.0 */
/* The reflection record: one @kernel ... @end for each KERNEL, which the
 * expander reads (docs/dialect.md).  Whatever else is expanded is ignored.
 * The headers take GROUP's value where they are included: it must be the same
 * at each KERNEL. */
@group GROUP @end
#define HAL_META_PARAM(i, ...) __VA_ARGS__;
#define KERNEL(name, ...) \
    @kernel name GROUP CHUNK 0 0 : HAL_EACH(HAL_META_PARAM, __VA_ARGS__) @end
