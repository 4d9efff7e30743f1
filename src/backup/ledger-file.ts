import { genesisLedger, networkIdOf } from '../codec/index.js'
import type { Genesis, Hash } from '../consensus/types.js'
import type { LedgerStore } from '../ledger/index.js'
import { ArchiveReader, type Written, writeArchive } from './archive.js'
import { ArchiveError } from './errors.js'
import {
  FrameQueue,
  LedgerFrames,
  type LedgerProgress,
  type LedgerRange,
  ledgerFrameBytes,
  writeLedgerFrames
} from './ledger-frames.js'

/** Ledgers between two waits for the disk while importing. */
const SYNC_EVERY = 256

export interface ExportOptions extends LedgerProgress {
  /** Default: the oldest ledger kept. */
  from?: number | undefined
  /** Default: the last ledger. */
  to?: number | undefined
}

export interface ExportResult extends Written, LedgerRange {}

/**
 * Writes ledgers of a store with all that proves them into a new file. The store may go on with its work.
 *
 * @throws ArchiveError 'exists', 'missing' or 'io'; LedgerStoreError 'damaged'
 */
export async function exportLedgers(
  store: LedgerStore,
  path: string,
  options: ExportOptions = {}
): Promise<ExportResult> {
  const unpin = store.pin()
  try {
    const last = options.to ?? store.tip().seq
    const first = options.from ?? Math.min(store.first(), last + 1)
    const {
      bytes,
      hash,
      path: place
    } = await writeArchive(path, 'ledgers', (archive) => writeLedgerFrames(archive, store, { first, last }, options))
    return { path: place, bytes, hash, first, last }
  } finally {
    unpin()
  }
}

export interface ExportReport extends LedgerRange {
  networkId: Hash
  bytes: number
  /** Of the last ledger. */
  lastHash: Hash
  /** Executions whose outputs are in the file. */
  outputs: number
  /** Ledgers that changed the config, also those before the first. */
  milestones: number
}

/**
 * Reads a file of exported ledgers and verifies all of it: that it is whole, and each ledger from the genesis on.
 *
 * @throws ArchiveError 'io', 'no-archive', 'newer-version', 'damaged' or 'not-proven'
 */
export async function verifyExport(path: string, options: LedgerProgress = {}): Promise<ExportReport> {
  return await readExport(path, async (frames, archive) => {
    let outputs = 0
    for await (const _ of frames.start()) options.signal?.throwIfAborted()
    for await (const { ledger, outputsBefore } of frames.ledgers()) {
      options.signal?.throwIfAborted()
      if (outputsBefore !== null) outputs += 1
      options.onProgress?.(ledger.header.seq, null)
    }
    const { header, hash } = frames.link
    const { milestones, first } = frames
    const networkId = networkIdOf(frames.genesis)
    return { networkId, bytes: archive.bytes, first, last: header.seq, lastHash: hash, outputs, milestones }
  })
}

async function readExport<T>(
  path: string,
  read: (frames: LedgerFrames, archive: ArchiveReader) => Promise<T>
): Promise<T> {
  const archive = await ArchiveReader.open(path, 'ledgers')
  const queue = new FrameQueue(archive.frames(ledgerFrameBytes))
  try {
    const result = await read(await LedgerFrames.open(archive, queue), archive)
    const left = await queue.peek()
    if (left !== null) throw archive.damaged(`a part of type ${left.type} is out of its place`)
    return result
  } finally {
    await queue.close()
    await archive.close()
  }
}

export interface ImportReport extends LedgerRange {
  networkId: Hash
  /** Ledgers that were not here before. */
  added: number
  /** The last ledger of the store now. */
  tip: number
}

/**
 * Takes the ledgers of a file into a store that is empty or holds ledgers of the same chain up to within the file's.
 * The whole file is verified before anything is written, and each ledger again when it is; when the process dies on
 * the way, the store holds a good chain with the ledgers up to there, and the next import goes on.
 *
 * @throws ArchiveError as `verifyExport`, also 'other-network' and 'no-fit'
 */
export async function importLedgers(
  store: LedgerStore,
  path: string,
  options: LedgerProgress = {}
): Promise<ImportReport> {
  await verifyExport(path, { signal: options.signal })
  return await readExport(path, (frames) => importFrames(store, frames, path, options))
}

/** What `importLedgers` does, for frames within another archive. */
export async function importFrames(
  store: LedgerStore,
  frames: LedgerFrames,
  path: string,
  { onProgress, signal }: LedgerProgress
): Promise<ImportReport> {
  await openChain(store, frames, path)
  const before = store.tip().seq
  let added = 0
  for await (const { ledger, certificate, outputsBefore } of frames.ledgers()) {
    signal?.throwIfAborted()
    const { header, hash } = ledger
    if (header.seq <= before) await checkSame(store, header.seq, hash, path)
    else {
      if (added === 0) await checkJoint(store, header.seq, header.prevHash, path)
      added += 1
      await store.append(ledger, certificate, { sync: added % SYNC_EVERY === 0 })
      if (outputsBefore !== null) await store.putOutputs(header.seq - 1, outputsBefore)
    }
    onProgress?.(header.seq, null)
  }
  const last = frames.link.header.seq
  await store.sync()
  const networkId = networkIdOf(frames.genesis)
  return { networkId, first: frames.first, last, added, tip: store.tip().seq }
}

/** Makes the store one of the file's network, and begins where the file does when the store has no ledgers. */
async function openChain(store: LedgerStore, frames: LedgerFrames, path: string): Promise<void> {
  const { genesis, base } = frames
  const stored: Genesis | null = store.getGenesis()
  if (stored !== null && networkIdOf(stored) !== networkIdOf(genesis)) {
    const message = `${path} is of network ${networkIdOf(genesis)}, the ledgers here are of ${networkIdOf(stored)}: import it into another directory`
    throw new ArchiveError('other-network', message)
  }
  if (stored !== null && store.tip().seq > 0 && base !== null && frames.first - 1 > store.tip().seq) {
    const message = `${path} begins with ledger ${frames.first}, the ledgers here end with ${store.tip().seq}: those between are missing; import them first, or import into a directory without ledgers`
    throw new ArchiveError('no-fit', message)
  }
  if (base === null || (stored !== null && store.tip().seq > 0)) {
    for await (const _ of frames.start());
    if (stored === null) await store.putGenesis(genesis)
    if (base !== null) await checkSame(store, frames.link.header.seq, frames.link.hash, path)
    return
  }
  if (stored === null) await store.putGenesis(genesis)
  await store.startFrom({ milestones: frames.start(), base })
}

/** Where both have a ledger, it must be the same. */
async function checkSame(store: LedgerStore, seq: number, hash: Hash, path: string): Promise<void> {
  const link = seq === 0 ? genesisLedger(store.getGenesis() as Genesis) : await store.link(seq)
  if (link === null || link.hash === hash) return
  const message = `ledger ${seq} of ${path} has hash ${hash}, here it has ${link.hash}: two chains of one network, which its validators must never make; ask who runs them before you go on with either`
  throw new ArchiveError('no-fit', message)
}

/** The first ledger that is new must follow the last one here. */
async function checkJoint(store: LedgerStore, seq: number, prevHash: Hash, path: string): Promise<void> {
  const tip = store.tip()
  if (tip.seq + 1 === seq && tip.hash === prevHash) return
  throw new ArchiveError('no-fit', `ledger ${seq} of ${path} does not follow ledger ${tip.seq} here`)
}
