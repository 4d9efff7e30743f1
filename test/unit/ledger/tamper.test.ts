import { cp } from 'node:fs/promises'
import { ClassicLevel } from 'classic-level'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  encodeConsensusConfig,
  encodeInputsPart,
  encodeOutputList,
  encodeUsersPart,
  ledgerHashOf
} from '../../../src/codec/index.js'
import type { Certificate, Ledger, LedgerHeader } from '../../../src/consensus/types.js'
import { blake3Hex } from '../../../src/crypto/index.js'
import { encodeLinkRecord, LedgerStore, summary, verifyChain, view } from '../../../src/ledger/index.js'
import { encodeSeq, KEYS } from '../../../src/ledger/keys.js'
import { type Closed, certify, GENESIS, log, makeChain, makeConfig, makeDir, nextOf, SIGNERS, ZERO } from './chain.js'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const LENGTH = 199
/** Far from the tip, so that opening does not see it; with users, inputs and outputs. */
const SEQ = 50

const chain = makeChain(LENGTH)
const victim = chain[SEQ - 1] as Closed

let dir: Awaited<ReturnType<typeof makeDir>>
let untouched: Awaited<ReturnType<typeof makeDir>>

beforeAll(async () => {
  untouched = await makeDir()
  const store = await LedgerStore.open(untouched.path, { log })
  await store.putGenesis(GENESIS)
  for (const { ledger, certificate, outputs } of chain) {
    await store.append(ledger, certificate, { sync: false })
    await store.putOutputs(ledger.header.seq, outputs)
  }
  await store.close()
})

afterAll(() => untouched.remove())

beforeEach(async () => {
  dir = await makeDir()
  await cp(untouched.path, dir.path, { recursive: true })
})

afterEach(() => dir.remove())

type Level = ClassicLevel<string, Uint8Array>

/** Changes the closed database. */
async function tamper(change: (level: Level) => Promise<unknown>): Promise<void> {
  const level: Level = new ClassicLevel(dir.path, { keyEncoding: 'utf8', valueEncoding: 'view' })
  await change(level)
  await level.close()
}

/** What verifyChain says after the change. */
async function verifyAfter(change: (level: Level) => Promise<unknown>, from?: number) {
  await tamper(change)
  const store = await LedgerStore.open(dir.path, { log })
  const report = await verifyChain(store, { from })
  await store.close()
  return report
}

/** Puts another header in the place of the victim's, with the index and a real certificate over it. */
function replaceHeader(change: Partial<LedgerHeader>, certificate?: (ledger: Ledger) => Certificate) {
  return async (level: Level) => {
    const header = { ...victim.ledger.header, ...change }
    const ledger = { ...victim.ledger, header, hash: ledgerHashOf(header) }
    await putRecord(level, ledger, (certificate ?? certify)(ledger))
  }
}

/** Puts a record with what is indexed of it, as somebody would who wants it not to be noticed. */
async function putRecord(level: Level, ledger: Ledger, certificate: Certificate): Promise<void> {
  const { seq } = ledger.header
  const bytes = encodeLinkRecord(ledger, certificate, GENESIS.config.unl)
  await level.put(KEYS.ledger(seq).toString(), bytes)
  await level.put(KEYS.hash(ledger.hash).toString(), encodeSeq(seq, blake3Hex(bytes)))
}

const replaceCertificate = (certificate: Certificate) => (level: Level) => putRecord(level, victim.ledger, certificate)

describe('verifyChain', () => {
  it('finds nothing in an untouched chain, whole or in part, and tells its progress', async () => {
    const store = await LedgerStore.open(dir.path, { log })
    const progress: number[] = []
    const report = await verifyChain(store, { onProgress: (seq) => progress.push(seq) })
    expect(report).toEqual({
      ok: true,
      checked: LENGTH,
      firstSeq: 1,
      lastSeq: LENGTH,
      outputsMissing: 0,
      milestones: 0,
      problem: null
    })
    expect(progress).toEqual([LENGTH])
    expect(await verifyChain(store, { from: 60, to: 70 })).toMatchObject({ ok: true, checked: 11 })
    const aborted = verifyChain(store, { signal: AbortSignal.abort(new Error('stopped')) })
    await expect(aborted).rejects.toThrow('stopped')
    await store.close()
  })

  it.each([
    ['another networkId', { networkId: '11'.repeat(32) }, 'network'],
    ['another prevHash', { prevHash: '11'.repeat(32) }, 'prevHash'],
    ['a time that does not rise', { timeMs: 1 }, 'time'],
    ['another users hash', { usersHash: '11'.repeat(32) }, 'users'],
    ['another inputs hash', { inputsHash: '11'.repeat(32) }, 'inputs']
  ])('finds %s, even with a valid certificate', async (_name, change, what) => {
    const { ok, problem, checked } = await verifyAfter(replaceHeader(change))
    expect({ ok, seq: problem?.seq, checked }).toEqual({ ok: false, seq: SEQ, checked: SEQ - 1 })
    expect(problem?.what).toContain(what)
  })

  it('finds a ledger that was exchanged for another one with a valid certificate', async () => {
    const { problem } = await verifyAfter(replaceHeader({ timeMs: victim.ledger.header.timeMs + 1 }))
    expect(problem).toMatchObject({ seq: SEQ + 1, what: expect.stringContaining('prevHash') })
  })

  it('finds a header whose certificate is of another one', async () => {
    const change = replaceHeader({ timeMs: victim.ledger.header.timeMs + 1 }, () => victim.certificate)
    expect((await verifyAfter(change)).problem).toMatchObject({
      seq: SEQ,
      what: expect.stringContaining('certificate')
    })
  })

  it.each([
    ['too few signatures', () => certify(victim.ledger, SIGNERS.slice(0, 2)), 'quorum'],
    ['another attempt', () => ({ ...certify(victim.ledger), attempt: 1 }), 'signature'],
    ['a seq of another ledger', () => ({ ...certify(victim.ledger), seq: SEQ - 1 }), 'seq'],
    [
      'a wrong signature',
      () => {
        const certificate = certify(victim.ledger)
        const [first, ...rest] = certificate.signatures
        const signature = Buffer.from(first?.signature ?? '')
        signature[0] = (signature[0] as number) ^ 1
        return { ...certificate, signatures: [{ validator: first?.validator as string, signature }, ...rest] }
      },
      'signature'
    ]
  ])('finds a certificate with %s', async (_name, certificate, what) => {
    const { problem } = await verifyAfter(replaceCertificate(certificate()))
    expect(problem).toMatchObject({ seq: SEQ, what: expect.stringContaining(what) })
  })

  it('finds changed users, inputs, outputs and missing ledgers', async () => {
    const users = KEYS.users(victim.ledger.header.usersHash).toString()
    const [first] = victim.ledger.inputs
    const inputs = [{ ...first, content: Buffer.from('forged') }, ...victim.ledger.inputs.slice(1)] as Ledger['inputs']
    const forged = encodeInputsPart({ users: victim.ledger.users, inputs })
    const outputs = encodeOutputList([{ user: victim.ledger.users[0] as string, content: Buffer.from('forged') }])
    const changes: [(level: Level) => Promise<unknown>, string][] = [
      [(level) => level.put(KEYS.outputs(SEQ).toString(), outputs), 'outputs'],
      [(level) => level.put(KEYS.inputs(SEQ).toString(), forged), 'inputs'],
      [(level) => level.del(KEYS.inputs(SEQ).toString()), 'inputs'],
      [(level) => level.put(users, encodeUsersPart([])), 'users'],
      [(level) => level.del(users), 'users'],
      [(level) => level.put(KEYS.ledger(SEQ).toString(), Buffer.from('garbage')), 'ledger'],
      [(level) => level.del(KEYS.ledger(SEQ).toString()), 'missing']
    ]
    for (const [change, what] of changes) {
      const { problem } = await verifyAfter(change, SEQ)
      expect(problem).toMatchObject({ seq: SEQ, what: expect.stringContaining(what) })
    }
  })

  it('finds a config that was exchanged', async () => {
    const { configHash } = ZERO.header.result
    const other = encodeConsensusConfig(makeConfig(SIGNERS))
    // The genesis config is taken from the genesis, whatever lies in its place.
    expect(await verifyAfter((level) => level.put(KEYS.config(configHash).toString(), other))).toMatchObject({
      ok: true
    })
    const genesis = verifyAfter((level) => level.put(KEYS.genesis.toString(), Buffer.from('garbage')))
    await expect(genesis).rejects.toMatchObject({ code: 'damaged' })
  })

  it('does not count missing outputs as a fault', async () => {
    const report = await verifyAfter((level) => level.del(KEYS.outputs(SEQ).toString()))
    expect(report).toMatchObject({ ok: true, outputsMissing: 1 })
  })
})

describe('opening', () => {
  const tipOf = async () => {
    const store = await LedgerStore.open(dir.path, { log })
    try {
      const report = await verifyChain(store)
      const next = await nextOf(store)
      await store.append(next, certify(next))
      const after = await verifyChain(store)
      return { seq: store.tip().seq - 1, ok: report.ok && after.ok, repaired: store.repaired() }
    } finally {
      await store.close()
    }
  }

  it.each([
    ['a missing record', KEYS.ledger(LENGTH), LENGTH - 1],
    ['a gap below the tip', KEYS.ledger(LENGTH - 10), LENGTH - 11],
    ['missing inputs of the tip', KEYS.inputs(LENGTH), LENGTH - 1],
    ['a lost record of the tip', KEYS.tip, LENGTH]
  ])('repairs %s', async (_name, key, seq) => {
    await tamper((level) => level.del(key.toString()))
    const opened = await tipOf()
    expect(opened).toMatchObject({ seq, ok: true })
    expect(opened.repaired).not.toBe(null)
    expect((await tipOf()).repaired).toBe(null)
  })

  it.each([0, 7, 2 ** 50])('repairs a record of the tip that names ledger %i', async (named) => {
    const { hash } = (chain[LENGTH - 1] as Closed).ledger
    await tamper((level) => level.put(KEYS.tip.toString(), encodeSeq(named, hash)))
    const opened = await tipOf()
    expect(opened).toMatchObject({ seq: LENGTH, ok: true })
    expect(opened.repaired).not.toBe(null)
  })

  it('drops a tip without a valid certificate', async () => {
    const { ledger, certificate } = chain[LENGTH - 1] as Closed
    const few = { ...certificate, signatures: certificate.signatures.slice(0, 2) }
    await tamper((level) => putRecord(level, ledger, few))
    expect(await tipOf()).toMatchObject({ seq: LENGTH - 1, ok: true, repaired: { from: LENGTH, to: LENGTH } })
  })

  it('says that a store without its layout version is damaged', async () => {
    await tamper((level) => level.del(KEYS.layout.toString()))
    await expect(LedgerStore.open(dir.path, { log })).rejects.toMatchObject({ code: 'damaged' })
  })
})

describe('views', () => {
  it('show a ledger as plain JSON by seq, hash and "tip"', async () => {
    const store = await LedgerStore.open(dir.path, { log })
    const { ledger, outputs } = victim
    const short = await summary(store, SEQ)
    expect(short).toMatchObject({ seq: SEQ, hash: ledger.hash, inputs: 2, support: '4/4', certificate: { signers: 3 } })
    const full = await view(store, SEQ)
    expect(JSON.parse(JSON.stringify(full))).toEqual(full)
    expect(await view(store, ledger.hash.toUpperCase())).toEqual(full)
    expect(await view(store, String(SEQ))).toEqual(full)
    expect(full?.userList[0]).toMatchObject({ inputs: 1, firstInputs: [{ encoding: 'text', preview: 'input of 50' }] })
    expect(full?.userList.map(({ key }) => key).sort()).toEqual(ledger.users)
    expect(full?.outputs).toMatchObject({ users: outputs.length, firstOutputs: [{ preview: 'output of 50' }, {}] })
    expect((await view(store, 'tip'))?.seq).toBe(LENGTH)
    expect(await view(store, 0)).toMatchObject({ seq: 0, certificate: null, time: '1970-01-01T00:00:00.000Z' })
    for (const ref of ['', 'x', '-1', '200', '99999999999999999999', 'ff'.repeat(32)]) {
      expect(await view(store, ref)).toBe(null)
    }
    await store.close()
  })
})
