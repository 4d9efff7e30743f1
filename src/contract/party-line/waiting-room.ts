import type { Hash, PublicKey } from '../../consensus/types.js'
import type { ReceivedNplMessage } from '../types.js'

/** A peer that is faster than we are is one ledger ahead, seldom two. */
const AHEAD_MAX = 2
/** A sender's ledgers that wait: one that is far ahead of us cannot push out the others. */
const LEDGERS_OF_SENDER = 2
const SENDERS_MAX = 256
const MESSAGES_MAX = 16_384

interface Waiting {
  seq: number
  lcl: Hash
  bytes: number
  messages: ReceivedNplMessage[]
}

export interface WaitingRoomLimits {
  /** Bytes of one sender for one ledger. */
  senderBytes: number
  /** Bytes of all. */
  totalBytes: number
}

/** Party line messages for ledgers that our contract has not started yet. */
export class WaitingRoom {
  readonly #limits: WaitingRoomLimits
  readonly #senders = new Map<PublicKey, Waiting[]>()
  #bytes = 0
  #messages = 0

  constructor(limits: WaitingRoomLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `currentSeq` is the newest that was started, null before the first. False when the message is dropped. */
  add(message: ReceivedNplMessage, currentSeq: number | null): boolean {
    const { seq, lcl, sender } = message
    if (currentSeq !== null && (seq <= currentSeq || seq > currentSeq + AHEAD_MAX)) return false
    const size = message.end === true ? 0 : message.data.length
    if (this.#messages >= MESSAGES_MAX || this.#bytes + size > this.#limits.totalBytes) return false
    let ledgers = this.#senders.get(sender)
    if (ledgers === undefined) {
      if (this.#senders.size >= SENDERS_MAX) return false
      ledgers = []
      this.#senders.set(sender, ledgers)
    }
    let waiting = ledgers.find((entry) => entry.seq === seq && entry.lcl === lcl)
    if (waiting === undefined) {
      if (ledgers.length >= LEDGERS_OF_SENDER) this.#forget(ledgers.shift() as Waiting)
      waiting = { seq, lcl, bytes: 0, messages: [] }
      ledgers.push(waiting)
    }
    if (waiting.bytes + size > this.#limits.senderBytes) return false
    waiting.bytes += size
    waiting.messages.push(message)
    this.#bytes += size
    this.#messages++
    return true
  }

  /** Takes out what waits for the ledger, and drops what waits for it and older ones under another hash. */
  take(seq: number, lcl: Hash): ReceivedNplMessage[] {
    const taken: ReceivedNplMessage[] = []
    for (const [sender, ledgers] of this.#senders) {
      const later: Waiting[] = []
      for (const waiting of ledgers) {
        if (waiting.seq > seq) {
          later.push(waiting)
          continue
        }
        this.#forget(waiting)
        if (waiting.seq === seq && waiting.lcl === lcl) taken.push(...waiting.messages)
      }
      if (later.length === 0) this.#senders.delete(sender)
      else this.#senders.set(sender, later)
    }
    return taken
  }

  #forget(waiting: Waiting): void {
    this.#bytes -= waiting.bytes
    this.#messages -= waiting.messages.length
  }
}
