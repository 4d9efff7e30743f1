import {
  CodecError,
  decodeGenesis,
  decodeLedgerRecord,
  decodeOutputList,
  EMPTY_OUTPUTS_ROOT,
  encodeGenesis,
  encodeOutputList,
  genesisLedger,
  LIMITS,
  outputsRootOf
} from '../codec/index.js'
import type { Certificate, ConsensusConfig, Genesis, Ledger, UserOutput } from '../consensus/types.js'
import {
  decodeLinkRecord,
  findLedgerProblem,
  type LedgerEntry,
  type LedgerLink,
  type LedgerStore,
  LINK_RECORD_BYTES,
  TrustChain
} from '../ledger/index.js'
import type { ArchiveReader, ArchiveWriter, Frame } from './archive.js'
import { ArchiveError } from './errors.js'

/**
 * Frames of a chain, in this order: the genesis; when the ledgers do not begin with the first one, the link record of
 * the base, i.e. the ledger before them, and those of all milestones before that; the ledger records, each followed by
 * the outputs of the execution of the ledger before it, when those are kept. protocols/ledger.md has the messages.
 */
export const LEDGER_FRAMES = { genesis: 1, base: 2, milestone: 3, ledger: 4, outputs: 5 } as const

const MAX_BYTES = new Map<number, number>([
  [LEDGER_FRAMES.genesis, LIMITS.genesisBytes],
  [LEDGER_FRAMES.base, LINK_RECORD_BYTES],
  [LEDGER_FRAMES.milestone, LINK_RECORD_BYTES],
  [LEDGER_FRAMES.ledger, LIMITS.recordBytes],
  [LEDGER_FRAMES.outputs, LIMITS.outputListBytes]
])

/** Most bytes of a frame of a chain; undefined for other frames. */
export const ledgerFrameBytes = (type: number): number | undefined => MAX_BYTES.get(type)

export interface LedgerRange {
  /** The first and the last ledger; first is last + 1 when there is none. */
  first: number
  last: number
}

export interface LedgerProgress {
  /** Called after each ledger. */
  onProgress?: ((seq: number, last: number | null) => void) | undefined
  /** Aborting ends with the signal's reason as error. */
  signal?: AbortSignal | undefined
}

/**
 * Writes the ledgers first..last of a store, which may go on with its work.
 *
 * @throws ArchiveError 'missing' when they are not all kept
 */
export async function writeLedgerFrames(
  archive: ArchiveWriter,
  store: LedgerStore,
  { first, last }: LedgerRange,
  { onProgress, signal }: LedgerProgress = {}
): Promise<void> {
  const unpin = store.pin()
  try {
    checkRange(store, first, last)
    await archive.write(LEDGER_FRAMES.genesis, encodeGenesis(store.getGenesis() as Genesis))
    if (first > 1) await writeStart(archive, store, first - 1)
    let seq = first
    for await (const record of store.records(first, last, { maxBytes: Number.POSITIVE_INFINITY })) {
      signal?.throwIfAborted()
      await archive.write(LEDGER_FRAMES.ledger, record)
      if (seq > first) await writeOutputs(archive, store, seq - 1)
      onProgress?.(seq, last)
      seq += 1
    }
    if (seq <= last) throw new ArchiveError('missing', `ledger ${seq} is missing here`)
  } finally {
    unpin()
  }
}

function checkRange(store: LedgerStore, first: number, last: number): void {
  const [kept, tip] = [store.first(), store.tip().seq]
  if (first < kept) {
    throw new ArchiveError('missing', `ledger ${first} is not kept here any more: the oldest one is ${kept}`)
  }
  if (last > tip) throw new ArchiveError('missing', `ledger ${last} is not closed here: the last one is ${tip}`)
  if (first > last + 1) throw new ArchiveError('missing', `there is no ledger from ${first} to ${last}`)
}

async function writeStart(archive: ArchiveWriter, store: LedgerStore, base: number): Promise<void> {
  const record = await store.linkRecord(base)
  if (record === null) throw new ArchiveError('missing', `ledger ${base} is missing here`)
  await archive.write(LEDGER_FRAMES.base, record)
  for await (const seq of store.milestoneSeqs()) {
    if (seq >= base) break
    const milestone = await store.linkRecord(seq)
    if (milestone === null) throw new ArchiveError('missing', `ledger ${seq} is missing here`)
    await archive.write(LEDGER_FRAMES.milestone, milestone)
  }
}

/** Outputs of an execution are certain once the next ledger has agreed on them. */
async function writeOutputs(archive: ArchiveWriter, store: LedgerStore, seq: number): Promise<void> {
  const agreed = (await store.header(seq + 1))?.result
  const outputs = agreed?.status === 'ok' ? await store.getOutputs(seq) : null
  if (outputs === null || outputsRootOf(outputs) === EMPTY_OUTPUTS_ROOT) return
  await archive.write(LEDGER_FRAMES.outputs, encodeOutputList(outputs))
}

export interface ReadLedger {
  ledger: Ledger
  certificate: Certificate
  /** Of the execution of the ledger before; null when the archive has none. */
  outputsBefore: UserOutput[] | null
}

/** Reads the frames of a chain; what is given is verified up to there: hashes, links, configs and certificates. */
export class LedgerFrames {
  readonly genesis: Genesis
  /** Link record of the ledger before the first; null when that is ledger 1. */
  readonly base: Uint8Array | null
  readonly #baseEntry: LedgerEntry | null
  readonly #archive: ArchiveReader
  readonly #frames: FrameQueue
  readonly #trust: TrustChain
  #previous: LedgerLink
  #config: ConsensusConfig

  private constructor(archive: ArchiveReader, frames: FrameQueue, genesis: Genesis, base: Uint8Array | null) {
    this.#archive = archive
    this.#frames = frames
    this.genesis = genesis
    this.base = base
    this.#trust = new TrustChain(genesis)
    this.#previous = genesisLedger(genesis)
    this.#config = genesis.config
    this.#baseEntry =
      base === null ? null : this.#decode('the ledger before the first one', () => decodeLinkRecord(base))
    if (this.#baseEntry?.header.seq === 0) throw this.#refuse('the ledger before the first one', 'it is ledger 0')
  }

  /** Reads up to the milestones. @throws ArchiveError 'damaged' or 'not-proven', as all else here */
  static async open(archive: ArchiveReader, frames: FrameQueue): Promise<LedgerFrames> {
    const first = await frames.take(LEDGER_FRAMES.genesis)
    if (first === null) throw archive.damaged('it does not say of which network it is')
    let genesis: Genesis
    try {
      genesis = decodeGenesis(first.payload)
    } catch (error) {
      if (error instanceof CodecError) throw archive.damaged(error.message)
      throw error
    }
    const base = await frames.take(LEDGER_FRAMES.base)
    return new LedgerFrames(archive, frames, genesis, base?.payload ?? null)
  }

  /** The last ledger read, at first the genesis or the base. */
  get link(): LedgerLink {
    return this.#previous
  }

  /** seq of the first ledger of the archive, if it has any. */
  get first(): number {
    return (this.#baseEntry?.header.seq ?? 0) + 1
  }

  /** Ledgers read that changed the config. */
  get milestones(): number {
    return this.#trust.milestones
  }

  /** Link records of the ledgers before the base that changed the config; then the base is verified too. */
  async *start(): AsyncGenerator<Uint8Array> {
    const base = this.#baseEntry
    for (let frame = await this.#next('milestone'); frame !== null; frame = await this.#next('milestone')) {
      const { payload } = frame
      const name = `the milestone after ledger ${this.#trust.seq}`
      if (base === null) throw this.#refuse(name, 'there is no ledger after it')
      const entry = this.#decode(name, () => decodeLinkRecord(payload))
      this.#check(entry.header.seq, () => this.#trust.advance(entry))
      yield payload
    }
    if (base === null) return
    const { seq } = base.header
    const isNew = base.config !== null && this.#trust.seq < seq
    if (this.#trust.seq > seq) throw this.#refuse(`ledger ${this.#trust.seq}`, `it is behind the base, ledger ${seq}`)
    this.#check(seq, () => (isNew ? this.#trust.advance(base) : this.#trust.findProblem(base)))
    this.#previous = { header: base.header, hash: base.hash }
    this.#config = this.#trust.config
  }

  /** The ledgers in order; after `start`. */
  async *ledgers(): AsyncGenerator<ReadLedger> {
    for (let frame = await this.#next('ledger'); frame !== null; frame = await this.#next('ledger')) {
      const { payload } = frame
      const name = `ledger ${this.#previous.header.seq + 1}`
      const { unl } = this.#config
      const { ledger, certificate } = this.#decode(name, () => decodeLedgerRecord(payload, unl))
      this.#check(ledger.header.seq, () => findLedgerProblem(ledger, certificate, this.#previous, this.#config))
      const outputsBefore = await this.#outputsBefore(ledger)
      if (ledger.config !== null) this.#advance(ledger, certificate)
      this.#previous = { header: ledger.header, hash: ledger.hash }
      yield { ledger, certificate, outputsBefore }
    }
  }

  #advance({ header, hash, config }: Ledger, certificate: Certificate): void {
    this.#check(header.seq, () => this.#trust.advance({ header, hash, config, certificate: () => certificate }))
    this.#config = this.#trust.config
  }

  async #outputsBefore({ header }: Ledger): Promise<UserOutput[] | null> {
    const frame = await this.#next('outputs')
    if (frame === null) return null
    const seq = header.seq - 1
    const name = `outputs of ledger ${seq}`
    const outputs = this.#decode(name, () => decodeOutputList(frame.payload))
    const isAgreed = header.result.status === 'ok' && outputsRootOf(outputs) === header.result.outputsRoot
    if (!isAgreed) throw this.#refuse(name, `they are not those that ledger ${header.seq} agreed on`)
    if (seq < this.first) throw this.#refuse(name, 'the ledger is not there')
    return outputs
  }

  #next(name: keyof typeof LEDGER_FRAMES): Promise<Frame | null> {
    return this.#frames.take(LEDGER_FRAMES[name])
  }

  #decode<T>(name: string, decode: () => T): T {
    try {
      return decode()
    } catch (error) {
      if (error instanceof CodecError) throw this.#refuse(name, error.message)
      throw error
    }
  }

  #check(seq: number, findProblem: () => string | null): void {
    const name = `ledger ${seq}`
    const problem = this.#decode(name, findProblem)
    if (problem !== null) throw this.#refuse(name, problem)
  }

  #refuse(name: string, what: string): ArchiveError {
    return new ArchiveError('not-proven', `${this.#archive.path} holds no proven chain: ${name}: ${what}.`)
  }
}

/** Frames one at a time, the next one only when it is of the type asked for. */
export class FrameQueue {
  readonly #frames: AsyncGenerator<Frame>
  #next: Frame | null = null

  constructor(frames: AsyncGenerator<Frame>) {
    this.#frames = frames
  }

  /** The next frame when it is of this type, else null. */
  async take(type: number): Promise<Frame | null> {
    const frame = await this.peek()
    if (frame?.type !== type) return null
    this.#next = null
    return frame
  }

  /** The next frame, which stays the next; null at the end. */
  async peek(): Promise<Frame | null> {
    if (this.#next === null) {
      const { value, done } = await this.#frames.next()
      this.#next = done === true ? null : value
    }
    return this.#next
  }

  async close(): Promise<void> {
    await this.#frames.return(undefined)
  }
}
