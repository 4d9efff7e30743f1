/** What one packet to a peer holds at most; a message that is larger goes alone. */
const PACKET_MESSAGES = 64
const PACKET_BYTES = 256 * 1024

interface Packet<T> {
  messages: T[]
  bytes: number
}

/**
 * Messages for peers, collected for a turn of the loop: many small ones that arrived in one packet go on in one, which
 * costs one encryption and one write instead of one for each.
 */
export class Outbox<T> {
  readonly #send: (peer: string, messages: T[], bytes: number) => void
  readonly #packets = new Map<string, Packet<T>>()
  #flush: NodeJS.Immediate | null = null

  /** @param send gets the messages of a peer in their order, and the bytes that were told of them */
  constructor(send: (peer: string, messages: T[], bytes: number) => void) {
    this.#send = send
  }

  add(peer: string, message: T, bytes: number): void {
    const packet = this.#packets.get(peer)
    if (packet === undefined) this.#packets.set(peer, { messages: [message], bytes })
    else if (packet.messages.length < PACKET_MESSAGES && packet.bytes + bytes <= PACKET_BYTES) {
      packet.messages.push(message)
      packet.bytes += bytes
    } else {
      this.#packets.set(peer, { messages: [message], bytes })
      this.#send(peer, packet.messages, packet.bytes)
    }
    this.#flush ??= setImmediate(() => this.#sendAll())
  }

  #sendAll(): void {
    this.#flush = null
    const packets = [...this.#packets]
    this.#packets.clear()
    for (const [peer, { messages, bytes }] of packets) this.#send(peer, messages, bytes)
  }
}
