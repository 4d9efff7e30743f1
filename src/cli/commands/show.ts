import type { Command } from 'commander'
import { AdminError, adminRequest, type NodeId, type NodeStatus } from '../../admin/index.js'
import { loadConfig } from '../../config/index.js'
import { identify } from '../identity.js'
import { findNetworkId } from '../network-id.js'
import { requireContractDir } from '../options.js'
import { formatFields, formatMs, formatSeconds, formatTime, printLine, printValue } from '../output.js'
import { describeSupport, describeWish } from '../wishes.js'

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
  const { outputsAwaited } = status
  const awaited = outputsAwaited === 0 ? '' : `; outputs of ${outputsAwaited} other ledgers awaited from peers`
  return `${last.status}${reason}, ledger ${last.seq}, ${formatMs(last.durationMs)}${awaited}`
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
    ['changes', status.pendingChanges.map((change) => `${describeWish(change.wish)}: ${describeSupport(change)}`)],
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
}
