// SPDX-License-Identifier: Apache-2.0
// Purpose: what the whole UI needs to know of the server: its version and its time zone.
import { computed, shallowRef } from 'vue'
import * as api from '@/api/sonde'
import type { Status } from '@/api/types'
import type { Zone } from '@/time/zone'
import { zoneName } from './preferences'

export const serverStatus = shallowRef<Status | null>(null)

export async function loadServerStatus(): Promise<void> {
  try {
    serverStatus.value = await api.status()
  } catch {
    // The panels say so themselves; without the answer the server's zone counts as UTC.
  }
}

export const zone = computed<Zone>(() => ({
  name: zoneName.value,
  offsetMinutes: serverStatus.value?.timezone_offset_minutes ?? 0,
}))
