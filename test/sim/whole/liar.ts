import {
  CodecError,
  decodeConsensusMessage,
  decodeOutputList,
  decodeVotePayload,
  encodeLedgerRecord,
  encodeOutputList,
  encodeProposalMessage,
  ledgerHashOf,
  type ProposalMessage,
  parseLedgerRecord
} from '../../../src/codec/index.js'
import * as pb from '../../../src/codec/pb/sync.js'
import type { Proposal, PublicKey } from '../../../src/consensus/types.js'
import type { RequestHandler, Topic } from '../../../src/network/index.js'
import { encodeForwardAnswer } from '../../../src/node/forwarding/wire.js'
import { forgeLedgers } from '../byzantine-node.js'
import type { ClosedLedger, Peer } from '../messages.js'
import type { Manners } from './hub.js'
import type { Stage } from './stage.js'
import type { WholeNode } from './whole-node.js'
import type { WholeScene } from './whole-scene.js'

const GOSSIP_BYTES = 16 * 1024 * 1024
/** A new one each time: what waits for it goes with it. */
const never = (): Promise<never> => new Promise(() => {})

/** Probabilities, drawn once for each liar. */
interface Habits {
  /** What its software says is kept from a peer. */
  mute: number
  /** It says that it is further than it is. */
  boast: number
  /** An answer is false, or does not come. */
  falseAnswer: number
  silence: number
}

/**
 * A Byzantine node: the software of the node runs as it is, and what it says is withheld here and there and answered
 * falsely; beside it, with the same key, one of the simulator's Byzantine nodes says what it likes.
 */
export class Liar implements Manners {
  readonly #stage: Stage
  readonly #scene: WholeScene
  readonly #brain: Peer
  readonly #habits: Habits

  constructor(stage: Stage, scene: WholeScene, brain: Peer) {
    this.#stage = stage
    this.#scene = scene
    this.#brain = brain
    const { random } = stage
    this.#habits = {
      mute: random.pick([0, 0, 0.3, 1]),
      boast: random.pick([0, 0, 0.3]),
      falseAnswer: random.pick([0, 0.3, 1]),
      silence: random.pick([0, 0, 0.2])
    }
  }

  sends(_: PublicKey, topic: Topic): boolean {
    return topic !== 'consensus' || !this.#stage.random.chance(this.#habits.mute)
  }

  claims(seq: number): number {
    const { random } = this.#stage
    return random.chance(this.#habits.boast) ? seq + random.pick([1, 2, 10, 1000]) : seq
  }

  /** A message for its software. */
  hearVote(bytes: Uint8Array, from: WholeNode): void {
    const message = decodeConsensusMessage(bytes, GOSSIP_BYTES)
    if (message.type !== 'vote') return
    const { signed, proposals } = message.vote
    const { seq, attempt, kind, hash } = decodeVotePayload(signed.payload)
    const vote = { validator: signed.key, seq, attempt, kind, hash, signature: signed.signature, proposals }
    this.#brain.receive({ type: 'vote', vote }, from.index)
  }

  /** Its software has a proposal of an honest node. */
  hearProposal(proposal: Proposal, message: ProposalMessage): void {
    this.#scene.heard(proposal, message)
    const from = this.#stage.nodes.find(({ publicKey }) => publicKey === proposal.validator)
    if (from !== undefined) this.#brain.receive({ type: 'proposal', proposal }, from.index)
  }

  handler(name: string, honest: RequestHandler): RequestHandler {
    if (name === 'proposals') return (...request) => this.#proposals(honest, ...request)
    const { random } = this.#stage
    if (random.chance(this.#habits.silence)) return never
    if (!random.chance(this.#habits.falseAnswer)) return honest
    this.#stage.marks.add('false answer')
    if (name === 'ledgers') return (...request) => this.#ledgers(honest, ...request)
    if (name === 'outputs') return async (...request) => this.#outputs(await first(honest(...request)))
    if (name === 'forward') {
      const verdict = random.pick(['taken', 'taken', 'known', 'refused'] as const)
      return async () => encodeForwardAnswer({ verdict, reason: 'no' })
    }
    return (...request) => this.#spoilt(honest(...request))
  }

  /** Also what was never sent to anybody; now and then what nobody asked for. */
  async *#proposals(
    honest: RequestHandler,
    ...[body, ...more]: Parameters<RequestHandler>
  ): AsyncGenerator<Uint8Array> {
    const { hashes } = pb.ProposalsRequest.decode(body)
    for (const bytes of hashes) {
      const hash = Buffer.from(bytes).toString('hex')
      const message = this.#brain.serveProposal(hash) === null ? undefined : this.#scene.whole(hash)
      if (message !== undefined) yield encodeProposalMessage(message)
    }
    if (this.#stage.random.chance(this.#habits.silence)) await never()
    const answer = honest(body, ...more)
    yield* this.#stage.random.chance(this.#habits.falseAnswer / 3) ? this.#spoilt(answer) : all(answer)
  }

  async *#ledgers(honest: RequestHandler, ...request: Parameters<RequestHandler>): AsyncGenerator<Uint8Array> {
    const { random, checks } = this.#stage
    const records: Uint8Array[] = []
    for await (const record of all(honest(...request))) records.push(record)
    const at = random.between(0, Math.max(0, records.length - 1))
    for (const [index, record] of records.entries()) {
      if (index !== at) {
        yield record
        continue
      }
      const { ledger, certificate } = parseLedgerRecord(record)
      const { unl } = checks.configAt(ledger.header.seq)
      const header = { ...ledger.header, timeMs: ledger.header.timeMs + random.between(1, 1000) }
      const forged = { ...ledger, header, hash: ledgerHashOf(header) }
      const closed = { ledger, certificate: certificate([...unl].sort()) }
      for (const false1 of forgeLedgers(random, closed, forged, [])) yield encodeForged(false1, unl)
    }
  }

  #outputs(answer: Uint8Array): Uint8Array {
    const { random } = this.#stage
    const outputs = decodeOutputList(answer)
    const kind = random.between(0, 2)
    if (kind === 0 || outputs.length === 0) return this.#spoil(answer)
    if (kind === 1) return encodeOutputList(outputs.slice(1))
    const victim = random.between(0, outputs.length - 1)
    const content = Buffer.from(`${Buffer.from(outputs[victim]!.content).toString()}, and a lie`)
    return encodeOutputList(outputs.map((output, index) => (index === victim ? { ...output, content } : output)))
  }

  /** The same, and one message of it with a bit turned, cut, or left out. */
  async *#spoilt(answer: ReturnType<RequestHandler>): AsyncGenerator<Uint8Array> {
    let isTrue = this.#stage.random.chance(0.3)
    for await (const message of all(answer)) {
      if (!isTrue && this.#stage.random.chance(0.3)) continue
      yield isTrue ? message : this.#spoil(message)
      isTrue = this.#stage.random.chance(0.5)
    }
  }

  #spoil(message: Uint8Array): Uint8Array {
    const { random } = this.#stage
    const bytes = Buffer.from(message)
    if (bytes.length === 0) return Buffer.from('nothing')
    const at = random.between(0, bytes.length - 1)
    if (random.chance(0.3)) return bytes.subarray(0, at)
    bytes[at] = (bytes[at] as number) ^ (1 << random.between(0, 7))
    return bytes
  }
}

function encodeForged({ ledger, certificate }: ClosedLedger, unl: readonly PublicKey[]): Uint8Array {
  const sorted = [...unl].sort()
  try {
    return encodeLedgerRecord(ledger, certificate, sorted)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    // One signer many times cannot even be written down.
    const { signatures } = certificate
    return encodeLedgerRecord(ledger, { ...certificate, signatures: signatures.slice(0, 1) }, sorted)
  }
}

async function* all(answer: ReturnType<RequestHandler>): AsyncGenerator<Uint8Array> {
  if (answer instanceof Promise) yield await answer
  else yield* answer
}

async function first(answer: ReturnType<RequestHandler>): Promise<Uint8Array> {
  for await (const message of all(answer)) return message
  return Buffer.alloc(0)
}
