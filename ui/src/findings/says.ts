// SPDX-License-Identifier: Apache-2.0
// Purpose: what a finding says, in the reader's language.
import type { Finding } from '@/api/types'
import { sayingOf } from './saying'
import { t } from '@/i18n'

// All sentences take some of the same parameters.
export function says(finding: Finding): string {
  const { sentence, params } = sayingOf(finding)
  return t(sentence as 'finding.saysNPlusOne', params)
}
