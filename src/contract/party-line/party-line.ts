import type { Writable } from 'node:stream'
import type { Hash, PublicKey } from '../../consensus/types.js'
import type { ContractLimits } from '../limits.js'
import type { NplMessage, ReceivedNplMessage } from '../types.js'
import type { MessageEvents } from './message-channel.js'
import { SenderOrder } from './sender-order.js'

/** How long a message waits for one that was sent before it. */
const REORDER_WAIT_MS = 250
/** How long the end of a contract may come after its descriptors were closed. */
const EXIT_WAIT_MS = 20
/** Bytes from all senders that one execution takes in. */
const LEDGER_BYTES_MAX = 128 * 1024 * 1024

export interface PartyLineOptions {
  seq: number
  lcl: Hash
  self: PublicKey
  members: PublicKey[]
  limits: ContractLimits
  /** Members that are connected now. */
  connected: () => PublicKey[]
  send: (message: NplMessage) => void
  onLimit: (reason: string) => void
}

/**
 * The party line of one execution. What the contract writes goes to all, itself included; what comes goes to the
 * contract. Its reading side ends when our contract has closed its writing side and every connected member has said
 * that it is done, or nothing came for the grace time.
 */
export class PartyLine implements MessageEvents {
  readonly #options: PartyLineOptions
  readonly #senders = new Map<PublicKey, SenderOrder>()
  #toContract: Writable | null = null
  #receivedBytes = 0
  #sentMessages = 0
  #sentBytes = 0
  #hasReceived = false
  #isWritingClosed = false
  #isFinished = false
  #endSent = false
  #graceTimer: NodeJS.Timeout | null = null
  #reorderTimer: NodeJS.Timeout | null = null
  #endTimer: NodeJS.Timeout | null = null

  constructor(options: PartyLineOptions) {
    this.#options = options
    for (const key of options.members) this.#senders.set(key, this.#newSender())
    // An observer's contract hears itself too.
    if (!this.#senders.has(options.self)) this.#senders.set(options.self, this.#newSender())
  }

  get sentMessages(): number {
    return this.#sentMessages
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  /** `toContract` carries framed messages to the contract. */
  start(toContract: Writable): void {
    this.#toContract = toContract
    // The contract may close its end or die at any time.
    toContract.on('error', () => {})
  }

  /** A message of another node. */
  receive(message: ReceivedNplMessage): void {
    const order = this.#senders.get(message.sender)
    if (order === undefined || message.sender === this.#options.self || this.#isFinished) return
    if (message.end === true) order.end(message.ordinal)
    else if (!this.#takeIn(order, message.ordinal, message.data)) return
    this.#hasReceived = true
    this.#pass(message.sender, order.take())
    if (order.hasGap) this.#reorderTimer ??= setTimeout(() => this.#skipGaps(), REORDER_WAIT_MS)
    this.#armGrace()
    this.#endWhenOver()
  }

  onMessage(data: Uint8Array, size: number): void {
    const { self, seq, lcl } = this.#options
    const reason = this.#findLimit(size)
    if (reason !== null) {
      this.#options.onLimit(reason)
      return
    }
    const ordinal = this.#sentMessages++
    this.#sentBytes += size
    this.#options.send({ seq, lcl, ordinal, data })
    this.#pass(self, [data])
    this.#armGrace()
  }

  /** The contract closed its writing side, or it is gone. */
  onClosed(): void {
    if (this.#isWritingClosed || this.#isFinished) return
    this.#isWritingClosed = true
    if (this.#isUsed) this.#sendEnd()
    // Most contracts never touch the line and close it by their end, which we learn a moment later.
    else this.#endTimer = setTimeout(() => this.#sendEnd(), EXIT_WAIT_MS)
    this.#armGrace()
    this.#endWhenOver()
  }

  /** The contract is gone. Nodes that wait for us are told, if the line was used. */
  finish(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    if (this.#isUsed) this.#sendEnd()
    for (const timer of [this.#graceTimer, this.#reorderTimer, this.#endTimer]) if (timer !== null) clearTimeout(timer)
    this.#toContract?.destroy()
    this.#toContract = null
  }

  get #isUsed(): boolean {
    return this.#sentMessages > 0 || this.#hasReceived
  }

  #findLimit(size: number): string | null {
    const { nplMessageBytes, nplBytes, nplMessages } = this.#options.limits
    if (size > nplMessageBytes) return `party line message of more than ${nplMessageBytes} bytes`
    if (this.#sentBytes + size > nplBytes) return `party line limit of ${nplBytes} bytes`
    if (this.#sentMessages >= nplMessages) return `party line limit of ${nplMessages} messages`
    return null
  }

  #newSender(): SenderOrder {
    const { nplMessages, nplBytes } = this.#options.limits
    return new SenderOrder({ messages: nplMessages, bytes: nplBytes })
  }

  #takeIn(order: SenderOrder, ordinal: number, data: Uint8Array): boolean {
    if (data.length === 0 || data.length > this.#options.limits.nplMessageBytes) return false
    if (this.#receivedBytes + data.length > LEDGER_BYTES_MAX || !order.add(ordinal, data)) return false
    this.#receivedBytes += data.length
    return true
  }

  #pass(sender: PublicKey, messages: Uint8Array[]): void {
    const stream = this.#toContract
    if (stream === null || stream.destroyed || stream.writableEnded) return
    for (const data of messages) {
      // The stream holds what the contract has not read; the limits of what is taken in bound it.
      stream.write(`Length: ${data.length}\nPubkey: ${sender}\n\n`)
      stream.write(data)
    }
  }

  #skipGaps(): void {
    this.#reorderTimer = null
    for (const [sender, order] of this.#senders) if (order.hasGap) this.#pass(sender, order.skipGaps())
    this.#endWhenOver()
  }

  #sendEnd(): void {
    if (this.#endSent) return
    this.#endSent = true
    const { seq, lcl } = this.#options
    this.#options.send({ seq, lcl, ordinal: this.#sentMessages, end: true })
  }

  /** Counts from the last message, or from the closing of the writing side. */
  #armGrace(): void {
    if (!this.#isWritingClosed || this.#isFinished) return
    if (this.#graceTimer !== null) clearTimeout(this.#graceTimer)
    this.#graceTimer = setTimeout(() => {
      this.#skipGaps()
      this.#endReading()
    }, this.#options.limits.nplGraceMs)
  }

  #endWhenOver(): void {
    if (!this.#isWritingClosed || this.#isFinished) return
    const { connected, self } = this.#options
    const isDone = (key: PublicKey) => key === self || this.#senders.get(key)?.hasEnded !== false
    if (connected().every(isDone)) this.#endReading()
  }

  #endReading(): void {
    if (this.#graceTimer !== null) clearTimeout(this.#graceTimer)
    this.#graceTimer = null
    this.#toContract?.end()
  }
}
