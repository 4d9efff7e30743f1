import type { AdminSource, LedgerSummary, LedgerView, NodeStatus } from '../../../src/admin/index.js'

export const HASH = 'ab'.repeat(32)
export const KEY = 'cd'.repeat(32)
export const TIP = 30

export const STATUS: NodeStatus = {
  version: '0.0.0',
  publicKey: KEY,
  peerId: '12D3KooW',
  networkId: HASH,
  contractId: 'test',
  role: 'validator',
  lcl: HASH,
  seq: TIP,
  lclTimeMs: 1_700_000_000_000,
  sync: 'synced',
  quorum: { needed: 1, present: 1, validators: 1 },
  peers: 0,
  users: 2,
  pendingInputs: 0,
  pace: { roundtimeMs: 1000, minRoundtimeMs: 0, lastLedgerMs: 12.5, ledgersPerMinute: 60 },
  lastExecution: { seq: TIP, status: 'failed', reason: 'exit code 1', durationMs: 3 },
  uptimeS: 3700,
  userUrls: ['ws://127.0.0.1:8080'],
  addresses: [],
  warnings: ['a warning']
}

export function summaryOf(seq: number): LedgerSummary {
  return {
    seq,
    hash: HASH,
    prevHash: HASH,
    time: '2023-11-14T22:13:20.000Z',
    users: 1,
    inputs: 1,
    inputBytes: 6,
    result: { status: 'ok', stateRoot: HASH, outputsRoot: HASH, configHash: HASH },
    support: '1/1',
    certificate: seq === 0 ? null : { attempt: 0, signers: 1 }
  }
}

export function viewOf(seq: number): LedgerView {
  return {
    ...summaryOf(seq),
    certificate: seq === 0 ? null : { attempt: 0, signers: [KEY] },
    proposals: [HASH],
    networkId: HASH,
    usersHash: HASH,
    inputsHash: HASH,
    userList: [
      { key: KEY, inputs: 1, inputBytes: 6, firstInputs: [{ id: HASH, bytes: 6, encoding: 'text', preview: 'hello' }] }
    ],
    usersNotListed: 0,
    outputs: null
  }
}

/** A node that never was, for the tests of the API alone. */
export function createFakeSource(change: Partial<AdminSource> = {}): AdminSource {
  return {
    id: () => ({ publicKey: KEY, peerId: '12D3KooW', networkId: HASH, contractId: 'test', multiaddrs: [] }),
    status: () => STATUS,
    peers: () => [],
    ledger: async (ref) => {
      if (ref === 'latest' || ref === HASH) return viewOf(TIP)
      return typeof ref === 'number' && ref <= TIP ? viewOf(ref) : null
    },
    ledgers: async (from, count) =>
      Array.from({ length: Math.max(0, Math.min(count, TIP - from + 1)) }, (_, index) => summaryOf(from + index)),
    ...change
  }
}
