import { configHashOf, genesisLedger } from '../codec/index.js'
import type { ConsensusConfig, Genesis, Hash } from '../consensus/types.js'
import { findClosingProblem, findLinkProblem, type LedgerLink } from './check.js'
import type { LedgerEntry } from './link-record.js'

/**
 * Follows the configs of a chain from its genesis without the ledgers between: each ledger that changes the config (a
 * milestone) is certified by the config in force before it, so that in the end any ledger's certificate can be checked.
 * protocols/ledger.md says what this proves and what it does not.
 */
export class TrustChain {
  #last: LedgerLink
  #config: ConsensusConfig
  #configHash: Hash
  #milestones = 0

  constructor(genesis: Genesis) {
    this.#last = genesisLedger(genesis)
    this.#config = genesis.config
    this.#configHash = this.#last.header.result.configHash
  }

  /** In force after the last milestone. */
  get config(): ConsensusConfig {
    return this.#config
  }

  /** seq of the last milestone; 0 when there is none. */
  get seq(): number {
    return this.#last.header.seq
  }

  /** How many milestones were taken. */
  get milestones(): number {
    return this.#milestones
  }

  /** Takes the next milestone, or says why it is none and leaves all as it was. */
  advance(entry: LedgerEntry): string | null {
    const { header, hash, config } = entry
    if (config === null) return 'it does not change the config'
    if (configHashOf(config) !== header.result.configHash) return 'config is not that of the header'
    if (header.result.configHash === this.#configHash) return 'it has a config, and does not change it'
    const problem = this.#findClosingProblem(entry)
    if (problem !== null) return problem
    this.#last = { header, hash }
    this.#config = config
    this.#configHash = header.result.configHash
    this.#milestones += 1
    return null
  }

  /** Why `entry` is not a ledger closed under the config in force with no milestone between, or null. */
  findProblem(entry: LedgerEntry): string | null {
    const { header, hash } = entry
    if (header.seq === this.seq && this.seq > 0) {
      return hash === this.#last.hash ? null : `it is not the ledger ${this.#last.hash} that changed the config`
    }
    if (entry.config !== null || header.result.configHash !== this.#configHash) {
      return 'it has another config than the last ledger that changed it'
    }
    return this.#findClosingProblem(entry)
  }

  #findClosingProblem(entry: LedgerEntry): string | null {
    const { header } = entry
    const last = this.#last
    const before = last.header
    if (header.seq === before.seq + 1) {
      const problem = findLinkProblem(header, last)
      if (problem !== null) return problem
    }
    if (header.networkId !== before.networkId) return `networkId ${header.networkId} is of another network`
    if (header.seq <= before.seq) return `seq ${header.seq} is not after ${before.seq}`
    if (header.timeMs - before.timeMs < header.seq - before.seq) return `time ${header.timeMs} is too early for its seq`
    return findClosingProblem(entry, entry.certificate(this.#config.unl), this.#config)
  }
}
