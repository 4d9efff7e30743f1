import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EMPTY_ROOT } from '../../../src/state/index.js'
import { listTree, makeBytes, Sandbox } from './helpers.js'

describe('state store', { timeout: 60_000 }, () => {
  let box: Sandbox
  beforeEach(() => {
    box = new Sandbox()
  })
  afterEach(() => box.destroy(), 60_000)

  it('starts empty and clean', async () => {
    const store = await box.open()
    expect(store.committedRoot).toBe(EMPTY_ROOT)
    expect(await store.recover(EMPTY_ROOT)).toBe('clean')
    expect((await store.scan()).root).toBe(EMPTY_ROOT)
    expect(EMPTY_ROOT).toBe('99debc794fc6074ac1d9adf7b16804a563164e61a3580801c788f63c94ad2d6d')
  })

  it('names content, kind, executable bit, empty directories and symlinks, and nothing else', async () => {
    const store = await box.open()
    const seen = new Set<string>()
    const root = async () => (await store.scan()).root
    const isNew = async () => {
      const before = seen.size
      seen.add(await root())
      return seen.size > before
    }
    expect(await isNew()).toBe(true)
    fs.mkdirSync(box.path('empty'))
    expect(await isNew()).toBe(true)
    box.write('a', 'one')
    expect(await isNew()).toBe(true)
    const plain = await root()
    fs.chmodSync(box.path('a'), 0o755)
    expect(await isNew()).toBe(true)
    fs.chmodSync(box.path('a'), 0o604)
    expect(await root()).toBe(plain)
    fs.utimesSync(box.path('a'), 1, 1)
    fs.renameSync(box.path('a'), box.path('b'))
    expect(await isNew()).toBe(true)
    fs.renameSync(box.path('b'), box.path('a'))
    expect(await root()).toBe(plain)
    fs.symlinkSync('a', box.path('link'))
    expect(await isNew()).toBe(true)
    box.write('.hidden', '')
    expect(await isNew()).toBe(true)
  })

  it('notices a change that keeps size and mtime', async () => {
    const store = await box.open()
    box.write('a', 'one')
    const old = new Date(Date.now() - 100_000)
    fs.utimesSync(box.path('a'), old, old)
    const first = await store.scan()
    fs.writeFileSync(box.path('a'), 'two')
    fs.utimesSync(box.path('a'), old, old)
    expect((await store.scan()).root).not.toBe(first.root)
  })

  it('restores what was changed, added, deleted and turned into another kind', async () => {
    const store = await box.open()
    box.write('dir/a', 'a')
    box.write('dir/run', 'r', 0o755)
    box.write('big', makeBytes(300_001, 1))
    box.write('grow', makeBytes(70_000, 2))
    fs.mkdirSync(box.path('empty/inner'), { recursive: true })
    fs.symlinkSync('dir/a', box.path('link'))
    const { root } = await store.scan()
    await store.commit(root)
    const before = listTree(box.stateDir)

    fs.rmSync(box.path('dir'), { recursive: true })
    box.write('dir', 'now a file')
    fs.rmSync(box.path('link'))
    fs.mkdirSync(box.path('link'))
    box.write('link/x', 'x')
    fs.rmSync(box.path('empty'), { recursive: true })
    fs.symlinkSync('/etc', box.path('empty'))
    const big = makeBytes(300_001, 1)
    big.writeUInt8(big.readUInt8(131_072) ^ 1, 131_072)
    box.write('big', big.subarray(0, 200_000))
    fs.appendFileSync(box.path('grow'), makeBytes(200_000, 3))
    execFileSync('mkfifo', [box.path('pipe')])
    fs.writeFileSync(Buffer.concat([Buffer.from(`${box.stateDir}/`), Buffer.from([0xff, 0xfe])]), 'x')
    fs.mkdirSync(Buffer.concat([Buffer.from(`${box.stateDir}/`), Buffer.from([0x61, 0xfe])]))
    expect(await store.rollback()).toBe(root)
    expect(listTree(box.stateDir)).toEqual(before)
    expect((await store.scan()).root).toBe(root)
    expect(fs.existsSync('/etc/passwd')).toBe(true)
  })

  it('writes only the changed block of a large file into the snapshot', async () => {
    const store = await box.open()
    const bytes = makeBytes(20 * 1024 * 1024, 7)
    box.write('db', bytes)
    await store.commit((await store.scan()).root)
    const inode = fs.statSync(path.join(store.reader.dir, 'db')).ino
    const fd = fs.openSync(box.path('db'), 'r+')
    fs.writeSync(fd, 'changed', 1_000_000)
    fs.closeSync(fd)
    await store.commit((await store.scan()).root)
    expect(fs.statSync(path.join(store.reader.dir, 'db')).ino).toBe(inode)
    expect(fs.statSync(path.join(box.metaDir, 'journal')).size).toBeLessThan(100_000)
    expect(fs.readFileSync(path.join(store.reader.dir, 'db')).equals(fs.readFileSync(box.path('db')))).toBe(true)
  })

  it('gives hard links files of their own and leaves what is outside alone', async () => {
    const store = await box.open()
    const outside = path.join(box.dir, 'outside')
    fs.writeFileSync(outside, 'outside')
    box.write('a', 'inside')
    fs.linkSync(box.path('a'), box.path('b'))
    fs.linkSync(outside, box.path('c'))
    await store.commit((await store.scan()).root)
    fs.writeFileSync(box.path('a'), 'changed')
    fs.writeFileSync(box.path('c'), 'changed')
    expect(box.read('b')).toBe('inside')
    expect(fs.readFileSync(outside, 'utf8')).toBe('outside')
    fs.rmSync(box.path('a'))
    fs.linkSync(outside, box.path('a'))
    await store.rollback()
    expect(listTree(box.stateDir)).toEqual({ a: 'file - inside', b: 'file - inside', c: 'file - outside' })
    expect(fs.readFileSync(outside, 'utf8')).toBe('outside')
  })

  it('makes owner permissions the same everywhere', async () => {
    const store = await box.open()
    box.write('locked/file', 'x', 0o400)
    fs.chmodSync(box.path('locked'), 0o000)
    box.write('suid', 'x', 0o4711)
    const { root } = await store.scan()
    expect(fs.statSync(box.path('locked')).mode & 0o7700).toBe(0o700)
    expect(fs.statSync(box.path('locked/file')).mode & 0o7700).toBe(0o600)
    expect(fs.statSync(box.path('suid')).mode & 0o7700).toBe(0o700)
    await store.commit(root)
    expect((await store.scan()).changed).toBe(false)
  })

  it.each([
    ['a named pipe', (at: string) => void execFileSync('mkfifo', [at])],
    ['an absolute symlink', (at: string) => fs.symlinkSync('/etc/passwd', at)],
    ['a symlink that leaves', (at: string) => fs.symlinkSync('../outside', at)],
    ['a symlink with .. after a name', (at: string) => fs.symlinkSync('dir/../../x', at)]
  ])('refuses %s with its path and a reason', async (_name, make) => {
    const store = await box.open()
    make(box.path('odd'))
    await expect(store.scan()).rejects.toMatchObject({ code: 'unsupported-entry', path: 'odd' })
    await store.rollback()
    expect((await store.scan()).root).toBe(EMPTY_ROOT)
  })

  it('refuses a socket and a name that is not UTF-8', async () => {
    const store = await box.open()
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(box.path('s'), resolve))
    await expect(store.scan()).rejects.toThrow(/a socket/)
    await new Promise<void>((resolve) => server.close(() => resolve()))
    fs.writeFileSync(Buffer.concat([Buffer.from(`${box.stateDir}/`), Buffer.from([0xc3, 0x28])]), 'x')
    await expect(store.scan()).rejects.toMatchObject({ code: 'unsupported-entry' })
  })

  it('keeps odd names, dangling and circular symlinks', async () => {
    const store = await box.open()
    for (const name of [
      'a\nb',
      ' ',
      '-rf',
      '~',
      '\ufffd',
      'ü',
      '\u{1f600}',
      '\uffee',
      "'",
      '"\\',
      'x'.repeat(255),
      '__proto__'
    ]) {
      box.write(name, name)
    }
    fs.symlinkSync('nowhere', box.path('dangling'))
    fs.symlinkSync('loop', box.path('loop'))
    fs.mkdirSync(box.path('d'))
    fs.symlinkSync('..', box.path('d/up'))
    const before = listTree(box.stateDir)
    const { root } = await store.scan()
    await store.commit(root)
    fs.rmSync(box.stateDir, { recursive: true })
    await store.rollback()
    expect(listTree(box.stateDir)).toEqual(before)
    expect((await store.scan()).root).toBe(root)
  })

  it('bounds entries, bytes and depth, and undoes what went beyond', async () => {
    const store = await box.open({ limits: { entries: 50, bytes: 1_000_000 } })
    box.write('keep', 'keep')
    const { root } = await store.scan()
    await store.commit(root)
    for (let i = 0; i < 60; i++) box.write(`f${i}`, '')
    await expect(store.scan()).rejects.toMatchObject({ code: 'limit' })
    expect(await store.rollback()).toBe(root)
    fs.truncateSync(box.path('keep'), 2 ** 42)
    await expect(store.scan()).rejects.toMatchObject({ code: 'limit' })
    expect(await store.rollback()).toBe(root)
    // Deeper than the system's longest path.
    const dig = 'for (let i = 0; i < 60; i++) { fs.mkdirSync(process.argv[1]); process.chdir(process.argv[1]) }'
    execFileSync(process.execPath, ['-e', dig, 'n'.repeat(200)], { cwd: box.stateDir })
    await expect(store.scan()).rejects.toMatchObject({ code: 'unsupported-entry' })
    expect(await store.rollback()).toBe(root)
    expect(listTree(box.stateDir)).toEqual({ keep: 'file - keep' })
  })

  it('keeps sparse files sparse', async () => {
    const store = await box.open()
    box.write('sparse', 'start')
    fs.truncateSync(box.path('sparse'), 50 * 1024 * 1024)
    const { root } = await store.scan()
    await store.commit(root)
    fs.rmSync(box.path('sparse'))
    await store.rollback()
    const stat = fs.statSync(box.path('sparse'))
    expect(stat.size).toBe(50 * 1024 * 1024)
    expect(stat.blocks * 512).toBeLessThan(1024 * 1024)
    expect((await store.scan()).root).toBe(root)
  })

  it('commits only what was scanned and has not changed since', async () => {
    const store = await box.open()
    await expect(store.commit('0'.repeat(64))).rejects.toMatchObject({ code: 'not-scanned' })
    box.write('a', 'one')
    const { root } = await store.scan()
    box.write('a', 'two')
    await expect(store.commit(root)).rejects.toMatchObject({ code: 'changing' })
    expect(store.committedRoot).toBe(EMPTY_ROOT)
    const second = await store.scan()
    await store.commit(second.root)
    expect(store.committedRoot).toBe(second.root)
  })

  it('reads no unchanged file after a restart', async () => {
    let store = await box.open()
    for (let i = 0; i < 20; i++) box.write(`f${i}`, makeBytes(1000, i))
    await store.commit((await store.scan()).root)
    // Times become trustworthy once they are older than a tick of the clock.
    await expect.poll(async () => (await store.scan()).hashedFiles).toBe(0)
    const root = store.committedRoot
    await store.close()
    store = await box.open()
    expect(await store.scan()).toMatchObject({ root, hashedFiles: 0, changed: false })
    box.write('f3', 'other')
    expect(await store.scan()).toMatchObject({ hashedFiles: 1, changed: true })
    await store.close()
    fs.writeFileSync(path.join(box.metaDir, 'index'), 'garbage')
    store = await box.open()
    expect(await store.recover(root)).toBe('restored')
    expect(store.committedRoot).toBe(root)
  })

  it('mends either side from the other', async () => {
    let store = await box.open()
    box.write('a', makeBytes(100_000, 1))
    box.write('d/b', 'b')
    const { root } = await store.scan()
    await store.commit(root)
    await store.close()

    fs.writeFileSync(path.join(store.reader.dir, 'd/b'), 'X')
    fs.rmSync(path.join(store.reader.dir, 'a'))
    store = await box.open()
    expect(store.isIntact).toBe(false)
    await expect(store.rollback()).rejects.toMatchObject({ code: 'snapshot-damaged' })
    expect(await store.recover(root)).toBe('restored')
    expect(store.isIntact).toBe(true)
    expect(listTree(store.reader.dir)).toEqual(listTree(box.stateDir))
    await store.close()

    box.write('a', 'damage')
    fs.rmSync(path.join(box.metaDir, 'journal'))
    store = await box.open()
    expect(await store.recover(root)).toBe('restored')
    expect(await store.recover(root)).toBe('clean')
    expect(await store.recover('1'.repeat(64))).toBe('unknown')
    expect((await store.scan()).root).toBe(root)
  })

  it('notices damage of the snapshot while rolling back', async () => {
    const store = await box.open()
    box.write('a', 'content')
    await store.commit((await store.scan()).root)
    fs.writeFileSync(path.join(store.reader.dir, 'a'), 'CONTENT')
    box.write('a', 'changed')
    await expect(store.rollback()).rejects.toMatchObject({ code: 'snapshot-damaged', path: 'a' })
  })

  it('refuses directories inside each other and calls after close', async () => {
    await expect(box.open({ metaDir: box.path('meta') })).rejects.toThrow(/inside each other/)
    const store = await box.open()
    await store.close()
    await store.close()
    await expect(store.scan()).rejects.toThrow(/closed/)
  })
})
