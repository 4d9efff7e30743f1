import { configHashOf } from '../../src/codec/ledger.js'
import type { Lock } from '../../src/consensus/events.js'
import type {
  AgreedResult,
  ConfigWish,
  ConsensusConfig,
  ExecutionResult,
  Hash,
  Ledger,
  Proposal,
  PublicKey,
  Vote
} from '../../src/consensus/types.js'
import type { ClosedLedger, Signatures } from './messages.js'
import { expectedQuorum, type Profile } from './profile.js'

export type ViolationKind =
  | 'fork'
  | 'double-vote'
  | 'double-proposal'
  | 'certificate'
  | 'precommit'
  | 'input-twice'
  | 'input-late'
  | 'config'
  | 'result'
  | 'time'
  | 'limit'
  | 'chain'
  | 'no-progress'
  | 'crash'

/** An invariant that does not hold. */
export class Violation extends Error {
  readonly kind: ViolationKind
  constructor(kind: ViolationKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** What must hold whatever the network does, over the whole run and across restarts. */
export class Checks {
  readonly #profile: Profile
  readonly #signatures: Signatures
  /** Users of Byzantine nodes: whoever serves a user can send its inputs again. */
  readonly #lyingUsers: Set<PublicKey>
  readonly #byzantine: ReadonlySet<PublicKey>
  readonly #closed = new Map<number, ClosedLedger>()
  /** In force for a ledger, by its seq. */
  readonly #configs = new Map<number, ConsensusConfig>()
  readonly #votes = new Map<string, Hash | null>()
  readonly #proposals = new Map<string, Hash>()
  readonly #executed = new Set<Hash>()
  readonly #honestResults = new Set<string>()
  readonly #results = new Map<number, ExecutionResult>()

  constructor(
    profile: Profile,
    signatures: Signatures,
    lyingUsers: Set<PublicKey>,
    byzantine: ReadonlySet<PublicKey> = new Set()
  ) {
    this.#profile = profile
    this.#byzantine = byzantine
    this.#configs.set(1, profile.config)
    this.#signatures = signatures
    this.#lyingUsers = lyingUsers
  }

  get ledgers(): number {
    return this.#closed.size
  }

  /** An honest validator signs a vote. */
  voteSigned(vote: Vote, lock: Lock | null): void {
    const key = `${vote.validator} ${vote.seq} ${vote.attempt} ${vote.kind}`
    const before = this.#votes.get(key)
    if (before !== undefined && before !== vote.hash) {
      throw new Violation('double-vote', `${describe(vote)} after ${vote.kind} ${short(before)} in the same attempt`)
    }
    this.#votes.set(key, vote.hash)
    if (vote.kind === 'prevote' || vote.hash === null) return
    if (lock?.ledger.hash !== vote.hash) throw new Violation('precommit', `${describe(vote)} without its content`)
    const problem = this.#findVotesProblem(lock.prevotes, 'prevote')
    if (problem !== null || lock.attempt !== vote.attempt || lock.prevotes.attempt !== vote.attempt) {
      throw new Violation('precommit', `${describe(vote)} without a quorum of prevotes: ${problem}`)
    }
  }

  /** An honest validator signs a proposal. */
  proposalSigned(proposal: Proposal): void {
    const key = `${proposal.validator} ${proposal.seq}`
    const before = this.#proposals.get(key)
    if (before !== undefined && before !== proposal.hash) {
      throw new Violation('double-proposal', `${short(proposal.validator)} made two proposals for ${proposal.seq}`)
    }
    this.#proposals.set(key, proposal.hash)
  }

  /** An honest node persists a ledger. @returns true when it is the first to close it */
  ledgerClosed(node: number, { ledger, certificate }: ClosedLedger): boolean {
    const { seq } = ledger.header
    const problem = this.findCertificateProblem({ ledger, certificate })
    if (problem !== null) throw new Violation('certificate', `node ${node} closed ledger ${seq}: ${problem}`)
    const first = this.#closed.get(seq)
    if (first === undefined) {
      this.#checkFirst({ ledger, certificate })
      this.#closed.set(seq, { ledger, certificate })
    } else if (first.ledger.hash !== ledger.hash) {
      throw new Violation(
        'fork',
        `node ${node} closed ledger ${seq} as ${short(ledger.hash)} in attempt ${certificate.attempt}, ` +
          `another as ${short(first.ledger.hash)} in attempt ${first.certificate.attempt}`
      )
    }
    return first === undefined
  }

  /** The config in force for a ledger, whose predecessor has been closed by somebody. */
  configAt(seq: number): ConsensusConfig {
    const config = this.#configs.get(seq)
    if (config === undefined) throw new Error(`ledger ${seq - 1} is not closed`)
    return config
  }

  /** In force for the ledger after the newest one that somebody has closed. */
  get config(): ConsensusConfig {
    return this.configAt(this.ledgers + 1)
  }

  closedAt(seq: number): ClosedLedger | undefined {
    return this.#closed.get(seq)
  }

  /** The result that every honest node with a deterministic contract gets for a ledger. */
  expectResult(seq: number, result: ExecutionResult): void {
    this.#results.set(seq, result)
  }

  /** What an honest node got for a ledger: where the contract is not deterministic, each may get another result. */
  resultSeen(seq: number, result: ExecutionResult): void {
    if (this.#profile.differingRate > 0) this.#honestResults.add(keyOf(seq, result))
  }

  findCertificateProblem({ ledger, certificate }: ClosedLedger): string | null {
    if (certificate.hash !== ledger.hash) return 'its certificate is for another ledger'
    if (certificate.seq !== ledger.header.seq) return 'its certificate is for another seq'
    return this.#findVotesProblem(certificate, 'precommit')
  }

  #findVotesProblem(votes: ClosedLedger['certificate'], kind: Vote['kind']): string | null {
    const { seq, attempt, hash, signatures } = votes
    const { unl, threshold } = this.configAt(seq)
    const quorum = expectedQuorum(unl.length, threshold)
    const signers = new Set(signatures.map(({ validator }) => validator))
    if (signers.size !== signatures.length) return 'a validator is counted twice'
    if (signers.size < quorum) return `${signers.size} votes, the quorum is ${quorum}`
    for (const signer of signers) {
      if (!unl.includes(signer)) return `${short(signer)} is not in the UNL`
      if (!this.#signatures.isVoteSigned(signer, seq, attempt, kind, hash)) return `${short(signer)} did not sign`
    }
    return null
  }

  #checkFirst({ ledger }: ClosedLedger): void {
    const { seq, prevHash, result } = ledger.header
    const previous = this.#closed.get(seq - 1)
    if (previous !== undefined && previous.ledger.hash !== prevHash) {
      throw new Violation('chain', `ledger ${seq} does not follow the ledger before it`)
    }
    this.#checkConfig(ledger)
    this.#checkTime(ledger, previous?.ledger.header.timeMs ?? 0)
    this.#checkLimit(ledger)
    for (const { id, user, untilSeq } of ledger.inputs) {
      if (untilSeq > 0 && seq > untilSeq) {
        throw new Violation('input-late', `input ${short(id)} is in ledger ${seq}, its last was ${untilSeq}`)
      }
      if (this.#executed.has(id) && !this.#lyingUsers.has(user)) {
        throw new Violation('input-twice', `input ${short(id)} is executed again in ledger ${seq}`)
      }
      this.#executed.add(id)
    }
    this.#checkResult(seq, result, previous?.ledger.header.result.stateRoot)
  }

  /** A config changes as a quorum of the validators wished for, and not otherwise. */
  #checkConfig({ header, config }: Ledger): void {
    const { seq, proposals, result } = header
    const before = this.configAt(seq)
    const after = config ?? before
    this.#configs.set(seq + 1, after)
    if (result.configHash !== configHashOf(after)) {
      throw new Violation('config', `ledger ${seq} names config ${short(result.configHash)} and has another`)
    }
    const wishes = proposals.map((hash) => this.#signatures.proposalOf(hash)?.wishes ?? [])
    const quorum = expectedQuorum(before.unl.length, before.threshold)
    const expect = (wish: ConfigWish): void => {
      const name = JSON.stringify(wish)
      const count = wishes.filter((of) => of.some((other) => JSON.stringify(other) === name)).length
      if (count >= quorum) return
      throw new Violation('config', `ledger ${seq} makes the change ${name}, for which ${count} of ${quorum} wished`)
    }
    for (const key of after.unl) if (!before.unl.includes(key)) expect({ kind: 'add-validator', key })
    for (const key of before.unl) if (!after.unl.includes(key)) expect({ kind: 'remove-validator', key })
    for (const name of ['threshold', 'roundtimeMs', 'ledgerInputBytes'] as const) {
      if (before[name] !== after[name]) expect({ kind: 'set', name, value: after[name] })
    }
  }

  /** Where more than half of the proposals are honest, the time lies between two of theirs, or just after the last one. */
  #checkTime({ header }: Ledger, beforeMs: number): void {
    const { seq, timeMs, proposals } = header
    if (timeMs <= beforeMs)
      throw new Violation('time', `ledger ${seq} is of ${timeMs} ms, the one before of ${beforeMs}`)
    if (timeMs === beforeMs + 1) return
    const made = proposals.map((hash) => this.#signatures.proposalOf(hash))
    const honest = made.flatMap((one) => (one && !this.#byzantine.has(one.validator) ? [one.timeMs] : []))
    if (2 * honest.length <= proposals.length) return
    if (timeMs >= Math.min(...honest) && timeMs <= Math.max(...honest)) return
    throw new Violation(
      'time',
      `ledger ${seq} is of ${timeMs} ms, the honest said ${Math.min(...honest)}..${Math.max(...honest)}`
    )
  }

  #checkLimit({ header: { seq }, inputs }: Ledger): void {
    const bytes = inputs.reduce((sum, { content }) => sum + content.length, 0)
    const { ledgerInputBytes } = this.configAt(seq)
    if (bytes > ledgerInputBytes)
      throw new Violation('limit', `ledger ${seq} has ${bytes} bytes of inputs, at most ${ledgerInputBytes}`)
  }

  /** True for an input that a ledger has. */
  isExecuted(id: Hash): boolean {
    return this.#executed.has(id)
  }

  /** True, or void where there may be too few true ones; never what no honest node got. */
  #checkResult(seq: number, result: AgreedResult, rootBefore: Hash | undefined): void {
    const { differingRate, byzantine, n, quorum, changeEveryMs } = this.#profile
    const expected = this.#results.get(seq - 1)
    if (expected === undefined) return
    const isTrue = differingRate > 0 ? this.#honestResults.has(keyOf(seq - 1, result)) : isSame(result, expected)
    // With other validators there may be more false results than true ones.
    const mayBeVoid = differingRate > 0 || byzantine > n - quorum || (byzantine > 0 && changeEveryMs > 0)
    const isVoid = result.status === 'void' && result.stateRoot === (rootBefore ?? expected.stateRoot)
    if (isTrue || (mayBeVoid && isVoid)) return
    throw new Violation(
      'result',
      `ledger ${seq} agrees on ${result.status} ${short(result.stateRoot)}, not the true result`
    )
  }
}

function keyOf(seq: number, { status, stateRoot, outputsRoot }: Omit<AgreedResult, 'configHash'>): string {
  return `${seq} ${status} ${stateRoot} ${outputsRoot}`
}

function isSame(a: AgreedResult, b: AgreedResult): boolean {
  return keyOf(0, a) === keyOf(0, b)
}

export function short(hash: Hash | null): string {
  return hash === null ? 'nil' : hash.slice(0, 8)
}

function describe(vote: Vote): string {
  return `${short(vote.validator)} signs ${vote.kind} ${short(vote.hash)} of ledger ${vote.seq} attempt ${vote.attempt}`
}
