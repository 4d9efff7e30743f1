import type {
  AdminSource,
  ConfigView,
  LedgerSummary,
  LedgerView,
  NodeStatus,
  PeerRow,
  UnlView
} from '../../../src/admin/index.js'

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
  outputsAwaited: 0,
  pendingChanges: [],
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

const QUORUM = { needed: 1, present: 1, validators: 1 }

export const CONFIG: ConfigView = {
  role: 'validator',
  agreed: {
    unl: [KEY],
    threshold: 67,
    roundtimeMs: 1000,
    minRoundtimeMs: 0,
    ledgerInputBytes: 8_388_608,
    userOutputBytes: 8_388_608,
    ledgerOutputBytes: 33_554_432,
    nplBytes: 4_194_304,
    execTimeoutMs: 30_000
  },
  hash: HASH,
  quorum: QUORUM,
  pending: []
}

export const UNL: UnlView = {
  role: 'validator',
  threshold: 67,
  quorum: QUORUM,
  validators: [
    { publicKey: KEY, role: 'validator', self: true, connected: true, synced: true, seq: TIP, change: null }
  ],
  observers: [],
  pending: []
}

/** A peer of which nothing but its name is known. */
export const ABSENT_PEER: PeerRow = {
  publicKey: KEY,
  peerId: '12D3KooWx',
  role: 'validator',
  connected: false,
  connections: 0,
  address: null,
  addresses: [],
  relayed: null,
  relay: null,
  transport: null,
  direction: null,
  latencyMs: null,
  clockOffsetMs: null,
  agent: null,
  seq: null,
  lcl: null,
  synced: null,
  offersRelay: null,
  unreached: [],
  score: 0,
  bytesIn: 0,
  bytesOut: 0,
  connectedSinceMs: null,
  lastError: null,
  lastErrorAtMs: null,
  bannedUntilMs: null,
  banReason: null
}

/** A node that never was, for the tests of the API alone. */
export function createFakeSource(change: Partial<AdminSource> = {}): AdminSource {
  return {
    id: () => ({ publicKey: KEY, peerId: '12D3KooW', networkId: HASH, contractId: 'test', multiaddrs: [] }),
    status: () => STATUS,
    peers: () => [],
    unl: () => UNL,
    config: () => CONFIG,
    state: () => ({ root: HASH, isIntact: true, files: 2, bytes: 10, copy: null }),
    doctor: async () => ({ running: true, checks: [{ name: 'node', state: 'ok', found: 'it runs', advice: null }] }),
    wish: async () => ({ outcome: 'pending', change: null, notes: [] }),
    connectPeer: async () => ({ publicKey: KEY }),
    banPeer: () => ({ publicKey: KEY, untilMs: 0 }),
    unbanPeer: () => ({ publicKey: KEY, wasBanned: true }),
    stateRoot: async (root) => ({ root, ledger: root === HASH ? TIP : null, from: 0, to: TIP }),
    exportLedgers: async ({ path, from = 1, to = TIP }) => ({ path, bytes: 1, hash: HASH, first: from, last: to }),
    stateDiff: async ({ files }) => ({
      peer: KEY,
      compared: files ? 'files' : 'agreed',
      local: { root: HASH, ledger: TIP, from: 0, to: TIP },
      remote: { root: HASH, ledger: TIP, from: 0, to: TIP },
      isEqual: true,
      differences: [],
      total: 0,
      fetchedBytes: 0
    }),
    backup: async ({ path }) => ({ path, bytes: 1, seq: TIP, tip: TIP, stateRoot: HASH, notes: [] }),
    ping: async (_peer, count) => ({ publicKey: KEY, roundTripsMs: Array(count).fill(1.5), error: null }),
    ledger: async (ref) => {
      if (ref === 'latest' || ref === HASH) return viewOf(TIP)
      return typeof ref === 'number' && ref <= TIP ? viewOf(ref) : null
    },
    ledgers: async (from, count) =>
      Array.from({ length: Math.max(0, Math.min(count, TIP - from + 1)) }, (_, index) => summaryOf(from + index)),
    ...change
  }
}
