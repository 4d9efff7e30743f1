import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import {
  configHashOf,
  decodeLedgerRecord,
  EMPTY_INPUTS_HASH,
  EMPTY_OUTPUTS_ROOT,
  EMPTY_USERS_HASH,
  encodeGenesis,
  encodeLedgerRecord,
  genesisLedger,
  inputsHashOf,
  ledgerHashOf,
  networkIdOf,
  outputsRootOf,
  SIGNING_DOMAINS,
  signingBytes,
  usersHashOf,
  voteBytes
} from '../../../src/codec/index.js'
import type { Genesis, LedgerInput } from '../../../src/consensus/types.js'
import { createKeyPair, Signer } from '../../../src/crypto/index.js'
import { verifyCertificate } from '../../../src/ledger/index.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const signers = [1, 2, 3, 4].map((seed) => new Signer(createKeyPair(Buffer.alloc(32, seed))))
const users = ['11'.repeat(32), '22'.repeat(32)]
const inputs: LedgerInput[] = [
  { user: users[1] as string, id: 'aa'.repeat(32), content: Buffer.from('hello'), untilSeq: 0 },
  { user: users[0] as string, id: 'bb'.repeat(32), content: Buffer.from([0, 255]), untilSeq: 9 }
]
const genesis: Genesis = {
  contractId: '3c349abe-4d70-4f50-9fa6-018f1f2530ab',
  config: {
    unl: signers.map(({ publicKey }) => publicKey).sort(),
    threshold: 80,
    roundtimeMs: 1000,
    minRoundtimeMs: 10,
    ledgerInputBytes: 8_388_608,
    userOutputBytes: 4_194_304,
    ledgerOutputBytes: 33_554_432,
    nplBytes: 1_048_576,
    execTimeoutMs: 30_000
  },
  stateRoot: 'cc'.repeat(32)
}

/** Everything that other nodes compute too, from fixed values. */
function compute(): Record<string, string> {
  const zero = genesisLedger(genesis)
  const header = {
    networkId: zero.header.networkId,
    seq: 1,
    prevHash: zero.hash,
    timeMs: 1_700_000_000_123,
    usersHash: usersHashOf(users),
    inputsHash: inputsHashOf(inputs),
    result: { ...zero.header.result, status: 'void' as const },
    support: 2,
    proposals: ['01'.repeat(32), '02'.repeat(32), '03'.repeat(32)]
  }
  const ledger = { header, hash: ledgerHashOf(header), users, inputs, config: genesis.config }
  const vote = { seq: 1, attempt: 3, kind: 'precommit' as const, hash: ledger.hash }
  const signed = signingBytes(SIGNING_DOMAINS.vote, voteBytes(header.networkId, vote))
  const signatures = signers.map((signer) => ({ validator: signer.publicKey, signature: signer.sign(signed) }))
  const certificate = { seq: 1, attempt: 3, hash: ledger.hash, signatures }
  const outputs = [
    { user: users[1] as string, content: Buffer.from('second') },
    { user: users[0] as string, content: Buffer.from('first') }
  ]
  return {
    genesis: hex(encodeGenesis(genesis)),
    networkId: networkIdOf(genesis),
    configHash: configHashOf(genesis.config),
    emptyUsersHash: EMPTY_USERS_HASH,
    emptyInputsHash: EMPTY_INPUTS_HASH,
    emptyOutputsRoot: EMPTY_OUTPUTS_ROOT,
    genesisLedgerHash: zero.hash,
    usersHash: header.usersHash,
    inputsHash: header.inputsHash,
    outputsRoot: outputsRootOf(outputs),
    ledgerHash: ledger.hash,
    precommitSigned: hex(signed),
    nilPrevoteSigned: hex(
      signingBytes(
        SIGNING_DOMAINS.vote,
        voteBytes(header.networkId, { seq: 1, attempt: 0, kind: 'prevote', hash: null })
      )
    ),
    record: hex(encodeLedgerRecord(ledger, certificate, genesis.config.unl))
  }
}

describe('the format', () => {
  it('is the one of the fixture: a change needs a new version, not a new fixture', async () => {
    const fixture = JSON.parse(await readFile(new URL('../../fixtures/ledger-v2.json', import.meta.url), 'utf8'))
    expect(compute()).toEqual(fixture)
  })

  it('still verifies the record of the fixture', async () => {
    const fixture = JSON.parse(await readFile(new URL('../../fixtures/ledger-v2.json', import.meta.url), 'utf8'))
    const { ledger, certificate } = decodeLedgerRecord(Buffer.from(fixture.record, 'hex'), genesis.config.unl)
    expect(ledger.hash).toBe(fixture.ledgerHash)
    expect(verifyCertificate(certificate, genesis.config.unl, 4, fixture.networkId)).toBe(true)
    expect(verifyCertificate(certificate, genesis.config.unl, 4, '00'.repeat(32))).toBe(false)
  })
})
