import type { AdminSource, NodeStatus, PeerRow, SyncState } from '../admin/index.js'
import { summary, verifyChain, view } from '../ledger/index.js'
import { VERSION } from '../version.js'
import type { HotPocketNode } from './node.js'

/** A validator that closed no ledger for this long waits for others or catches up. */
const STALL_MS = 3000

/** What the admin API shows of a running node. */
export function createAdminSource(node: HotPocketNode): AdminSource {
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
    ledgers: async (from, count) => {
      const rows = []
      for (let seq = from; seq < from + count && seq <= node.ledgers.tip().seq; seq++) {
        const row = await summary(node.ledgers, seq)
        if (row !== null) rows.push(row)
      }
      return rows
    },
    verify: async () => await verifyChain(node.ledgers)
  }
}

function statusOf(node: HotPocketNode): NodeStatus {
  const { config, driver, ledgers, network, users } = node
  const consensus = node.consensusConfig
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

function warningsOf(node: HotPocketNode): string[] {
  const warnings: string[] = []
  if (node.executor.diverged !== null) warnings.push(node.executor.diverged)
  for (const key of node.driver.equivocators) warnings.push(`validator ${key} signed two proposals for one ledger`)
  if (node.runner.capabilities.sandbox === 'none') warnings.push('the contract runs without a sandbox')
  return warnings
}

function validatorsPresent(node: HotPocketNode): number {
  return node.connectedValidators().length + (node.driver.isValidator ? 1 : 0)
}

function syncState(node: HotPocketNode): SyncState {
  if (node.stopping) return 'stopping'
  if (node.executor.diverged !== null) return 'diverged'
  if (node.catchUp.active || node.executor.backlog > 2) return 'catching-up'
  if (validatorsPresent(node) < node.driver.quorum) return 'waiting-for-quorum'
  if (node.lastClose === null && Date.now() - node.startedAtMs < STALL_MS) return 'starting'
  return 'synced'
}

function peerRows(node: HotPocketNode): PeerRow[] {
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
    synced: peer.inSync,
    score: peer.score,
    connectedSinceMs: peer.connectedSince,
    lastError: peer.lastError
  }))
}
