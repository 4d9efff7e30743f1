import {
  decodeConsensusMessage,
  decodeProposalPayload,
  decodeVotePayload,
  outputsRootOf
} from '../../../src/codec/index.js'
import type { ConsensusConfig, Hash, Ledger, PublicKey, UserOutput } from '../../../src/consensus/types.js'
import { decodeSeq, KEYS } from '../../../src/ledger/keys.js'
import type { UserNotice } from '../../../src/users/index.js'
import { ModelFiles, runContract, seqOfAnswer } from './contract.js'
import type { CrashKind, WholeNode } from './whole-node.js'
import { JOURNAL_PATH, LEDGERS_PATH } from './whole-node.js'

export type WholeViolationKind =
  | 'fork'
  | 'chain'
  | 'not-durable'
  | 'said-twice'
  | 'input-twice'
  | 'input-foreign'
  | 'false-result'
  | 'false-output'
  | 'output-twice'
  | 'false-notice'
  | 'state'
  | 'certificate'
  | 'blamed'
  | 'fatal'
  | 'no-progress'
  | 'limit'
  | 'outputs'

export interface WholeViolation {
  kind: WholeViolationKind
  message: string
}

const GOSSIP_BYTES = 16 * 1024 * 1024

interface Executed {
  files: ReadonlyMap<string, Buffer>
  outputs: UserOutput[]
  failed: boolean
}

/** What must hold whatever happens; the first break is kept. */
export class WholeChecks {
  violation: WholeViolation | null = null
  /** The agreed chain, from ledger 1 on. */
  readonly chain = new Map<number, Ledger>()
  readonly #early = new Map<number, { node: WholeNode; ledger: Ledger }>()
  readonly #executed = new Map<number, Executed>()
  readonly #sent = new Map<Hash, PublicKey>()
  readonly #taken = new Map<Hash, number>()
  /** What each key has published: a vote's or proposal's name -> what it says. */
  readonly #said = new Map<string, string>()
  /** What each node has delivered since its machine last lost power. */
  readonly #delivered = new Map<string, Set<string>>()
  /** Users on the side of Byzantine nodes: their inputs may be anybody's, and are executed as often as these like. */
  readonly #lying = new Set<PublicKey>()
  /** In force from a ledger on, the newest last. */
  readonly #configs: { from: number; config: ConsensusConfig }[]
  newest = 0
  voids = 0
  fails = 0

  constructor(config: ConsensusConfig) {
    this.#configs = [{ from: 1, config }]
  }

  /** In force for the ledger `seq`. */
  configAt(seq: number): ConsensusConfig {
    return (this.#configs.findLast(({ from }) => from <= seq) ?? this.#configs[0]!).config
  }

  /** In force for the ledger that is being decided. */
  get config(): ConsensusConfig {
    return this.configAt(this.newest + 1)
  }

  liesBy(user: PublicKey): void {
    this.#lying.add(user)
  }

  fail(kind: WholeViolationKind, message: string): void {
    this.violation ??= { kind, message }
  }

  inputSent(id: Hash, user: PublicKey): void {
    this.#sent.set(id, user)
  }

  wasTaken(id: Hash): boolean {
    return this.#taken.has(id)
  }

  /** A node has this ledger in its store, and goes on from it. */
  ledgerStored(node: WholeNode, ledger: Ledger): void {
    const { seq } = ledger.header
    if (node.machine.level(LEDGERS_PATH).durable(KEYS.hash(ledger.hash).toString()) === undefined) {
      this.fail('not-durable', `${node.name} goes on from ledger ${seq}, which is not on its disk`)
    }
    const known = this.chain.get(seq)
    if (known !== undefined) {
      if (known.hash !== ledger.hash) this.fail('fork', `${node.name} has another ledger ${seq}`)
      return
    }
    const before = this.chain.get(seq - 1)
    if (seq > 1 && before === undefined) {
      // Its node was killed when that ledger was on the disk and before it could say so; it is read back.
      this.#early.set(seq, { node, ledger })
      return
    }
    if (seq > 1 && before?.hash !== ledger.header.prevHash) {
      this.fail('chain', `ledger ${seq} of ${node.name} does not follow ledger ${seq - 1}`)
    }
    this.chain.set(seq, ledger)
    this.newest = Math.max(this.newest, seq)
    if (ledger.config !== null) this.#configs.push({ from: seq + 1, config: ledger.config })
    for (const { id, user } of ledger.inputs) {
      if (this.#lying.has(user)) continue
      if (this.#taken.has(id)) this.fail('input-twice', `ledgers ${this.#taken.get(id)} and ${seq} have one input`)
      if (this.#sent.get(id) !== user) this.fail('input-foreign', `ledger ${seq} has an input that nobody sent`)
      this.#taken.set(id, seq)
    }
    if (seq > 1) this.#checkResult(seq - 1, ledger)
    const next = this.#early.get(seq + 1)
    this.#early.delete(seq + 1)
    if (next !== undefined) this.ledgerStored(next.node, next.ledger)
  }

  /** The result that `next` agrees on for the ledger before it is the true one, or void. */
  #checkResult(seq: number, next: Ledger): void {
    const ledger = this.chain.get(seq) as Ledger
    const before = this.#executed.get(seq - 1)?.files ?? new Map<string, Buffer>()
    const files = new ModelFiles(before)
    const execution = { seq, lcl: ledger.hash, timeMs: 0, unl: this.configAt(seq + 1).unl, users: usersOf(ledger) }
    const steps = runContract(files, execution)
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    const result = step.value
    const agreed = next.header.result
    const failed = result.status === 'failed'
    const outputs = failed ? [] : result.outputs
    if (agreed.status === 'void') this.voids++
    if (agreed.status === 'failed') this.fails++
    const isTrue =
      agreed.status === 'void' || (agreed.status === result.status && agreed.outputsRoot === outputsRootOf(outputs))
    if (!isTrue) this.fail('false-result', `ledger ${seq + 1} says that the execution of ${seq} was ${agreed.status}`)
    const counts = agreed.status === 'ok'
    this.#executed.set(seq, { files: counts ? files.all : before, outputs: counts ? outputs : [], failed: !counts })
    // Only what the next one is built on is needed.
    this.#executed.delete(seq - 200)
  }

  /** What a node sends is on its disk by then, stands on a ledger that is there, and contradicts nothing it ever sent. */
  published(node: WholeNode, bytes: Uint8Array): void {
    const message = decodeConsensusMessage(bytes, GOSSIP_BYTES)
    if (message.type !== 'proposal' && message.type !== 'vote') return
    const { signed } = message.type === 'vote' ? message.vote : message.proposal
    let seq: number
    if (message.type === 'vote') {
      const { attempt, kind, hash, seq: of } = decodeVotePayload(signed.payload)
      seq = of
      this.#note(node, `${kind} ${seq}/${attempt}`, hash ?? 'nil')
    } else {
      ;({ seq } = decodeProposalPayload(signed.payload))
      this.#note(node, `proposal ${seq}`, Buffer.from(signed.payload).toString('hex'))
    }
    const { files } = node.machine
    if ((files.durableBytes(JOURNAL_PATH)?.lastIndexOf(signed.payload) ?? -1) < 0) {
      this.fail('not-durable', `${node.name} sends a ${message.type} for ledger ${seq} that is not in its journal`)
    }
    const tip = decodeSeq(node.machine.level(LEDGERS_PATH).durable(KEYS.tip.toString()) ?? null)
    if (seq !== (tip?.seq ?? 0) + 1) {
      this.fail('not-durable', `${node.name} sends a ${message.type} for ledger ${seq} on top of ledger ${tip?.seq}`)
    }
  }

  #note(node: WholeNode, name: string, what: string): void {
    const key = `${node.publicKey} ${name}`
    const before = this.#said.get(key)
    if (before !== undefined && before !== what) this.fail('said-twice', `${node.name} says twice: ${name}`)
    this.#said.set(key, what)
  }

  crashed(node: WholeNode, kind: CrashKind): void {
    // What is delivered is noted without a sync.
    if (kind === 'power') this.forgetDelivered(node)
  }

  /** The note of what a node has delivered may be gone, or an old one. */
  forgetDelivered(node: WholeNode): void {
    this.#delivered.delete(node.publicKey)
  }

  outputDelivered(node: WholeNode, user: PublicKey, content: Uint8Array): void {
    const seq = seqOfAnswer(content)
    const text = Buffer.from(content).toString()
    const executed = this.#executed.get(seq)
    const right = executed?.outputs.find((output) => output.user === user)
    if (right === undefined || !Buffer.from(right.content).equals(content)) {
      this.fail('false-output', `${node.name} gives a user an output of ledger ${seq} that was not agreed: ${text}`)
    }
    const delivered = this.#delivered.get(node.publicKey) ?? new Set()
    this.#delivered.set(node.publicKey, delivered)
    if (delivered.has(`${user} ${seq}`)) {
      this.fail('output-twice', `${node.name} gives a user the output of ledger ${seq} twice: ${text}`)
    }
    delivered.add(`${user} ${seq}`)
  }

  noticeGiven(node: WholeNode, { notice, seq }: UserNotice): void {
    if (notice !== 'ledger_void' && notice !== 'execution_failed') return
    const agreed = this.chain.get(Number(seq) + 1)?.header.result.status
    if (agreed === (notice === 'ledger_void' ? 'void' : 'failed')) return
    this.fail('false-notice', `${node.name} tells a user that ledger ${seq} is ${notice}, it is ${agreed}`)
  }

  /** Files after the execution of ledger `seq`, as they are agreed; undefined when it is not known. */
  filesAfter(seq: number): ReadonlyMap<string, Buffer> | undefined {
    return seq === 0 ? new Map() : this.#executed.get(seq)?.files
  }
}

function usersOf(ledger: Ledger) {
  const users = new Map(ledger.users.map((key) => [key, { key, inputs: [] as Uint8Array[] }]))
  for (const { user, content } of ledger.inputs) users.get(user)?.inputs.push(content)
  return [...users.values()]
}
