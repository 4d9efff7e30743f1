import { EMPTY_OUTPUTS_ROOT } from '../../../src/codec/ledger.js'
import { closeLedger, type LedgerTip } from '../../../src/consensus/close-ledger.js'
import { Consensus } from '../../../src/consensus/consensus.js'
import type { ConsensusEffect, ConsensusEvent, Journaled } from '../../../src/consensus/events.js'
import type {
  ConsensusConfig,
  ExecutionResult,
  Ledger,
  Proposal,
  PublicKey,
  Vote
} from '../../../src/consensus/types.js'
import { blake3Hex } from '../../../src/crypto/index.js'

export function hashOf(text: string): string {
  return blake3Hex(Buffer.from(text))
}

const SIGNATURE = new Uint8Array(64)

export const TIP: LedgerTip = {
  networkId: hashOf('network'),
  seq: 6,
  hash: hashOf('ledger 6'),
  timeMs: 1000,
  stateRoot: hashOf('state before'),
  configHash: hashOf('config'),
  inputCount: 0,
  forwarded: new Map()
}

export const RESULT: ExecutionResult = {
  status: 'ok',
  stateRoot: hashOf('state'),
  outputsRoot: EMPTY_OUTPUTS_ROOT,
  configHash: TIP.configHash
}

export function makeUnl(n: number): PublicKey[] {
  return Array.from({ length: n }, (_, index) => hashOf(`validator ${index}`)).sort()
}

export function makeConfig(n: number, threshold = 67): ConsensusConfig {
  return {
    unl: makeUnl(n),
    threshold,
    roundtimeMs: 1000,
    minRoundtimeMs: 0,
    ledgerInputBytes: 1000,
    userOutputBytes: 1000,
    ledgerOutputBytes: 1000,
    nplBytes: 1000,
    execTimeoutMs: 1000
  }
}

export interface ProposalParts {
  timeMs?: number
  result?: ExecutionResult
  users?: PublicKey[]
  inputs?: { user: PublicKey; id: string; bytes?: number }[]
  tip?: LedgerTip
  salt?: string
}

export function makeProposal(validator: PublicKey, parts: ProposalParts = {}): Proposal {
  const { timeMs = 2000, result = RESULT, users = [], inputs = [], tip = TIP, salt = '' } = parts
  const keys = [...new Set([...users, ...inputs.map(({ user }) => user)])].sort()
  return {
    hash: hashOf(`proposal of ${validator} ${tip.seq} ${salt} ${timeMs} ${inputs.map(({ id }) => id).join()}`),
    validator,
    seq: tip.seq + 1,
    lcl: tip.hash,
    timeMs,
    result,
    users: keys.map((key) => ({ key, proof: { expiryMs: 0, nonce: new Uint8Array(16), signature: SIGNATURE } })),
    inputs: inputs.map(({ user, id, bytes = 10 }) => ({ user, id, content: new Uint8Array(bytes), untilSeq: 0 })),
    wishes: []
  }
}

/** The core of one of `n` validators, with what it does and says collected. */
export class Validator {
  readonly config: ConsensusConfig
  readonly unl: PublicKey[]
  readonly core: Consensus
  readonly effects: ConsensusEffect[] = []
  readonly proposals: Proposal[]

  constructor(n = 4, options: { self?: PublicKey; journaled?: Journaled; config?: ConsensusConfig } = {}) {
    this.config = options.config ?? makeConfig(n)
    this.unl = this.config.unl
    const self = options.self ?? (this.unl[0] as PublicKey)
    this.core = new Consensus({ self, config: this.config, tip: TIP, journaled: options.journaled ?? null })
    this.proposals = this.unl.map((validator) => makeProposal(validator))
    this.effects.push(...this.core.start())
  }

  apply(...events: ConsensusEvent[]): ConsensusEffect[] {
    const effects = events.flatMap((event) => this.core.step(event))
    this.effects.push(...effects)
    return effects
  }

  propose(...indices: number[]): ConsensusEffect[] {
    return this.apply(...indices.map((index) => ({ type: 'proposal' as const, proposal: this.proposals[index]! })))
  }

  ledgerOf(...indices: number[]): Ledger {
    return closeLedger(
      TIP,
      indices.map((index) => this.proposals[index]!),
      this.config
    )
  }

  vote(indices: number[], kind: Vote['kind'], ledger: Ledger | null, attempt = 0): ConsensusEffect[] {
    return this.apply(
      ...indices.map((index) => ({ type: 'vote' as const, vote: this.makeVote(index, kind, ledger, attempt) }))
    )
  }

  makeVote(index: number, kind: Vote['kind'], ledger: Ledger | null, attempt = 0): Vote {
    const proposals = kind === 'prevote' ? (ledger?.header.proposals ?? []) : []
    const hash = ledger?.hash ?? null
    return { validator: this.unl[index]!, seq: 7, attempt, kind, hash, signature: SIGNATURE, proposals }
  }

  timer(kind: 'propose' | 'prevote' | 'precommit' | 'resend' | 'idle-pace', attempt = 0): ConsensusEffect[] {
    return this.apply({ type: 'timer', timer: { kind, seq: this.core.seq, attempt } })
  }

  /** "prevote <hash>" of each vote that the core asked for. */
  votes(): string[] {
    return this.effects.flatMap((effect) =>
      effect.type === 'vote' ? [`${effect.attempt} ${effect.kind} ${effect.hash}`] : []
    )
  }
}

export function typesOf(effects: ConsensusEffect[]): string[] {
  return effects.map(({ type }) => type)
}
