// SPDX-License-Identifier: Apache-2.0
// Purpose: starts the UI.
import { createApp } from 'vue'
import App from './App.vue'
import { startI18n } from './i18n'
import { router } from './router'
import { applyPreferences } from './state/preferences'
import { startMarks } from './state/marks'
import { reloadOnNewVersion } from './state/newVersion'
import { loadServerStatus } from './state/server'
import './styles/tokens.css'
import './styles/base.css'

applyPreferences()
void loadServerStatus()
await Promise.all([startI18n(), startMarks()])
reloadOnNewVersion()
createApp(App).use(router).mount('#app')
