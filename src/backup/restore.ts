import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { pino } from 'pino'
import { networkIdOf } from '../codec/index.js'
import {
  contractPaths,
  ensureContractDirs,
  isContractDir,
  loadConfig,
  parseConfigText,
  readConfigText,
  writeConfig
} from '../config/index.js'
import type { Hash, PublicKey } from '../consensus/types.js'
import { createKeyPair } from '../crypto/index.js'
import { LedgerStore, verifyChain } from '../ledger/index.js'
import { StateError, StateStore } from '../state/index.js'
import { ArchiveReader, syncDir } from './archive.js'
import { BACKUP_FRAMES, EntryWriter, JSON_BYTES_MAX, PIECE_BYTES_MAX, readEntry, readJson } from './entries.js'
import { ArchiveError, toArchiveError } from './errors.js'
import { importFrames } from './ledger-file.js'
import { FrameQueue, LedgerFrames, type LedgerProgress, ledgerFrameBytes } from './ledger-frames.js'
import { type Manifest, METAS } from './write-backup.js'

export interface RestoreReport {
  /** The directory, absolute. */
  dir: string
  publicKey: PublicKey
  /** The backup had no keys: the node has a new pair. */
  isNewKey: boolean
  /** In the UNL in force at the last ledger. */
  isValidator: boolean
  /** Validators in that UNL. */
  validators: number
  networkId: Hash
  /** The ledger that agreed on the state. */
  seq: number
  stateRoot: Hash
  /** Ledgers restored. */
  first: number
  tip: number
  /** What hp.cfg names and is not there, and the like. */
  notes: string[]
}

/**
 * Makes a contract directory from a backup. It is made beside its place under another name and verified there: the
 * ledgers from the genesis on, the state against the root that its ledger agreed on, hp.cfg. Only then it is put in
 * its place, in one step; otherwise nothing is left behind.
 *
 * @throws ArchiveError 'exists' when `dir` is there and not empty, 'no-archive', 'damaged', 'not-proven', 'io';
 * ConfigError for an hp.cfg that cannot be
 */
export async function restoreBackup(path: string, dir: string, options: LedgerProgress = {}): Promise<RestoreReport> {
  const place = resolve(dir)
  await checkPlace(place)
  const archive = await ArchiveReader.open(path, 'backup')
  const frames = new FrameQueue(archive.frames(frameBytes))
  const draft = `${place}.${randomBytes(6).toString('hex')}.part`
  try {
    await makeDraft(draft)
    const report = await new Restore(archive, frames, draft, options).run()
    options.signal?.throwIfAborted()
    await putInPlace(draft, place)
    return { ...report, dir: place }
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw toArchiveError(error, `${place} cannot be restored`)
  } finally {
    await frames.close()
    await archive.close()
  }
}

async function checkPlace(place: string): Promise<void> {
  const names = await readdir(place).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    if (error.code === 'ENOTDIR') throw new ArchiveError('exists', `${place} is a file: name a new directory`)
    throw toArchiveError(error, `${place} cannot be read`)
  })
  if (names.length > 0) {
    throw new ArchiveError('exists', `${place} is there already and not empty: restore into a new directory`)
  }
}

async function makeDraft(draft: string): Promise<void> {
  await mkdir(dirname(draft), { recursive: true })
  await mkdir(draft)
  await mkdir(contractPaths(draft).cfg)
  await ensureContractDirs(draft)
}

async function putInPlace(draft: string, place: string): Promise<void> {
  try {
    await rename(draft, place)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') {
      throw new ArchiveError('exists', `${place} was made by somebody else meanwhile: restore into a new directory`)
    }
    throw error
  }
  await syncDir(dirname(place))
}

function frameBytes(type: number): number | undefined {
  if (type === BACKUP_FRAMES.piece) return PIECE_BYTES_MAX
  const isJson = type === BACKUP_FRAMES.manifest || type === BACKUP_FRAMES.entry || type === BACKUP_FRAMES.meta
  return isJson ? JSON_BYTES_MAX : ledgerFrameBytes(type)
}

class Restore {
  readonly #archive: ArchiveReader
  readonly #frames: FrameQueue
  readonly #dir: string
  readonly #options: LedgerProgress

  constructor(archive: ArchiveReader, frames: FrameQueue, dir: string, options: LedgerProgress) {
    this.#archive = archive
    this.#frames = frames
    this.#dir = dir
    this.#options = options
  }

  async run(): Promise<Omit<RestoreReport, 'dir'>> {
    const manifest = await this.#readManifest()
    await this.#restoreFiles()
    const { publicKey, notes } = await this.#restoreConfig(manifest)
    const store = await LedgerStore.open(contractPaths(this.#dir).ledgers, { log: pino({ level: 'silent' }) })
    try {
      const chain = await this.#restoreLedgers(store, manifest)
      await this.#restoreState(store, manifest)
      await this.#restoreMetas(store)
      const unl = (await store.configAt(store.tip().seq + 1))?.unl ?? []
      const { networkId, seq, stateRoot, keys } = manifest
      const role = { isValidator: unl.includes(publicKey), validators: unl.length, isNewKey: !keys }
      return { publicKey, ...role, networkId, seq, stateRoot, ...chain, notes }
    } finally {
      await store.close()
    }
  }

  async #readManifest(): Promise<Manifest> {
    const frame = await this.#frames.take(BACKUP_FRAMES.manifest)
    if (frame === null) throw this.#archive.damaged('it does not say what it is')
    const { version, networkId, seq, stateRoot, keys } = readJson(this.#archive, frame.payload)
    const isHash = (value: unknown): value is Hash => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
    if (!isHash(networkId) || !isHash(stateRoot) || !Number.isSafeInteger(seq) || (seq as number) < 0) {
      throw this.#archive.damaged('what it says of itself cannot be')
    }
    return { version: String(version), networkId, seq: seq as number, stateRoot, keys: keys === true }
  }

  async #restoreFiles(): Promise<void> {
    const writer = new EntryWriter(this.#dir, ['cfg', 'bin', 'state'])
    const { entry } = BACKUP_FRAMES
    for (let frame = await this.#frames.take(entry); frame !== null; frame = await this.#frames.take(entry)) {
      this.#options.signal?.throwIfAborted()
      await writer.write(this.#archive, this.#frames, readEntry(this.#archive, frame.payload))
    }
  }

  /** The hp.cfg of the backup must load; without keys it gets new ones. */
  async #restoreConfig({ keys }: Manifest): Promise<{ publicKey: PublicKey; notes: string[] }> {
    if (!(await isContractDir(this.#dir))) throw this.#archive.damaged('it has no hp.cfg')
    const value = parseConfigText((await readConfigText(this.#dir)).text)
    if (!keys) {
      const pair = createKeyPair()
      const seckey = Buffer.from(pair.secretKey).toString('hex')
      await writeConfig(this.#dir, { ...value, pubkey: pair.publicKey, seckey, keytype: 'ed25519' })
    }
    const config = await loadConfig(this.#dir, { checkFiles: false })
    const notes: string[] = []
    await loadConfig(this.#dir).catch((error: Error) => {
      notes.push(error.message.replaceAll(this.#dir, '<dir>'))
    })
    return { publicKey: config.keys.publicKey, notes }
  }

  async #restoreLedgers(store: LedgerStore, { networkId }: Manifest): Promise<{ first: number; tip: number }> {
    const ledgers = await LedgerFrames.open(this.#archive, this.#frames)
    if (networkIdOf(ledgers.genesis) !== networkId) throw this.#archive.damaged('its ledgers are of another network')
    const { tip } = await importFrames(store, ledgers, this.#archive.path, this.#options)
    const { ok, problem } = await verifyChain(store, { from: Math.max(1, tip), signal: this.#options.signal })
    if (!ok) throw this.#archive.damaged(`ledger ${problem?.seq}: ${problem?.what}`)
    return { first: store.first(), tip }
  }

  /** The state must be the one that its ledger agreed on. */
  async #restoreState(store: LedgerStore, { seq, stateRoot }: Manifest): Promise<void> {
    const agreed = (await store.header(seq))?.result.stateRoot
    if (agreed !== stateRoot) throw this.#archive.damaged(`ledger ${seq} did not agree on the state that it holds`)
    const paths = contractPaths(this.#dir)
    const log = pino({ level: 'silent' })
    const state = await StateStore.open({ stateDir: paths.state, metaDir: paths.snapshot, log })
    try {
      const { root } = await state.scan()
      if (root !== stateRoot) {
        throw this.#archive.damaged(`its state has root ${root}, ledger ${seq} agreed on ${stateRoot}`)
      }
      await state.commit(root)
    } catch (error) {
      if (!(error instanceof StateError) || error.code === 'disk-full' || error.code === 'io') throw error
      throw this.#archive.damaged(`its state cannot be one: ${error.message}`)
    } finally {
      await state.close()
    }
  }

  async #restoreMetas(store: LedgerStore): Promise<void> {
    const { meta } = BACKUP_FRAMES
    for (let frame = await this.#frames.take(meta); frame !== null; frame = await this.#frames.take(meta)) {
      const { name, value } = readJson(this.#archive, frame.payload)
      if (typeof name !== 'string' || !METAS.includes(name) || typeof value !== 'string') {
        throw this.#archive.damaged('it holds a value that no node keeps')
      }
      const bytes = Buffer.from(value, 'base64')
      if (bytes.length > 64 * 1024) throw this.#archive.damaged('it holds a value that is too large')
      await store.putMeta(name, bytes)
    }
    const left = await this.#frames.peek()
    if (left !== null) throw this.#archive.damaged(`a part of type ${left.type} is out of its place`)
  }
}
