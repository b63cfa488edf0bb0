// SPDX-License-Identifier: Apache-2.0
// Purpose: `demo/run`: starts sonde, PostgreSQL, Redis, nginx, the services and the load, prints where
// they are, and stops all of them when it is told to or when one of them dies.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Children } from './children.mjs'
import { command as javaCommand, prepare as prepareJava } from './java.mjs'
import { canConnect, freePorts, holderOf, isFree } from './ports.mjs'

const HELP = `Usage: demo/run [--server-only] [--no-java] [--ports auto] [--dir DIR] [--rate N]

Starts build/sonde and the demo shop (five services of Node.js, two of Java, nginx, PostgreSQL, Redis,
a load generator) and stops everything on Ctrl-C.

  --server-only  only the server
  --no-java      without the two services of Java; so it is too where there is no JDK
  --ports auto   free ports for everything; the addresses are printed as JSON lines too
  --dir DIR      folder of the data and the logs (build/demo)
  --rate N       requests a second of the load generator (7; 0: none)
`
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const SONDE_PORTS = { http: 7070, grpc: 4317, otlp: 4318 }
const SHOP_PORT = 7080 // when it is free
const READY_MS = 60000
// The stages in which things are stopped, the last first: the server hears the last spans.
const STAGE = { sonde: 0, stores: 1, services: 2, nginx: 3, load: 4 }

// Which exporter of the SDK each service uses: all three, with gzip and without.
const SERVICES = {
  stock: { protocol: 'grpc', compression: 'gzip' },
  payment: { protocol: 'http/protobuf', compression: 'gzip', all: true },
  recommendations: { protocol: 'http/protobuf', compression: 'none' },
  orders: { protocol: 'grpc', compression: 'none' },
  storefront: { protocol: 'http/json', compression: 'gzip' },
}
// Those of Java, by their main classes; the agent exports by OTLP/HTTP with protobuf.
const JAVA_SERVICES = { shipping: 'Shipping', reviews: 'Reviews' }

const began = performance.now()

function options() {
  try {
    return parseArgs({
      options: {
        'server-only': { type: 'boolean' },
        'no-java': { type: 'boolean' },
        ports: { type: 'string' },
        dir: { type: 'string', default: join(ROOT, 'build/demo') },
        rate: { type: 'string', default: '7' },
        help: { type: 'boolean' },
      },
    }).values
  } catch (e) {
    console.error(`demo: ${e.message}\n\n${HELP}`)
    process.exit(2)
  }
}
const flags = options()
const auto = flags.ports === 'auto'
const dir = resolve(flags.dir)

function emit(object) {
  if (auto) {
    console.log(JSON.stringify(object))
  }
}

async function startSonde(children) {
  const binary = join(ROOT, 'build/sonde')
  if (!existsSync(binary)) {
    throw new Error('build/sonde is not built: run make')
  }
  for (const port of auto ? [] : Object.values(SONDE_PORTS)) {
    if (!(await isFree(port))) {
      throw new Error(`port ${port} is held by ${holderOf(port)}: stop it, or run make run DEMO="--ports auto --dir FOLDER"`)
    }
  }
  const address = (port) => `127.0.0.1:${auto ? 0 : port}`
  const entry = children.start(
    'sonde',
    [
      binary,
      'server',
      '--data',
      join(dir, 'sonde-data'),
      '--http',
      address(SONDE_PORTS.http),
      '--otlp-grpc',
      address(SONDE_PORTS.grpc),
      '--otlp-http',
      address(SONDE_PORTS.otlp),
    ],
    { stage: STAGE.sonde },
  )
  const said = await Promise.all([
    children.line(entry, /^ {2}http .*(http:\S+)/),
    children.line(entry, /^ {2}otlp-grpc +(\S+)/),
    children.line(entry, /^ {2}otlp-http +(\S+)/),
  ])
  const [http, grpc, otlp] = said.map((match) => match[1])
  const sonde = { http, otlp_grpc: `http://${grpc}`, otlp_http: `http://${otlp}` }
  emit({ name: 'sonde', ...sonde })
  return sonde
}

async function startPostgres(children, port) {
  const database = await import('./database.mjs')
  const cluster = database.prepare(dir)
  children.start('postgres', database.command(cluster, port), {
    user: cluster.user?.name,
    cwd: '/',
    signal: 'SIGINT',
    stage: STAGE.stores,
  })
  await database.fill(cluster, port)
  return {
    url: (name) => database.url(cluster, port, name),
    jdbcUrl: (name) => database.jdbcUrl(cluster, port, name),
  }
}

async function startRedis(children, port) {
  const password = randomBytes(18).toString('hex')
  const file = join(dir, 'redis.conf')
  writeFileSync(
    file,
    `bind 127.0.0.1\nport ${port}\nrequirepass ${password}\nsave ""\nappendonly no\nmaxmemory 32mb\nmaxmemory-policy allkeys-lru\n`,
    { mode: 0o600 },
  )
  const entry = children.start('redis', ['redis-server', file], { stage: STAGE.stores, cwd: dir })
  await children.line(entry, /Ready to accept connections/)
  return `redis://:${password}@127.0.0.1:${port}`
}

async function reachable(port) {
  while (!(await canConnect(port))) {
    await sleep(20)
  }
}

async function startNginx(children, port, storefront) {
  const home = join(dir, 'nginx')
  mkdirSync(home, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(home, 'nginx.conf'),
    `${process.getuid() === 0 ? 'user nobody nogroup;' : ''}
daemon off;
worker_processes 1;
pid nginx.pid;
events { worker_connections 256; }
http {
${temporary.map((t) => `  ${t}_temp_path ${t};`).join('\n')}
  access_log off;
  proxy_max_temp_file_size 0;
  client_body_buffer_size 64k;
  client_max_body_size 64k;
  upstream storefront { server 127.0.0.1:${storefront}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://storefront;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`,
  )
  children.start('nginx', ['nginx', '-p', home, '-c', 'nginx.conf', '-e', 'stderr'], {
    stage: STAGE.nginx,
  })
  await reachable(port)
}

// Where the services of the shop would run, had it more than one machine: the host, its rack and its
// data centre.
const HOSTS = {
  'web-1': { rack: 'r1', zone: 'east-a' },
  'app-1': { rack: 'r2', zone: 'east-a' },
  'app-2': { rack: 'r1', zone: 'west-a' },
}
const RUNS_ON = {
  storefront: 'web-1',
  recommendations: 'web-1',
  orders: 'app-1',
  stock: 'app-1',
  payment: 'app-2',
  shipping: 'app-2',
  reviews: 'app-2',
}

// Who a service is and where it runs; the same variables as for any other application.
function identity(name) {
  const host = RUNS_ON[name]
  const { rack, zone } = HOSTS[host]
  return {
    OTEL_SERVICE_NAME: name,
    OTEL_RESOURCE_ATTRIBUTES: `service.namespace=shop,service.version=1.0.0,service.instance.id=${name}-1,deployment.environment.name=demo,host.name=${host},host.rack=${rack},cloud.availability_zone=${zone}`,
  }
}

// What else the SDK of a Node service is told.
function telemetry({ protocol, compression, all }, sonde) {
  return {
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? sonde.otlp_grpc : sonde.otlp_http,
    OTEL_EXPORTER_OTLP_COMPRESSION: compression,
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_LOGS_EXPORTER: all ? 'otlp' : 'none',
    OTEL_METRIC_EXPORT_INTERVAL: '5000',
    OTEL_METRIC_EXPORT_TIMEOUT: '5000',
    OTEL_BSP_SCHEDULE_DELAY: '500',
    OTEL_NODE_RESOURCE_DETECTORS: 'host,os,process,env', // what the environment says goes before
    OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'fs,net,dns,router', // a span for each layer, twice

    OTEL_SEMCONV_STABILITY_OPT_IN: 'http,database',
  }
}

async function startServices(children, environment, sonde) {
  await Promise.all(
    Object.entries(SERVICES).map(async ([name, how]) => {
      const entry = children.start(
        name,
        [
          process.execPath,
          '--require',
          '@opentelemetry/auto-instrumentations-node/register',
          join(ROOT, 'demo/services', `${name}.js`),
        ],
        {
          env: { ...environment, ...identity(name), ...telemetry(how, sonde) },
          cwd: join(ROOT, 'demo'),
          stage: STAGE.services,
        },
      )
      await children.line(entry, /^ready/)
    }),
  )
}

async function startJava(children, environment, sonde, java) {
  await Promise.all(
    Object.entries(java.missing ? {} : JAVA_SERVICES).map(async ([name, main]) => {
      const home = join(dir, name)
      mkdirSync(home, { recursive: true })
      const entry = children.start(name, javaCommand(java, main, home), {
        env: { ...environment, ...identity(name), OTEL_EXPORTER_OTLP_ENDPOINT: sonde.otlp_http },
        cwd: home,
        stage: STAGE.services,
      })
      await children.line(entry, /^ready/)
    }),
  )
}

async function startShop(children, sonde, java) {
  const names = [...Object.keys(SERVICES), ...(java.missing ? [] : Object.keys(JAVA_SERVICES))]
  const portsFile = join(dir, 'ports.json')
  const kept = existsSync(portsFile) ? JSON.parse(readFileSync(portsFile, 'utf8')) : []
  const all = await freePorts(3 + names.length, kept)
  writeFileSync(portsFile, JSON.stringify(all))
  const [postgres, redis, nginx, ...ports] = all
  const shopPort = !auto && (await isFree(SHOP_PORT)) ? SHOP_PORT : nginx
  const [database, cache] = await Promise.all([
    startPostgres(children, postgres),
    startRedis(children, redis),
  ])
  const environment = {
    SONDE_DEMO_DIR: dir,
    SHOP_SONDE_URL: sonde.http,
    SHOP_ORDERS_DATABASE: database.url('orders'),
    SHOP_STOCK_DATABASE: database.url('stock'),
    SHOP_REVIEWS_DATABASE: database.jdbcUrl('reviews'),
    SHOP_REDIS: cache,
  }
  names.forEach((name, i) => {
    environment[`SHOP_${name.toUpperCase()}_PORT`] = String(ports[i])
  })
  await Promise.all([
    startServices(children, environment, sonde),
    startJava(children, environment, sonde, java),
  ])
  await startNginx(children, shopPort, environment.SHOP_STOREFRONT_PORT)
  const url = `http://127.0.0.1:${shopPort}/`
  if (Number(flags.rate) > 0) {
    const load = [process.execPath, join(ROOT, 'demo/load.mjs'), url.slice(0, -1), flags.rate]
    await children.line(children.start('load', load, { stage: STAGE.load }), /^ready/)
  }
  emit({ name: 'shop', url })
  return url
}

// demo/switch, told where this shop is unless it is where it looks by itself.
function switchCommand() {
  return dir === join(ROOT, 'build/demo') ? 'demo/switch' : `SONDE_DEMO_DIR=${dir} demo/switch`
}

function print(sonde, shop, java) {
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`\n  Sonde   ${sonde.http}`)
  if (shop) {
    console.log(`  Shop    ${shop}     scenarios: its check boxes, or ${switchCommand()} list`)
    if (!(Number(flags.rate) > 0)) {
      console.log('          no traffic (--rate 0): click in the shop to make some')
    }
    if (java.missing) {
      console.log(`          without its Java services, ${Object.keys(JAVA_SERVICES).join(' and ')}: ${java.missing}`)
    }
  }
  console.log(`  OTLP    ${sonde.otlp_grpc} (gRPC)   ${sonde.otlp_http} (HTTP)`)
  console.log(`  Ready after ${seconds} s; data and logs in ${dir}; Ctrl-C stops everything.\n`)
}

// The demo that runs in the folder already, or undefined. A file left by one that was killed names a
// process that is gone, or that is something else by now.
function runningIn(file) {
  try {
    const pid = readFileSync(file, 'utf8').trim()
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return /^\d+$/.test(pid) && command.includes('run.mjs') ? pid : undefined
  } catch {
    return undefined
  }
}

async function main() {
  if (flags.help) {
    console.log(HELP)
    return 0
  }
  if (!(Number(flags.rate) >= 0)) {
    console.error(`demo: --rate is '${flags.rate}', expected requests a second, such as 7; 0: none`)
    return 2
  }
  // Before anything of the running one is touched: its switches, its logs.
  const mark = join(dir, 'running')
  const other = runningIn(mark)
  if (other) {
    console.error(`demo: it runs in ${dir} already (process ${other}): stop it there with Ctrl-C, or take another --dir`)
    return 1
  }
  mkdirSync(join(dir, 'log'), { recursive: true })
  writeFileSync(mark, `${process.pid}\n`)
  try {
    return await run()
  } finally {
    rmSync(mark, { force: true })
  }
}

async function run() {
  rmSync(join(dir, 'switches'), { recursive: true, force: true })
  const children = new Children(join(dir, 'log'))
  const ended = new Promise((resolve) => {
    let signals = 0
    const told = () => (++signals === 1 ? resolve(null) : children.killAll())
    process.on('SIGINT', told)
    process.on('SIGTERM', told)
    process.on('SIGHUP', told)
    children.onDeath = resolve
  })
  const start = async () => {
    const sonde = await startSonde(children)
    const java = flags['server-only'] || flags['no-java'] ? { missing: '--no-java' } : prepareJava()
    const shop = flags['server-only'] ? undefined : await startShop(children, sonde, java)
    print(sonde, shop, java)
    const processes = Object.fromEntries(children.list.map((e) => [e.name, e.child.pid]))
    emit({ name: 'ready', ms: Math.round(performance.now() - began), processes })
    return ended
  }
  const late = sleep(READY_MS, undefined, { ref: false }).then(() => ended)
  const problem = await Promise.race([start(), ended, late]).catch((e) => e.message)
  if (problem !== null) {
    console.error(`demo: ${problem}`)
  }
  await children.stop()
  if (problem === null) {
    console.log('demo: everything is stopped')
  }
  return problem === null ? 0 : 1
}

process.exit(await main())
