// SPDX-License-Identifier: Apache-2.0
// Purpose: the sections of the admin page, in their order: its tabs and its addresses are made of these.

export const ADMIN_SECTIONS = ['ledger', 'store', 'server', 'targets', 'config', 'letters'] as const
export type AdminSection = (typeof ADMIN_SECTIONS)[number]
