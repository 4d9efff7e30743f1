import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { sendLines, sendOneByOne } from '../../../src/cli/lines.js'
import { type Answer, UserSession } from '../../../src/cli/session.js'
import type { HotPocketClient } from '../../../src/client/node.js'

/** The events and `send` of a client; what it is sent goes to `onSend`. */
class FakeClient extends EventEmitter {
  sent: string[] = []
  onSend: (line: string) => void = () => {}

  send(line: string): number {
    this.sent.push(line)
    this.onSend(line)
    return this.sent.length - 1
  }

  answer(text: string): void {
    this.emit('output', { bytes: Buffer.from(text), text })
  }
}

function open(): { client: FakeClient; session: UserSession; shown: Answer[] } {
  const client = new FakeClient()
  const shown: Answer[] = []
  const session = new UserSession(client as unknown as HotPocketClient, (answer) => shown.push(answer))
  return { client, session, shown }
}

describe('a scripted user', () => {
  it('sends one input at a time and waits for each answer', async () => {
    const { client, session, shown } = open()
    client.onSend = (line) => setImmediate(() => client.answer(line.toUpperCase()))
    expect(await sendOneByOne(session, ['a', 'b'], 5000)).toEqual({ sent: 2, unanswered: 0 })
    expect(client.sent).toEqual(['a\n', 'b\n'])
    expect(shown.map((answer) => answer.text)).toEqual(['A', 'B'])
  })

  it('stops at the first input without an answer', async () => {
    const { client, session } = open()
    expect(await sendOneByOne(session, ['a', 'b', 'c'], 20)).toEqual({ sent: 1, unanswered: 3 })
    expect(client.sent).toEqual(['a\n'])
  })

  it('counts the lines of an output that answers several inputs', async () => {
    const { client, session } = open()
    client.onSend = () => {
      if (client.sent.length === 3) setImmediate(() => client.answer('A\nB\nC\n'))
    }
    expect(await sendLines(session, Readable.from([Buffer.from('a\nb\r\n\nc')]), 5000)).toEqual({
      sent: 3,
      unanswered: 0
    })
    expect(client.sent).toEqual(['a\n', 'b\n', 'c\n'])
  })

  it('takes a character that is cut by the end of a chunk', async () => {
    const { client, session } = open()
    client.onSend = (line) => client.answer(line)
    const bytes = Buffer.from('ä\n')
    await sendLines(session, Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]), 5000)
    expect(client.sent).toEqual(['ä\n'])
  })

  it('holds lines back while too many are unanswered', async () => {
    const { client, session } = open()
    const sending = sendLines(session, Readable.from([Buffer.from('x\n'.repeat(300))]), 5000)
    await expect.poll(() => client.sent.length).toBe(256)
    client.answer('\n'.repeat(256))
    await expect.poll(() => client.sent.length).toBe(300)
    client.answer('\n'.repeat(44))
    expect(await sending).toEqual({ sent: 300, unanswered: 0 })
  })

  it('takes a refusal and a void ledger for answers, and tells them', async () => {
    const { client, session, shown } = open()
    client.onSend = () =>
      setImmediate(() => client.emit('notice', { notice: 'input_refused', input: 0, reason: 'too big' }))
    expect(await sendOneByOne(session, ['a'], 5000)).toEqual({ sent: 1, unanswered: 0 })
    client.onSend = () => setImmediate(() => client.emit('notice', { notice: 'ledger_void', seq: 4 }))
    await sendOneByOne(session, ['b'], 5000)
    expect(session.refused).toBe(2)
    expect(shown.map((answer) => answer.text)).toEqual(['input refused: too big', 'ledger void in ledger 4'])
  })

  it('ends with the connection', async () => {
    const { client, session } = open()
    client.onSend = () => {
      setImmediate(() => client.emit('close', { code: 1006, reason: '', willReconnect: false }))
    }
    await expect(sendOneByOne(session, ['a'], 60_000)).rejects.toThrow(/closed the connection \(1006\)/)
    expect(() => session.sendLine('b')).toThrow(/closed/)
  })

  it('shows bytes that are no text as hex', () => {
    const { client, shown } = open()
    client.emit('output', { bytes: Uint8Array.of(0xff, 0), text: null })
    client.emit('output', { bytes: Buffer.from('ok\n'), text: null })
    expect(shown.map((answer) => answer.text)).toEqual(['0xff00', 'ok'])
  })
})
