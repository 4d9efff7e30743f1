import { closeLedger, type LedgerTip } from './close-ledger.js'
import { quorumOf } from './quorum.js'
import type { ConsensusConfig, Hash, Ledger, Proposal, PublicKey } from './types.js'

/** Ledgers built for one seq that are kept at most; a Byzantine validator can name many candidates. */
const LEDGERS_MAX = 64

export interface Content {
  ledger: Ledger
  proposals: Proposal[]
}

/** The proposals of one seq and the ledgers that can be built from them. */
export class ProposalBook {
  readonly #tip: LedgerTip
  readonly #config: ConsensusConfig
  readonly #quorum: number
  readonly #first = new Map<PublicKey, Proposal>()
  readonly #byHash = new Map<Hash, Proposal>()
  readonly #equivocators = new Set<PublicKey>()
  readonly #wanted = new Set<Hash>()
  readonly #contents = new Map<Hash, Content>()
  readonly #built = new Map<string, Hash>()

  constructor(tip: LedgerTip, config: ConsensusConfig) {
    this.#tip = tip
    this.#config = config
    this.#quorum = quorumOf(config.unl.length, config.threshold)
  }

  /**
   * @returns the earlier proposal when this one contradicts it, for evidence; 'known' when it adds nothing
   */
  add(proposal: Proposal): 'added' | 'known' | { contradicts: Proposal } {
    if (this.#byHash.has(proposal.hash)) return 'known'
    const first = this.#first.get(proposal.validator)
    if (first === undefined) {
      this.#first.set(proposal.validator, proposal)
      this.#byHash.set(proposal.hash, proposal)
      return 'added'
    }
    if (this.#wanted.has(proposal.hash)) this.#byHash.set(proposal.hash, proposal)
    else if (this.#equivocators.has(proposal.validator)) return 'known'
    this.#equivocators.add(proposal.validator)
    return { contradicts: first }
  }

  has(validator: PublicKey): boolean {
    return this.#first.has(validator)
  }

  /** Validators that have proposed, equivocators included. */
  proposers(): PublicKey[] {
    return [...this.#first.keys()]
  }

  /** The proposals to build a candidate from: those of validators that made just one. */
  held(): Proposal[] {
    return [...this.#first.values()].filter((proposal) => !this.#equivocators.has(proposal.validator))
  }

  content(hash: Hash): Content | undefined {
    return this.#contents.get(hash)
  }

  /** Keeps a ledger that came with its content, from the journal. */
  keep({ ledger, proposals }: Content): void {
    for (const proposal of proposals) this.add(proposal)
    this.#contents.set(ledger.hash, { ledger, proposals })
  }

  build(proposals: Proposal[]): Content {
    const key = proposals
      .map((proposal) => proposal.hash)
      .sort()
      .join()
    const known = this.#contents.get(this.#built.get(key) ?? '')
    if (known !== undefined) return known
    const content = { ledger: closeLedger(this.#tip, proposals, this.#config), proposals }
    this.#built.set(key, content.ledger.hash)
    this.#contents.set(content.ledger.hash, content)
    return content
  }

  /**
   * The ledger of a candidate that somebody else named.
   *
   * @returns 'invalid' when the candidate breaks the rules, 'missing' with the hashes of proposals not in hand
   */
  buildFrom(hashes: Hash[]): Content | 'invalid' | { missing: Hash[] } {
    if (hashes.length < this.#quorum || new Set(hashes).size !== hashes.length) return 'invalid'
    const missing = hashes.filter((hash) => !this.#byHash.has(hash))
    if (missing.length > 0) return { missing }
    const proposals = hashes.map((hash) => this.#byHash.get(hash) as Proposal)
    if (new Set(proposals.map((proposal) => proposal.validator)).size !== proposals.length) return 'invalid'
    return this.build(proposals)
  }

  /** Lets proposals be kept although their validator made another. */
  want(hashes: Hash[]): void {
    for (const hash of hashes) this.#wanted.add(hash)
  }

  /** Drops ledgers that nobody needs any more; `needed` are kept. */
  trim(needed: (hash: Hash) => boolean): void {
    if (this.#contents.size <= LEDGERS_MAX) return
    for (const hash of this.#contents.keys()) if (!needed(hash)) this.#contents.delete(hash)
    this.#built.clear()
    if (this.#wanted.size > LEDGERS_MAX * LEDGERS_MAX) this.#wanted.clear()
  }
}
