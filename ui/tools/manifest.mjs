// SPDX-License-Identifier: Apache-2.0
// Purpose: moves the build manifest out of dist/, which holds what is shipped and nothing else.
import { renameSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ui = fileURLToPath(new URL('../', import.meta.url))
renameSync(`${ui}dist/.vite/manifest.json`, `${ui}.manifest.json`)
rmSync(`${ui}dist/.vite`, { recursive: true })
