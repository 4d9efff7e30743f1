import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { hashState, type StateStore } from '../../../../src/state/index.js'
import { Sandbox } from '../helpers.js'
import { changeFiles } from './change-files.js'
import { compileChild, type Outcome, runChild } from './child-process.js'

/** Kills in the middle of each operation; HP_CRASH_RUNS asks for more. */
const RUNS = Number(process.env.HP_CRASH_RUNS ?? 50)
/** Where the machine is so busy that the kill often comes too late, more are tried. */
const TRIES = RUNS * 6
const TIMEOUT_MS = 60_000 + RUNS * 6000

let code: string
beforeAll(() => {
  code = compileChild()
}, 60_000)
afterAll(() => fs.rmSync(code, { recursive: true, force: true }))

class CrashBox extends Sandbox {
  get agreed(): string {
    return fs.readFileSync(path.join(this.dir, 'agreed'), 'utf8')
  }

  /** A first state that is agreed and committed. */
  async start(): Promise<void> {
    const store = await this.open()
    changeFiles(this.stateDir, 1)
    const { root } = await store.scan()
    await store.commit(root)
    fs.writeFileSync(path.join(this.dir, 'agreed'), root)
    await store.close()
  }

  /** Opens what a kill left, and checks that both the files and the store are what `expected` names. */
  async check(expected: string[]): Promise<string> {
    const store = await this.open()
    try {
      const root = await recoverOne(store, expected)
      expect(store.committedRoot).toBe(root)
      expect(store.isIntact).toBe(true)
      // Read anew, without anything that the store remembers.
      expect((await hashState(this.stateDir)).root).toBe(root)
      expect((await hashState(store.reader.dir)).root).toBe(root)
      return root
    } finally {
      await store.close()
    }
  }
}

async function recoverOne(store: StateStore, roots: string[]): Promise<string> {
  for (const root of roots) if ((await store.recover(root)) !== 'unknown') return root
  throw new Error(`the state is none of ${roots.join(', ')}`)
}

async function withBox(work: (box: CrashBox) => Promise<void>): Promise<void> {
  const box = new CrashBox()
  try {
    await box.start()
    await work(box)
  } finally {
    await box.destroy()
  }
}

/** Kills children at instants that are spread over the whole operation, and lets `check` look at what each leaves. */
async function killMany(
  runs: number,
  run: (seed: number, delayMs: number) => Promise<Outcome>,
  check: (seed: number, outcome: Outcome) => Promise<void>
): Promise<void> {
  const spans: number[] = []
  let cuts = 0
  for (let seed = 2; cuts < runs; seed++) {
    if (seed > TRIES) throw new Error(`only ${cuts} of ${TRIES} kills came in the middle of the operation`)
    const mustMeasure = spans.length < 3
    const spanMs = [...spans].sort((a, b) => a - b)[1] ?? 0
    // By turns from the beginning to the end, and anywhere in the step.
    const outcome = await run(seed, mustMeasure ? -1 : (spanMs * ((seed % runs) + Math.random())) / runs)
    if (mustMeasure) spans.push(outcome.spanMs)
    if (outcome.isCut) cuts++
    await check(seed, outcome)
  }
}

it.concurrent.each(['scan', 'commit', 'rollback', 'execution'])(
  `finds an agreed root after each of ${RUNS} kills during %s`,
  (mode) =>
    withBox((box) =>
      killMany(
        RUNS,
        (seed, delayMs) => runChild(code, [mode, box.dir, seed, delayMs]),
        async (seed) => {
          await box.check([box.agreed])
          // Without the index everything is read again: what it said was true.
          if (seed % 5 === 0) fs.rmSync(path.join(box.metaDir, 'index'), { force: true })
        }
      )
    ),
  TIMEOUT_MS
)

it.concurrent.each([
  ['copy', RUNS],
  ['install', Math.ceil(RUNS / 2)]
] as const)(
  'finds an agreed root after each kill during %s (%d of them), and goes on from there',
  (mode, runs) =>
    withBox(async (box) => {
      const before = box.agreed
      const targets: string[] = []
      for (const which of [0, 1]) {
        const source = path.join(box.dir, `source${which}`)
        for (const seed of [30 + which, 31 + which, 32 + which]) changeFiles(source, seed)
        targets.push((await hashState(source)).root)
      }
      let last = before
      let resumed = 0
      await killMany(
        runs,
        (seed, delayMs) => runChild(code, [mode, box.dir, seed, delayMs]),
        async (seed) => {
          last = await box.check([targets[seed % 2]!, last])
          const fetched = path.join(box.metaDir, 'fetched/files')
          // Now and then the copy begins anew, else it would soon have nothing left to fetch.
          if (fs.existsSync(fetched)) resumed++
          if (seed % 3 === 0) fs.rmSync(path.join(box.metaDir, 'fetched'), { recursive: true, force: true })
        }
      )
      expect(resumed).toBeGreaterThan(0)
    }),
  TIMEOUT_MS
)
