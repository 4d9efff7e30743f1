/**
 * `npm run bench state [-- --mb 1024 --files 10000 --memory-mb 2048 --times 3 --dir DIR --json FILE]`: the state store,
 * and copies between two processes on this machine. Figures depend on the machine and on what else it does; the ratio of
 * the first root to reading and hashing is taken within one run.
 */
import fs from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import Table from 'cli-table3'
import { pino } from 'pino'
import { blake3 } from '../../dist/crypto/index.js'
import { StateStore } from '../../dist/state/index.js'
import { parseOptions } from '../options.js'
import { measureCopy, measureUpdate } from './state-copy.js'
import { type Figure, fillFiles } from './state-files.js'

const USAGE =
  'usage: npm run bench state -- [--mb 1024] [--files 10000] [--memory-mb 2048, 0 to leave it out] [--times 3] [--dir DIR] [--json FILE]'
const { values } = parseOptions(USAGE, {
  allowPositionals: true,
  options: {
    mb: { type: 'string', default: '1024' },
    files: { type: 'string', default: '10000' },
    'memory-mb': { type: 'string', default: '2048' },
    times: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'string' }
  }
})
const megabytes = Number(values.mb)
const fileCount = Number(values.files)
const memoryMegabytes = Number(values['memory-mb'])
const times = Number(values.times)
if (![megabytes, fileCount, times].every((value) => value >= 1) || !(memoryMegabytes >= 0)) {
  console.error(USAGE)
  process.exit(2)
}
const log = pino({ level: 'silent' })
const base = fs.mkdtempSync(path.join(values.dir, 'hp-bench-state-'))
const figures: Figure[] = []

function add(figure: Figure): void {
  figures.push(figure)
  console.error(`${figure.name}: ${figure.value} ${figure.note}`)
}

async function timeOf(work: () => unknown): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

const open = (name: string): Promise<StateStore> =>
  StateStore.open({ stateDir: path.join(base, name, 'state'), metaDir: path.join(base, name, 'hist'), log })

async function scanAndCommit(store: StateStore): Promise<void> {
  const { root } = await store.scan()
  await store.commit(root)
}

/** Best and median of `count` runs. */
async function repeat(
  name: string,
  wanted: string,
  count: number,
  prepare: (i: number) => void,
  work: () => unknown
): Promise<void> {
  const all: number[] = []
  for (let i = 0; i < count; i++) {
    prepare(i)
    all.push(await timeOf(work))
  }
  all.sort((a, b) => a - b)
  const median = all[count >> 1] as number
  add({ name, value: `${median.toFixed(2)} ms`, wanted, note: `median of ${count}, best ${all[0]?.toFixed(2)}` })
}

/** Changes 4 KiB in the middle of a file. */
function patch(file: string, seed: number, at: number): void {
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, Buffer.alloc(Math.min(4096, fs.fstatSync(fd).size), seed + 1), 0, undefined, at)
  fs.closeSync(fd)
}

async function benchTiny(): Promise<void> {
  const store = await open('tiny')
  for (let i = 0; i < 5; i++) fs.writeFileSync(path.join(store.stateDir, `f${i}`), `${i}`)
  await scanAndCommit(store)
  const change = (i: number) => fs.writeFileSync(path.join(store.stateDir, 'f0'), `change ${i}`)
  const nothing = () => undefined
  await repeat('5 files, nothing changed: scan + commit', '< 2 ms', 200, nothing, () => scanAndCommit(store))
  await repeat('5 files, one changed: scan + commit', '< 2 ms', 200, change, () => scanAndCommit(store))
  await repeat('5 files, one changed: rollback', '', 100, change, () => store.rollback())
  await store.close()
}

/** The least that a first root can cost: reading and hashing each file. */
function readAndHash(dir: string, buffer = Buffer.allocUnsafeSlow(2 ** 20)): void {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const file = path.join(dir, entry.name)
    if (entry.isDirectory()) {
      readAndHash(file, buffer)
      continue
    }
    const fd = fs.openSync(file, 'r')
    for (let count = 1; count > 0; ) {
      count = fs.readSync(fd, buffer)
      if (count > 0) blake3(buffer.subarray(0, count))
    }
    fs.closeSync(fd)
  }
}

async function benchLarge(): Promise<void> {
  const what = `${fileCount} files, ${megabytes} MB`
  let store = await open('large')
  const { stateDir } = store
  fillFiles(stateDir, megabytes, fileCount)
  readAndHash(stateDir)
  const first = await timeOf(() => store.scan())
  // Best of some, and best of the first roots of some new stores: the machine may be busy just then.
  const least: number[] = []
  const roots = [first]
  for (let i = 0; i < times; i++) {
    least.push(await timeOf(() => readAndHash(stateDir)))
    const other = await StateStore.open({ stateDir, metaDir: path.join(base, `other${i}`), log })
    roots.push(await timeOf(() => other.scan()))
    await other.close()
    fs.rmSync(path.join(base, `other${i}`), { recursive: true })
  }
  const ratio = Math.min(...roots) / Math.min(...least)
  add({
    name: `${what}: first root`,
    value: `${ratio.toFixed(2)} x`,
    wanted: '<= 2 x',
    note: `${Math.min(...roots).toFixed(0)} ms; reading + BLAKE3 alone ${Math.min(...least).toFixed(0)} ms`
  })
  const commit = await timeOf(() => scanAndCommit(store))
  add({ name: `${what}: first commit`, value: `${commit.toFixed(0)} ms`, wanted: '', note: 'all files are copied' })
  await store.scan()
  const change = (i: number) => patch(path.join(stateDir, `d${i % 100}`, `file${i}`), i, 0)
  await repeat(`${what}, 4 KB changed: scan + commit`, '< 150 ms', 15, change, () => scanAndCommit(store))
  await repeat(`${what}, 4 KB changed: rollback`, '', 10, change, () => store.rollback())
  const agreed = store.committedRoot
  const nothing = () => undefined
  await repeat(`${what}: check of state and snapshot (recover)`, '', 10, nothing, () => store.recover(agreed))
  await store.close()
  let hashedFiles = 0
  const reopened = await timeOf(async () => {
    store = await open('large')
    hashedFiles = (await store.scan()).hashedFiles
  })
  add({
    name: `${what}: open + scan`,
    value: `${reopened.toFixed(0)} ms`,
    wanted: '',
    note: `${hashedFiles} files read`
  })
  await store.close()
  fs.rmSync(path.join(base, 'large'), { recursive: true })
}

async function benchOneFile(): Promise<void> {
  const store = await open('one')
  fillFiles(store.stateDir, megabytes, 1)
  await scanAndCommit(store)
  const change = (i: number) => patch(path.join(store.stateDir, 'd0/file0'), i, i * 500_000)
  const name = `one file of ${megabytes} MB, 4 KB changed: scan + commit`
  await repeat(name, '', 5, change, () => scanAndCommit(store))
  await store.close()
  fs.rmSync(path.join(base, 'one'), { recursive: true })
}

async function benchCopies(): Promise<void> {
  const [rate, memory] = await measureCopy({ base, megabytes, fileCount: Math.min(fileCount, megabytes) }, times)
  for (const figure of [rate, memory]) if (figure !== undefined) add(figure)
  if (memoryMegabytes > 0) {
    const many = await measureCopy({ base, megabytes: memoryMegabytes, fileCount: memoryMegabytes }, 1)
    if (many[1] !== undefined) add(many[1])
  }
  add(await measureUpdate({ base, megabytes: 100, fileCount: 1000 }))
}

try {
  await benchTiny()
  await benchLarge()
  await benchOneFile()
  await benchCopies()
} finally {
  fs.rmSync(base, { recursive: true, force: true })
}
const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, load: loadavg()[0]?.toFixed(1) }
if (values.json !== undefined) {
  fs.writeFileSync(values.json, `${JSON.stringify({ machine, megabytes, fileCount, figures }, null, 2)}\n`)
}
const table = new Table({ head: ['what', 'measured', 'wanted', ''], style: { head: [], border: [] } })
for (const { name, value, wanted, note } of figures) table.push([name, value, wanted, note])
console.log(table.toString())
console.log(`${machine.cores} cores (${machine.cpu}), load ${machine.load}`)
