import { outputsRootOf } from '../codec/index.js'
import type {
  Certificate,
  ConsensusConfig,
  Genesis,
  Hash,
  Ledger,
  LedgerHeader,
  PublicKey,
  UserOutput
} from '../consensus/types.js'
import type { LedgerLink } from './check.js'
import type { LedgerDb } from './db.js'
import { LedgerStoreError } from './errors.js'
import { KEYS } from './keys.js'
import type { LedgerEntry } from './link-record.js'
import type { Chain } from './start.js'
import type { LedgerTable } from './table.js'

export interface StoredLedger {
  ledger: Ledger
  /** null for the genesis ledger, which needs none. */
  certificate: Certificate | null
}

/** What `records` reads at once for a caller that names no limit. */
const RECORDS_BYTES = 8 * 1024 * 1024

/**
 * The reading half of the store. Answers are null for what is not stored; LedgerStoreError 'damaged' is thrown for what
 * contradicts itself.
 */
export abstract class LedgerReader {
  protected readonly db: LedgerDb
  protected readonly table: LedgerTable
  /** null before there is a genesis. */
  protected chain: Chain | null = null

  protected constructor(db: LedgerDb, table: LedgerTable) {
    this.db = db
    this.table = table
  }

  getGenesis(): Genesis | null {
    return this.chain?.genesis ?? null
  }

  /** Ledgers that were dropped at this start because their files were damaged, or null. */
  repaired(): Chain['repaired'] {
    return this.chain?.repaired ?? null
  }

  /** The newest ledger; after putGenesis there always is one. @throws LedgerStoreError 'missing' before it */
  tip(): { seq: number; hash: Hash } {
    const { header, hash } = this.started().tip
    return { seq: header.seq, hash }
  }

  /** seq of the oldest ledger that can be read in full, the genesis apart; tip + 1 when there is none. */
  first(): number {
    return this.started().first
  }

  async get(seq: number): Promise<StoredLedger | null> {
    const { genesisLedger: zero, first } = this.started()
    if (seq === 0) return { ledger: zero, certificate: null }
    const entry = await this.#entry(seq)
    if (entry === null || seq < first) return null
    try {
      return { ledger: await this.table.body(entry), certificate: entry.certificate(await this.#unlOf(seq)) }
    } catch (error) {
      // Pruned between the two reads.
      if (seq < this.started().first) return null
      throw error
    }
  }

  async getByHash(hash: Hash): Promise<StoredLedger | null> {
    const seq = await this.seqOf(hash)
    return seq === null ? null : await this.get(seq)
  }

  /** seq of the ledger with this hash. */
  async seqOf(hash: Hash): Promise<number | null> {
    const seq = await this.table.seqOf(hash)
    if (seq === null || seq === 0) return seq
    const entry = await this.#entry(seq)
    if (entry !== null && entry.hash !== hash)
      throw this.table.damaged(`ledger ${seq}`, 'the hash index contradicts it')
    return entry === null ? null : seq
  }

  /** Header of a ledger, also of the genesis, of milestones and of the base, i.e. the one before `first()`. */
  async header(seq: number): Promise<LedgerHeader | null> {
    return (await this.link(seq))?.header ?? null
  }

  /** Header and hash of a ledger, also of the genesis, of milestones and of the base. */
  async link(seq: number): Promise<LedgerLink | null> {
    if (seq === 0) return this.started().genesisLedger
    const entry = await this.#entry(seq)
    return entry === null ? null : { header: entry.header, hash: entry.hash }
  }

  /** Certificate of a ledger, also of milestones and of the base; null for the genesis. */
  async certificate(seq: number): Promise<Certificate | null> {
    const entry = seq === 0 ? null : await this.#entry(seq)
    return entry === null ? null : entry.certificate(await this.#unlOf(seq))
  }

  /**
   * Exact bytes of the records from..toInclusive that are stored, one at a time in order, ending early once `maxBytes`
   * are reached (the first record comes whatever its size) or at the first one that is not stored.
   */
  async *records(
    from: number,
    toInclusive: number,
    { maxBytes = RECORDS_BYTES }: { maxBytes?: number } = {}
  ): AsyncGenerator<Uint8Array> {
    let sent = 0
    for (let seq = Math.max(from, 1); seq <= Math.min(toInclusive, this.tip().seq); seq++) {
      const bytes = await this.#record(seq)
      if (seq < this.first()) return
      if (bytes === null || (sent > 0 && sent + bytes.length > maxBytes)) return
      sent += bytes.length
      yield bytes
    }
  }

  async #record(seq: number): Promise<Uint8Array | null> {
    try {
      return await this.table.record(seq)
    } catch (error) {
      // What was pruned while it was read may lack its inputs.
      if (seq < this.first()) return null
      throw error
    }
  }

  async getConfig(hash: Hash): Promise<ConsensusConfig | null> {
    const { genesis, genesisLedger: zero } = this.started()
    return hash === zero.header.result.configHash ? genesis.config : await this.table.config(hash)
  }

  /** The config in force for ledger `seq` (agreed by seq - 1), up to tip + 1, also for pruned ones; null when it is ahead. */
  async configAt(seq: number): Promise<ConsensusConfig | null> {
    const { genesis, first, tip } = this.started()
    if (!Number.isSafeInteger(seq) || seq > tip.header.seq + 1) return null
    if (seq <= 1) return genesis.config
    const previous = await this.header(seq - 1)
    if (previous !== null) return await this.getConfig(previous.result.configHash)
    if (seq >= first) return null
    const hash = await this.table.milestoneConfig(seq - 1)
    return hash === null ? genesis.config : await this.getConfig(hash)
  }

  /**
   * Exact bytes of the record of a ledger without its users and inputs: a link record. Of every ledger kept, of the
   * base and of milestones; null for others and for the genesis.
   */
  async linkRecord(seq: number): Promise<Uint8Array | null> {
    if (!Number.isSafeInteger(seq) || seq < 1 || seq > this.tip().seq) return null
    return await this.table.linkRecord(seq)
  }

  /** Numbers of the ledgers that changed the config, ascending from ledger `from` on. */
  milestoneSeqs(from = 1): AsyncGenerator<number> {
    return this.table.milestones(Math.max(from, 1), this.tip().seq)
  }

  /** Link records of the ledgers that changed the config, ascending from ledger `from` on, at most `count`. */
  async *milestones(from = 1, count = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
    let left = count
    if (left < 1) return
    for await (const seq of this.milestoneSeqs(from)) {
      const bytes = await this.table.linkRecord(seq)
      if (bytes === null) throw this.table.damaged(`ledger ${seq}`, 'it changed the config, and is missing')
      yield bytes
      if (--left < 1) return
    }
  }

  /** null when the outputs of `seq` were never put, or are pruned. */
  async getOutputs(seq: number): Promise<UserOutput[] | null> {
    const outputs = await this.table.outputs(seq)
    if (outputs === null) return null
    const agreed = (await this.header(seq + 1))?.result
    if (agreed?.status === 'ok' && outputsRootOf(outputs) !== agreed.outputsRoot) {
      throw this.table.damaged(`outputs of ledger ${seq}`, `they are not those that ledger ${seq + 1} agreed on`)
    }
    return outputs
  }

  /** False when the outputs of `seq` were never put, or are pruned. */
  async hasOutputs(seq: number): Promise<boolean> {
    return await this.db.has(KEYS.outputs(seq))
  }

  async getMeta(name: string): Promise<Uint8Array | null> {
    return await this.db.get(KEYS.meta(name))
  }

  async #entry(seq: number): Promise<LedgerEntry | null> {
    if (!Number.isSafeInteger(seq) || seq < 1 || seq > this.started().tip.header.seq) return null
    return await this.table.entry(seq)
  }

  async #unlOf(seq: number): Promise<PublicKey[]> {
    const config = await this.configAt(seq)
    if (config === null) throw this.table.damaged(`ledger ${seq}`, 'the config in force for it is missing')
    return config.unl
  }

  protected async configOf(hash: Hash): Promise<ConsensusConfig> {
    const config = await this.getConfig(hash)
    if (config === null) throw this.table.damaged(`config ${hash}`, 'it is missing')
    return config
  }

  protected started(): Chain {
    if (this.chain === null) throw new LedgerStoreError('missing', `The ledger store ${this.db.path} has no genesis.`)
    return this.chain
  }
}
