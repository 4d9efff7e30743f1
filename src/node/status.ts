import type { AdminSource, NodeStatus, PeerRow, SyncState } from '../admin/index.js'
import type { NodeConfig } from '../config/index.js'
import type { ConsensusConfig, Genesis, Hash, PublicKey } from '../consensus/types.js'
import type { ContractRunner } from '../contract/index.js'
import { type LedgerStore, type LedgerSummary, summary, verifyChain, view } from '../ledger/index.js'
import type { Network } from '../network/index.js'
import type { SyncProgress } from '../state/index.js'
import type { PendingInputs, UserServer } from '../users/index.js'
import { VERSION } from '../version.js'
import type { CatchUp } from './catch-up.js'
import type { ConsensusDriver } from './consensus-driver.js'
import type { Executor } from './executor.js'

/** The parts of a running node that operators see. */
export interface NodeView {
  readonly config: NodeConfig
  readonly publicKey: PublicKey
  readonly networkId: Hash
  readonly genesis: Genesis
  /** In force for the next ledger. */
  readonly agreed: ConsensusConfig
  readonly startedAtMs: number
  readonly stopping: boolean
  readonly ledgers: LedgerStore
  readonly network: Network
  readonly driver: ConsensusDriver
  readonly executor: Executor
  readonly catchUp: CatchUp
  readonly users: UserServer | null
  readonly runner: ContractRunner
  readonly pending: PendingInputs
  /** How far the copying of the state from peers is; null when none goes on. */
  readonly stateCopy: SyncProgress | null
  readonly lastClose: { atMs: number; tookMs: number | null } | null
  /** When the ledgers of the last minute closed, ms since the epoch. */
  readonly closes: readonly number[]
  connectedValidators(): PublicKey[]
}

/** A validator that closed no ledger for this long waits for others or catches up. */
const STALL_MS = 3000
/** Beyond its round time, an idle network that closes no ledger for this long has a problem. */
const SILENCE_MS = 10_000

/** Age that the status of a healthy peer may reach here. */
const STATUS_AGE_MS = 5000

/** At most `count` kept ledgers from `from` upwards. */
export async function listLedgers(store: LedgerStore, from: number, count: number): Promise<LedgerSummary[]> {
  const rows: LedgerSummary[] = []
  for (let seq = from; seq < from + count && seq <= store.tip().seq; seq++) {
    const row = await summary(store, seq)
    if (row !== null) rows.push(row)
  }
  return rows
}

/** What the admin API shows of a running node. */
export function createAdminSource(node: NodeView): AdminSource {
  return {
    id: () => ({
      publicKey: node.publicKey,
      peerId: node.network.peerId,
      networkId: node.networkId,
      contractId: node.genesis.contractId,
      multiaddrs: node.network.addresses()
    }),
    status: () => statusOf(node),
    peers: () => peerRows(node),
    ledger: async (ref) => await view(node.ledgers, ref === 'latest' ? node.ledgers.tip().seq : ref),
    ledgers: (from, count) => listLedgers(node.ledgers, from, count),
    verify: async () => await verifyChain(node.ledgers)
  }
}

function statusOf(node: NodeView): NodeStatus {
  const { config, driver, ledgers, network, users } = node
  const consensus = node.agreed
  const tip = driver.tip
  const address = users?.status().address ?? null
  return {
    version: VERSION,
    publicKey: node.publicKey,
    peerId: network.peerId,
    networkId: node.networkId,
    contractId: node.genesis.contractId,
    role: driver.isValidator ? 'validator' : 'observer',
    lcl: ledgers.tip().hash,
    seq: ledgers.tip().seq,
    lclTimeMs: tip.seq === 0 ? null : tip.timeMs,
    sync: syncState(node),
    quorum: { needed: driver.quorum, present: validatorsPresent(node), validators: consensus.unl.length },
    peers: network.peers().filter((peer) => peer.connected).length,
    users: users?.status().connections ?? 0,
    pendingInputs: node.pending.size,
    pace: {
      roundtimeMs: consensus.roundtimeMs,
      minRoundtimeMs: consensus.minRoundtimeMs,
      lastLedgerMs: node.lastClose?.tookMs ?? null,
      ledgersPerMinute: node.closes.filter((atMs) => atMs > Date.now() - 60_000).length
    },
    lastExecution: node.executor.lastExecution,
    uptimeS: Math.floor((Date.now() - node.startedAtMs) / 1000),
    userUrls: address === null ? [] : [address],
    addresses: network.addresses(),
    warnings: [...config.warnings, ...warningsOf(node)]
  }
}

function warningsOf(node: NodeView): string[] {
  const warnings: string[] = []
  if (node.executor.diverged !== null) warnings.push(node.executor.diverged)
  if (node.stateCopy !== null) warnings.push(copyProgress(node.stateCopy))
  for (const key of node.driver.equivocators) warnings.push(`validator ${key} signed two proposals for one ledger`)
  if (node.runner.capabilities.sandbox === 'none') warnings.push('the contract runs without a sandbox')
  if (isStalled(node)) {
    const seconds = Math.round(silenceMs(node) / 1000)
    const present = validatorsPresent(node)
    warnings.push(
      `no ledger has closed for ${seconds} s although ${present} validators are in touch: some do not answer`
    )
  }
  return warnings
}

/** Time since the last ledger closed here, ms. */
function silenceMs(node: NodeView): number {
  return Date.now() - (node.lastClose?.atMs ?? node.startedAtMs)
}

function isStalled(node: NodeView): boolean {
  const isLong = silenceMs(node) > SILENCE_MS + node.agreed.roundtimeMs
  return isLong && validatorsPresent(node) >= node.driver.quorum
}

function copyProgress({ phase, totalBytes, localBytes, resumedBytes, fetchedBytes }: SyncProgress): string {
  const share = totalBytes === 0 ? 0 : Math.min(100, (100 * (localBytes + resumedBytes + fetchedBytes)) / totalBytes)
  return `copying the state from peers: ${phase}, ${share.toFixed(0)} % of ${totalBytes} bytes`
}

function validatorsPresent(node: NodeView): number {
  return node.connectedValidators().length + (node.driver.isValidator ? 1 : 0)
}

function syncState(node: NodeView): SyncState {
  if (node.stopping) return 'stopping'
  if (node.executor.diverged !== null) return 'diverged'
  if (node.catchUp.active || node.executor.backlog > 2) return 'catching-up'
  if (validatorsPresent(node) < node.driver.quorum) return 'waiting-for-quorum'
  if (isStalled(node)) return 'stalled'
  if (node.lastClose === null && Date.now() - node.startedAtMs < STALL_MS) return 'starting'
  return 'synced'
}

/** The ledger that a peer must have told to have closed, to count as one that is in step with this node. */
export function oldestSynced({ driver, closes }: Pick<NodeView, 'driver' | 'closes'>): number {
  // Peers tell how far they are every few seconds: what closed since then they may well have.
  const sinceMs = Date.now() - STATUS_AGE_MS
  return driver.tip.seq - closes.filter((atMs) => atMs > sinceMs).length
}

function peerRows(node: NodeView): PeerRow[] {
  const oldest = oldestSynced(node)
  return node.network.peers().map((peer) => ({
    publicKey: peer.publicKey,
    peerId: peer.peerId,
    role: peer.role ?? (peer.inUnl ? 'validator' : 'unknown'),
    connected: peer.connected,
    address: peer.address,
    direction: peer.direction,
    latencyMs: peer.latencyMs,
    agent: peer.agent,
    seq: peer.seq,
    synced: peer.seq === null ? null : peer.seq >= oldest,
    score: peer.score,
    bytesIn: peer.bytesIn,
    bytesOut: peer.bytesOut,
    connectedSinceMs: peer.connectedSince,
    lastError: peer.lastError
  }))
}
