import { configHashOf, EMPTY_OUTPUTS_ROOT, inputsHashOf, ledgerHashOf, usersHashOf } from '../codec/ledger.js'
import { LIMITS } from '../codec/limits.js'
import { blake3Hex } from '../crypto/index.js'
import { quorumOf, safeFaults } from './quorum.js'
import type {
  AgreedResult,
  ConsensusConfig,
  Hash,
  Ledger,
  LedgerInput,
  Proposal,
  ProposalInput,
  PublicKey
} from './types.js'
import { changeConfig } from './wishes.js'

/** What a ledger needs to know of the one before it. */
export interface LedgerTip {
  networkId: Hash
  seq: number
  hash: Hash
  timeMs: number
  /** Agreed state root after the execution of seq - 1. */
  stateRoot: Hash
  configHash: Hash
  /** Inputs in the ledger. */
  inputCount: number
  /** Forwarded inputs that the last ledgers took and a later one could still take: id -> the last that could. */
  forwarded: ReadonlyMap<Hash, number>
}

const NONE: ReadonlyMap<Hash, number> = new Map()

/**
 * The tip that `ledger` makes.
 *
 * @param before the ledgers before it: the last `LIMITS.forwardLedgers`, in any order; the others may be left out
 */
export function tipOf(ledger: Ledger, before: readonly Pick<Ledger, 'inputs'>[] = []): LedgerTip {
  const { seq } = ledger.header
  const forwarded = new Map<Hash, number>()
  for (const { inputs } of [...before, ledger]) {
    for (const { id, untilSeq } of inputs) if (untilSeq > seq) forwarded.set(id, untilSeq)
  }
  return describeTip(ledger, forwarded.size === 0 ? NONE : forwarded)
}

/** The tip that `ledger` makes on top of `tip`. */
export function nextTip(tip: LedgerTip, ledger: Ledger): LedgerTip {
  const { seq } = ledger.header
  const hasNew = ledger.inputs.some(({ untilSeq }) => untilSeq > seq)
  if (!hasNew && tip.forwarded.size === 0) return describeTip(ledger, NONE)
  const forwarded = new Map<Hash, number>()
  for (const [id, untilSeq] of tip.forwarded) if (untilSeq > seq) forwarded.set(id, untilSeq)
  for (const { id, untilSeq } of ledger.inputs) if (untilSeq > seq) forwarded.set(id, untilSeq)
  return describeTip(ledger, forwarded)
}

function describeTip(ledger: Ledger, forwarded: ReadonlyMap<Hash, number>): LedgerTip {
  return {
    networkId: ledger.header.networkId,
    seq: ledger.header.seq,
    hash: ledger.hash,
    timeMs: ledger.header.timeMs,
    stateRoot: ledger.header.result.stateRoot,
    configHash: ledger.header.result.configHash,
    inputCount: ledger.inputs.length,
    forwarded
  }
}

/**
 * The ledger that follows `tip` when `proposals` (at least a quorum, of distinct validators, all for tip.seq + 1 and
 * tip.hash) are the candidate. A pure function: every node that knows the candidate computes the same ledger.
 *
 * @param config in force for the ledger: its hash is tip.configHash
 */
export function closeLedger(tip: LedgerTip, proposals: Proposal[], config: ConsensusConfig): Ledger {
  const candidate = [...proposals].sort((a, b) => compare(a.validator, b.validator))
  const inputs = chooseInputs(tip, candidate, config.ledgerInputBytes)
  const users = chooseUsers(candidate, inputs)
  const { result, support } = agreeOnResult(tip, candidate, config)
  const changed = changeConfig(config, candidate, quorumOf(config.unl.length, config.threshold))
  const header = {
    networkId: tip.networkId,
    seq: tip.seq + 1,
    prevHash: tip.hash,
    timeMs: Math.max(tip.timeMs + 1, median(candidate.map((proposal) => proposal.timeMs))),
    usersHash: usersHashOf(users),
    inputsHash: inputsHashOf(inputs),
    result: changed === null ? result : { ...result, configHash: configHashOf(changed) },
    support,
    proposals: candidate.map((proposal) => proposal.hash).sort(compare)
  }
  return { header, hash: ledgerHashOf(header), users, inputs, config: changed }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The lower median: with fewer than half of the values false it lies between two true ones. */
function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] as number
}

/** The union of the proposals' users; when there are too many, those with inputs come first, then the others by key. */
function chooseUsers(candidate: Proposal[], inputs: LedgerInput[]): PublicKey[] {
  const withInputs = new Set(inputs.map(({ user }) => user))
  const others = new Set<PublicKey>()
  for (const { users } of candidate) for (const { key } of users) if (!withInputs.has(key)) others.add(key)
  const places = LIMITS.usersPerLedger - withInputs.size
  return [...withInputs, ...[...others].sort(compare).slice(0, places)].sort(compare)
}

/** The result that enough of the candidate carries; void when there is none. */
function agreeOnResult(
  tip: LedgerTip,
  candidate: Proposal[],
  { unl, threshold }: ConsensusConfig
): { result: AgreedResult; support: number } {
  const needed = supportNeeded(candidate.length, unl.length, quorumOf(unl.length, threshold))
  const counts = new Map<string, number>()
  for (const { result } of candidate) counts.set(keyOf(result), (counts.get(keyOf(result)) ?? 0) + 1)
  for (const { result } of candidate) {
    const support = counts.get(keyOf(result)) as number
    // A config comes from wishes alone: one that a result speaks of has no known content.
    if (support >= needed) return { result: { ...result, configHash: tip.configHash }, support }
  }
  return {
    result: { status: 'void', stateRoot: tip.stateRoot, outputsRoot: EMPTY_OUTPUTS_ROOT, configHash: tip.configHash },
    support: Math.max(0, ...counts.values())
  }
}

function keyOf({ status, stateRoot, outputsRoot, configHash }: Proposal['result']): string {
  return `${status} ${stateRoot} ${outputsRoot} ${configHash}`
}

/**
 * Proposals that must carry a result for it to be agreed. More than half, so that there is one at most; and one more
 * than the Byzantine validators that safety bears, so that these alone never reach it. Where the contract is
 * deterministic and at most n - q are faulty, the others always reach it, for c >= q and 3q > 2n: there are at least
 * c - (n - q) of them, which is no less than q - (n - q) = 2q - n, and more than c / 2 since c / 2 >= q / 2 > n / 3 > n - q.
 *
 * @param c proposals in the candidate, at least q
 */
function supportNeeded(c: number, n: number, q: number): number {
  return Math.max(Math.floor(c / 2) + 1, safeFaults(n, q) + 1)
}

/**
 * Whoever has a forwarded input may propose it, more than once and long after: it is taken in its time, and once. A
 * validator's own users' inputs are proposed by that validator alone, which answers for their being proposed once.
 */
function mayTake({ seq, forwarded }: LedgerTip, { id, untilSeq }: ProposalInput): boolean {
  if (untilSeq === 0) return true
  return untilSeq > seq && untilSeq <= seq + LIMITS.forwardLedgers && !forwarded.has(id)
}

interface UserQueue {
  user: PublicKey
  order: Hash
  waiting: ProposalInput[]
  taken: ProposalInput[]
}

/**
 * Inputs of all proposals, each once. One of each user in turn until a limit of bytes, inputs or users: nobody crowds
 * the others out, and a user whose next input no longer fits is left for the next ledger, whose order is another.
 */
function chooseInputs(tip: LedgerTip, candidate: Proposal[], ledgerInputBytes: number): LedgerInput[] {
  const queues = new Map<PublicKey, UserQueue>()
  const seen = new Set<Hash>()
  for (const proposal of candidate) {
    for (const input of proposal.inputs) {
      if (seen.has(input.id) || !mayTake(tip, input)) continue
      seen.add(input.id)
      let queue = queues.get(input.user)
      if (queue === undefined) {
        const order = blake3Hex(Buffer.from(tip.hash + input.user, 'hex'))
        queue = { user: input.user, order, waiting: [], taken: [] }
        queues.set(input.user, queue)
      }
      queue.waiting.push(input)
    }
  }
  const ordered = [...queues.values()].sort((a, b) => compare(a.order, b.order))
  let bytesLeft = ledgerInputBytes
  let inputsLeft: number = LIMITS.inputsPerLedger
  let usersLeft: number = LIMITS.usersPerLedger
  let active = ordered
  for (let turn = 0; active.length > 0; turn++) {
    const next: UserQueue[] = []
    for (const queue of active) {
      const input = queue.waiting[turn]
      if (input === undefined || input.content.length > bytesLeft || inputsLeft === 0) continue
      if (turn === 0 && usersLeft-- <= 0) break
      bytesLeft -= input.content.length
      inputsLeft--
      queue.taken.push(input)
      next.push(queue)
    }
    active = next
  }
  return ordered.flatMap((queue) =>
    queue.taken.map(({ user, id, content, untilSeq }) => ({ user, id, content, untilSeq }))
  )
}
