// SPDX-License-Identifier: Apache-2.0
// Purpose: a rule and a channel to begin with; the receiver is to be put in.

export const FIRST_RULE = `rules:
  - name: errors of any service
    level: error
    channels: [] # such as [ops]
    remedy: Roll back the last release.
    strategies:
      - measure: error_rate
        every: 1m
        operator: ">"
        threshold: 5%
        at_least: 20
        group_by: [service, instance]
# channels:
#   - {name: ops, type: webhook, url: "http://127.0.0.1:9000/hook", secret: signs requests}
`
