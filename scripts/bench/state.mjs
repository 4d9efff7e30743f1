// Measures the state store: npm run bench state -- [--mb 256] [--files 10000] [--dir DIR] [--json]
// after npm run build. Prints a table, and JSON with --json.
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { pino } from 'pino'
import { blake3 } from '../../dist/crypto/index.js'
import { StateStore, syncState } from '../../dist/state/index.js'

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    mb: { type: 'string', default: '256' },
    files: { type: 'string', default: '10000' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false }
  }
})
const megabytes = Number(values.mb)
const fileCount = Number(values.files)
const log = pino({ level: 'silent' })
const base = fs.mkdtempSync(path.join(values.dir, 'hp-bench-state-'))
const figures = []

async function measure(name, limit, work) {
  const startMs = performance.now()
  const note = await work()
  const ms = performance.now() - startMs
  figures.push({ name, ms: Math.round(ms * 100) / 100, limit, note: note ?? '' })
  return ms
}

const open = (dir) =>
  StateStore.open({ stateDir: path.join(base, dir, 'state'), metaDir: path.join(base, dir, 'hist'), log })

async function scanAndCommit(store) {
  const { root } = await store.scan()
  await store.commit(root)
  return root
}

/** Median time of `count` runs. */
async function repeat(name, limit, count, prepare, work) {
  const times = []
  for (let i = 0; i < count; i++) {
    await prepare(i)
    const startMs = performance.now()
    await work(i)
    times.push(performance.now() - startMs)
  }
  times.sort((a, b) => a - b)
  const ms = Math.round(times[count >> 1] * 1000) / 1000
  figures.push({ name, ms, limit, note: `median of ${count}, worst ${times[count - 1].toFixed(1)}` })
}

async function benchTiny() {
  const store = await open('tiny')
  for (let i = 0; i < 5; i++) fs.writeFileSync(path.join(store.stateDir, `f${i}`), `${i}`)
  await scanAndCommit(store)
  const change = (i) => fs.writeFileSync(path.join(store.stateDir, 'f0'), `change ${i}`)
  await repeat(
    '5 files, nothing changed: scan + commit',
    '< 2 ms',
    200,
    () => {},
    () => scanAndCommit(store)
  )
  await repeat('5 files, one changed: scan + commit', '< 2 ms', 200, change, () => scanAndCommit(store))
  await repeat('5 files, one changed: rollback', '', 100, change, () => store.rollback())
  await store.close()
}

function fill(stateDir) {
  const size = Math.floor((megabytes * 1024 * 1024) / fileCount)
  const bytes = Buffer.alloc(Math.max(size, 4096))
  for (let i = 0; i < fileCount; i++) {
    const dir = path.join(stateDir, `d${i % 100}`)
    if (i < 100) fs.mkdirSync(dir)
    for (let at = 0; at + 4 <= bytes.length; at += 1024) bytes.writeUInt32LE(i * 7919 + at, at)
    fs.writeFileSync(path.join(dir, `file${i}`), bytes)
  }
}

/** What is the least that a first root can cost: reading and hashing each file. */
function readAndHash(dir) {
  const buffer = Buffer.allocUnsafeSlow(1024 * 1024)
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const file = path.join(dir, entry.name)
    if (entry.isDirectory()) readAndHash(file)
    else {
      const fd = fs.openSync(file)
      for (let count = 1; count > 0; ) {
        count = fs.readSync(fd, buffer)
        if (count > 0) blake3(buffer.subarray(0, count))
      }
      fs.closeSync(fd)
    }
  }
}

async function benchLarge() {
  const what = `${fileCount} files, ${megabytes} MB`
  let store = await open('large')
  fill(store.stateDir)
  readAndHash(store.stateDir)
  const least = await measure(`${what}: reading + BLAKE3 alone`, '', () => readAndHash(store.stateDir))
  const first = await measure(`${what}: first root`, '2 x the line above', () => store.scan().then(() => undefined))
  figures.at(-1).note = `${(first / least).toFixed(2)} x`
  await measure(`${what}: first commit`, '', () => scanAndCommit(store).then(() => undefined))
  await store.scan()
  const change = (i) => {
    const fd = fs.openSync(path.join(store.stateDir, `d${i % 100}`, `file${i}`), 'r+')
    fs.writeSync(fd, Buffer.alloc(4096, i + 1), 0, Math.min(4096, fs.fstatSync(fd).size), 0)
    fs.closeSync(fd)
  }
  await repeat(`${what}, 4 KB changed: scan + commit`, '< 150 ms', 15, change, () => scanAndCommit(store))
  await repeat(`${what}, 4 KB changed: rollback`, '', 10, change, () => store.rollback())
  await store.close()
  await measure(`${what}: open + scan after a restart`, '', async () => {
    store = await open('large')
    return `${(await store.scan()).hashedFiles} files read`
  })
  await benchCopy(store)
  await store.close()
}

async function benchCopy(source) {
  const target = await open('copy')
  const copy = async () => {
    const root = source.committedRoot
    const startMs = performance.now()
    const progress = await syncState({
      store: target,
      target: root,
      fetchChunks: async (wants) => ({
        source: 'local',
        chunks: await Promise.all(wants.map((want) => source.reader.readChunk(root, want)))
      }),
      onBadSource: () => {},
      log
    })
    const rate = progress.fetchedBytes / 1e6 / ((performance.now() - startMs) / 1000)
    return `${(progress.fetchedBytes / 1e6).toFixed(1)} MB fetched, ${rate.toFixed(0)} MB/s, rss ${Math.round(process.memoryUsage().rss / 1e6)} MB`
  }
  await measure(`copy of all (no network)`, '> 100 MB/s', copy)
  for (let i = 0; i < fileCount / 100; i++) {
    fs.writeFileSync(
      path.join(source.stateDir, `d${i % 100}`, `file${i}`),
      Buffer.alloc((megabytes * 1e6) / fileCount, i)
    )
  }
  await scanAndCommit(source)
  await measure('copy of 1 % changed files', 'about 1 %', copy)
  await target.close()
}

async function benchOneFile() {
  const store = await open('one')
  const file = path.join(store.stateDir, 'db')
  const bytes = Buffer.alloc(1024 * 1024)
  for (let i = 0; i < megabytes; i++) {
    bytes.fill(i)
    bytes.writeUInt32LE(i, 70_000)
    fs.appendFileSync(file, bytes)
  }
  await scanAndCommit(store)
  const change = (i) => {
    const fd = fs.openSync(file, 'r+')
    fs.writeSync(fd, Buffer.alloc(4096, i + 1), 0, 4096, i * 500_000)
    fs.closeSync(fd)
  }
  await repeat(`one file of ${megabytes} MB, 4 KB changed: scan + commit`, '', 5, change, () => scanAndCommit(store))
  await store.close()
}

try {
  await benchTiny()
  await benchLarge()
  await benchOneFile()
} finally {
  fs.rmSync(base, { recursive: true, force: true })
}
if (values.json) console.log(JSON.stringify({ megabytes, fileCount, figures }, null, 2))
else {
  const table = new Table({ head: ['what', 'ms', 'wanted', ''], style: { head: [] } })
  for (const { name, ms, limit, note } of figures) table.push([name, ms, limit, note])
  console.log(table.toString())
}
