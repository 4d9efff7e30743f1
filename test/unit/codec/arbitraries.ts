import fc from 'fast-check'
import { CONFIG_RANGES } from '../../../src/codec/index.js'
import type {
  Certificate,
  ConfigNumber,
  ConfigWish,
  ConsensusConfig,
  Genesis,
  LedgerHeader,
  LedgerInput,
  UserOutput
} from '../../../src/consensus/types.js'
import { targetOfWish } from '../../../src/consensus/wishes.js'

const hexOf = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'))

export const hash = hexOf(32)
export const content = fc.uint8Array({ maxLength: 200 })
const whole = fc.oneof(
  fc.nat({ max: 300 }),
  fc.integer({ min: 2 ** 31 - 2, max: 2 ** 33 }),
  fc.maxSafeNat(),
  fc.constant(Number.MAX_SAFE_INTEGER)
)
const sortedHashes = (minLength: number, maxLength: number) =>
  fc.uniqueArray(hash, { minLength, maxLength }).map((hashes) => hashes.sort())

const inRange = (name: ConfigNumber) => fc.integer({ min: CONFIG_RANGES[name].min, max: CONFIG_RANGES[name].max })

export const config: fc.Arbitrary<ConsensusConfig> = fc
  .record({
    unl: sortedHashes(1, 128),
    threshold: inRange('threshold'),
    roundtimeMs: inRange('roundtimeMs'),
    minRoundtimeMs: inRange('minRoundtimeMs'),
    ledgerInputBytes: inRange('ledgerInputBytes'),
    userOutputBytes: inRange('userOutputBytes'),
    ledgerOutputBytes: inRange('ledgerOutputBytes'),
    nplBytes: inRange('nplBytes'),
    execTimeoutMs: inRange('execTimeoutMs')
  })
  .map((value) => ({ ...value, minRoundtimeMs: Math.min(value.minRoundtimeMs, value.roundtimeMs) }))

export const genesis: fc.Arbitrary<Genesis> = fc.record({
  contractId: fc.string({ unit: 'grapheme', maxLength: 20 }).filter((id) => Buffer.byteLength(id) <= 256),
  config,
  stateRoot: hash
})

export const header: fc.Arbitrary<LedgerHeader> = fc
  .record({
    networkId: hash,
    seq: whole,
    prevHash: hash,
    timeMs: whole,
    usersHash: hash,
    inputsHash: hash,
    result: fc.record({
      status: fc.constantFrom('ok' as const, 'failed' as const, 'void' as const),
      stateRoot: hash,
      outputsRoot: hash,
      configHash: hash
    }),
    support: fc.nat({ max: 128 }),
    proposals: sortedHashes(0, 20)
  })
  .map((value) => ({ ...value, support: Math.min(value.support, value.proposals.length) }))

/** Users ascending, inputs grouped by user but with the users in another order. */
export const body: fc.Arbitrary<{ users: string[]; inputs: LedgerInput[] }> = sortedHashes(0, 12).chain((users) =>
  fc
    .tuple(fc.shuffledSubarray(users), fc.uniqueArray(hash, { maxLength: 24 }), fc.array(content, { maxLength: 24 }))
    .map(([order, ids, contents]) => {
      const inputs = ids.slice(0, contents.length).map((id, index) => ({
        user: order[index % Math.max(1, order.length)] ?? '',
        id,
        content: contents[index] as Uint8Array,
        untilSeq: index % 3 === 0 ? index : 0
      }))
      inputs.sort((a, b) => order.indexOf(a.user) - order.indexOf(b.user))
      return { users, inputs: order.length === 0 ? [] : inputs }
    })
)

export const certificateAndUnl: fc.Arbitrary<{ certificate: Certificate; unl: string[] }> = sortedHashes(1, 20).chain(
  (unl) =>
    fc
      .record({
        seq: whole,
        attempt: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        hash,
        signers: fc.subarray(unl),
        signature: fc.uint8Array({ minLength: 64, maxLength: 64 })
      })
      .map(({ signers, signature, ...rest }) => ({
        certificate: { ...rest, signatures: signers.map((validator) => ({ validator, signature })) },
        unl
      }))
)

export const outputs: fc.Arbitrary<UserOutput[]> = fc
  .uniqueArray(fc.record({ user: hash, content: fc.uint8Array({ minLength: 1, maxLength: 100 }) }), {
    maxLength: 12,
    selector: ({ user }) => user
  })
  .map((list) => list.sort((a, b) => (a.user < b.user ? -1 : 1)))

/** Wishes of one validator: no two about the same. */
export const wishes: fc.Arbitrary<ConfigWish[]> = fc.uniqueArray(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('add-validator' as const, 'remove-validator' as const), key: hash }),
    fc
      .constantFrom(...(Object.keys(CONFIG_RANGES) as ConfigNumber[]))
      .chain((name) => inRange(name).map((value) => ({ kind: 'set' as const, name, value })))
  ),
  { maxLength: 64, selector: targetOfWish }
)
