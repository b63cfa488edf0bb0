// SPDX-License-Identifier: Apache-2.0
// Purpose: whether the window is as narrow as a phone's. Style sheets ask for the same width.
import { ref } from 'vue'

const query = matchMedia('(max-width: 800px)')

export const narrow = ref(query.matches)

query.addEventListener('change', (event) => (narrow.value = event.matches))
