// SPDX-License-Identifier: Apache-2.0
// Purpose: the addresses of the pages. Each page is a chunk of its own.
import { createRouter, createWebHistory } from 'vue-router'
import { ADMIN_SECTIONS } from './admin/sections'
import { serviceFilter } from './filter/service'
import { withMessages, type PlainKey } from './i18n'

declare module 'vue-router' {
  interface RouteMeta {
    title?: PlainKey
    lastMs?: number // the range where the URL has none; an hour where that is not told either
    noRange?: boolean // the page does not depend on the time range
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    {
      path: '/',
      name: 'overview',
      component: () => import('./pages/OverviewPage.vue'),
      // As long as the server needs to judge how many calls there are.
      meta: { title: 'wall.title', lastMs: 10 * 6e4 },
    },
    {
      path: '/topology',
      name: 'topology',
      component: withMessages('topology', () => import('./pages/TopologyPage.vue')),
      meta: { title: 'topology.title' },
    },
    {
      path: '/services',
      name: 'services',
      component: () => import('./pages/ServicesPage.vue'),
      meta: { title: 'services.title' },
    },
    {
      path: '/services/:id/:section(overview|endpoints|instances|deps|runtime|findings)?',
      name: 'service',
      component: () => import('./pages/ServicePage.vue'),
      props: true,
      meta: { title: 'service.title' },
    },
    {
      path: '/services/:id/traces',
      redirect: ({ params, query: { ns, ...query } }) => ({
        name: 'traces',
        query: { ...query, q: serviceFilter(String(params.id), typeof ns === 'string' ? ns : '') },
      }),
    },
    {
      path: '/traces',
      name: 'traces',
      component: () => import('./pages/TracesPage.vue'),
      meta: { title: 'traces.title' },
    },
    {
      path: '/traces/:id',
      name: 'trace',
      component: () => import('./pages/TracePage.vue'),
      props: true,
      meta: { title: 'trace.title', noRange: true },
    },
    {
      path: '/capacity',
      name: 'capacity',
      component: withMessages('capacity', () => import('./pages/CapacityPage.vue')),
      meta: { title: 'capacity.title' },
    },
    {
      path: '/capacity/:service/:endpoint',
      name: 'entry',
      component: withMessages('capacity', () => import('./pages/EntryPage.vue')),
      props: true,
      meta: { title: 'entry.title' },
    },
    {
      path: '/stores/:board(db|redis|rpc|mq)?',
      name: 'stores',
      component: withMessages('stores', () => import('./pages/StoresPage.vue')),
      props: true,
      meta: { title: 'stores.title' },
    },
    {
      path: '/findings',
      name: 'findings',
      component: withMessages('capacity', () => import('./pages/FindingsPage.vue')),
      meta: { title: 'findings.title' },
    },
    {
      path: '/metric', // `/metrics` are those of the server itself, for Prometheus
      name: 'metrics',
      component: withMessages('metrics', () => import('./pages/MetricsPage.vue')),
      meta: { title: 'metrics.title' },
    },
    {
      path: '/metric/:name',
      name: 'metric',
      component: withMessages('metrics', () => import('./pages/MetricPage.vue')),
      props: true,
      meta: { title: 'metric.title' },
    },
    {
      path: '/incidents',
      name: 'incidents',
      component: withMessages('alerts', () => import('./pages/IncidentsPage.vue')),
      meta: { title: 'incidents.title', noRange: true },
    },
    {
      path: '/incidents/:id(\\d+)',
      name: 'incident',
      component: withMessages('alerts', () => import('./pages/IncidentPage.vue')),
      props: true,
      meta: { title: 'incident.title', noRange: true },
    },
    {
      path: '/alerts',
      name: 'alerts',
      component: withMessages('alerts', () => import('./pages/AlertsPage.vue')),
      meta: { title: 'alerts.title', noRange: true },
    },
    {
      path: `/admin/:section(${ADMIN_SECTIONS.join('|')})?`,
      name: 'admin',
      component: withMessages('admin', () => import('./pages/AdminPage.vue')),
      props: true,
      meta: { title: 'admin.title', noRange: true },
    },
    {
      path: '/:rest(.*)*',
      name: 'missing',
      component: () => import('./pages/MissingPage.vue'),
      meta: { title: 'missing.title', noRange: true },
    },
  ],
})
