// SPDX-License-Identifier: Apache-2.0
// Purpose: how the UI is built and, during development, served beside an API server.
import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// A running `sonde server`, or the fixture of dev/fixture.mjs.
const api = process.env.SONDE_API ?? 'http://127.0.0.1:7070'

export default defineConfig({
  plugins: [vue()],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the content security policy allows no data: scripts or styles
    modulePreload: { polyfill: false }, // the polyfill would be an inline script
    reportCompressedSize: false,
    manifest: true, // for tools/budget.mjs
    rolldownOptions: {
      output: {
        // Few files: the libraries, what pages share, and one for each page.
        advancedChunks: {
          groups: [
            { name: 'chart', test: /node_modules\/uplot/ },
            { name: 'vendor', test: /node_modules/ },
            {
              name: 'shared',
              test: /src\/(api|format|filter|i18n\/(?!zh|pages)|state|time|components\/[A-Z])/,
            },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': api, '^/metrics$': api, '/healthz': api, '/readyz': api },
  },
})
