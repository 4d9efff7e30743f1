import { CloseCode } from './close-codes.js'
import type { ProtocolLink, ProtocolSession, UserNotice, UserProtocol } from './user-protocol.js'

/** The version in every JSON message of the node. */
const HOTPOCKET_VERSION = 0.1
const HEX_KEY = /^[0-9a-f]{64}$/i
const HEX_SIGNATURE = /^[0-9a-f]{128}$/i

/** The first message of a connection, byte for byte. */
export function encodeChallenge(challenge: string): Buffer {
  return Buffer.from(JSON.stringify({ hotpocket: HOTPOCKET_VERSION, type: 'public_challenge', challenge }))
}

export function encodeNotice(notice: UserNotice): Buffer {
  return Buffer.from(JSON.stringify({ hotpocket: HOTPOCKET_VERSION, type: 'notice', ...notice }))
}

interface Helo {
  challenge: string
  /** 64 lower-case hex digits. */
  pubkey: string
  /** 64 bytes. */
  signature: Uint8Array
}

/** The user's answer to the challenge, or what is wrong with it in a few words. */
export function parseHelo(data: Uint8Array): Helo | string {
  let message: unknown
  try {
    message = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
  } catch {
    return 'helo is not JSON'
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return 'helo is not a JSON object'
  const { type, challenge, pubkey, timestamp, sig } = message as Record<string, unknown>
  if (type !== 'helo') return 'first message must have type "helo"'
  if (typeof challenge !== 'string') return 'helo lacks the challenge'
  if (typeof pubkey !== 'string' || !HEX_KEY.test(pubkey)) return 'helo pubkey must be 64 hex digits'
  if (typeof timestamp !== 'number') return 'helo timestamp must be a number of seconds'
  if (typeof sig !== 'string' || !HEX_SIGNATURE.test(sig)) return 'helo sig must be 128 hex digits'
  return { challenge, pubkey: pubkey.toLowerCase(), signature: Buffer.from(sig, 'hex') }
}

class PrototypeSession implements ProtocolSession {
  readonly #link: ProtocolLink
  /** What the user sent last; the helo is text, as a rule. */
  #speaksText = true

  constructor(link: ProtocolLink) {
    this.#link = link
  }

  start(): void {
    this.#link.send(encodeChallenge(this.#link.challenge), false)
  }

  receiveHandshake(data: Buffer, binary: boolean): void {
    const helo = parseHelo(data)
    if (typeof helo === 'string') {
      this.#link.close(CloseCode.malformedHelo, helo)
    } else if (helo.challenge !== this.#link.challenge) {
      this.#link.close(CloseCode.wrongChallenge, 'helo answers a challenge that was not sent on this connection')
    } else {
      this.#speaksText = !binary
      this.#link.authenticate(helo.pubkey, helo.signature)
    }
  }

  receive(data: Buffer, binary: boolean): void {
    this.#speaksText = !binary
    this.#link.takeInput(data)
  }

  sendOutput(output: Uint8Array, isText: boolean): boolean {
    return this.#link.send(output, !(isText && this.#speaksText))
  }

  sendNotice(notice: UserNotice): boolean {
    return this.#link.send(encodeNotice(notice), false)
  }
}

/** The protocol of the Hot Pocket prototype: a challenge, its answer, then every message is an input or an output. */
export const prototypeProtocol: UserProtocol = {
  name: 'hotpocket-0.1',
  handshakeBytes: 4_096,
  open: (link) => new PrototypeSession(link)
}
