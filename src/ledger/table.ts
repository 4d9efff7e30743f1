import {
  bytesToHex,
  CodecError,
  configHashOf,
  decodeConsensusConfig,
  decodeLedgerBody,
  decodeOutputList,
  decodeRecordParts,
  EMPTY_USERS_HASH,
  encodeRecordParts,
  encodeUsersPart,
  HASH_BYTES,
  inputsHashOf,
  usersHashOf
} from '../codec/index.js'
import type { ConsensusConfig, Hash, Ledger, LedgerHeader, PublicKey, UserOutput } from '../consensus/types.js'
import { blake3Hex } from '../crypto/index.js'
import type { LedgerDb } from './db.js'
import { LedgerStoreError, REMEDY_DAMAGED } from './errors.js'
import { decodeSeq, KEYS } from './keys.js'
import { decodeLinkRecord, type LedgerEntry } from './link-record.js'

/** How many configs are kept decoded. */
const CONFIGS_CACHED = 16

/**
 * Reads what lies in the database and refuses what contradicts itself: every answer is either right in itself, null
 * because it is not stored, or a LedgerStoreError 'damaged' that names the ledger.
 */
export class LedgerTable {
  readonly #db: LedgerDb
  readonly #configs = new Map<Hash, ConsensusConfig>()
  #users: { hash: Hash; keys: PublicKey[]; bytes: Uint8Array } | null = null

  constructor(db: LedgerDb) {
    this.#db = db
  }

  async entry(seq: number): Promise<LedgerEntry | null> {
    return (await this.#read(seq))?.entry ?? null
  }

  /** The users and inputs of an entry, checked against its header. */
  async body({ header, hash, config }: LedgerEntry): Promise<Ledger> {
    const { users, inputs } = await this.#bodyOf(header)
    return { header, hash, users: [...users.keys], inputs: inputs.list, config }
  }

  /** Exact bytes of the whole record. */
  async record(seq: number): Promise<Uint8Array | null> {
    const found = await this.#read(seq)
    if (found === null) return null
    const { users, inputs } = await this.#bodyOf(found.entry.header)
    const parts = decodeRecordParts(found.bytes)
    return encodeRecordParts({ ...parts, body: Buffer.concat([users.bytes, inputs.bytes]) })
  }

  /** Exact bytes of the record without its body. */
  async linkRecord(seq: number): Promise<Uint8Array | null> {
    return (await this.#read(seq))?.bytes ?? null
  }

  /** LevelDB does not notice every damage itself: what it gives must be what was written with the hash. */
  async #read(seq: number): Promise<{ bytes: Uint8Array; entry: LedgerEntry } | null> {
    const bytes = await this.#db.get(KEYS.ledger(seq))
    if (bytes === null) return null
    const name = `ledger ${seq}`
    const entry = this.#reading(name, () => decodeLinkRecord(bytes))
    if (entry.header.seq !== seq) throw this.damaged(name, `it says that it is ledger ${entry.header.seq}`)
    const indexed = decodeSeq(await this.#db.get(KEYS.hash(entry.hash)))
    if (indexed?.seq !== seq || indexed.hash !== blake3Hex(bytes)) {
      // Pruned between the two reads.
      if (!(await this.#db.has(KEYS.ledger(seq)))) return null
      throw this.damaged(name, 'it is not what the hash index says')
    }
    return { bytes, entry }
  }

  async #bodyOf(header: LedgerHeader) {
    const name = `ledger ${header.seq}`
    const users = await this.#usersOf(header)
    const bytes = (await this.#db.get(KEYS.inputs(header.seq))) ?? new Uint8Array(0)
    const { inputs: list } = this.#reading(name, () => decodeLedgerBody(Buffer.concat([users.bytes, bytes])))
    if (inputsHashOf(list) !== header.inputsHash) throw this.damaged(name, 'its inputs are not those of its header')
    return { users, inputs: { list, bytes } }
  }

  async config(hash: Hash): Promise<ConsensusConfig | null> {
    const known = this.#configs.get(hash)
    if (known !== undefined) return known
    const bytes = await this.#db.get(KEYS.config(hash))
    if (bytes === null) return null
    const config = this.#reading(`config ${hash}`, () => decodeConsensusConfig(bytes))
    if (configHashOf(config) !== hash) throw this.damaged(`config ${hash}`, 'it has another hash')
    if (this.#configs.size >= CONFIGS_CACHED) this.#configs.delete(this.#configs.keys().next().value as Hash)
    this.#configs.set(hash, config)
    return config
  }

  /** seqs of the ledgers from..to that change the config, in order. */
  milestones(from: number, to: number): AsyncGenerator<number> {
    return this.#db.seqs(KEYS.allMilestones, { from, to })
  }

  /** Hash of the config that the last milestone up to `seq` puts in force; null when there is none. */
  async milestoneConfig(seq: number): Promise<Hash | null> {
    for await (const last of this.#db.seqs(KEYS.allMilestones, { from: 0, to: seq, reverse: true, limit: 1 })) {
      const bytes = await this.#db.get(KEYS.milestone(last))
      return this.#reading(`milestone ${last}`, () => bytesToHex(bytes ?? new Uint8Array(0), HASH_BYTES))
    }
    return null
  }

  async outputs(seq: number): Promise<UserOutput[] | null> {
    const bytes = await this.#db.get(KEYS.outputs(seq))
    return bytes === null ? null : this.#reading(`outputs of ledger ${seq}`, () => decodeOutputList(bytes))
  }

  /** The seq that the index has for a hash, which the caller must check against the ledger. */
  async seqOf(hash: Hash): Promise<number | null> {
    return decodeSeq(await this.#db.get(KEYS.hash(hash)))?.seq ?? null
  }

  damaged(name: string, what: string, cause?: unknown): LedgerStoreError {
    const message = `The ledger store ${this.#db.path} is damaged: ${name}: ${what}. ${REMEDY_DAMAGED}`
    return new LedgerStoreError('damaged', message, { cause })
  }

  async #usersOf(header: LedgerHeader): Promise<{ keys: PublicKey[]; bytes: Uint8Array }> {
    const hash = header.usersHash
    if (hash === EMPTY_USERS_HASH) return { keys: [], bytes: encodeUsersPart([]) }
    if (this.#users?.hash === hash) return this.#users
    const name = `users of ledger ${header.seq}`
    const bytes = await this.#db.get(KEYS.users(hash))
    if (bytes === null) throw this.damaged(name, 'the list is missing')
    const { users: keys } = this.#reading(name, () => decodeLedgerBody(bytes))
    if (usersHashOf(keys) !== hash) throw this.damaged(name, 'they are not those of its header')
    this.#users = { hash, keys, bytes }
    return this.#users
  }

  #reading<T>(name: string, read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (error instanceof CodecError) throw this.damaged(name, error.message, error)
      throw error
    }
  }
}
