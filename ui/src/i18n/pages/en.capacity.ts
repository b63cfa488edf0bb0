// SPDX-License-Identifier: Apache-2.0
// Purpose: the messages in English of entries, their trees and needs, and of findings.

export const enCapacity = {
  'capacity.hint':
    'An entry is an endpoint that chains of calls begin with: what users and timers ask of the system.',
  'capacity.count': { one: '{count} entry', other: '{count} entries' },
  'capacity.filter': 'Filter entries',
  'capacity.caption': 'Entries with their calls, errors, and the time that is spent for them',
  'capacity.empty': 'No chain of calls began in this time range.',
  'capacity.entry': 'Entry',
  'capacity.time': 'Time',
  'capacity.timeHint':
    'Spent in all nodes of its chains. Calls that run at the same time count each, so that this may be more than the entry took.',
  'capacity.perCall': 'Time per call',
  'capacity.perCallHint': 'Spent in all nodes, for one call of the entry.',
  'capacity.share': 'Share of time',
  'capacity.shareHint': 'Of the time that is spent for all entries.',
  'entry.notFound': 'Nothing calls this entry in this time range.',
  'entry.list': 'All entries',
  'entry.charts': 'Charts',
  'entry.tree': 'Call tree of {name}',
  'entry.treeTitle': 'Call tree',
  'entry.treeHint':
    'All chains of this entry, merged. Numbers are for one call of the entry; errors are all of the time range.',
  'entry.nodes': { one: '{count} node', other: '{count} nodes' },
  'entry.called': 'Called',
  'entry.calls': 'Calls',
  'entry.callsHint': 'Calls for one call of the entry.',
  'entry.presence': 'Present',
  'entry.presenceHint': 'The share of the chains that call it at all.',
  'entry.inChain': 'In one chain',
  'entry.inChainHint':
    'Calls in one chain that has it: the median · what 99 of 100 stay within · the most.',
  'entry.inChainSaid': 'median {p50}, P99 {p99}, most {max}',
  'entry.share': 'Share of time',
  'entry.shareHint': 'Time that is spent there and nowhere below, of all time of the tree.',
  'entry.own': 'Own time',
  'entry.ownHint': 'Spent there and nowhere below, for one call of the entry.',
  'entry.errorsHint': 'Calls of it that failed, in the whole time range.',
  'entry.other': 'others',
  'entry.otherHint': 'What is beyond the limits of a tree, together.',
  'entry.hidden': { one: '{count} below', other: '{count} below' },
  'entry.marked': '{name}: {places} of this tree',
  'entry.places': { one: '{count} place', other: '{count} places' },
  'entry.notMarked': 'This tree does not call {name}.',
  'entry.unmark': 'Leave the mark',
  'entry.tracesOf': 'Traces of {name}',
  'entry.mapOf': '{name} on the map',
  'times.title': 'Times N',
  'times.label': 'What if this entry were called',
  'times.unit': 'times as often?',
  'times.slider': 'Times as often',
  'times.said': '{count} times as often',
  'times.same': 'as often as now',
  'times.caption':
    'What each service of the tree needs if the entry is called {count} times as often',
  'times.now': 'Now',
  'times.nowHint': 'Calls of all endpoints of the service, on average of the range.',
  'times.nowDayHint':
    'Calls of all endpoints of the service, on average of the last day of the range.',
  'times.added': 'Added',
  'times.busiest': 'Busiest minute',
  'times.busiestHint': 'Calls of the service in its busiest minute.',
  'times.carried': 'One instance',
  'times.carriedHint': 'The most that one instance was seen to carry in a minute.',
  'times.instances': 'Instances',
  'times.instancesHint': 'That were called in the range.',
  'times.needed': 'Needed',
  'times.neededHint':
    'Instances for the busiest minute and what is added, at the most that one was seen to carry.',
  'times.formula':
    'Needed = (busiest minute + added) ÷ one instance, rounded up, and no fewer than there are. Where one instance carried the busiest minute alone, anything added takes a second one.',
  'times.neededSaid':
    '({busiest} + {added}) ÷ {carried} = {quotient}, rounded up, and no fewer than {now}: {needed}',
  'times.more': '{count} more',
  'times.unknown': 'not known',
  'times.unknownHint':
    'No call tells its instance: senders name it by the resource attribute service.instance.id.',
  'times.explain':
    'Enough if the added calls are like those of now. An instance may carry more than was seen: then fewer are needed.',
  'capacity.allCalls': {
    one: '{count} call of the endpoint in all, as agents counted',
    other: '{count} calls of the endpoint in all, as agents counted',
  },
  'times.none': 'No service of this tree is counted.',
  'findings.hint': 'Found in how calls were made, what takes most time first.',
  'findings.count': { one: '{count} finding', other: '{count} findings' },
  'findings.filter': 'Filter findings',
  'findings.kinds': 'Kind',
  'findings.allKinds': 'All kinds',
  'findings.none': 'Nothing stands out in how calls were made in this time range.',
  'findings.noneHint':
    'Looked for: N+1 statements, repeated calls, fan-out, rare and missing paths, endpoints that nobody calls any more.',
  'findings.noneOf': 'Nothing stands out in how {service} calls and is called.',
  'findings.partial':
    'Incomplete: damaged parts of the stored series were left out, or time was over before all examples were found.',
  'findings.examples': 'Traces that show it',
  'findings.noExamples': 'No trace that shows it was found among the newest.',
  'findings.chains': {
    one: 'In {count} chain of {entry}.',
    other: 'In {count} chains of {entry}.',
  },
  'findings.spent': 'Time spent there: {time}',
  'findings.saved': 'Time to save: {time}',
  'findings.toTree': 'In the call tree',
  'findings.toMap': 'On the map',
  'findings.statement': 'Statement',
  'finding.n_plus_one': 'N+1 statements',
  'finding.repeated_calls': 'Repeated calls',
  'finding.serial_calls': 'Serial calls',
  'finding.fan_out': 'Fan-out',
  'finding.rare_path': 'Rare path',
  'finding.missing_path': 'Missing call',
  'finding.dead_endpoint': 'Dead endpoint',
  'finding.saysNPlusOne':
    'For one call of its own, {caller} asks {node} {value} times, with one statement again and again. {limit} is the limit.',
  'finding.saysRepeated':
    'For one call of its own, {caller} calls {node} {value} times. {limit} is the limit.',
  'finding.saysSerial':
    '{caller} makes calls one after the other that could run at the same time: {calls}. That would save {value} of the time; {limit} is the limit.',
  'finding.saysFanOut':
    'In 1 of 100 chains {caller} calls {node} {value} times or more, far more often than in the others. {limit} is the limit.',
  'finding.saysRare':
    'Hardly any chain goes from {caller} to {node}: {value} of all; {limit} is the limit.',
  'finding.saysMissing':
    'Nearly all chains go from {caller} to {node}, {value} of all; these do not. {limit} is the limit.',
  'finding.saysDead':
    'Nobody calls {node}, where {value} calls were to be expected from the 7 days before. {limit} is the limit.',
  'finding.saysOther': '{caller} and {node}: {value}; {limit} is the limit.',
} as const
