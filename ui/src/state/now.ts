// SPDX-License-Identifier: Apache-2.0
// Purpose: the present, in steps that ages need.
import { ref } from 'vue'

const STEP_MS = 5000

export const nowMs = ref(Date.now())

setInterval(() => (nowMs.value = Date.now()), STEP_MS)
