import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hashState, type StateStore, type SyncOptions, syncState } from '../../../src/state/index.js'
import { listTree, log, makeBytes, quickDir, Sandbox } from './helpers.js'

describe('unusual states', { timeout: 240_000 }, () => {
  let from: Sandbox
  let to: Sandbox
  let source: StateStore
  let target: StateStore
  beforeEach(async () => {
    const base = quickDir(4 * 2 ** 30)
    from = new Sandbox(base)
    to = new Sandbox(base)
    source = await from.open()
    target = await to.open()
  }, 60_000)
  afterEach(async () => {
    await from.destroy()
    await to.destroy()
  }, 120_000)

  async function commit(): Promise<string> {
    const { root } = await source.scan()
    await source.commit(root)
    return root
  }

  const copy = (root: string, extra: Partial<SyncOptions> = {}) =>
    syncState({
      store: target,
      target: root,
      log,
      fetchChunks: async (wants) => ({ source: 'peer', chunks: await source.reader.readChunks(root, wants) }),
      onBadSource: () => expect.unreachable(),
      ...extra
    })

  it('holds, undoes and copies 100,000 small files', async () => {
    for (let i = 0; i < 100_000; i++) {
      if (i % 1000 === 0) fs.mkdirSync(from.path(`d${i / 1000}`), { recursive: true })
      fs.writeFileSync(from.path(`d${Math.floor(i / 1000)}/${i}`), `small file ${i}`)
    }
    const root = await commit()
    fs.rmSync(from.path('d7'), { recursive: true })
    fs.writeFileSync(from.path('d8/8500'), 'other')
    expect((await source.scan()).root).not.toBe(root)
    expect(await source.rollback()).toBe(root)
    const { totalFiles, fetchedChunks } = await copy(root)
    expect(totalFiles).toBe(100_000)
    expect(fetchedChunks).toBeGreaterThanOrEqual(100_000)
    expect((await hashState(to.stateDir)).root).toBe(root)
    fs.writeFileSync(from.path('d9/9500'), 'changed')
    const again = await copy(await commit())
    expect(again.fetchedBytes).toBeLessThan(300_000)
  })

  it('holds, undoes and copies one file of 1 GiB, and only the blocks of it that change', async () => {
    const patch = (at: number, bytes: Uint8Array) => {
      const fd = fs.openSync(from.path('large'), fs.constants.O_RDWR | fs.constants.O_CREAT)
      fs.writeSync(fd, bytes, 0, bytes.length, at)
      fs.closeSync(fd)
    }
    patch(0, makeBytes(12_000_000, 1))
    patch(2 ** 29 + 17, makeBytes(1_000_000, 2))
    fs.truncateSync(from.path('large'), 2 ** 30)
    const root = await commit()
    patch(2 ** 29, Buffer.from('unwanted'))
    expect((await source.scan()).root).not.toBe(root)
    expect(await source.rollback()).toBe(root)
    const { fetchedBytes, totalBytes } = await copy(root)
    expect(fetchedBytes).toBeLessThan(14_000_000)
    expect(totalBytes).toBeLessThan(14_000_000)
    const stat = fs.statSync(to.path('large'))
    expect(stat.size).toBe(2 ** 30)
    // Zeros take no room on the disk.
    expect(stat.blocks * 512).toBeLessThan(20_000_000)
    patch(2 ** 30 - 4096, makeBytes(4096, 3))
    const next = await commit()
    expect((await copy(next)).fetchedBytes).toBeLessThan(2 ** 20)
    expect((await hashState(to.stateDir)).root).toBe(next)
  })

  it('copies odd names as they are', async () => {
    const names = [
      ' ',
      '-rf *',
      '.hidden',
      '...',
      'a\nb',
      'tab\tand\x01control\x7f',
      '"quotes\'`$(x)',
      'back\\slash\\..\\x',
      'C:',
      'e\u0301 decomposed',
      '\u00e9 composed',
      '\u202eright to left',
      '\u{1f600}'.repeat(63),
      'x'.repeat(255),
      '\ufeffmark',
      'constructor',
      '__proto__',
      'hist',
      'staged-1'
    ]
    for (const name of names) {
      from.write(name, `content of ${name}`)
      from.write(`dirs/${name}/${name}`, name, 0o755)
    }
    fs.symlinkSync('e\u0301 decomposed', from.path('link\n'))
    const root = await commit()
    await copy(root)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
    expect(fs.readdirSync(to.stateDir, { recursive: true })).toHaveLength(3 * names.length + 2)
    expect((await hashState(to.stateDir)).root).toBe(root)
  })

  it('writes nothing through symlinks that lead outside, whoever made them', async () => {
    from.write('dir/sub/file', 'content')
    from.write('file', makeBytes(200_000, 1))
    const root = await commit()
    const outside = path.join(to.dir, 'outside')
    fs.mkdirSync(path.join(outside, 'sub'), { recursive: true })
    fs.writeFileSync(path.join(outside, 'precious'), 'precious')
    for (const dir of [to.stateDir, target.reader.dir]) {
      fs.symlinkSync(outside, path.join(dir, 'dir'))
      fs.symlinkSync(path.join(outside, 'precious'), path.join(dir, 'file'))
    }
    await copy(root)
    expect(listTree(to.stateDir)).toEqual(listTree(from.stateDir))
    expect(listTree(outside)).toEqual({ precious: 'file - precious', sub: 'dir' })
    expect(fs.existsSync(path.join(outside, 'sub/file'))).toBe(false)
  })

  it('finishes a copy that takes longer than many ledgers of its source', async () => {
    from.write('large', makeBytes(6_000_000, 1))
    for (let i = 0; i < 100; i++) from.write(`many/${i}`, makeBytes(10_000, i))
    const root = await commit()
    let isCopied = false
    let commits = 0
    const change = async () => {
      while (!isCopied) {
        commits++
        from.write('large', makeBytes(6_000_000 - commits, commits % 2))
        from.write(`many/${commits % 100}`, `changed ${commits}`)
        fs.rmSync(from.path(`many/${(commits * 7 + 1) % 100}`), { force: true })
        await commit()
        await delay(100)
      }
    }
    const slow: SyncOptions['fetchChunks'] = async (wants) => {
      const before = commits
      const chunks = await source.reader.readChunks(root, wants)
      while (commits < before + 2) await delay(5)
      return { source: 'peer', chunks }
    }
    const changing = change()
    try {
      await copy(root, { fetchChunks: slow, parallel: 1 })
    } finally {
      isCopied = true
      await changing
    }
    expect(commits).toBeGreaterThan(10)
    expect(target.committedRoot).toBe(root)
    expect(source.committedRoot).not.toBe(root)
    expect((await hashState(to.stateDir)).root).toBe(root)
  })
})
