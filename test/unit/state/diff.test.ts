import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { diffState, EMPTY_ROOT, hashState } from '../../../src/state/index.js'
import { serveTree } from './crash/serve-tree.js'
import { makeBytes, Sandbox } from './helpers.js'

describe('comparing states', { timeout: 60_000 }, () => {
  let here: Sandbox
  let there: Sandbox
  beforeEach(() => {
    here = new Sandbox()
    there = new Sandbox()
    for (const box of [here, there]) {
      box.write('same/deep/file', makeBytes(300_000, 1))
      for (let i = 0; i < 500; i++) box.write(`many/${i}`, `${i}`)
      box.write('a\nb', 'odd')
    }
  })
  afterEach(async () => {
    await here.destroy()
    await there.destroy()
  }, 60_000)

  const diff = async (extra: { maxDifferences?: number; limits?: { entries: number } } = {}) => {
    const local = await hashState(here.stateDir)
    const remote = await hashState(there.stateDir)
    const fetchChunks = serveTree(there.stateDir, remote.tree, remote.root)
    return diffState({ local: local.tree, remote: remote.root, fetchChunks, ...extra })
  }

  it('finds none between equal states, without asking for anything', async () => {
    expect(await diff()).toMatchObject({ isEqual: true, differences: [], total: 0, fetchedBytes: 0 })
  })

  it('tells what differs, and fetches only listings of directories that do', async () => {
    there.write('new', 'new')
    there.write('dir of theirs/x', 'x')
    here.write('mine', 'mine')
    there.write('same/deep/file', makeBytes(300_000, 2))
    there.write('a\nb', 'odd', 0o755)
    fs.symlinkSync('new', there.path('mode'))
    here.write('mode', 'file')
    fs.symlinkSync('a', here.path('link'))
    fs.symlinkSync('b', there.path('link'))
    const { differences, total, isEqual, fetchedBytes } = await diff()
    expect(isEqual).toBe(false)
    expect(total).toBe(7)
    expect(Object.fromEntries(differences.map(({ path: at, kind }) => [at, kind]))).toEqual({
      'a\nb': 'mode',
      'dir of theirs': 'added',
      'same/deep/file': 'changed',
      link: 'changed',
      mine: 'removed',
      mode: 'kind',
      new: 'added'
    })
    expect(differences.find(({ path: at }) => at === 'new')).toMatchObject({
      local: null,
      remote: { kind: 'file', size: 3 }
    })
    expect(fetchedBytes).toBeLessThan(2000)
  })

  it('bounds the list and tells how many there are', async () => {
    for (let i = 0; i < 500; i++) there.write(`many/${i}`, 'other')
    expect(await diff({ maxDifferences: 10 })).toMatchObject({ total: 500 })
    expect((await diff({ maxDifferences: 10 })).differences).toHaveLength(10)
    await expect(diff({ limits: { entries: 100 } })).rejects.toMatchObject({ code: 'limit' })
  })

  it('fails in words when the others do not have the state or lie', async () => {
    const { tree } = await hashState(here.stateDir)
    const lies = [
      async () => ({ source: 'x', chunks: [] }),
      async () => ({ source: 'x', chunks: [Buffer.alloc(40)] }),
      () => new Promise<never>(() => undefined)
    ]
    for (const fetchChunks of lies) {
      const comparing = diffState({ local: tree, remote: 'ab'.repeat(32), fetchChunks, timeoutMs: 20, attempts: 2 })
      await expect(comparing).rejects.toMatchObject({ code: 'unavailable' })
    }
  })
})

describe('the root of a directory', { timeout: 60_000 }, () => {
  let box: Sandbox
  beforeEach(() => {
    box = new Sandbox()
  })
  afterEach(() => box.destroy(), 60_000)

  it('is that of the store, which it does not touch', async () => {
    const store = await box.open()
    box.write('dir/file', makeBytes(100_000, 3), 0o775)
    fs.linkSync(box.path('dir/file'), box.path('other name'))
    const found = await hashState(box.stateDir)
    expect(fs.statSync(box.path('other name')).nlink).toBe(2)
    expect(found).toMatchObject({ root: (await store.scan()).root, entries: 3, bytes: 200_000 })
    fs.rmSync(box.stateDir, { recursive: true })
    fs.mkdirSync(box.stateDir)
    expect((await hashState(box.stateDir)).root).toBe(EMPTY_ROOT)
    fs.symlinkSync(box.stateDir, path.join(box.dir, 'by link'))
    expect((await hashState(path.join(box.dir, 'by link'))).root).toBe(EMPTY_ROOT)
  })

  it('fails in words', async () => {
    await expect(hashState(path.join(box.dir, 'nothing'))).rejects.toThrow(/there is no directory .*nothing/)
    fs.writeFileSync(path.join(box.dir, 'file'), '')
    await expect(hashState(path.join(box.dir, 'file'))).rejects.toThrow(/file is not a directory/)
    box.write('a', 'a')
    fs.symlinkSync('/etc', box.path('out'))
    await expect(hashState(box.stateDir)).rejects.toMatchObject({ code: 'unsupported-entry', path: 'out' })
    await expect(hashState(box.stateDir, { entries: 1 })).rejects.toThrow()
  })
})
