/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is no plug-in backend. */
extern int halcyon_nothing;
int halcyon_nothing = 1;
