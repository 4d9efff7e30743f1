/**
 * Does one operation on a state and is killed by SIGKILL from a thread of its own after a delay, wherever it is then.
 * Arguments: mode, directory, seed, delay in ms (negative: it lives and prints how long the operation took).
 */
import fs from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { pino } from 'pino'
import { hashState, StateStore, syncState } from '../../../../src/state/index.js'
import { changeFiles } from './change-files.js'
import { serveTree } from './serve-tree.js'

const [mode, dir, seedText, delayText] = process.argv.slice(2) as [string, string, string, string]
const seed = Number(seedText)
const delayMs = Number(delayText)
const stateDir = path.join(dir, 'state')
const log = pino({ level: 'silent' })
const say = (word: string) => fs.writeSync(1, `${word}\n`)

const KILLER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const flags = new Int32Array(workerData.shared)
  parentPort.postMessage('ready')
  Atomics.wait(flags, 0, 0)
  Atomics.wait(flags, 1, 0, workerData.delayMs)
  process.kill(process.pid, 'SIGKILL')
`

/** Returns what starts the delay. */
async function armKiller(): Promise<() => void> {
  if (delayMs < 0) return () => undefined
  const shared = new SharedArrayBuffer(8)
  const worker = new Worker(KILLER, { eval: true, workerData: { shared, delayMs } })
  await new Promise((resolve) => worker.once('message', resolve))
  const flags = new Int32Array(shared)
  return () => {
    Atomics.store(flags, 0, 1)
    Atomics.notify(flags, 0)
  }
}

const openStore = () => StateStore.open({ stateDir, metaDir: path.join(dir, 'hist'), log })

/** What comes before the operation; returns the operation. */
async function prepare(startKiller: () => void): Promise<() => Promise<unknown> | undefined> {
  if (mode === 'execution') return () => changeFiles(stateDir, seed)
  const store = await openStore()
  if (mode === 'copy' || mode === 'install') {
    const source = path.join(dir, `source${seed % 2}`)
    const { tree, root } = await hashState(source)
    return () =>
      syncState({
        store,
        target: root,
        log,
        fetchChunks: serveTree(source, tree, root),
        onBadSource: () => undefined,
        onProgress: ({ phase }) => {
          say(phase)
          if (mode !== 'install' || phase !== 'applying') return
          startMs = performance.now()
          startKiller()
        }
      })
  }
  changeFiles(stateDir, seed)
  if (mode === 'scan') return () => store.scan()
  const { root } = await store.scan()
  if (mode === 'rollback') return () => store.rollback()
  // As a node writes its ledger before it commits.
  fs.writeFileSync(path.join(dir, 'agreed.tmp'), root)
  fs.renameSync(path.join(dir, 'agreed.tmp'), path.join(dir, 'agreed'))
  return () => store.commit(root)
}

let startMs = 0
const startKiller = await armKiller()
const operation = await prepare(startKiller)
say('begin')
startMs = performance.now()
if (mode !== 'install') startKiller()
await operation()
say(`end ${performance.now() - startMs}`)
if (delayMs >= 0) await new Promise(() => setInterval(() => undefined, 1000))
process.exit(0)
