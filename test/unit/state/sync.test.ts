import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blake3Hex } from '../../../src/crypto/index.js'
import { rootWant } from '../../../src/state/chunks.js'
import type { ChunkWant, FetchChunks, StateStore, SyncOptions } from '../../../src/state/index.js'
import { ROOT_LEVEL, syncState } from '../../../src/state/index.js'
import { contentHash, encodeRootChunk, rootOf } from '../../../src/state/tree.js'
import { listTree, log, makeBytes, Sandbox } from './helpers.js'

describe('copying a state', { timeout: 60_000 }, () => {
  let from: Sandbox
  let to: Sandbox
  let source: StateStore
  let target: StateStore
  const blamed: string[] = []

  beforeEach(async () => {
    from = new Sandbox()
    to = new Sandbox()
    source = await from.open()
    target = await to.open()
    blamed.length = 0
  }, 60_000)
  afterEach(async () => {
    await from.destroy()
    await to.destroy()
  }, 60_000)

  const serve =
    (root: string, name = 'peer'): FetchChunks =>
    async (wants) => ({
      source: name,
      chunks: await Promise.all(wants.map((want) => source.reader.readChunk(root, want)))
    })

  const copy = (root: string, extra: Partial<SyncOptions> = {}) =>
    syncState({
      store: target,
      target: root,
      fetchChunks: serve(root),
      onBadSource: (name) => blamed.push(name),
      log,
      ...extra
    })

  async function commitSource(): Promise<string> {
    const { root } = await source.scan()
    await source.commit(root)
    return root
  }

  function fill(): void {
    from.write('small', 'small')
    from.write('empty', '')
    from.write('run', '#!', 0o755)
    from.write('dir/deep/er/file', makeBytes(100_000, 1))
    from.write('big', makeBytes(5_000_001, 2))
    for (let i = 0; i < 800; i++) from.write(`many/some longer name ${i}`, `${i}`)
    fs.mkdirSync(from.path('nothing'))
    fs.symlinkSync('dir/deep', from.path('link'))
    fs.symlinkSync('../big', from.path('dir/up'))
  }

  it('copies everything, then only what differs', async () => {
    fill()
    const root = await commitSource()
    const first = await copy(root)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
    expect(target.committedRoot).toBe(root)
    expect(first.fetchedBytes).toBeGreaterThan(5_000_000)
    expect(fs.existsSync(path.join(to.metaDir, 'fetched'))).toBe(false)

    from.write('big', Buffer.concat([makeBytes(5_000_001, 2).subarray(0, 4_999_000), Buffer.from('end')]))
    fs.renameSync(from.path('dir/deep'), from.path('moved'))
    fs.rmSync(from.path('link'))
    const second = await copy(await commitSource())
    expect(second.fetchedBytes).toBeLessThan(100_000)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
    expect(await target.recover(source.committedRoot)).toBe('clean')
  })

  it('uses what only the changed state directory has', async () => {
    fill()
    const root = await commitSource()
    fs.cpSync(from.stateDir, to.stateDir, { recursive: true, verbatimSymlinks: true })
    fs.renameSync(to.path('big'), to.path('big2'))
    to.write('big', 'in the way')
    const { fetchedBytes } = await copy(root)
    expect(fetchedBytes).toBeLessThan(500_000)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
  })

  it('goes on after a cut with what it had', async () => {
    fill()
    const root = await commitSource()
    const abort = new AbortController()
    let chunks = 0
    const cutting: FetchChunks = async (wants, attempt, signal) => {
      chunks += wants.length
      if (chunks > 100) abort.abort(new Error('cut'))
      return serve(root)(wants, attempt, signal)
    }
    const before = await copy(root, { fetchChunks: cutting, signal: abort.signal, parallel: 1 }).catch((error) => error)
    expect(before.message).toBe('cut')
    await target.close()
    fs.appendFileSync(path.join(to.metaDir, 'fetched/chunks'), Buffer.alloc(30))
    target = await to.open()
    const after = await copy(root)
    expect(after.resumedBytes).toBeGreaterThan(1_000_000)
    expect(after.fetchedBytes).toBeLessThan(5_000_000)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
  })

  it('puts large new files in place as they are: executable, with holes, with what an earlier copy left', async () => {
    from.write('tool', makeBytes(9_000_000, 1), 0o755)
    from.write('holes', Buffer.concat([Buffer.alloc(2_000_000), makeBytes(1_000_000, 2), Buffer.alloc(2_000_001)]))
    for (let i = 0; i < 20; i++) from.write(`dir/${i}`, makeBytes(1_000_000 + i, 10 + i))
    to.write('dir/3', 'in the way')
    to.write('dir/4', makeBytes(1_000_000, 14))
    const root = await commitSource()
    const abort = new AbortController()
    let blocks = 0
    const cutting: FetchChunks = async (wants, attempt, signal) => {
      blocks += wants.filter(({ level }) => level === 0).length
      if (blocks > 250) abort.abort(new Error('cut'))
      return serve(root)(wants, attempt, signal)
    }
    await expect(copy(root, { fetchChunks: cutting, signal: abort.signal })).rejects.toThrow('cut')
    expect(fs.readdirSync(path.join(to.metaDir, 'fetched/files')).length).toBeGreaterThan(2)
    expect(fs.existsSync(path.join(to.metaDir, 'fetched/twins'))).toBe(false)
    await copy(root)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
    expect(listTree(target.snapshotDir)).toEqual(listTree(source.snapshotDir))
    expect(fs.statSync(to.path('tool')).mode & 0o777).toBe(0o755)
    // Nothing of the state is shared with the snapshot: the contract writes to its files in place.
    expect(fs.statSync(to.path('tool')).ino).not.toBe(fs.statSync(path.join(target.snapshotDir, 'tool')).ino)
    expect(fs.statSync(to.path('tool')).nlink).toBe(1)
    expect(await target.recover(root, { reread: true })).toBe('clean')
  })

  it('removes what a copy that was killed has left beside its files, without harm', async () => {
    fill()
    const root = await commitSource()
    const twins = path.join(to.metaDir, 'fetched/twins')
    fs.mkdirSync(path.join(twins, 'x'), { recursive: true })
    fs.writeFileSync(path.join(twins, 'left'), 'left')
    await target.close()
    target = await to.open()
    expect(fs.existsSync(twins)).toBe(false)
    fs.mkdirSync(path.dirname(twins), { recursive: true })
    fs.symlinkSync(to.stateDir, twins)
    await copy(root)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
  })

  it('asks for less at a time where answers come too late', async () => {
    fill()
    const root = await commitSource()
    const asked: number[] = []
    const narrow: FetchChunks = async (wants, attempt, signal) => {
      const bytes = wants.reduce((sum, want) => sum + want.bytes, 0)
      asked.push(bytes)
      // A line that carries 128 KiB in the time, and no more.
      if (bytes > 128 * 1024) return new Promise(() => undefined)
      return serve(root)(wants, attempt, signal)
    }
    await copy(root, { fetchChunks: narrow, timeoutMs: 400 })
    expect(target.committedRoot).toBe(root)
    expect(Math.max(...asked)).toBeGreaterThan(1_000_000)
    expect(blamed).toEqual([])
  })

  it('fetches a block that is wanted in many places once', async () => {
    for (let i = 0; i < 20; i++) from.write(`same/${i}`, makeBytes(1_000_000, 1))
    const root = await commitSource()
    const { totalBytes, doneBytes, fetchedBytes } = await copy(root)
    expect(totalBytes).toBe(20_000_000)
    expect(doneBytes).toBe(totalBytes)
    expect(fetchedBytes).toBeLessThan(1_100_000)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
  })

  it('goes on with a newer root after a cut', async () => {
    for (let i = 0; i < 12; i++) from.write(`f${i}`, makeBytes(1_000_000, i))
    const first = await commitSource()
    const abort = new AbortController()
    let requests = 0
    const cutting: FetchChunks = async (wants, attempt, signal) => {
      if (++requests > 5) abort.abort(new Error('cut'))
      return serve(first)(wants, attempt, signal)
    }
    await expect(copy(first, { fetchChunks: cutting, signal: abort.signal, parallel: 1 })).rejects.toThrow('cut')
    // What was fetched is wanted at another path, and one file no more.
    fs.renameSync(from.path('f0'), from.path('moved'))
    from.write('f1', makeBytes(1_000_000, 100))
    const second = await commitSource()
    const { resumedBytes, fetchedBytes } = await copy(second)
    expect(resumedBytes).toBeGreaterThan(2_000_000)
    expect(fetchedBytes).toBeLessThan(10_500_000)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
  })

  it('serves a root for a while after newer ones', async () => {
    fill()
    const root = await commitSource()
    expect(await source.reader.readChunk(root, rootWant(root))).toBeDefined()
    from.write('small', 'other')
    from.write('big', makeBytes(4_000_000, 9))
    fs.rmSync(from.path('dir'), { recursive: true })
    fs.rmSync(from.path('many'), { recursive: true })
    from.write('many', 'a file now')
    await commitSource()
    from.write('big', makeBytes(4_000_000, 10))
    expect(await commitSource()).not.toBe(root)
    await copy(root)
    expect(target.committedRoot).toBe(root)
    await expect(copy('ab'.repeat(32), { attempts: 2 })).rejects.toMatchObject({ code: 'unavailable' })
  })

  const lies: [string, (want: ChunkWant, bytes: Uint8Array) => unknown][] = [
    ['a changed byte', (_want, bytes) => Buffer.from(bytes).fill(0xa5, 0, 1)],
    ['a truncated chunk', (_want, bytes) => bytes.subarray(0, bytes.length - 1)],
    ['too many bytes', (_want, bytes) => Buffer.concat([bytes, Buffer.alloc(1_000_000)])],
    ['nothing', () => new Uint8Array(0)],
    ['only wrong roots', (want, bytes) => (want.level === ROOT_LEVEL ? new Uint8Array(40) : bytes)]
  ]
  it.each(lies)('drops a source that sends %s and copies from another', async (_name, lie) => {
    fill()
    const root = await commitSource()
    const honest = serve(root)
    const mixed: FetchChunks = async (wants, attempt, signal) => {
      const answer = await honest(wants, attempt, signal)
      if (blamed.length > 0 || attempt > 0) return answer
      return { source: 'liar', chunks: answer.chunks.map((bytes, i) => lie(wants[i]!, bytes!) as Uint8Array) }
    }
    await copy(root, { fetchChunks: mixed })
    expect(new Set(blamed)).toEqual(new Set(['liar']))
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
  })

  it('gives up on sources that only lie, fail, are silent or answer with more than was asked', async () => {
    fill()
    const root = await commitSource()
    to.write('mine', 'mine')
    const mine = (await target.scan()).root
    await target.commit(mine)
    const bad: FetchChunks[] = [
      async (wants) => ({ source: 'x', chunks: wants.map(() => Buffer.from('wrong')) }),
      async () => ({ source: 'x', chunks: [] }),
      async () => {
        throw new Error('no peer')
      },
      () => new Promise(() => undefined),
      async (wants) => ({ source: 'x', chunks: Array.from({ length: wants.length + 1000 }, () => undefined) })
    ]
    for (const fetchChunks of bad) {
      await expect(copy(root, { fetchChunks, timeoutMs: 20, attempts: 3 })).rejects.toMatchObject({
        code: 'unavailable'
      })
    }
    expect((await target.scan()).root).toBe(mine)
    expect(await target.recover(mine)).toBe('clean')
  })

  /** A source of whatever listing, consistently hashed, as if a majority had agreed on it. */
  function forge(listingOf: (depth: number) => Buffer): { root: string; fetchChunks: FetchChunks } {
    const top = listingOf(0)
    const dir = { size: top.length, hash: blake3Hex(top) }
    const fetchChunks: FetchChunks = async (wants) => ({
      source: 'forger',
      chunks: wants.map((want) =>
        want.level === ROOT_LEVEL ? encodeRootChunk(dir) : listingOf(want.path === '' ? 0 : want.path.split('/').length)
      )
    })
    return { root: rootOf(dir), fetchChunks }
  }

  function entry(kind: number, name: string, size: number, hash: string): Buffer {
    const rest = Buffer.alloc(40)
    rest.writeBigUInt64BE(BigInt(size))
    rest.write(hash, 8, 'hex')
    return Buffer.concat([Buffer.from([kind, Buffer.byteLength(name)]), Buffer.from(name), rest])
  }

  it('writes nothing for listings with bad paths, nor for ones beyond the limits', async () => {
    to.write('mine', 'mine')
    const mine = (await target.scan()).root
    await target.commit(mine)
    const hash = blake3Hex(Buffer.from('evil'))
    for (const name of ['..', '../evil', '/etc/evil', '.', 'a/b', 'a\0b', '']) {
      const { root, fetchChunks } = forge(() => entry(0, name, 4, hash))
      await expect(copy(root, { fetchChunks, attempts: 2 })).rejects.toMatchObject({ code: 'bad-chunk' })
    }
    const huge = forge(() => entry(0, 'huge', 2 ** 50, hash))
    await expect(copy(huge.root, { fetchChunks: huge.fetchChunks })).rejects.toMatchObject({ code: 'limit' })
    // A chain of directories, deeper than allowed: listings are made from the innermost outwards.
    const chain: Buffer[] = [Buffer.alloc(0)]
    for (let i = 0; i < 80; i++) chain.unshift(entry(2, 'd', chain[0]!.length, contentHashOf(chain[0]!)))
    const deep = forge((depth) => chain[depth]!)
    await expect(copy(deep.root, { fetchChunks: deep.fetchChunks })).rejects.toMatchObject({ code: 'limit' })
    // A directory that is said to contain itself cannot have the right hash.
    const self = forge(() => entry(2, 'self', 46, hash))
    await expect(copy(self.root, { fetchChunks: self.fetchChunks, attempts: 2 })).rejects.toMatchObject({
      code: 'unavailable'
    })
    expect((await target.scan()).root).toBe(mine)
    expect(fs.readdirSync(to.dir).sort()).toEqual(['hist', 'state'])
  })

  function contentHashOf(listing: Buffer): string {
    return listing.length === 0 ? contentHash(listing) : blake3Hex(listing)
  }
})
