import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashState, type StateStore, syncState } from '../../../src/state/index.js'
import { listTree, log, makeBytes, Sandbox } from './helpers.js'

describe('files that somebody else changes', { timeout: 60_000 }, () => {
  let box: Sandbox
  let store: StateStore
  let root: string
  let before: Record<string, string>

  beforeEach(async () => {
    box = new Sandbox()
    store = await box.open()
    box.write('a', 'content')
    box.write('dir/b', makeBytes(200_000, 1))
    box.write('dir/run', '#!', 0o755)
    fs.mkdirSync(box.path('empty'))
    fs.symlinkSync('dir/b', box.path('link'))
    root = (await store.scan()).root
    await store.commit(root)
    before = listTree(box.stateDir)
    // The journal, which could repair the snapshot, is empty then.
    await store.close()
    store = await box.open()
  }, 60_000)
  afterEach(() => box.destroy(), 60_000)

  const damages: [string, (dir: string) => void][] = [
    ['altered', (dir) => fs.writeFileSync(path.join(dir, 'a'), 'CONTENT')],
    ['altered inside', (dir) => patch(path.join(dir, 'dir/b'), 150_000)],
    ['altered and given its old times', (dir) => alterWithOldTimes(path.join(dir, 'a'))],
    ['cut', (dir) => fs.truncateSync(path.join(dir, 'dir/b'), 70_000)],
    ['deleted', (dir) => fs.rmSync(path.join(dir, 'dir'), { recursive: true })],
    ['added', (dir) => fs.writeFileSync(path.join(dir, 'dir/new'), 'new')],
    ['an added directory', (dir) => fs.mkdirSync(path.join(dir, 'more/dirs'), { recursive: true })],
    ['another mode', (dir) => fs.chmodSync(path.join(dir, 'a'), 0o755)],
    ['another kind', (dir) => replace(path.join(dir, 'a'), (file) => fs.mkdirSync(file))],
    ['another target', (dir) => replace(path.join(dir, 'link'), (file) => fs.symlinkSync('a', file))],
    ['the directory itself gone', (dir) => fs.rmSync(dir, { recursive: true })]
  ]
  const expectRepaired = async () => {
    expect(listTree(box.stateDir)).toEqual(before)
    expect(listTree(store.reader.dir)).toEqual(before)
    expect(store.isIntact).toBe(true)
    expect(await store.recover(root)).toBe('clean')
    expect((await hashState(store.reader.dir)).root).toBe(root)
  }

  it.each(damages)('repairs the state and the snapshot under a running store: %s', async (_name, damage) => {
    damage(box.stateDir)
    expect(await store.recover(root)).toBe('restored')
    await expectRepaired()
    damage(store.reader.dir)
    expect(await store.recover(root)).toBe('restored')
    await expectRepaired()
  })

  it.each(damages)('repairs the state and the snapshot of a stopped store: %s', async (_name, damage) => {
    for (const dir of [box.stateDir, store.reader.dir]) {
      await store.close()
      damage(dir)
      store = await box.open()
      expect(await store.recover(root)).toBe('restored')
      await expectRepaired()
    }
  })

  it('says so when both are damaged, and copies only what is bad', async () => {
    const other = new Sandbox()
    try {
      fs.cpSync(box.stateDir, other.stateDir, { recursive: true, verbatimSymlinks: true })
      const source = await other.open()
      await source.commit((await source.scan()).root)
      for (const dir of [box.stateDir, store.reader.dir]) patch(path.join(dir, 'dir/b'), 100_000)
      expect(await store.recover(root)).toBe('unknown')
      expect(store.isIntact).toBe(false)
      const { fetchedBytes } = await copyFrom(source)
      expect(fetchedBytes).toBeLessThan(80_000)
      await expectRepaired()
    } finally {
      await other.destroy()
    }
  })

  const copyFrom = (source: StateStore) =>
    syncState({
      store,
      target: root,
      log,
      fetchChunks: async (wants) => ({ source: 'peer', chunks: await source.reader.readChunks(root, wants) }),
      onBadSource: () => expect.unreachable()
    })

  it('repairs the snapshot from its journal', async () => {
    box.write('dir/c', makeBytes(100_000, 2))
    root = (await store.scan()).root
    await store.commit(root)
    before = listTree(box.stateDir)
    for (const dir of [box.stateDir, store.reader.dir]) patch(path.join(dir, 'dir/c'), 70_000)
    expect(await store.recover(root)).toBe('restored')
    await expectRepaired()
  })

  it('finds damage of the snapshot when it reads it, and does not forget it over a restart', async () => {
    box.write('dir/b', 'changed')
    patch(path.join(store.reader.dir, 'dir/b'), 1000)
    await expect(store.rollback()).rejects.toMatchObject({ code: 'snapshot-damaged' })
    expect(store.isIntact).toBe(false)
    await expect(store.rollback()).rejects.toMatchObject({ code: 'snapshot-damaged' })
    await store.close()
    store = await box.open()
    expect(store.isIntact).toBe(false)
    expect(await store.recover(root)).toBe('unknown')
  })

  it('serves no damaged block, the others still, and repairs it at the next look', async () => {
    patch(path.join(store.reader.dir, 'dir/b'), 1000)
    expect(await store.reader.readBlock('dir/b', 0)).toBeUndefined()
    expect(await store.reader.readBlock('dir/b', 1)).toEqual(makeBytes(200_000, 1).subarray(65_536, 131_072))
    expect(store.isIntact).toBe(false)
    expect(await store.recover(root)).toBe('restored')
    await expectRepaired()
    expect(await store.reader.readBlock('dir/b', 0)).toEqual(makeBytes(200_000, 1).subarray(0, 65_536))
  })

  it('reads everything again when asked', async () => {
    expect(await store.recover(root, { reread: true })).toBe('clean')
    patch(path.join(store.reader.dir, 'dir/b'), 1000)
    expect(await store.recover(root, { reread: true })).toBe('restored')
    await expectRepaired()
  })

  it('never trusts an index with a changed bit', async () => {
    await store.close()
    const file = path.join(box.metaDir, 'index')
    const index = fs.readFileSync(file)
    patch(box.path('a'), 0)
    const altered = (await hashState(box.stateDir)).root
    for (let at = 0; at < index.length; at += Math.ceil(index.length / 40)) {
      const flipped = Buffer.from(index)
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at % 8)), at)
      fs.writeFileSync(file, flipped)
      const reopened = await box.open()
      expect(await reopened.scan()).toMatchObject({ root: altered, changed: true })
      expect(reopened.committedRoot).toBe(root)
      await reopened.close()
    }
  })

  it('never uses fetched bytes in which a bit has changed', async () => {
    const other = new Sandbox()
    try {
      const source = await other.open()
      other.write('large', makeBytes(9_500_000, 4))
      for (let i = 0; i < 300; i++) other.write(`many/${i}`, makeBytes(3000, i))
      root = (await source.scan()).root
      await source.commit(root)
      before = listTree(other.stateDir)
      const abort = new AbortController()
      let asked = 0
      const cut = syncState({
        store,
        target: root,
        log,
        signal: abort.signal,
        parallel: 1,
        fetchChunks: async (wants) => {
          if (++asked > 9) abort.abort(new Error('cut'))
          return { source: 'peer', chunks: await source.reader.readChunks(root, wants) }
        },
        onBadSource: () => expect.unreachable()
      })
      await expect(cut).rejects.toThrow('cut')
      const fetched = path.join(box.metaDir, 'fetched')
      const files = fs.readdirSync(path.join(fetched, 'files')).map((name) => path.join(fetched, 'files', name))
      expect(files.length).toBeGreaterThan(0)
      patch(path.join(fetched, 'chunks'), fs.statSync(path.join(fetched, 'chunks')).size - 500)
      for (const file of files) patch(file, 100_000)
      fs.writeFileSync(path.join(fetched, 'files/junk'), 'junk')
      fs.symlinkSync('/etc', path.join(fetched, 'files/link'))
      const { resumedBytes } = await copyFrom(source)
      expect(resumedBytes).toBeGreaterThan(1_000_000)
      await expectRepaired()
    } finally {
      await other.destroy()
    }
  })
})

function patch(file: string, at: number): void {
  const fd = fs.openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  fs.readSync(fd, byte, 0, 1, at)
  fs.writeSync(fd, Buffer.from([byte.readUInt8(0) ^ 0x40]), 0, 1, at)
  fs.closeSync(fd)
}

function alterWithOldTimes(file: string): void {
  const { atime, mtime } = fs.statSync(file)
  patch(file, 0)
  fs.utimesSync(file, atime, mtime)
}

function replace(file: string, make: (file: string) => void): void {
  fs.rmSync(file, { recursive: true })
  make(file)
}
