// SPDX-License-Identifier: Apache-2.0
// Purpose: the server's endpoints of alerts as functions; beside the pages that use them, so that the
// others do not load them.
import { getJson, getText, postJson, postText, remove } from '@/api/client'
import type * as T from '@/api/types'

const V1 = '/api/v1'
const ALERTS = `${V1}/alerts`
const YAML = 'application/yaml'
const enc = encodeURIComponent

export const incidents = (
  params: { state: 'open' | 'all'; limit: number; before?: number },
  signal?: AbortSignal,
) => getJson<T.Incidents>(`${V1}/incidents`, { ...params }, signal)

export const incident = (id: string, signal?: AbortSignal) =>
  getJson<T.IncidentDetails>(`${V1}/incidents/${enc(id)}`, {}, signal)

export const acknowledge = (id: string) =>
  postJson<object>(`${V1}/incidents/${enc(id)}/acknowledge`, {})

export const comment = (id: string, text: string) =>
  postJson<object>(`${V1}/incidents/${enc(id)}/comments`, { text })

export const alertRules = (signal?: AbortSignal) =>
  getJson<T.AlertRules>(`${ALERTS}/rules`, {}, signal)

export const alertRuleChanges = (name: string, signal?: AbortSignal) =>
  getJson<T.AlertChanges>(`${ALERTS}/rules/${enc(name)}/changes`, {}, signal)

// A file of rules and channels, as it is written and without secrets.
export const exportAlerts = (signal?: AbortSignal) => getText(`${ALERTS}/export`, YAML, signal)

export const importAlerts = (text: string) =>
  postText<T.AlertImported>(`${ALERTS}/rules`, YAML, text)

// A rule of the text on what is stored of the last day; without a name its first.
export const tryAlertRule = (text: string, name: string) => {
  const question: T.AlertTrialQuestion = name ? { text, rule: name } : { text }
  return postJson<T.AlertTrial>(`${ALERTS}/test`, question)
}

const importFile = (file: T.AlertFile) => postJson<T.AlertImported>(`${ALERTS}/rules`, file)

export const addSilence = (silence: T.AlertFileSilence) => importFile({ silences: [silence] })

export const endSilence = (name: string) => remove(`${ALERTS}/silences/${enc(name)}`)

export const alertRoster = (signal?: AbortSignal) =>
  getJson<T.AlertRoster>(`${ALERTS}/roster`, {}, signal)

export const removeAlertRule = (name: string) => remove(`${ALERTS}/rules/${enc(name)}`)

export const alertChannels = (signal?: AbortSignal) =>
  getJson<T.AlertChannels>(`${ALERTS}/channels`, {}, signal)

export const testAlertChannel = (name: string) =>
  postJson<T.AlertChannelTest>(`${ALERTS}/channels/${enc(name)}/test`, {})

export const removeAlertChannel = (name: string) => remove(`${ALERTS}/channels/${enc(name)}`)
