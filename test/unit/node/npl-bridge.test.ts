import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { decodeNplPayload, decodeSignedNpl } from '../../../src/codec/index.js'
import { createKeyPair, Signer } from '../../../src/crypto/index.js'
import { NplBridge } from '../../../src/node/npl-bridge.js'

const networkId = 'ab'.repeat(32)
const lclOf = (seq: number): string => seq.toString(16).padStart(64, '0')

describe('the party line between nodes', () => {
  const bridges: NplBridge[] = []
  // The rates go by this clock, not by how fast the machine is.
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
    for (const bridge of bridges.splice(0)) bridge.stop()
  })

  function makeBridge(options: Partial<ConstructorParameters<typeof NplBridge>[0]> = {}): NplBridge {
    const bridge = new NplBridge({
      networkId,
      signer: new Signer(createKeyPair()),
      log: pino({ level: 'silent' }),
      isValidator: () => true,
      publish: () => {},
      deliver: () => {},
      ...options
    })
    bridges.push(bridge)
    return bridge
  }

  it('carries messages and the end of them', () => {
    const received: unknown[] = []
    const to = makeBridge({ deliver: (message) => received.push(message) })
    const pair = createKeyPair()
    const from = makeBridge({ signer: new Signer(pair), publish: (bytes) => void to.receive(bytes, pair.publicKey) })
    from.send({ seq: 3, lcl: lclOf(3), ordinal: 0, data: Buffer.from('hello') })
    from.send({ seq: 3, lcl: lclOf(3), ordinal: 1, end: true })
    expect(received).toMatchObject([
      { sender: pair.publicKey, seq: 3, ordinal: 0 },
      { sender: pair.publicKey, seq: 3, ordinal: 1, end: true }
    ])
  })

  it('sends no faster than peers take it, all of it in order', () => {
    const sent: number[] = []
    const bridge = makeBridge({
      publish: (bytes) => sent.push(decodeNplPayload(decodeSignedNpl(bytes).payload).ordinal)
    })
    for (let ordinal = 0; ordinal < 1500; ordinal++) {
      bridge.send({ seq: 3, lcl: lclOf(3), ordinal, data: Buffer.from('x') })
    }
    expect(sent.length).toBe(1000)
    vi.advanceTimersByTime(100)
    expect(sent.length).toBeGreaterThan(1150)
    expect(sent.length).toBeLessThanOrEqual(1200)
    vi.advanceTimersByTime(1000)
    expect(sent).toEqual(Array.from({ length: 1500 }, (_, ordinal) => ordinal))
  })

  it('drops what is left of a ledger when the next one begins', () => {
    const sent: number[] = []
    const bridge = makeBridge({ publish: (bytes) => sent.push(bytes.length) })
    for (let ordinal = 0; ordinal < 20; ordinal++) {
      bridge.send({ seq: 3, lcl: lclOf(3), ordinal, data: Buffer.alloc(1024 * 1024 - 4096) })
    }
    const before = sent.length
    expect(before).toBeLessThan(20)
    bridge.send({ seq: 4, lcl: lclOf(4), ordinal: 0, end: true })
    expect(sent.length).toBeLessThanOrEqual(before + 1)
  })

  it('takes nothing of strangers, of other networks, or forged', () => {
    const received: unknown[] = []
    const known = createKeyPair()
    const to = makeBridge({
      isValidator: (key) => key === known.publicKey,
      deliver: (message) => received.push(message)
    })
    const verdicts: string[] = []
    const publish = (bytes: Uint8Array): void => void verdicts.push(to.receive(bytes, known.publicKey))
    makeBridge({ publish }).send({ seq: 3, lcl: lclOf(3), ordinal: 0, end: true })
    makeBridge({ signer: new Signer(known), networkId: 'cd'.repeat(32), publish }).send({
      seq: 3,
      lcl: lclOf(3),
      ordinal: 0,
      end: true
    })
    expect(verdicts).toEqual(['ignore', 'reject'])
    expect(to.receive(Buffer.from('garbage'), known.publicKey)).toBe('reject')
    expect(received).toEqual([])
  })
})
