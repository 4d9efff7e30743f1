import type { Command } from 'commander'
import { AdminError, adminRequest, type NodeId, type NodeStatus, type PeerRow } from '../../admin/index.js'
import { loadConfig } from '../../config/index.js'
import { identify } from '../identity.js'
import { findNetworkId } from '../network-id.js'
import { requireContractDir } from '../options.js'
import { formatFields, formatMs, formatSeconds, formatTable, formatTime, printLine, printValue } from '../output.js'

interface JsonOption {
  json?: boolean
}

async function readId(dir: string): Promise<NodeId> {
  try {
    return await adminRequest(dir, '/v1/id')
  } catch (error) {
    if (!(error instanceof AdminError) || error.code !== 'not-reachable') throw error
    const config = await loadConfig(dir, { checkFiles: false })
    return { ...identify(config), networkId: await findNetworkId(config) }
  }
}

async function runId(dir: string, options: JsonOption): Promise<void> {
  await requireContractDir(dir)
  const id = await readId(dir)
  if (options.json) return printValue(id)
  printLine(
    formatFields([
      ['public key', id.publicKey],
      ['peer id', id.peerId],
      ['multiaddrs', id.multiaddrs],
      ['network id', id.networkId ?? '-'],
      ['contract id', id.contractId]
    ])
  )
}

function formatExecution(status: NodeStatus): string {
  const last = status.lastExecution
  if (last === null) return '-'
  const reason = last.reason === null ? '' : ` (${last.reason})`
  return `${last.status}${reason}, ledger ${last.seq}, ${formatMs(last.durationMs)}`
}

function formatStatus(status: NodeStatus): string {
  const { quorum, pace } = status
  return formatFields([
    ['state', `${status.sync}, ${status.role}`],
    ['ledger', `${status.seq}, closed ${formatTime(status.lclTimeMs)}`],
    ['lcl', status.lcl],
    ['quorum', `${quorum.present} of ${quorum.validators} validators in touch, ${quorum.needed} close a ledger`],
    ['peers', String(status.peers)],
    ['users', `${status.users} connected, ${status.pendingInputs} inputs waiting`],
    ['pace', `${pace.ledgersPerMinute.toFixed(1)} ledgers a minute, the last in ${formatMs(pace.lastLedgerMs)}`],
    ['round time', `${pace.minRoundtimeMs} to ${pace.roundtimeMs} ms`],
    ['execution', formatExecution(status)],
    ['for users', status.userUrls],
    ['for peers', status.addresses],
    ['public key', status.publicKey],
    ['network id', status.networkId ?? '-'],
    ['contract id', status.contractId],
    ['version', `${status.version}, up ${formatSeconds(status.uptimeS)}`],
    ['warnings', status.warnings]
  ])
}

async function runStatus(dir: string, options: JsonOption): Promise<void> {
  await requireContractDir(dir)
  const status = await adminRequest(dir, '/v1/status')
  if (options.json) return printValue(status)
  printLine(formatStatus(status))
}

const text = (value: string | number | null): string => (value === null ? '-' : String(value))

/** 12 B, 3.4 kB, 5.6 MB. */
function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

function formatPeers(peers: PeerRow[]): string {
  return formatTable(peers, [
    { title: 'key', value: (peer) => (peer.publicKey === null ? '-' : `${peer.publicKey.slice(0, 12)}…`) },
    { title: 'role', value: (peer) => peer.role },
    { title: 'link', value: (peer) => (peer.connected ? (peer.direction ?? 'connected') : 'none') },
    { title: 'address', value: (peer) => text(peer.address) },
    { title: 'latency', value: (peer) => formatMs(peer.latencyMs), right: true },
    { title: 'ledger', value: (peer) => text(peer.seq), right: true },
    { title: 'synced', value: (peer) => (peer.synced === null ? '-' : peer.synced ? 'yes' : 'no') },
    { title: 'in', value: (peer) => formatBytes(peer.bytesIn), right: true },
    { title: 'out', value: (peer) => formatBytes(peer.bytesOut), right: true },
    { title: 'score', value: (peer) => String(Math.round(peer.score)), right: true },
    { title: 'since', value: (peer) => formatTime(peer.connectedSinceMs) },
    { title: 'last error', value: (peer) => text(peer.lastError) }
  ])
}

async function runPeers(dir: string, options: JsonOption): Promise<void> {
  await requireContractDir(dir)
  const peers = await adminRequest(dir, '/v1/peers')
  if (options.json) return printValue(peers)
  printLine(peers.length === 0 ? 'no peers are known' : formatPeers(peers))
}

export function addShowCommands(program: Command): void {
  program
    .command('id <dir>')
    .description('Public key, peer id, multiaddrs and network id; works without a running node.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p id ./node1')
    .action(runId)
  program
    .command('status <dir>')
    .description('Last ledger, sync state, quorum, users, pace and last execution of a running node.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p status ./node1 --json')
    .action(runStatus)
  program
    .command('peers <dir>')
    .description('One row for each peer that a running node knows.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p peers ./node1')
    .action(runPeers)
}
