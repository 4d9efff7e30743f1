import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { EMPTY_ROOT } from '../../../src/state/index.js'
import { listTree, Sandbox } from './helpers.js'

/** Kills; HP_CRASH_RUNS asks for more. */
const RUNS = Number(process.env.HP_CRASH_RUNS ?? 12)
const CHILD = fileURLToPath(new URL('./crash-child.ts', import.meta.url))

async function waitForReady(child: ChildProcess): Promise<void> {
  for await (const data of child.stdout!) {
    if (String(data).includes('ready')) return
    throw new Error(`the child said ${data}`)
  }
  throw new Error('the child ended before it was ready')
}

it(
  `always finds an agreed root after a kill (${RUNS} of them)`,
  async () => {
    const box = new Sandbox()
    const agreedFile = path.join(box.dir, 'agreed')
    fs.writeFileSync(agreedFile, EMPTY_ROOT)
    let commits = 0
    try {
      for (let run = 0; run < RUNS; run++) {
        const child = spawn(process.execPath, ['--import', 'tsx', CHILD, box.dir, String(run)], {
          stdio: ['ignore', 'pipe', 'inherit']
        })
        const exited = once(child, 'exit')
        try {
          await waitForReady(child)
          // The instant is what is random here; nothing depends on how far the child has come.
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 250))
        } finally {
          child.kill('SIGKILL')
          // An error in the child is none of the crashes that are meant.
          expect((await exited)[1]).toBe('SIGKILL')
        }
        const agreed = fs.readFileSync(agreedFile, 'utf8')
        if (agreed !== EMPTY_ROOT) commits++
        const store = await box.open()
        // Every other time the next child has to recover by itself.
        if (run % 2 === 0) {
          expect(await store.recover(agreed)).not.toBe('unknown')
          expect(store.committedRoot).toBe(agreed)
          expect(store.isIntact).toBe(true)
          expect((await store.scan()).root).toBe(agreed)
          expect(listTree(box.stateDir)).toEqual(listTree(store.reader.dir))
        }
        await store.close()
        // Without the index everything is read again: what it said was true.
        if (run % 3 === 0) fs.rmSync(path.join(box.metaDir, 'index'), { force: true })
      }
      expect(commits).toBeGreaterThan(0)
    } finally {
      await box.destroy()
    }
  },
  30_000 + RUNS * 5000
)
