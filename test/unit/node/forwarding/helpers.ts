import { pino } from 'pino'
import {
  encodeForwardBatch,
  encodeSignedForward,
  type ForwardBatch,
  partHashOf,
  SIGNING_DOMAINS,
  signPayload
} from '../../../../src/codec/index.js'
import type { LedgerTip } from '../../../../src/consensus/close-ledger.js'
import type { Ledger, ProposalUser } from '../../../../src/consensus/types.js'
import { blake3Hex, createKeyPair, Signer } from '../../../../src/crypto/index.js'
import type { ForwardedBatch } from '../../../../src/node/forwarding/batches.js'
import { challengeOf, type PendingInputs, type PendingSource } from '../../../../src/users/index.js'

export const NETWORK = 'ab'.repeat(32)
export const log = pino({ level: 'silent' })

export function makeSigner(): Signer {
  return new Signer(createKeyPair())
}

/** A user who has connected to a node. */
export class TestUser {
  readonly #signer = makeSigner()
  readonly sessionId: string
  readonly entry: ProposalUser
  #sent = 0

  constructor(node: string, networkId = NETWORK) {
    const nonce = Buffer.alloc(16, 7)
    this.sessionId = challengeOf(networkId, node, 99, nonce)
    const signature = this.#signer.sign(Buffer.from(this.sessionId))
    this.entry = { key: this.#signer.publicKey, proof: { expiryMs: 99, nonce, signature } }
  }

  get key(): string {
    return this.entry.key
  }

  next(): PendingSource {
    return { user: this.key, proof: this.entry.proof, sessionId: this.sessionId, ordinal: this.#sent++ }
  }

  /** Puts an input with this text among those that wait; its id. */
  send(pending: PendingInputs, text: string): string {
    const verdict = pending.add(this.next(), Buffer.from(text))
    if (!verdict.taken) throw new Error(verdict.reason)
    return verdict.id
  }
}

/** A signed batch: users ascending by key, inputs by their index. */
export function signBatch(observer: Signer, batch: Partial<ForwardBatch>): Uint8Array {
  const payload = encodeForwardBatch({ networkId: NETWORK, untilSeq: 20, users: [], inputs: [], ...batch })
  return encodeSignedForward(signPayload(SIGNING_DOMAINS.forward, payload, observer))
}

/** A batch of `texts`, all of one user. */
export function signInputs(observer: Signer, user: TestUser, texts: string[], untilSeq = 20): Uint8Array {
  const inputs = texts.map((text, ordinal) => ({ user: 0, ordinal, content: Buffer.from(text) }))
  return signBatch(observer, { untilSeq, users: [user.entry], inputs })
}

export function hashOf(part: Uint8Array): string {
  return partHashOf(part)
}

export function makeTip(seq: number, forwarded: [string, number][] = []): LedgerTip {
  return {
    networkId: NETWORK,
    seq,
    hash: blake3Hex(Buffer.from(`ledger ${seq}`)),
    timeMs: seq,
    stateRoot: '00'.repeat(32),
    configHash: '00'.repeat(32),
    inputCount: 0,
    forwarded: new Map(forwarded)
  }
}

/** As much of a ledger as forwarding looks at. */
export function makeLedger(seq: number, inputs: { id: string; untilSeq?: number }[] = []): Ledger {
  return {
    header: { seq },
    inputs: inputs.map(({ id, untilSeq = 20 }) => ({ id, untilSeq }))
  } as unknown as Ledger
}

export function textsOf(batches: readonly ForwardedBatch[]): string[] {
  return batches.flatMap(({ inputs }) => inputs.map(({ content }) => Buffer.from(content).toString()))
}
