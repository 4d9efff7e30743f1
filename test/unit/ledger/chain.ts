import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import {
  configHashOf,
  EMPTY_OUTPUTS_ROOT,
  genesisLedger,
  inputsHashOf,
  ledgerHashOf,
  outputsRootOf,
  SIGNING_DOMAINS,
  signingBytes,
  usersHashOf,
  voteBytes
} from '../../../src/codec/index.js'
import type {
  AgreedResult,
  Certificate,
  ConsensusConfig,
  Genesis,
  Ledger,
  LedgerInput,
  UserOutput
} from '../../../src/consensus/types.js'
import { blake3Hex, createKeyPair, Signer } from '../../../src/crypto/index.js'
import type { LedgerLink, LedgerStore } from '../../../src/ledger/index.js'

export const log = pino({ level: 'silent' })

const seedOf = (index: number) => Buffer.alloc(32, index + 1)

/** The same validators in every run, so that hashes can be compared with fixtures. */
export const SIGNERS = Array.from({ length: 7 }, (_, index) => new Signer(createKeyPair(seedOf(index))))
export const USERS = Array.from({ length: 5 }, (_, index) => createKeyPair(seedOf(100 + index)).publicKey).sort()

export function makeConfig(signers: Signer[] = SIGNERS.slice(0, 4), over: Partial<ConsensusConfig> = {}) {
  return {
    unl: signers.map(({ publicKey }) => publicKey).sort(),
    threshold: 67,
    roundtimeMs: 1000,
    minRoundtimeMs: 0,
    ledgerInputBytes: 8_388_608,
    userOutputBytes: 8_388_608,
    ledgerOutputBytes: 33_554_432,
    nplBytes: 4_194_304,
    execTimeoutMs: 30_000,
    ...over
  } satisfies ConsensusConfig
}

export const GENESIS: Genesis = {
  contractId: 'a contract',
  config: makeConfig(),
  stateRoot: blake3Hex(Buffer.from('empty state'))
}

export const ZERO = genesisLedger(GENESIS)

export interface Content {
  users?: string[]
  inputs?: LedgerInput[]
  timeMs?: number
  result?: Partial<AgreedResult>
  /** Put in force by this ledger. */
  config?: ConsensusConfig | null
}

export function input(user: string, text: string): LedgerInput {
  const content = Buffer.from(text)
  return { user, id: blake3Hex(Buffer.from(`${user}:${text}`)), content, untilSeq: 0 }
}

/** The next ledger of a store, agreeing on the outputs that it has of the tip. */
export async function nextOf(store: LedgerStore): Promise<Ledger> {
  const { seq } = store.tip()
  const outputsRoot = outputsRootOf((await store.getOutputs(seq)) ?? [])
  return makeLedger((await store.link(seq)) ?? ZERO, { result: { outputsRoot } })
}

/** The ledger after `previous`, as a network of four would close it. */
export function makeLedger(previous: LedgerLink, content: Content = {}): Ledger {
  const { users = [], inputs = [], config = null } = content
  const { header: before } = previous
  const seq = before.seq + 1
  const header = {
    networkId: before.networkId,
    seq,
    prevHash: previous.hash,
    timeMs: content.timeMs ?? 1_700_000_000_000 + seq * 1000,
    usersHash: usersHashOf(users),
    inputsHash: inputsHashOf(inputs),
    result: {
      status: 'ok' as const,
      stateRoot: before.result.stateRoot,
      outputsRoot: EMPTY_OUTPUTS_ROOT,
      configHash: before.result.configHash,
      ...(config === null ? {} : { configHash: configHashOf(config) }),
      ...content.result
    },
    support: 4,
    proposals: [0, 1, 2, 3].map((index) => blake3Hex(Buffer.from(`proposal ${seq} ${index}`))).sort()
  }
  return { header, hash: ledgerHashOf(header), users, inputs, config }
}

export function certify(ledger: LedgerLink, signers = SIGNERS.slice(0, 3), attempt = 0): Certificate {
  const { networkId, seq } = ledger.header
  const payload = voteBytes(networkId, { seq, attempt, kind: 'precommit', hash: ledger.hash })
  const signed = signingBytes(SIGNING_DOMAINS.vote, payload)
  const signatures = signers.map((signer) => ({ validator: signer.publicKey, signature: signer.sign(signed) }))
  return { seq, attempt, hash: ledger.hash, signatures }
}

export interface Closed {
  ledger: Ledger
  certificate: Certificate
  /** Of the ledger's execution, agreed by the next one. */
  outputs: UserOutput[]
}

/** Ledgers 1..length with users, inputs and outputs that vary with the seq. */
export function makeChain(length: number, previous: LedgerLink = ZERO): Closed[] {
  const chain: Closed[] = []
  let last = previous
  let outputs: UserOutput[] = []
  for (let index = 0; index < length; index++) {
    const seq = last.header.seq + 1
    const users = seq % 4 === 0 ? [] : USERS.slice(0, 1 + (Math.floor(seq / 3) % 5))
    const inputs = users.slice(0, seq % 3).map((user) => input(user, `input of ${seq}`))
    const ledger = makeLedger(last, { users, inputs, result: { outputsRoot: outputsRootOf(outputs) } })
    outputs = inputs.map(({ user }) => ({ user, content: Buffer.from(`output of ${seq}`) }))
    chain.push({ ledger, certificate: certify(ledger, SIGNERS.slice(seq % 2, (seq % 2) + 3)), outputs })
    last = ledger
  }
  return chain
}

/** A fresh directory and what removes it. */
export async function makeDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'hp-ledger-'))
  return { path: join(root, 'hist', 'ledgers'), remove: () => rm(root, { recursive: true, force: true }) }
}
