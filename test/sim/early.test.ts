import { expect, test } from 'vitest'
import { genesisLedger } from '../../src/codec/ledger.js'
import { tipOf } from '../../src/consensus/close-ledger.js'
import { Consensus } from '../../src/consensus/consensus.js'
import type { Ledger, PublicKey, Vote } from '../../src/consensus/types.js'
import { makeConfig, SIGNERS } from '../unit/ledger/chain.js'
import { SIGNATURE } from './messages.js'

const config = makeConfig(SIGNERS.slice(0, 4))
const [self, b, c, leaver] = config.unl as [PublicKey, PublicKey, PublicKey, PublicKey]
const genesis = genesisLedger({ contractId: 'early', config, stateRoot: '01'.repeat(32) })

/** The core after ledger 1, with which the last validator leaves; `early` have voted for nil in ledger 2 before that. */
function coreAfterLeaving(early: PublicKey[]): Consensus {
  const core = new Consensus({ self, config, tip: tipOf(genesis) })
  core.start()
  for (const validator of early) {
    const vote: Vote = {
      validator,
      seq: 2,
      attempt: 0,
      kind: 'precommit',
      hash: null,
      proposals: [],
      signature: SIGNATURE
    }
    core.step({ type: 'vote', vote })
  }
  const header = { ...genesis.header, seq: 1, prevHash: genesis.hash, timeMs: 1 }
  const ledger: Ledger = {
    ...genesis,
    header,
    hash: '02'.repeat(32),
    config: makeConfig(SIGNERS.slice(0, 4), { unl: [self, b, c] })
  }
  core.step({ type: 'certified', ledger, certificate: { seq: 1, attempt: 0, hash: ledger.hash, signatures: [] } })
  return core
}

test('a vote that came early counts only when its validator is still one', () => {
  expect(coreAfterLeaving([b, c, leaver])).toMatchObject({ seq: 2, quorum: 3, attempt: 0 })
})

test('a quorum of early votes counts', () => {
  expect(coreAfterLeaving([self, b, c])).toMatchObject({ seq: 2, quorum: 3, attempt: 1 })
})
