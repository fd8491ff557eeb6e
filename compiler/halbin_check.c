/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halbin_check.c - what a kernel description must be, for the reader (which
 * distrusts the file) and the writer (which distrusts its caller) alike: what
 * one accepts, the other does too.
 */
#include "compiler/halbin_internal.h"

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

const char *halbin_name_fault(const char *name, size_t room)
{
    size_t n = strnlen(name, room);

    if (n == room)
        return "a name does not end";
    if (!n)
        return "a name is empty";
    if (!is_letter(name[0]))
        return "a name does not begin with a letter";
    for (size_t i = 1; i < n; i++)
        if (!is_letter(name[i]) && (name[i] < '0' || name[i] > '9'))
            return "a name has a strange character";
    return NULL;
}

const char *halbin_param_fault(const struct hal_param *p)
{
    const char *fault = halbin_name_fault(p->name, sizeof p->name);

    if (fault)
        return fault;
    if (strlen(p->name) > HAL_SHORT_NAME_MAX)
        return "a parameter's name has more than 47 characters";
    if (p->kind > HAL_PARAM_ARG)
        return "a parameter is of an unknown kind";
    if (p->dtype >= HALBIN_DTYPES)
        return "a parameter is of an unknown type";
    if (!p->alignment || p->alignment > 256 ||
        (p->alignment & (p->alignment - 1)))
        return "a parameter's alignment is no power of two";
    return NULL;
}

const char *halbin_image_fault(const struct hal_image *i)
{
    size_t n = strnlen(i->variant, sizeof i->variant);

    if (i->target >= HAL_TARGET_COUNT)
        return "an image is for an unknown target";
    if (!n || n == sizeof i->variant)
        return "an image's variant has no name";
    for (size_t k = 0; k < n; k++)
        if (i->variant[k] <= ' ' || i->variant[k] > '~')
            return "an image's variant has a strange character";
    if (!i->group || i->group > 65536)
        return "an image's group is out of range";
    if (i->shared_bytes > (1u << 30) || i->priv_bytes > (1u << 30))
        return "an image's memory is out of range";
    if (!i->blob || !i->blob_bytes)
        return "an image is empty";
    return NULL;
}
