// SPDX-License-Identifier: Apache-2.0
// Purpose: the icons of the UI as paths on a 16-pixel grid, for documents and canvases alike.

export const ICONS = {
  services: 'M2.5 3h4v4h-4zM9.5 3h4v4h-4zM6 10h4v3.5H6zM4.5 7v1.5h7V7M8 8.5V10',
  traces: 'M2 3.5h9M4.5 8h7M8.5 12.5H14',
  admin: 'M2 4.5h5M11 4.5h3M2 11.5h3M9 11.5h5M9 2.5v4M7 9.5v4',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5 14 14',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.5V8l2.5 1.5',
  refresh: 'M13.5 8A5.5 5.5 0 1 1 11.7 3.9M13.5 2v3h-3',
  right: 'M6 3.5 10.5 8 6 12.5',
  left: 'M10 3.5 5.5 8l4.5 4.5',
  down: 'M3.5 6 8 10.5 12.5 6',
  up: 'M3.5 10 8 5.5l4.5 4.5',
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3z',
  check: 'M3 8.5 6.5 12 13 4.5',
  download: 'M8 2.5v7.5M5 7.5 8 10.5l3-3M3 13.5h10',
  warn: 'M8 2.5 14.5 13.5h-13zM8 6.5v3.5M8 11.7v.3',
  error: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6 6l4 4M10 6l-4 4',
  settings: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11M6 3v3M10.5 6.5v3M5 10v3',
  info: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5V11M8 5v.2',
  keyboard: 'M1.5 4h13v8h-13zM4 6.7h.2M7 6.7h.2M10 6.7h.2M12 6.7h.2M5 9.5h6',
  filter: 'M2 3h12l-4.5 5.5V13l-3-1.5v-3z',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  table: 'M2 3h12v10H2zM2 6.5h12M2 10h12M6.5 3v10',
  chart: 'M2.5 2.5v11h11M5.5 10.5h.2M8 7.5h.2M10 9h.2M12 5h.2',
  link: 'M6.5 9.5l3-3M7 4.5l1.5-1.5a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5 7.5 13A3 3 0 0 1 3 8.5L4.5 7',
  fit: 'M2 8h12M2 8l2.5-2.5M2 8l2.5 2.5M14 8l-2.5-2.5M14 8l-2.5 2.5',
  path: 'M2 4h4v4h5v4h3',
  join: 'M2 3.5h12v9H2zM5 6.5h6v3H5z',
  out: 'M6.5 7h-4M13.5 7h-4M7.5 11.5a4.5 4.5 0 1 1 0-9M10.5 10.5 14 14M4.5 7h5',
  overview: 'M2.5 2.5h4.5v6H2.5zM9 2.5h4.5v3.5H9zM9 8.5h4.5v5H9zM2.5 11h4.5v2.5H2.5z',
  topology:
    'M3.5 5.5a1.8 1.8 0 1 0 0-.1zM10.5 3.5a1.8 1.8 0 1 0 0-.1zM10.5 12.5a1.8 1.8 0 1 0 0-.1zM7 5l3.5-1M6.5 6.7l4.3 4.6',
  capacity: 'M2 12.5a6 6 0 1 1 12 0M8 12.5l3-5M4.5 8.5l.2.1',
  metrics: 'M2.5 2.5v11h11M4.5 10.5l3-4 2.5 2.5 3.5-5',
  finding: 'M6 13h4M6.5 15h3M5.5 10.8A4.5 4.5 0 1 1 10.5 10.8L10 11.5H6z',
  bell: 'M3.5 11.5V11l1-1.5V7a3.5 3.5 0 0 1 7 0v2.5l1 1.5v.5zM8 3.5V2M6.8 13.8h2.4',
  critical: 'M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3zM8 4.8v4M8 11v.2',
  edit: 'M3 13l.6-2.8 7.2-7.2 2.2 2.2-7.2 7.2zM9.5 4.3l2.2 2.2',
  history: 'M3 4.5V2M3 4.5h2.5M3 4.5a6 6 0 1 1-1 3.5M8 5v3.2l2.2 1.3',
  send: 'M2.5 8 14 2.5 10.5 13.5 8 9zM8 9l6-6.5',
  line: 'M8 2.5 14 5.5 8 8.5 2 5.5zM2.5 8.5 8 11.3l5.5-2.8M2.5 11 8 13.8 13.5 11',
  client:
    'M8 7.5a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2zM3 13.8c.3-2.8 2.3-4.3 5-4.3s4.7 1.5 5 4.3',
  database:
    'M3 4.2c0-2.3 10-2.3 10 0v7.6c0 2.3-10 2.3-10 0zM3 4.2c0 2.3 10 2.3 10 0M3 8c0 2.3 10 2.3 10 0',
  cache: 'M9.2 1.8 3.8 9h3.9l-.9 5.2L12.2 7H8.3z',
  queue: 'M2 5h12v6H2zM5.5 5v6M9 5v6',
  host: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.2M5 11h.2',
  rack: 'M3.5 1.5h9v13h-9zM3.5 5h9M3.5 8.5h9M3.5 12h9',
  dc: 'M2.5 13.5V6L8 2.5 13.5 6v7.5zM5 7.5h2M9 7.5h2M5 10.5h2M9 10.5h2',
  external:
    'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2 8h12M8 2c-4.5 3.5-4.5 8.5 0 12M8 2c4.5 3.5 4.5 8.5 0 12',
} as const

export type IconName = keyof typeof ICONS
