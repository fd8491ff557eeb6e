/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that ends its process while it is loaded. */
#include <stdlib.h>

__attribute__((constructor)) static void leave(void)
{
    exit(0);
}
