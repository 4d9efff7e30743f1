import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import {
  bytesToHex,
  CodecError,
  checkConsensusConfig,
  decodeCertificate,
  decodeConsensusConfig,
  decodeGenesis,
  decodeLedgerBody,
  decodeLedgerHeader,
  decodeLedgerRecord,
  decodeOutputList,
  EMPTY_INPUTS_HASH,
  EMPTY_OUTPUTS_ROOT,
  EMPTY_USERS_HASH,
  encodeCertificate,
  encodeConsensusConfig,
  encodeGenesis,
  encodeInputsPart,
  encodeLedgerBody,
  encodeLedgerHeader,
  encodeLedgerRecord,
  encodeOutputList,
  encodeUsersPart,
  hexToBytes,
  inputsHashOf,
  LIMITS,
  ledgerHashOf,
  outputsRootOf,
  parseLedgerRecord,
  usersHashOf
} from '../../../src/codec/index.js'
import * as pb from '../../../src/codec/pb/ledger.js'
import type { LedgerHeader } from '../../../src/consensus/types.js'
import * as arbitrary from './arbitraries.js'

vi.setConfig({ testTimeout: 60_000 })

const key = (index: number) => index.toString(16).padStart(64, '0')
const UNL = [key(1), key(2), key(3), key(4)]

/** Every decoder with the encoder of what it gives. */
const CODECS: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  config: (bytes) => encodeConsensusConfig(decodeConsensusConfig(bytes)),
  genesis: (bytes) => encodeGenesis(decodeGenesis(bytes)),
  header: (bytes) => encodeLedgerHeader(decodeLedgerHeader(bytes)),
  body: (bytes) => encodeLedgerBody(decodeLedgerBody(bytes)),
  certificate: (bytes) => encodeCertificate(decodeCertificate(bytes, UNL), UNL),
  record: (bytes) => {
    const { ledger, certificate } = decodeLedgerRecord(bytes, UNL)
    return encodeLedgerRecord(ledger, certificate, UNL)
  },
  outputs: (bytes) => encodeOutputList(decodeOutputList(bytes))
}

/** The error code, or null when the bytes were accepted and are exactly what encoding gives. */
function outcome(name: string, bytes: Uint8Array): string | null {
  try {
    const again = (CODECS[name] as (typeof CODECS)[string])(bytes)
    expect(Buffer.from(again).equals(bytes)).toBe(true)
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError)
    return (error as CodecError).code
  }
}

/** The value with bytes as hex, so that Buffer and Uint8Array compare equal. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]))
}

const valid: Record<string, fc.Arbitrary<Uint8Array>> = {
  config: arbitrary.config.map(encodeConsensusConfig),
  genesis: arbitrary.genesis.map(encodeGenesis),
  header: arbitrary.header.map(encodeLedgerHeader),
  body: arbitrary.body.map(encodeLedgerBody),
  certificate: arbitrary.certificateAndUnl.map(({ certificate, unl }) => encodeCertificate(certificate, unl)),
  outputs: arbitrary.outputs.map(encodeOutputList)
}

describe('encoding and decoding', () => {
  it('gives back every value', () => {
    const check = <T>(values: fc.Arbitrary<T>, encode: (value: T) => Uint8Array, decode: (bytes: Uint8Array) => T) =>
      fc.assert(fc.property(values, (value) => void expect(plain(decode(encode(value)))).toEqual(plain(value))))
    check(arbitrary.config, encodeConsensusConfig, decodeConsensusConfig)
    check(arbitrary.genesis, encodeGenesis, decodeGenesis)
    check(arbitrary.header, encodeLedgerHeader, decodeLedgerHeader)
    check(arbitrary.body, encodeLedgerBody, decodeLedgerBody)
    check(arbitrary.outputs, encodeOutputList, decodeOutputList)
  })

  it('gives back whole records under their UNL', () => {
    fc.assert(
      fc.property(
        arbitrary.header,
        arbitrary.body,
        arbitrary.certificateAndUnl,
        fc.option(arbitrary.config),
        (header, body, { certificate, unl }, config) => {
          const ledger = { header, hash: ledgerHashOf(header), ...body, config }
          const bytes = encodeLedgerRecord(ledger, certificate, unl)
          expect(plain(decodeLedgerRecord(bytes, unl))).toEqual(plain({ ledger, certificate }))
        }
      )
    )
  })

  it('puts a body together from its two parts', () => {
    fc.assert(
      fc.property(arbitrary.body, (body) => {
        const parts = Buffer.concat([encodeUsersPart(body.users), encodeInputsPart(body)])
        expect(parts.equals(encodeLedgerBody(body))).toBe(true)
        expect(plain(decodeLedgerBody(parts))).toEqual(plain(body))
      })
    )
  })
})

describe('hostile bytes', () => {
  it.each(Object.keys(CODECS))('%s: random bytes are refused with a typed error or are canonical', (name) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void outcome(name, bytes)),
      { numRuns: 500 }
    )
  })

  it.each(Object.keys(valid))('%s: changed bytes are refused with a typed error or are canonical', (name) => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(valid[name] as fc.Arbitrary<Uint8Array>, change, ([...bytes], [at, mask]) => {
        if (bytes.length === 0) return
        const changed = Uint8Array.from(bytes)
        changed[at % bytes.length] = (changed[at % bytes.length] as number) ^ mask
        outcome(name, changed)
        outcome(name, changed.subarray(0, at % bytes.length))
      }),
      { numRuns: 300 }
    )
  })

  it.each(Object.keys(CODECS))('%s: what is added at the end is refused', (name) => {
    const bytes = fc.sample((valid[name] ?? fc.constant(new Uint8Array(0))) as fc.Arbitrary<Uint8Array>, 20)
    for (const good of bytes) {
      // An unknown field, which a plain protobuf decoder skips.
      expect(outcome(name, Buffer.concat([good, Buffer.from('f80701', 'hex')]))).toBe('not-canonical')
      expect(outcome(name, Buffer.concat([good, Buffer.from('ff', 'hex')]))).not.toBe(null)
    }
  })

  it('refuses other encodings of the same value', () => {
    const good = Buffer.from(encodeCertificate({ seq: 5, attempt: 0, hash: key(9), signatures: [] }, UNL))
    expect(outcome('certificate', good)).toBe(null)
    const overlong = Buffer.concat([Buffer.from([0x08, 0x85, 0x00]), good.subarray(2)])
    const spelledOut = Buffer.concat([good.subarray(0, 2), Buffer.from([0x10, 0x00]), good.subarray(2)])
    const reordered = Buffer.concat([good.subarray(2), good.subarray(0, 2)])
    const twice = Buffer.concat([Buffer.from([0x08, 0x07]), good])
    for (const bytes of [spelledOut, reordered, twice]) expect(outcome('certificate', bytes)).toBe('not-canonical')
    expect(outcome('certificate', overlong)).not.toBe(null)
  })

  it('refuses numbers above 2^53 and groups within groups', () => {
    const huge = Buffer.from('08ffffffffffffffffff01', 'hex')
    const above = Buffer.from('088080808080808010', 'hex')
    expect(outcome('certificate', huge)).toBe('malformed')
    expect(outcome('certificate', above)).toBe('malformed')
    expect(outcome('config', Buffer.alloc(8000, 0x7b))).toBe('malformed')
    expect(outcome('body', Buffer.alloc(1_000_000, 0x7b))).toBe('malformed')
  })

  it('counts elements before it builds them', () => {
    const empty = Buffer.alloc(2 * (LIMITS.usersPerLedger + 1))
    for (let at = 0; at < empty.length; at += 2) empty[at] = 0x0a
    expect(outcome('body', empty)).toBe('too-large')
    expect(outcome('outputs', empty)).toBe('too-large')
    expect(outcome('config', empty.subarray(0, 2 * 129))).toBe('too-large')
    expect(outcome('header', Buffer.alloc(LIMITS.headerBytes + 1))).toBe('too-large')
    expect(outcome('record', Buffer.alloc(LIMITS.recordBytes + 1))).toBe('too-large')
  })
})

describe('values that are not allowed', () => {
  const [header] = fc.sample(arbitrary.header, { numRuns: 1, seed: 1 }) as [LedgerHeader]
  const [config] = fc.sample(arbitrary.config, { numRuns: 1, seed: 1 }) as [ReturnType<typeof decodeConsensusConfig>]

  it.each([
    [{ seq: -1 }, 'seq'],
    [{ seq: 2 ** 53 }, 'seq'],
    [{ timeMs: 1.5 }, 'timeMs'],
    [{ support: header.proposals.length + 1 }, 'support'],
    [{ proposals: [key(2), key(1)] }, 'proposals'],
    [{ prevHash: 'AB'.repeat(32) }, 'prevHash'],
    [{ prevHash: 'ab' }, 'prevHash']
  ])('header %o', (change, field) => {
    expect(() => encodeLedgerHeader({ ...header, support: 0, ...change })).toThrow(CodecError)
    expect(() => encodeLedgerHeader({ ...header, support: 0, ...change })).toThrow(field)
  })

  it.each([
    [{ unl: [] }, 'unl'],
    [{ unl: [key(2), key(1)] }, 'unl'],
    [{ unl: [key(1), key(1)] }, 'unl'],
    [{ unl: Array.from({ length: 129 }, (_, index) => key(index)) }, 'unl'],
    [{ threshold: 66 }, 'threshold'],
    [{ threshold: 101 }, 'threshold'],
    [{ roundtimeMs: 0 }, 'roundtimeMs'],
    [{ roundtimeMs: 10, minRoundtimeMs: 11 }, 'minRoundtimeMs'],
    [{ ledgerInputBytes: LIMITS.inputBytesPerLedger + 1 }, 'ledgerInputBytes'],
    [{ nplBytes: -1 }, 'nplBytes'],
    [{ execTimeoutMs: 0.5 }, 'execTimeoutMs']
  ])('config %o', (change, field) => {
    expect(() => checkConsensusConfig(config)).not.toThrow()
    expect(() => checkConsensusConfig({ ...config, ...change })).toThrow(CodecError)
    expect(() => checkConsensusConfig({ ...config, ...change })).toThrow(field)
    expect(() => encodeConsensusConfig({ ...config, ...change })).toThrow(field)
  })

  it('an unknown version or result', () => {
    const message = pb.LedgerHeader.decode(encodeLedgerHeader(header))
    expect(outcome('header', pb.LedgerHeader.encode({ ...message, version: 1 }))).toBe('out-of-range')
    expect(outcome('header', pb.LedgerHeader.encode({ ...message, resultStatus: 3 }))).toBe('out-of-range')
    expect(outcome('header', pb.LedgerHeader.encode({ ...message, prevHash: new Uint8Array(31) }))).toBe('malformed')
    const genesis = pb.Genesis.decode(encodeGenesis({ contractId: 'x', config, stateRoot: key(1) }))
    expect(outcome('genesis', pb.Genesis.encode({ ...genesis, version: 1 }))).toBe('out-of-range')
    expect(outcome('genesis', pb.Genesis.encode({ ...genesis, config: undefined }))).toBe('malformed')
  })

  it('bodies out of order', () => {
    const input = (user: number, id: number) => ({
      user: key(user),
      id: key(id),
      content: new Uint8Array(1),
      untilSeq: 0
    })
    const users = [key(1), key(2)]
    const bad = [
      { users: [key(2), key(1)], inputs: [] },
      { users: [key(1), key(1)], inputs: [] },
      { users, inputs: [input(1, 1), input(1, 1)] },
      { users, inputs: [input(1, 1), input(2, 2), input(1, 3)] },
      { users, inputs: [input(3, 1)] }
    ]
    for (const body of bad) expect(() => encodeLedgerBody(body)).toThrow(CodecError)
    expect(() => encodeLedgerBody({ users, inputs: [input(2, 1), input(1, 2), input(1, 3)] })).not.toThrow()
  })

  it('certificates of strangers or in another order', () => {
    const signature = new Uint8Array(64)
    const certificate = (validators: string[]) => ({
      seq: 1,
      attempt: 0,
      hash: key(1),
      signatures: validators.map((validator) => ({ validator, signature }))
    })
    expect(() => encodeCertificate(certificate([key(9)]), UNL)).toThrow(CodecError)
    expect(() => encodeCertificate(certificate([key(1), key(1)]), UNL)).toThrow(CodecError)
    const bytes = encodeCertificate(certificate([key(4), key(1)]), UNL)
    expect(decodeCertificate(bytes, UNL).signatures.map(({ validator }) => validator)).toEqual([key(1), key(4)])
    expect(() => decodeCertificate(bytes, UNL.slice(0, 3))).toThrow(CodecError)
    const record = encodeLedgerRecord(
      { header, hash: '', users: [], inputs: [], config: null },
      certificate([key(4)]),
      UNL
    )
    expect(parseLedgerRecord(record).certificate(UNL).signatures.length).toBe(1)
    expect(() => parseLedgerRecord(record).certificate([])).toThrow(CodecError)
  })

  it('hex of another length or case', () => {
    expect(Buffer.from(hexToBytes('00ff', 2)).toString('hex')).toBe('00ff')
    expect(bytesToHex(Buffer.from('00ff', 'hex'), 2)).toBe('00ff')
    for (const hex of ['00f', '00fff', '00FF', '0x00', 'zzzz', '']) expect(() => hexToBytes(hex, 2)).toThrow(CodecError)
    expect(() => bytesToHex(new Uint8Array(3), 2)).toThrow(CodecError)
  })
})

describe('hashes', () => {
  it('depend on order and on every byte of the inputs', () => {
    const a = { user: key(1), id: key(1), content: Buffer.from('a'), untilSeq: 0 }
    const b = { user: key(2), id: key(2), content: Buffer.from('b'), untilSeq: 0 }
    const other = { ...a, content: Buffer.from('c') }
    const forwarded = { ...a, untilSeq: 7 }
    const hashes = [[a, b], [b, a], [a], [other, b], [forwarded, b], []].map(inputsHashOf)
    expect(new Set(hashes).size).toBe(6)
    expect(inputsHashOf([])).toBe(EMPTY_INPUTS_HASH)
    expect(usersHashOf([key(1), key(2)])).not.toBe(usersHashOf([key(2), key(1)]))
    expect(usersHashOf([])).toBe(EMPTY_USERS_HASH)
  })

  it('take outputs in any order and without those that have none', () => {
    const a = { user: key(1), content: Buffer.from('a') }
    const b = { user: key(2), content: Buffer.from('b') }
    const none = { user: key(3), content: new Uint8Array(0) }
    expect(outputsRootOf([b, none, a])).toBe(outputsRootOf([a, b]))
    expect(outputsRootOf([none])).toBe(EMPTY_OUTPUTS_ROOT)
    expect(() => outputsRootOf([a, a])).toThrow(CodecError)
  })

  it('serve ledgers at the limits', () => {
    const users = Array.from({ length: LIMITS.usersPerLedger }, (_, index) => key(index))
    const inputs = Array.from({ length: LIMITS.inputsPerLedger }, (_, index) => ({
      user: users[Math.floor(index / 16)] as string,
      id: key(index),
      content: new Uint8Array(1),
      untilSeq: 0
    }))
    expect(usersHashOf(users)).toMatch(/^[0-9a-f]{64}$/)
    expect(inputsHashOf(inputs)).toMatch(/^[0-9a-f]{64}$/)
    expect(decodeLedgerBody(encodeLedgerBody({ users, inputs })).inputs.length).toBe(LIMITS.inputsPerLedger)
    expect(() => encodeLedgerBody({ users: [...users, 'f'.repeat(64)], inputs })).toThrow(String(users.length + 1))
  })
})
