// SPDX-License-Identifier: Apache-2.0
// Purpose: the server's status as cards of named facts.
import type { Status } from '@/api/types'
import { formatBytes, formatDuration } from '@/format/format'
import { n, t, type PlainKey } from '@/i18n'
import { formatMoment } from '@/time/zone'
import { zone } from './server'

export interface Fact {
  label: string
  value: string
  state?: 'ok' | 'warn' | 'error'
  mono?: boolean
}

export interface FactGroup {
  title: PlainKey
  facts: Fact[]
}

// A count that should stay at nought.
function bad(label: string, count: number): Fact {
  return { label, value: n(count), state: count > 0 ? 'error' : undefined }
}

function process(status: Status): FactGroup {
  const { addresses } = status
  const facts: Fact[] = [
    {
      label: t('server.version'),
      value: `${status.version} (${status.commit.slice(0, 12)})`,
      mono: true,
    },
    { label: t('server.started'), value: formatMoment(status.started_unix_ms, zone.value) },
    status.ready
      ? { label: t('span.status'), value: t('server.ready'), state: 'ok' }
      : { label: t('span.status'), value: t('server.notReady'), state: 'warn' },
    { label: 'HTTP', value: addresses.http, mono: true },
    { label: 'OTLP/gRPC', value: addresses.otlp_grpc ?? t('common.none'), mono: true },
    { label: 'OTLP/HTTP', value: addresses.otlp_http ?? t('common.none'), mono: true },
  ]
  return { title: 'admin.memory', facts }
}

function receive({ receive: r }: Status): FactGroup {
  return {
    title: 'server.receive',
    facts: [
      { label: t('field.requests'), value: n(r.requests) },
      bad(t('field.refused'), r.requests_refused),
      { label: t('field.spans'), value: n(r.spans) },
      { label: t('field.bytes'), value: formatBytes(r.bytes) },
      { label: t('field.ack50'), value: formatDuration(r.ack_p50_ns) },
      { label: t('field.ack99'), value: formatDuration(r.ack_p99_ns) },
      { label: t('field.connections'), value: n(r.open_connections) },
    ],
  }
}

function journal({ journal: j }: Status): FactGroup {
  const sync = j.sync === 'always' ? t('field.syncAlways') : t('field.syncInterval')
  const used = formatBytes(j.disk_bytes)
  return {
    title: 'server.journal',
    facts: [
      { label: t('field.sync'), value: sync },
      { label: t('field.records'), value: n(j.records) },
      { label: t('field.bytes'), value: formatBytes(j.bytes) },
      { label: t('field.syncs'), value: n(j.syncs) },
      { label: t('field.segments'), value: n(j.segments) },
      {
        label: t('field.onDisk'),
        value: t('field.ofLimit', { used, limit: formatBytes(j.disk_bytes_max) }),
      },
      { label: t('field.sequence'), value: `${n(j.first_seq)} – ${n(j.last_seq)}` },
      { label: t('field.torn'), value: formatBytes(j.torn_bytes) },
      bad(t('field.damagedSegments'), j.damaged_segments),
      bad(t('field.lostRecords'), j.lost_records),
      bad(t('field.failures'), j.failures),
    ],
  }
}

function store({ store: s }: Status): FactGroup {
  const facts: Fact[] = [
    { label: t('field.hotRows'), value: n(s.hot_rows) },
    { label: t('field.hotBytes'), value: formatBytes(s.hot_bytes) },
    { label: t('field.parts'), value: n(s.parts) },
    { label: t('field.partRows'), value: n(s.part_rows) },
    { label: t('field.partBytes'), value: formatBytes(s.part_bytes) },
    { label: t('field.flushes'), value: n(s.flushes) },
    { label: t('field.merges'), value: n(s.merges) },
    { label: t('field.expiredParts'), value: n(s.expired_parts) },
    { label: t('field.strippedParts'), value: n(s.stripped_parts) },
    bad(t('field.damagedParts'), s.damaged_parts),
    bad(t('field.failures'), s.flush_failures + s.merge_failures),
  ]
  if (s.disk_free_bytes !== undefined)
    facts.push({ label: t('field.diskFree'), value: formatBytes(s.disk_free_bytes) })
  return { title: 'server.store', facts }
}

export function statusFacts(status: Status): FactGroup[] {
  return [process(status), receive(status), journal(status), store(status)]
}
