import type { Logger } from 'pino'
import {
  CodecError,
  decodeNplPayload,
  decodeSignedNpl,
  encodeNplPayload,
  encodeSigned,
  isSignatureValid,
  SIGNING_DOMAINS,
  signPayload
} from '../codec/index.js'
import type { Hash, PublicKey } from '../consensus/types.js'
import type { NplMessage, ReceivedNplMessage } from '../contract/index.js'
import type { Signer } from '../crypto/index.js'
import { TokenBucket } from '../network/index.js'
import type { GossipVerdict } from './gossip-intake.js'

export interface NplBridgeOptions {
  networkId: Hash
  signer: Signer
  log: Logger
  /** Only validators speak on the party line. */
  isValidator: (key: PublicKey) => boolean
  publish: (bytes: Uint8Array) => void
  deliver: (message: ReceivedNplMessage) => void
}

/**
 * What is sent at most: well below what a peer takes from one node (network.md), with room for consensus, so that a
 * contract that talks a lot does not get its node cut.
 */
const MESSAGES_PER_SECOND = 2000
const MESSAGES_BURST = 1000
const BYTES_PER_SECOND = 24 * 1024 * 1024
const BYTES_BURST = 8 * 1024 * 1024
const DRAIN_MS = 5

/** Carries the party line between the contract runner and the network, signed by the node whose contract speaks. */
export class NplBridge {
  readonly #options: NplBridgeOptions
  readonly #messages = new TokenBucket(MESSAGES_PER_SECOND, MESSAGES_BURST)
  readonly #bytes = new TokenBucket(BYTES_PER_SECOND, BYTES_BURST)
  /** Of one ledger, as much as the contract may send in an execution. */
  #queue: { lcl: Hash; bytes: Uint8Array }[] = []
  #sent = 0
  #timer: NodeJS.Timeout | null = null

  constructor(options: NplBridgeOptions) {
    this.#options = options
  }

  send(message: NplMessage): void {
    const { networkId, signer, isValidator } = this.#options
    if (!isValidator(signer.publicKey)) return
    const { seq, lcl, ordinal } = message
    const payload = encodeNplPayload({ networkId, seq, lcl, ordinal, data: message.end ? null : message.data })
    const bytes = encodeSigned(signPayload(SIGNING_DOMAINS.npl, payload, signer))
    // What is left of the ledger before is of use to nobody any more.
    if (this.#queue[0]?.lcl !== lcl) this.#clear()
    this.#queue.push({ lcl, bytes })
    this.#drain()
  }

  stop(): void {
    this.#clear()
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#queue = []
    this.#sent = 0
  }

  #drain(): void {
    if (this.#timer !== null) return
    for (let next = this.#queue[this.#sent]; next !== undefined; next = this.#queue[this.#sent]) {
      if (!this.#bytes.take(next.bytes.length)) break
      if (!this.#messages.take()) break
      this.#options.publish(next.bytes)
      this.#sent += 1
    }
    if (this.#sent === this.#queue.length) {
      this.#clear()
      return
    }
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#drain()
    }, DRAIN_MS)
  }

  receive(bytes: Uint8Array, from: PublicKey): GossipVerdict {
    const { networkId, signer, isValidator, deliver, log } = this.#options
    try {
      const signed = decodeSignedNpl(bytes)
      if (signed.key === signer.publicKey || !isValidator(signed.key)) return 'ignore'
      const { seq, lcl, ordinal, data, ...payload } = decodeNplPayload(signed.payload)
      if (payload.networkId !== networkId || !isSignatureValid(SIGNING_DOMAINS.npl, signed)) return 'reject'
      const sender = signed.key
      deliver(data === null ? { sender, seq, lcl, ordinal, end: true } : { sender, seq, lcl, ordinal, data })
      return 'accept'
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      log.debug(`party line message from ${from} refused: ${error.message}`)
      return 'reject'
    }
  }
}
