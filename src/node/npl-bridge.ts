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
import type { GossipVerdict } from './consensus-driver.js'

export interface NplBridgeOptions {
  networkId: Hash
  signer: Signer
  log: Logger
  /** Only validators speak on the party line. */
  isValidator: (key: PublicKey) => boolean
  publish: (bytes: Uint8Array) => void
  deliver: (message: ReceivedNplMessage) => void
}

/** Carries the party line between the contract runner and the network, signed by the node whose contract speaks. */
export class NplBridge {
  readonly #options: NplBridgeOptions

  constructor(options: NplBridgeOptions) {
    this.#options = options
  }

  send(message: NplMessage): void {
    const { networkId, signer, publish, isValidator } = this.#options
    if (!isValidator(signer.publicKey)) return
    const { seq, lcl, ordinal } = message
    const payload = encodeNplPayload({ networkId, seq, lcl, ordinal, data: message.end ? null : message.data })
    publish(encodeSigned(signPayload(SIGNING_DOMAINS.npl, payload, signer)))
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
