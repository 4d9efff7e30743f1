import { describe, expect, it } from 'vitest'
import { quorumOf } from '../../../src/consensus/quorum.js'
import type { Certificate } from '../../../src/consensus/types.js'
import {
  findCertificateProblem,
  findClosingProblem,
  findLedgerProblem,
  verifyCertificate
} from '../../../src/ledger/index.js'
import { certify, GENESIS, makeLedger, SIGNERS, USERS, ZERO } from './chain.js'

const { unl, threshold } = GENESIS.config
const { networkId } = ZERO.header
const ledger = makeLedger(ZERO, { users: USERS })
const q = quorumOf(unl.length, threshold)

describe('a certificate', () => {
  it('proves its ledger with q or more signatures in any order', () => {
    for (const signers of [
      SIGNERS.slice(0, 3),
      SIGNERS.slice(1, 4),
      SIGNERS.slice(0, 4),
      SIGNERS.slice(0, 3).reverse()
    ]) {
      expect(findCertificateProblem(certify(ledger, signers, 2), unl, q, networkId)).toBe(null)
      expect(verifyCertificate(certify(ledger, signers, 2), unl, q, networkId)).toBe(true)
    }
  })

  it('proves nothing when anything in it is changed', () => {
    const good = certify(ledger, SIGNERS.slice(0, 4), 1)
    const [first, second, third] = good.signatures as [Certificate['signatures'][0], never, never]
    const stranger = certify(ledger, [...SIGNERS.slice(0, 2), SIGNERS[6] as (typeof SIGNERS)[0]], 1)
    const bad: [Certificate, string][] = [
      [{ ...good, signatures: [] }, 'quorum'],
      [certify(ledger, SIGNERS.slice(0, 2)), 'quorum'],
      [{ ...good, signatures: [first, first, first] }, 'twice'],
      [{ ...good, signatures: [first, second, third, first, first] }, 'UNL of 4'],
      [stranger, 'not in the UNL'],
      [{ ...good, seq: 2 }, 'wrong'],
      [{ ...good, attempt: 0 }, 'wrong'],
      [{ ...good, hash: ZERO.hash }, 'wrong'],
      [{ ...good, hash: 'x' }, 'hash'],
      [{ ...good, seq: -1 }, 'seq'],
      [{ ...good, signatures: [{ ...first, signature: new Uint8Array(64) }, second, third] }, 'wrong'],
      [{ ...good, signatures: [{ ...first, signature: new Uint8Array(0) }, second, third] }, 'wrong']
    ]
    for (const [certificate, what] of bad) {
      expect(findCertificateProblem(certificate, unl, q, networkId)).toContain(what)
      expect(verifyCertificate(certificate, unl, q, networkId)).toBe(false)
    }
    expect(verifyCertificate(good, unl, q, '00'.repeat(32))).toBe(false)
    expect(verifyCertificate(certify(ledger), unl, 4, networkId)).toBe(false)
  })

  it('of another ledger does not close this one', () => {
    const other = makeLedger(ZERO)
    expect(findClosingProblem(ledger, certify(other), GENESIS.config)).toContain('certificate is for')
    expect(findClosingProblem(ledger, certify(makeLedger(ledger)), GENESIS.config)).toContain('seq')
  })
})

describe('findLedgerProblem', () => {
  it('accepts the next ledger and no other', () => {
    const certificate = certify(ledger)
    expect(findLedgerProblem(ledger, certificate, ZERO, GENESIS.config)).toBe(null)
    expect(findLedgerProblem(ledger, certificate, ledger, GENESIS.config)).toContain('does not follow')
    expect(findLedgerProblem({ ...ledger, users: [] }, certificate, ZERO, GENESIS.config)).toContain('users')
    const strict = { ...GENESIS.config, threshold: 100 }
    expect(findLedgerProblem(ledger, certificate, ZERO, strict)).toContain('quorum')
  })
})
