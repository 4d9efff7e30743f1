import { Writable } from 'node:stream'
import { DEFAULT_LIMITS } from '../../../src/contract/limits.js'
import { PartyLine } from '../../../src/contract/party-line/party-line.js'
import { WaitingRoom } from '../../../src/contract/party-line/waiting-room.js'
import type { ReceivedNplMessage } from '../../../src/contract/types.js'
import { claim, target } from '../engine/target.js'
import { hashHex, UNL } from './shared.js'

const LIMITS = { ...DEFAULT_LIMITS, nplBytes: 400, nplMessages: 20, nplMessageBytes: 100 }
const LCL = hashHex('ledger 7')
const SELF = UNL[0] as string

/** What the contract reads, taken apart by the text of contract.md. */
function readMessages(text: string): { sender: string; data: string }[] {
  const messages: { sender: string; data: string }[] = []
  for (let at = 0; at < text.length; ) {
    const head = /^Length: (\d+)\nPubkey: ([0-9a-f]{64})\n\n/.exec(text.slice(at, at + 120))
    claim(head !== null, 'what the contract reads is no message')
    const start = at + head[0].length
    const end = start + Number(head[1])
    claim(end <= text.length, 'a message is shorter than it says')
    messages.push({ sender: head[2] as string, data: text.slice(start, end) })
    at = end
  }
  return messages
}

/** Reads small numbers off the input. */
class Steps {
  #at = 0
  constructor(readonly bytes: Uint8Array) {}

  get isOver(): boolean {
    return this.#at >= this.bytes.length
  }

  next(): number {
    return this.bytes[this.#at++] ?? 0
  }
}

/** A number near a limit now and then. */
function wide(byte: number): number {
  return [2 ** 32, -1, 0.5, Number.NaN, 2 ** 53, 1e6][byte - 250] ?? byte % 24
}

export const contractTargets = [
  target(
    'party-line',
    'a contract reads each message once, whole, in the order of its sender, within the limits',
    () => ({
      shape: 'bytes',
      errors: [],
      // Steps of one kind, one sender, one number and one size each.
      seeds: [
        Uint8Array.of(0, 1, 0, 5, 0, 1, 1, 9, 1, 0, 0, 20, 2, 1, 2, 0),
        Uint8Array.of(0, 2, 3, 4, 0, 2, 1, 4, 0, 2, 0, 4, 2, 2, 4, 0, 3, 0, 0, 0),
        Uint8Array.of(1, 0, 0, 100, 1, 0, 0, 101, 0, 3, 255, 7, 0, 9, 0, 7)
      ],
      run: async (input) => {
        const chunks: Buffer[] = []
        const stream = new Writable({
          write: (chunk: Buffer, _encoding, done) => {
            chunks.push(chunk)
            done()
          }
        })
        let sentBytes = 0
        let isStopped = false
        const line = new PartyLine({
          seq: 7,
          lcl: LCL,
          self: SELF,
          members: [...UNL],
          limits: LIMITS,
          connected: () => [...UNL],
          send: (message) => {
            if (message.end !== true) sentBytes += message.data.length
          },
          onLimit: () => {
            isStopped = true
          }
        })
        line.start(stream)
        try {
          for (const steps = new Steps(input); !steps.isOver && !isStopped; ) {
            const kind = steps.next() % 4
            const sender = UNL[steps.next() % 5] ?? hashHex('a stranger')
            const ordinal = wide(steps.next())
            const size = steps.next() % 128
            const data = new Uint8Array(size).fill(97 + (ordinal % 20))
            if (kind === 0) line.receive({ sender, seq: 7, lcl: LCL, ordinal, data })
            else if (kind === 1) line.onMessage(data, size)
            else if (kind === 2) line.receive({ sender, seq: 7, lcl: LCL, ordinal, end: true })
            else line.onClosed()
          }
        } finally {
          line.finish()
        }
        await new Promise((resolve) => setImmediate(resolve))
        const messages = readMessages(Buffer.concat(chunks).toString('latin1'))
        claim(sentBytes <= LIMITS.nplBytes, 'more was sent than the limit')
        for (const key of UNL) {
          const own = messages.filter(({ sender }) => sender === key)
          const bytes = own.reduce((sum, { data }) => sum + data.length, 0)
          claim(bytes <= LIMITS.nplBytes, 'more of one sender was taken than the limit')
          if (key === SELF) continue
          const letters = own.map(({ data }) => data.charCodeAt(0))
          claim(
            letters.every((letter, index) => index === 0 || (letters[index - 1] as number) < letter),
            'messages of one sender come in another order, or twice'
          )
        }
        claim(
          messages.every(({ sender }) => UNL.includes(sender)),
          'a message of a stranger'
        )
        return `${Math.min(messages.length, 3)} ${isStopped}`
      }
    }),
    0.3
  ),
  target('waiting-room', 'party line messages wait for their ledger within bounds and are handed out once', () => ({
    shape: 'bytes',
    errors: [],
    seeds: [Uint8Array.of(0, 1, 8, 4, 0, 2, 8, 9, 1, 0, 8, 0), Uint8Array.of(0, 1, 9, 90, 0, 1, 10, 90, 0, 1, 8, 90)],
    run: (input) => {
      const room = new WaitingRoom({ senderBytes: 200, totalBytes: 500 })
      let added = 0
      let taken = 0
      let current: number | null = null
      for (const steps = new Steps(input); !steps.isOver; ) {
        const kind = steps.next() % 3
        const sender = UNL[steps.next() % 4] as string
        const seq = wide(steps.next())
        const size = steps.next()
        const message: ReceivedNplMessage = { sender, seq, lcl: LCL, ordinal: 0, data: new Uint8Array(size) }
        if (kind < 2) added += room.add(message, current) ? 1 : 0
        else {
          const waiting = room.take(seq, LCL)
          claim(
            waiting.every((each) => each.seq === seq),
            'a message of another ledger was handed out'
          )
          taken += waiting.length
          if (Number.isSafeInteger(seq)) current = Math.max(current ?? 0, seq)
        }
        claim(room.bytes >= 0 && room.bytes <= 500, `${room.bytes} bytes wait`)
        claim(taken <= added, 'more was handed out than came in')
      }
      return `${Math.min(added, 3)} ${Math.min(taken, 3)}`
    }
  }))
]
