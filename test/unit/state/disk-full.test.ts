import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashState, StateError, type StateStore, StateStore as Store, syncState } from '../../../src/state/index.js'
import { serveTree } from './crash/serve-tree.js'
import { log, makeBytes, Sandbox } from './helpers.js'

const DISK_KIB = 64 * 1024
/** As good as all of it. */
const ROOMY_KIB = 60 * 1024

/** Root may mount a small file system in memory; where that is not allowed these tests are skipped. */
function canMount(): boolean {
  const box = new Sandbox()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', box.dir], { stdio: 'ignore' })
    execFileSync('umount', [box.dir], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    fs.rmSync(box.dir, { recursive: true, force: true })
  }
}

const isAllowed = canMount()
if (!isAllowed) console.warn('skipped: a full disk (only root may mount a file system for it)')

describe.skipIf(!isAllowed)('a full disk', { timeout: 240_000 }, () => {
  let box: Sandbox
  let disk: string
  let store: StateStore

  beforeEach(async () => {
    box = new Sandbox()
    disk = path.join(box.dir, 'disk')
    fs.mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_KIB}k,nr_inodes=2000`, 'tmpfs', disk])
    store = await open()
  }, 60_000)
  afterEach(async () => {
    await store.close()
    execFileSync('umount', ['-l', disk])
    await box.destroy()
  }, 60_000)

  const stateDir = () => path.join(disk, 'state')
  const open = () => Store.open({ stateDir: stateDir(), metaDir: path.join(disk, 'hist'), log })
  const reopen = async () => {
    store = await open()
  }
  const ballast = () => path.join(disk, 'ballast')

  /** Leaves that much room on the disk. */
  function leave(kib: number): void {
    fs.rmSync(ballast(), { force: true })
    const { bavail, bsize } = fs.statfsSync(disk)
    const bytes = bavail * bsize - kib * 1024
    if (bytes > 0) fs.writeFileSync(ballast(), Buffer.alloc(bytes))
  }

  function fill(seed: number): void {
    fs.mkdirSync(path.join(stateDir(), 'dir'), { recursive: true })
    for (let i = 0; i < 40; i++) fs.writeFileSync(path.join(stateDir(), 'dir', `${i}`), makeBytes(8000, seed + i))
    fs.writeFileSync(path.join(stateDir(), 'large'), makeBytes(1_500_000, seed))
    fs.rmSync(path.join(stateDir(), 'twin'), { force: true })
    fs.linkSync(path.join(stateDir(), 'large'), path.join(stateDir(), 'twin'))
  }

  /** True when there was no room; any other error is none that may come. */
  async function isFull(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return false
    } catch (error) {
      expect(error).toBeInstanceOf(StateError)
      expect((error as StateError).code, (error as StateError).message).toBe('disk-full')
      expect((error as StateError).message).toMatch(/no room left on the disk while .*: free some space/)
      return true
    }
  }

  async function expectState(root: string): Promise<void> {
    expect(store.committedRoot).toBe(root)
    expect((await hashState(stateDir())).root).toBe(root)
    expect((await hashState(store.reader.dir)).root).toBe(root)
  }

  /** Room in KiB, from none to enough. */
  const ROOMS = [0, 4, 8, 16, 40, 100, 200, 400, 700, 1000, 1400, 1700, 2000, 2500, 3000, 3500, 4000, 5000, 6000, 8000]

  it('stops scan, commit and rollback with clear words and harms nothing, whenever the room ends', async () => {
    const full = { scan: 0, commit: 0, rollback: 0, open: 0 }
    let agreed = store.committedRoot
    for (const [turn, room] of ROOMS.entries()) {
      leave(ROOMY_KIB)
      fill(turn)
      leave(room)
      let scanned: string | undefined
      const scan = async () => {
        scanned = (await store.scan()).root
      }
      if (await isFull(scan)) full.scan++
      let isDone = false
      if (scanned !== undefined) {
        isDone = !(await isFull(() => store.commit(scanned as string)))
        if (!isDone) full.commit++
        // Whatever it was, the ledger says that this is the state.
        agreed = scanned
      }
      if (!isDone && turn % 2 === 0) {
        await store.close()
        if (await isFull(reopen)) {
          full.open++
          leave(ROOMY_KIB)
          await reopen()
        }
      }
      leave(ROOMY_KIB)
      expect(await store.recover(agreed)).not.toBe('unknown')
      await expectState(agreed)
      fs.rmSync(path.join(stateDir(), 'dir'), { recursive: true, force: true })
      fs.writeFileSync(path.join(stateDir(), 'large'), 'gone')
      leave(room / 2)
      if (await isFull(() => store.rollback())) full.rollback++
      leave(ROOMY_KIB)
      expect(await store.rollback()).toBe(agreed)
      await expectState(agreed)
      const left = fs.readdirSync(path.join(disk, 'hist/scratch'))
      expect(left.filter((name) => name.startsWith('copy-'))).toEqual([])
    }
    expect(full.scan).toBeGreaterThan(2)
    expect(full.commit).toBeGreaterThan(2)
    expect(full.rollback).toBeGreaterThan(2)
  })

  it('stops a copy with clear words, whenever the room ends, and finishes it when there is some', async () => {
    fill(1)
    fs.rmSync(path.join(stateDir(), 'twin'))
    let agreed = (await store.scan()).root
    await store.commit(agreed)
    let full = 0
    for (const [turn, room] of [...ROOMS, 9000, 11_000, 14_000, 17_000, 20_000, 24_000].entries()) {
      const source = path.join(box.dir, `source${turn}`)
      fs.mkdirSync(path.join(source, 'many'), { recursive: true })
      // Every other one too large for the journal alone.
      fs.writeFileSync(path.join(source, 'large'), makeBytes(turn % 2 === 0 ? 2_000_000 : 5_000_000, turn))
      if (turn % 2 === 1) fs.writeFileSync(path.join(source, 'second'), makeBytes(4_000_000, 100 + turn))
      for (let i = 0; i < 40; i++) fs.writeFileSync(path.join(source, 'many', `${i}`), makeBytes(3000, turn * 40 + i))
      const { tree, root } = await hashState(source)
      const fetchChunks = serveTree(source, tree, root)
      const copy = () => syncState({ store, target: root, log, fetchChunks, onBadSource: () => expect.unreachable() })
      leave(room)
      if (await isFull(copy)) full++
      leave(ROOMY_KIB)
      if (turn % 3 === 0) {
        await store.close()
        store = await open()
      }
      // It holds the old state or the new one, and nothing between them.
      if ((await store.recover(root)) === 'unknown') expect(await store.recover(agreed)).not.toBe('unknown')
      await expectState(store.committedRoot)
      expect([agreed, root]).toContain(store.committedRoot)
      await copy()
      await expectState(root)
      agreed = root
      fs.rmSync(source, { recursive: true })
    }
    expect(full).toBeGreaterThan(5)
  })

  it('says so too when there is room for no more files', async () => {
    for (let i = 0; i < 1200; i++) fs.writeFileSync(path.join(stateDir(), `f${i}`), `${i}`)
    const { root } = await store.scan()
    expect(await isFull(() => store.commit(root))).toBe(true)
    for (let i = 0; i < 900; i++) fs.rmSync(path.join(stateDir(), `f${i}`))
    const next = (await store.scan()).root
    await store.commit(next)
    await expectState(next)
  })
})
