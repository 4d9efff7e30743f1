import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { writeArchive } from '../../../src/backup/archive.js'
import { BACKUP_FRAMES } from '../../../src/backup/entries.js'
import {
  ArchiveError,
  type BackupParts,
  backupDirectory,
  restoreBackup,
  writeBackup
} from '../../../src/backup/index.js'
import { genesisLedger } from '../../../src/codec/index.js'
import { contractPaths, createContractDir, loadConfig } from '../../../src/config/index.js'
import type { Genesis, Hash } from '../../../src/consensus/types.js'
import { blake3, createKeyPair } from '../../../src/crypto/index.js'
import { type LedgerLink, LedgerStore, verifyChain } from '../../../src/ledger/index.js'
import { StateStore } from '../../../src/state/index.js'
import { certify, input, log, makeConfig, makeLedger, USERS } from '../ledger/chain.js'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

let root: string
let node: Node
const closers: (() => Promise<void>)[] = []

interface Node extends BackupParts {
  last: LedgerLink
}

/** A contract directory with state and ledgers, open as in a running node. */
async function makeNode(): Promise<Node> {
  const dir = join(root, 'node')
  const keys = createKeyPair(Buffer.alloc(32, 1))
  const unl = makeConfig().unl
  await createContractDir(dir, { binary: 'bin/contract', keys, unl, pubport: 8081 })
  const paths = contractPaths(dir)
  await writeFile(join(paths.bin, 'contract'), '#!/bin/sh\n')
  await chmod(join(paths.bin, 'contract'), 0o755)
  await mkdir(join(paths.bin, 'lib'))
  await writeFile(join(paths.bin, 'lib', 'data'), 'data')
  await symlink('lib/data', join(paths.bin, 'link'))
  await symlink('/etc/passwd', join(paths.bin, 'outside'))
  await writeFile(join(paths.state, 'first'), 'at the beginning')
  const state = await StateStore.open({ stateDir: paths.state, metaDir: paths.snapshot, log })
  closers.push(() => state.close())
  const stateRoot = await commit(state)
  const genesis: Genesis = { contractId: (await loadConfig(dir)).contractId, config: makeConfig(), stateRoot }
  const ledgers = await LedgerStore.open(paths.ledgers, { log })
  closers.push(() => ledgers.close())
  await ledgers.putGenesis(genesis)
  return { dir, state, ledgers, last: genesisLedger(genesis) }
}

async function commit(state: StateStore): Promise<Hash> {
  const { root: found } = await state.scan()
  await state.commit(found)
  return found
}

/** Closes `count` ledgers that agree on `stateRoot`. */
async function close(count: number, stateRoot = node.state.committedRoot): Promise<void> {
  for (let index = 0; index < count; index++) {
    const users = USERS.slice(0, node.last.header.seq % 4)
    const inputs = users.map((user) => input(user, `input of ${node.last.header.seq}`))
    const ledger = makeLedger(node.last, { users, inputs, result: { stateRoot } })
    await node.ledgers.append(ledger, certify(ledger), { sync: false })
    node.last = ledger
  }
}

/** A state with all that a state can have. */
async function changeState(seed: string): Promise<void> {
  const { state } = contractPaths(node.dir)
  await mkdir(join(state, 'dir', 'deep', 'empty'), { recursive: true })
  await writeFile(join(state, 'dir', 'big'), Buffer.alloc(3_000_000, seed))
  await writeFile(join(state, 'dir', 'odd \n "name" \u{1f642}'), seed)
  await writeFile(join(state, 'run'), seed)
  await chmod(join(state, 'run'), 0o755)
  await rm(join(state, 'dir', 'deep', 'up'), { force: true })
  await symlink('../big', join(state, 'dir', 'deep', 'up'))
  await writeFile(join(state, 'none'), '')
}

const fileOf = (name: string) => join(root, name)

/** Every entry below a directory with what it is. */
async function listTree(dir: string, prefix = ''): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of await readdir(dir)) {
    const info = await lstat(join(dir, name))
    const path = `${prefix}${name}`
    if (info.isSymbolicLink()) found[path] = `-> ${await readlink(join(dir, name))}`
    else if (info.isDirectory()) Object.assign(found, { [path]: 'dir' }, await listTree(join(dir, name), `${path}/`))
    else {
      const content = blake3(await readFile(join(dir, name))).toString('hex')
      found[path] = `${(info.mode & 0o111) !== 0} ${content}`
    }
  }
  return found
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hp-backup-'))
  node = await makeNode()
})

afterEach(async () => {
  for (const stop of closers.splice(0).reverse()) await stop()
  await rm(root, { recursive: true, force: true })
})

async function closeNode(): Promise<void> {
  for (const stop of closers.splice(0).reverse()) await stop()
}

describe('a backup', () => {
  it('of a running node, restored, is that node: config, contract, ledgers, state, wishes', async () => {
    await close(20)
    await changeState('a')
    await close(50, await commit(node.state))
    await node.ledgers.putMeta('wishes', Buffer.from('wishes'))
    const { seq, tip, notes, bytes, stateRoot } = await writeBackup(node, fileOf('backup'))
    expect({ seq, tip, bytes }).toEqual({ seq: 70, tip: 70, bytes: (await stat(fileOf('backup'))).size })
    expect((await stat(fileOf('backup'))).mode & 0o777).toBe(0o600)
    expect(notes).toEqual([expect.stringContaining('bin/outside')])
    const dir = fileOf('restored')
    const report = await restoreBackup(fileOf('backup'), dir)
    expect(report).toMatchObject({
      dir,
      seq: 70,
      stateRoot,
      first: 1,
      tip: 70,
      isNewKey: false,
      isValidator: true,
      validators: 4,
      notes: []
    })
    expect(await listTree(contractPaths(dir).state)).toEqual(await listTree(contractPaths(node.dir).state))
    const bin = await listTree(contractPaths(node.dir).bin)
    delete bin.outside
    expect(await listTree(contractPaths(dir).bin)).toEqual(bin)
    expect(await readFile(contractPaths(dir).config)).toEqual(await readFile(contractPaths(node.dir).config))
    expect((await stat(contractPaths(dir).config)).mode & 0o777).toBe(0o600)
    const store = await LedgerStore.open(contractPaths(dir).ledgers, { log })
    expect(store.tip()).toEqual(node.ledgers.tip())
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 70 })
    expect(Buffer.from((await store.getMeta('wishes')) ?? '').toString()).toBe('wishes')
    await store.close()
    const state = await StateStore.open({
      stateDir: contractPaths(dir).state,
      metaDir: contractPaths(dir).snapshot,
      log
    })
    expect(await state.recover(stateRoot)).toBe('clean')
    await state.close()
    expect((await readdir(root)).sort()).toEqual(['backup', 'node', 'restored'])
    // The journal is not in it: the node must know that it is missing.
    expect(await readdir(contractPaths(dir).hist)).not.toContain('journal')
  })

  it('holds one agreed state, whatever the node does meanwhile', async () => {
    await changeState('a')
    await close(10, await commit(node.state))
    const before = node.state.committedRoot
    let commits = 0
    const work = async () => {
      for (const seed of ['b', 'c', 'd']) {
        await changeState(seed)
        await close(3, await commit(node.state))
        commits += 1
      }
    }
    let working: Promise<void> | null = null
    const readChunk = node.state.reader.readChunk.bind(node.state.reader)
    vi.spyOn(node.state.reader, 'readChunk').mockImplementation(async (wanted, want) => {
      const chunk = await readChunk(wanted, want)
      working ??= work()
      await working
      return chunk
    })
    const { stateRoot, seq, tip } = await writeBackup(node, fileOf('backup'))
    expect({ stateRoot, seq, tip, commits }).toEqual({ stateRoot: before, seq: 10, tip: 19, commits: 3 })
    expect(await restoreBackup(fileOf('backup'), fileOf('restored'))).toMatchObject({ stateRoot: before, tip: 19 })
  })

  it('of a stopped node works, without its keys gives new ones', async () => {
    await close(5)
    await closeNode()
    await backupDirectory(node.dir, fileOf('backup'), { keys: false })
    const config = await loadConfig(node.dir)
    const secret = Buffer.from(config.keys.secretKey)
    const bytes = await readFile(fileOf('backup'))
    expect(bytes.includes(secret.toString('hex')) || bytes.includes(secret)).toBe(false)
    await mkdir(fileOf('restored'))
    const report = await restoreBackup(fileOf('backup'), fileOf('restored'))
    expect(report).toMatchObject({ isNewKey: true, isValidator: false, tip: 5 })
    const restored = await loadConfig(fileOf('restored'))
    expect(restored.keys.publicKey).toBe(report.publicKey)
    expect(restored.keys.publicKey).not.toBe(config.keys.publicKey)
    expect(restored.consensus).toEqual(config.consensus)
  })

  it('of a pruned node is restored with what it kept', async () => {
    await close(200)
    await node.ledgers.prune(120)
    await writeBackup(node, fileOf('backup'))
    const report = await restoreBackup(fileOf('backup'), fileOf('restored'))
    expect(report).toMatchObject({ first: 120, tip: 200 })
  })

  it('is not made when there is no agreed state, or something is in its place', async () => {
    await changeState('x')
    await commit(node.state)
    await expect(writeBackup(node, fileOf('backup'))).rejects.toMatchObject({ code: 'missing' })
    expect(await readdir(root)).toEqual(['node'])
    await close(1)
    await writeFile(fileOf('backup'), 'precious')
    await expect(writeBackup(node, fileOf('backup'))).rejects.toMatchObject({ code: 'exists' })
    await expect(restoreBackup(fileOf('backup'), fileOf('restored'))).rejects.toMatchObject({ code: 'no-archive' })
  })

  it('is restored into nothing that is there', async () => {
    await close(1)
    await writeBackup(node, fileOf('backup'))
    await expect(restoreBackup(fileOf('backup'), node.dir)).rejects.toMatchObject({ code: 'exists' })
    await expect(restoreBackup(fileOf('backup'), fileOf('backup'))).rejects.toMatchObject({ code: 'exists' })
    expect((await readdir(root)).sort()).toEqual(['backup', 'node'])
  })
})

describe('a file that is no good backup', () => {
  const refused = async (path: string, code?: string): Promise<string> => {
    const error = await restoreBackup(path, fileOf('restored')).then(
      () => null,
      (failure: unknown) => failure
    )
    expect(error).toBeInstanceOf(ArchiveError)
    if (code !== undefined) expect((error as ArchiveError).code).toBe(code)
    expect((await readdir(root)).filter((name) => name.startsWith('restored'))).toEqual([])
    return (error as ArchiveError).message
  }

  interface Part {
    type: number
    payload: Buffer
  }

  /** The parts of a good backup, to be changed. */
  async function goodParts(): Promise<Part[]> {
    await changeState('a')
    await close(5, await commit(node.state))
    await writeBackup(node, fileOf('backup'))
    const bytes = await readFile(fileOf('backup'))
    const parts: Part[] = []
    for (let spot = bytes.indexOf('\n') + 1; spot < bytes.length - 37; ) {
      const length = bytes.readUInt32BE(spot + 1)
      parts.push({ type: bytes.readUInt8(spot), payload: bytes.subarray(spot + 5, spot + 5 + length) })
      spot += 5 + length
    }
    return parts
  }

  async function put(parts: Part[]): Promise<string> {
    await rm(fileOf('altered'), { force: true })
    await writeArchive(fileOf('altered'), 'backup', async (archive) => {
      for (const { type, payload } of parts) await archive.write(type, payload)
    })
    return fileOf('altered')
  }

  const entry = (value: unknown): Part => ({ type: BACKUP_FRAMES.entry, payload: Buffer.from(JSON.stringify(value)) })

  it('because it was cut or altered is refused', async () => {
    await goodParts()
    const good = await readFile(fileOf('backup'))
    for (let cut = 1; cut < good.length; cut += Math.ceil(good.length / 15)) {
      await writeFile(fileOf('altered'), good.subarray(0, good.length - cut))
      await refused(fileOf('altered'), cut >= good.length - 20 ? undefined : 'damaged')
    }
    for (let spot = 20; spot < good.length; spot += Math.ceil(good.length / 15)) {
      const altered = Buffer.from(good)
      altered[spot] = (altered[spot] as number) ^ 0x10
      await writeFile(fileOf('altered'), altered)
      await refused(fileOf('altered'), 'damaged')
    }
  })

  it.each([
    ['../outside', '../outside'],
    ['state/../../outside', 'state/../../outside'],
    ['/tmp/outside', '/tmp/outside'],
    ['state//x', 'state//x'],
    ['state/./x', 'state/./x'],
    ['hist/journal', 'hist/journal'],
    ['cfg/other', 'cfg/other'],
    ['cfg/hp.cfg/x', 'cfg/hp.cfg/x'],
    ['bin', 'bin'],
    ['', ''],
    ['a zero byte', 'state/x\0y'],
    ['a name too long', `state/${'n'.repeat(300)}`],
    ['a path too long', `state/${'n/'.repeat(3000)}n`]
  ])('because of a path as %j is refused', async (_name, path) => {
    const parts = await goodParts()
    for (const value of [
      { kind: 'dir', path },
      { kind: 'file', path, bytes: 0, executable: true },
      { kind: 'link', path, target: 'x' }
    ]) {
      expect(await refused(await put(parts.toSpliced(5, 0, entry(value))), 'damaged')).toContain('the path')
    }
    expect((await readdir(root)).sort()).toEqual(['altered', 'backup', 'node'])
  })

  it.each([
    ['/etc', 'absolute'],
    ['../../../x', 'leaves'],
    ['x/../../y', '..'],
    ['', 'empty']
  ])('because of a link to %j is refused', async (target, what) => {
    const parts = await goodParts()
    for (const path of ['state/link', 'bin/link2']) {
      expect(await refused(await put(parts.toSpliced(5, 0, entry({ kind: 'link', path, target }))))).toContain(what)
    }
  })

  it('writes nothing through a link', async () => {
    const parts = await goodParts()
    const through = [
      entry({ kind: 'link', path: 'state/way', target: 'dir' }),
      entry({ kind: 'file', path: 'state/way/x', bytes: 0, executable: false })
    ]
    const index = parts.findIndex(({ payload }) => payload.includes('"state/'))
    expect(await refused(await put(parts.toSpliced(index, 0, ...through)), 'damaged')).toContain('in no directory')
    const twice = [
      entry({ kind: 'link', path: 'state/way', target: 'first' }),
      entry({ kind: 'file', path: 'state/way', bytes: 0, executable: false })
    ]
    expect(await refused(await put(parts.toSpliced(index, 0, ...twice)), 'damaged')).toContain('twice')
  })

  it('because its parts do not fit each other is refused', async () => {
    const parts = await goodParts()
    const [manifest] = parts as [Part]
    const told = JSON.parse(manifest.payload.toString()) as Record<string, unknown>
    const claim = (change: Record<string, unknown>): Part => ({
      type: BACKUP_FRAMES.manifest,
      payload: Buffer.from(JSON.stringify({ ...told, ...change }))
    })
    const first = parts.findIndex(({ payload }) => payload.includes('"state/first"'))
    const config = parts.findIndex(({ payload }) => payload.includes('"cfg/hp.cfg"'))
    const cases: [Part[], string][] = [
      [parts.slice(1), 'what it is'],
      [[{ ...manifest, payload: Buffer.from('[') }, ...parts.slice(1)], 'JSON'],
      [[claim({ seq: 99 }), ...parts.slice(1)], 'did not agree'],
      [[claim({ stateRoot: '11'.repeat(32) }), ...parts.slice(1)], 'did not agree'],
      [[claim({ networkId: '11'.repeat(32) }), ...parts.slice(1)], 'another network'],
      [[claim({ seq: -1 }), ...parts.slice(1)], 'cannot be'],
      [parts.toSpliced(first, 2), 'its state has root'],
      [parts.toSpliced(first + 1, 1), 'has not'],
      [parts.toSpliced(config, 2), 'no hp.cfg'],
      [[...parts, entry({ kind: 'dir', path: 'state/late' })], 'out of its place'],
      [[...parts, { type: 200, payload: Buffer.alloc(0) }], 'type 200'],
      [parts.toSpliced(first + 1, 1, { type: BACKUP_FRAMES.piece, payload: Buffer.alloc(2_000_000) }), 'at most'],
      [[...parts, { type: BACKUP_FRAMES.meta, payload: Buffer.from('{"name":"x","value":""}') }], 'no node keeps']
    ]
    for (const [altered, what] of cases) {
      expect(await refused(await put(altered))).toContain(what)
    }
    // Of the ledgers the last may be missing; not the one that agreed on the state.
    expect(await refused(await put(parts.slice(0, -1)), 'damaged')).toContain('did not agree')
  })

  it('whatever its bytes are', async () => {
    await goodParts()
    const good = await readFile(fileOf('backup'))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 38), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const altered = Buffer.from(good)
          for (const [spot, byte] of changes) altered[spot] = byte
          if (altered.equals(good)) return
          // With a hash that fits, as an attacker would make it.
          await writeFile(
            fileOf('altered'),
            Buffer.concat([altered.subarray(0, -32), blake3(altered.subarray(0, -37))])
          )
          const error = await restoreBackup(fileOf('altered'), fileOf('restored')).catch((failure: unknown) => failure)
          if (error instanceof Error) expect(['ArchiveError', 'ConfigError']).toContain(error.name)
          await rm(fileOf('restored'), { recursive: true, force: true })
          expect((await readdir(root)).sort()).toEqual(['altered', 'backup', 'node'])
        }
      ),
      { numRuns: 40 }
    )
  })
})
