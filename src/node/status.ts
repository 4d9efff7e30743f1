import type { AdminSource, NodeStatus, PeerRow, StateView, SyncState } from '../admin/index.js'
import { type LedgerStore, type LedgerSummary, summary, verifyChain, view } from '../ledger/index.js'
import type { DirNode, SyncProgress } from '../state/index.js'
import { VERSION } from '../version.js'
import { examineNode } from './doctor/running.js'
import { pendingChanges, viewConfig, viewUnl } from './membership.js'
import { type NodeView, oldestSynced, quorumStatus, validatorsPresent } from './node-view.js'
import { createOperations } from './operations.js'
import { findStateRoot } from './state-diff.js'

export { oldestSynced } from './node-view.js'

/** A validator that closed no ledger for this long waits for others or catches up. */
const STALL_MS = 3000
/** Beyond its round time, an idle network that closes no ledger for this long has a problem. */
const SILENCE_MS = 10_000

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
    unl: () => viewUnl(node),
    config: () => viewConfig(node),
    state: () => viewState(node),
    stateRoot: (root) => findStateRoot(node.ledgers, root),
    doctor: () => examineNode(node, statusOf(node)),
    ledger: async (ref) => await view(node.ledgers, ref === 'latest' ? node.ledgers.tip().seq : ref),
    ledgers: (from, count) => listLedgers(node.ledgers, from, count),
    verify: async () => await verifyChain(node.ledgers),
    ...createOperations(node)
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
    quorum: quorumStatus(node),
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
    outputsAwaited: node.execution.passedOver.waiting,
    pendingChanges: pendingChanges(node),
    uptimeS: Math.floor((Date.now() - node.startedAtMs) / 1000),
    userUrls: address === null ? [] : [address],
    addresses: network.addresses(),
    warnings: [...config.warnings, ...warningsOf(node)]
  }
}

function warningsOf(node: NodeView): string[] {
  const warnings: string[] = []
  if (node.executor.diverged !== null) warnings.push(node.executor.diverged)
  if (node.execution.stateCopy !== null) warnings.push(copyProgress(node.execution.stateCopy))
  for (const key of node.driver.equivocators) warnings.push(`validator ${key} signed two proposals for one ledger`)
  for (const key of node.network.twins()) warnings.push(`two nodes use the key ${key} at once: stop one of the two`)
  if (node.driver.isSilent) {
    warnings.push(
      'this validator does not vote for about a minute: it does not know what it has said, its journal is gone'
    )
  }
  if (node.runner.capabilities.sandbox === 'none') warnings.push('the contract runs without a sandbox')
  if (node.runner.capabilities.processBound === 'watch') {
    warnings.push(
      'nothing but a count every 50 ms bounds the processes of the contract: `hp-p2p doctor` says what helps'
    )
  }
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

function copyProgress({ phase, totalBytes, doneBytes }: SyncProgress): string {
  const share = totalBytes === 0 ? 0 : Math.min(100, (100 * doneBytes) / totalBytes)
  return `copying the state from peers: ${phase}, ${share.toFixed(0)} % of ${totalBytes} bytes`
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

function peerRows(node: NodeView): PeerRow[] {
  const oldest = oldestSynced(node)
  return node.network.peers().map((peer) => ({
    publicKey: peer.publicKey,
    peerId: peer.peerId,
    role: peer.role ?? (peer.inUnl ? 'validator' : 'unknown'),
    connected: peer.connected,
    connections: peer.connections,
    address: peer.address,
    addresses: peer.addresses,
    relayed: peer.relayed,
    relay: peer.relay,
    transport: peer.transport,
    direction: peer.direction,
    latencyMs: peer.latencyMs,
    clockOffsetMs: peer.clockOffsetMs,
    agent: peer.agent,
    seq: peer.seq,
    lcl: peer.lcl,
    synced: peer.seq === null ? null : peer.seq >= oldest,
    offersRelay: peer.offersRelay,
    unreached: peer.unreached,
    score: peer.score,
    bytesIn: peer.bytesIn,
    bytesOut: peer.bytesOut,
    connectedSinceMs: peer.connectedSince,
    lastError: peer.lastError,
    lastErrorAtMs: peer.lastErrorAt,
    bannedUntilMs: peer.bannedUntil,
    banReason: peer.banReason
  }))
}

function viewState(node: NodeView): StateView {
  const tree = node.state.scannedTree
  const size = tree === undefined ? null : measureTree(tree)
  const { stateCopy, lastStateCopy } = node.execution
  const last = stateCopy === null ? lastStateCopy : { progress: stateCopy, atMs: Date.now() }
  return {
    root: node.state.committedRoot,
    isIntact: node.state.isIntact,
    files: size?.files ?? null,
    bytes: size?.bytes ?? null,
    copy: last === null ? null : { ...copyView(last.progress), running: stateCopy !== null, atMs: last.atMs }
  }
}

function copyView(progress: SyncProgress) {
  const { phase, totalBytes, doneBytes, fetchedBytes, localBytes, totalFiles, sources, badSources, elapsedMs } =
    progress
  return { phase, totalBytes, doneBytes, fetchedBytes, localBytes, totalFiles, sources, badSources, elapsedMs }
}

function measureTree(root: DirNode): { files: number; bytes: number } {
  let files = 0
  let bytes = 0
  const left = [root]
  for (let dir = left.pop(); dir !== undefined; dir = left.pop()) {
    for (const node of dir.children.values()) {
      if (node.kind === 'dir') left.push(node)
      else files += 1
      if (node.kind === 'file') bytes += node.size
    }
  }
  return { files, bytes }
}
