// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop's PostgreSQL: a cluster of its own, made once and kept, and what is in it.
// PostgreSQL refuses to run as root; then it runs as the user that its package made.
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const READY_TRIES = 200
const READY_EVERY_MS = 50
const ORDERS_KEPT = '1 hour'

function programs() {
  const base = '/usr/lib/postgresql'
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions.map((v) => join(base, v, 'bin')).find((d) => existsSync(join(d, 'initdb')))
  if (!found) {
    throw new Error('PostgreSQL is not installed: run tools/deps demo')
  }
  return found
}

function idOf(flag, user) {
  return Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
}

function userToBe() {
  if (process.getuid() !== 0) {
    return undefined
  }
  for (const name of ['postgres', 'nobody']) {
    try {
      return { name, uid: idOf('-u', name), gid: idOf('-g', name) }
    } catch {
      // There is no such user.
    }
  }
  throw new Error(
    "PostgreSQL does not run as root, and there is neither a user 'postgres' nor 'nobody'",
  )
}

function become(user, command) {
  return user
    ? ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--', ...command]
    : command
}

function run(command, options = {}) {
  execFileSync(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], ...options })
}

// The folder of the cluster: below the demo's folder, or, where the other user cannot get there
// (root's home), below /var/tmp, under a name that belongs to the demo's folder.
function clusterFolder(dir, user) {
  if (user) {
    try {
      run(become(user, ['test', '-x', dir]))
    } catch {
      const tag = createHash('sha256').update(dir).digest('hex').slice(0, 12)
      return join('/var/tmp', `sonde-demo-${tag}`)
    }
  }
  return join(dir, 'postgres')
}

function makeFolder(folder, user) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const state = lstatSync(folder)
  const owner = user ? user.uid : process.getuid()
  if (!state.isDirectory() || (state.uid !== owner && state.uid !== process.getuid())) {
    throw new Error(`${folder} belongs to someone else`)
  }
  chmodSync(folder, 0o700)
  if (user) {
    chownSync(folder, user.uid, user.gid)
  }
}

// Makes the cluster when it is not there; gives what starting and reaching it needs.
export function prepare(dir) {
  const bin = programs()
  const user = userToBe()
  const folder = clusterFolder(dir, user)
  const secret = join(dir, 'postgres.password')
  const data = join(folder, 'data')
  if (!existsSync(secret) || !existsSync(join(data, 'PG_VERSION'))) {
    makeFolder(folder, user)
    rmSync(data, { recursive: true, force: true })
    const password = randomBytes(18).toString('hex')
    const file = join(folder, 'password') // initdb reads it as the other user
    rmSync(file, { force: true })
    writeFileSync(file, `${password}\n`, { mode: 0o600, flag: 'wx' })
    if (user) {
      chownSync(file, user.uid, user.gid)
    }
    const initdb = [
      join(bin, 'initdb'),
      '--pgdata',
      data,
      '--username=shop',
      '--encoding=UTF8',
      '--auth=scram-sha-256',
      `--pwfile=${file}`,
      '--locale=C.UTF-8',
      '--no-sync',
    ]
    run(become(user, initdb), { cwd: '/' })
    rmSync(file)
    writeFileSync(secret, password, { mode: 0o600 })
  }
  return { bin, data, user, password: readFileSync(secret, 'utf8') }
}

export function command({ bin, data }, port) {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    shared_buffers: '16MB',
    max_connections: 40,
    synchronous_commit: 'off', // a demo's orders may be lost with the machine
    autovacuum_naptime: '5min',
  }
  return [
    join(bin, 'postgres'),
    '-D',
    data,
    ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
  ]
}

export function url(cluster, port, database) {
  return `postgresql://shop:${cluster.password}@127.0.0.1:${port}/${database}`
}

export function jdbcUrl(cluster, port, database) {
  return `jdbc:postgresql://127.0.0.1:${port}/${database}?user=shop&password=${cluster.password}`
}

async function connected(pg, address) {
  for (let i = 1; ; i++) {
    const client = new pg.Client({ connectionString: address })
    try {
      await client.connect()
      return client
    } catch (e) {
      if (i === READY_TRIES) {
        throw e
      }
      await sleep(READY_EVERY_MS)
    }
  }
}

const PRODUCTS = [
  ['Oolong tea, spring harvest', 'tea', 1890],
  ['Pu-erh cake 2019', 'tea', 4200],
  ['Jasmine pearls', 'tea', 1650],
  ['Keemun black tea', 'tea', 1420],
  ['Gaiwan, white porcelain', 'ware', 2400],
  ['Yixing clay pot', 'ware', 8900],
  ['Glass pitcher', 'ware', 1700],
  ['Bamboo tray', 'ware', 3600],
  ['Tasting cups, set of six', 'ware', 2800],
  ['Kettle with thermometer', 'ware', 6400],
  ['Sesame cakes', 'sweets', 780],
  ['Candied hawthorn 冰糖葫芦', 'sweets', 650],
  ['Red bean mochi', 'sweets', 890],
  ['Walnut brittle', 'sweets', 720],
  ['Tea for beginners', 'books', 2100],
  ['The classic of tea 茶经', 'books', 1800],
]

const ORDERS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY, customer text NOT NULL,
    state text NOT NULL DEFAULT 'new', total_cents int NOT NULL,
    created timestamptz NOT NULL DEFAULT now());
  CREATE TABLE IF NOT EXISTS order_lines (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE, line int NOT NULL,
    product int NOT NULL, quantity int NOT NULL, price_cents int NOT NULL,
    PRIMARY KEY (order_id, line));
  DELETE FROM orders WHERE created < now() - interval '${ORDERS_KEPT}'`

const STOCK_SCHEMA = `
  CREATE TABLE IF NOT EXISTS products (id int PRIMARY KEY, name text NOT NULL,
    category text NOT NULL, price_cents int NOT NULL, quantity int NOT NULL DEFAULT 500)`

const REVIEWS = [
  [5, 'I buy nothing else any more.'],
  [4, 'Good. The box was a little dented.'],
  [5, '很好，还会再买。'],
  [3, 'Nice, but I had expected more.'],
  [4, 'Smells of spring.'],
  [2, 'Not for me.'],
]

const REVIEWS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS reviews (id serial PRIMARY KEY, product int NOT NULL,
    stars int NOT NULL, text text NOT NULL DEFAULT '', created timestamptz NOT NULL DEFAULT now());
  CREATE INDEX IF NOT EXISTS reviews_product ON reviews (product, id);
  DELETE FROM reviews WHERE text = '' AND created < now() - interval '${ORDERS_KEPT}'`

async function ensureDatabase(client, name) {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
  if (rowCount === 0) {
    await client.query(`CREATE DATABASE ${name}`)
  }
}

// Waits until the cluster answers; makes the three databases and their tables.
export async function fill(cluster, port) {
  const { default: pg } = await import('pg')
  const admin = await connected(pg, url(cluster, port, 'postgres'))
  await ensureDatabase(admin, 'orders')
  await ensureDatabase(admin, 'stock')
  await ensureDatabase(admin, 'reviews')
  await admin.end()
  const orders = await connected(pg, url(cluster, port, 'orders'))
  await orders.query(ORDERS_SCHEMA)
  await orders.end()
  const stock = await connected(pg, url(cluster, port, 'stock'))
  await stock.query(STOCK_SCHEMA)
  await stock.query(
    `INSERT INTO products (id, name, category, price_cents)
     SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::int[]) ON CONFLICT DO NOTHING`,
    [PRODUCTS.map((_, i) => i + 1), ...[0, 1, 2].map((c) => PRODUCTS.map((p) => p[c]))],
  )
  await stock.end()
  const reviews = await connected(pg, url(cluster, port, 'reviews'))
  await reviews.query(REVIEWS_SCHEMA)
  await reviews.query(
    `INSERT INTO reviews (product, stars, text)
     SELECT p, r.stars, r.text FROM generate_series(1, $1) p, unnest($2::int[], $3::text[]) r (stars, text)
     WHERE NOT EXISTS (SELECT FROM reviews)`,
    [PRODUCTS.length, ...[0, 1].map((c) => REVIEWS.map((r) => r[c]))],
  )
  await reviews.end()
}
