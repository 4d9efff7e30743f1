import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { adminPost, adminRequest, MAX_PINGS, type PeerRow } from '../../admin/index.js'
import { CliError } from '../errors.js'
import { requireContractDir, seconds, wholeNumber } from '../options.js'
import { type Column, formatBytes, formatMs, formatTable, formatTime, printLine, printValue } from '../output.js'

/** Dialling takes its time where somebody does not answer. */
const CONNECT_TIMEOUT_MS = 60_000
const PING_TIMEOUT_MS = 60_000
const PING_INTERVAL_MS = 1000
const DEFAULT_WATCH_S = 2
const DEFAULT_PINGS = 4

interface JsonOption {
  json?: boolean
}

interface PeersOptions extends JsonOption {
  watch?: number | true
  wide?: boolean
}

const text = (value: string | number | null): string => (value === null ? '-' : String(value))
const shortKey = (key: string | null): string => (key === null ? '-' : `${key.slice(0, 12)}\u2026`)

function describeLink(peer: PeerRow): string {
  if (peer.bannedUntilMs !== null) return 'banned'
  if (!peer.connected) return 'none'
  const way = peer.relay === null ? (peer.relayed === true ? 'relayed' : 'direct') : `through ${shortKey(peer.relay)}`
  return peer.transport === null ? way : `${way}, ${peer.transport}`
}

function describeTrouble(peer: PeerRow): string {
  if (peer.bannedUntilMs !== null) return `until ${formatTime(peer.bannedUntilMs)}: ${peer.banReason ?? 'banned'}`
  if (peer.lastError !== null) return peer.lastError
  return peer.unreached.length === 0 ? '-' : `does not reach ${peer.unreached.map(shortKey).join(' ')}`
}

function formatOffset(offsetMs: number | null): string {
  return offsetMs === null ? '-' : `${offsetMs > 0 ? '+' : ''}${offsetMs} ms`
}

function formatPeers(peers: PeerRow[], isWide: boolean): string {
  const columns: Column<PeerRow>[] = [
    { title: 'key', value: (peer) => (isWide ? text(peer.publicKey) : shortKey(peer.publicKey)) },
    { title: 'peer id', value: (peer) => (isWide ? peer.peerId : `\u2026${peer.peerId.slice(-8)}`) },
    { title: 'role', value: (peer) => `${peer.role}${peer.offersRelay === true ? ', relay' : ''}` },
    { title: 'link', value: describeLink },
    { title: 'dir', value: (peer) => (peer.direction === null ? '-' : peer.direction === 'inbound' ? 'in' : 'out') },
    { title: 'address', value: (peer) => text(peer.address) },
    { title: 'latency', value: (peer) => formatMs(peer.latencyMs), right: true },
    { title: 'clock', value: (peer) => formatOffset(peer.clockOffsetMs), right: true },
    { title: 'ledger', value: (peer) => text(peer.seq), right: true },
    { title: 'synced', value: (peer) => (peer.synced === null ? '-' : peer.synced ? 'yes' : 'no') },
    { title: 'score', value: (peer) => String(Math.round(peer.score)), right: true },
    { title: 'in', value: (peer) => formatBytes(peer.bytesIn), right: true },
    { title: 'out', value: (peer) => formatBytes(peer.bytesOut), right: true },
    { title: 'agent', value: (peer) => text(peer.agent) },
    { title: 'since', value: (peer) => formatTime(peer.connectedSinceMs) },
    { title: 'trouble', value: describeTrouble }
  ]
  return formatTable(peers, columns)
}

async function showPeers(dir: string, options: PeersOptions): Promise<void> {
  const peers = await adminRequest(dir, '/v1/peers')
  // A line for each look, when there are many.
  if (options.json) {
    if (options.watch === undefined) return printValue(peers)
    return printLine(JSON.stringify({ timeMs: Date.now(), peers }))
  }
  if (options.watch !== undefined) {
    // Clears the terminal; in a pipe each table stands below the last.
    if (process.stdout.isTTY === true) process.stdout.write('\x1b[H\x1b[2J')
    printLine(`${formatTime(Date.now())}, ${peers.filter(({ connected }) => connected).length} connected`)
  }
  printLine(peers.length === 0 ? 'no peers are known' : formatPeers(peers, options.wide ?? false))
}

async function runPeers(dir: string, options: PeersOptions): Promise<void> {
  await requireContractDir(dir)
  const { watch } = options
  if (watch === undefined) return showPeers(dir, options)
  const ending = new AbortController()
  const end = (): void => ending.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  // Who reads has gone: `hp-p2p peers --watch | head`.
  process.stdout.once('error', end)
  try {
    while (!ending.signal.aborted) {
      await showPeers(dir, options)
      const intervalMs = (watch === true ? DEFAULT_WATCH_S : watch) * 1000
      await delay(intervalMs, undefined, { signal: ending.signal }).catch(() => {})
    }
  } finally {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
  }
}

async function runConnect(dir: string, address: string, options: JsonOption): Promise<void> {
  await requireContractDir(dir)
  const answer = await adminPost(dir, '/v1/peers/connect', { address }, { timeoutMs: CONNECT_TIMEOUT_MS })
  if (options.json) return printValue(answer)
  printLine(`connected to ${answer.publicKey}`)
}

async function runBan(dir: string, peer: string, options: JsonOption & { reason?: string; seconds?: number }) {
  await requireContractDir(dir)
  const { reason, seconds: lasting } = options
  const answer = await adminPost(dir, '/v1/peers/ban', { peer, reason, seconds: lasting })
  if (options.json) return printValue(answer)
  printLine(`${answer.publicKey} is banned until ${formatTime(answer.untilMs)}`)
}

async function runUnban(dir: string, peer: string, options: JsonOption): Promise<void> {
  await requireContractDir(dir)
  const answer = await adminPost(dir, '/v1/peers/unban', { peer })
  if (options.json) return printValue(answer)
  printLine(`${answer.publicKey} ${answer.wasBanned ? 'may connect again' : 'was not banned'}`)
}

interface PingOptions extends JsonOption {
  count: number
}

async function runPing(dir: string, peer: string, options: PingOptions): Promise<void> {
  await requireContractDir(dir)
  const times: (number | null)[] = []
  let key = peer
  let error: string | null = null
  for (let sent = 0; sent < options.count; sent++) {
    if (sent > 0) await delay(PING_INTERVAL_MS)
    const answer = await adminPost(dir, '/v1/ping', { peer: key }, { timeoutMs: PING_TIMEOUT_MS })
    const time = answer.roundTripsMs[0] ?? null
    key = answer.publicKey
    error = answer.error ?? error
    times.push(time)
    if (!options.json) printLine(`${shortKey(key)} ${time === null ? (answer.error ?? 'no answer') : formatMs(time)}`)
  }
  const answered = times.filter((time) => time !== null)
  if (options.json) printValue({ publicKey: key, roundTripsMs: times, error })
  else if (answered.length > 0) {
    const mean = answered.reduce((sum, time) => sum + time, 0) / answered.length
    const [least, most] = [Math.min(...answered), Math.max(...answered)]
    printLine(
      `${answered.length} of ${times.length} answered: ${formatMs(least)} least, ${formatMs(mean)} mean, ${formatMs(most)} most`
    )
  }
  if (answered.length < times.length) {
    throw new CliError(`${times.length - answered.length} of ${times.length} pings had no answer: ${error}`)
  }
}

const PEER = 'public key, at least 6 first digits of it, or peer id'

export function addPeersCommands(program: Command): void {
  const peers = program
    .command('peers')
    .enablePositionalOptions()
    .argument('<dir>', 'the contract directory (./connect for one that is named as a command below)')
    .description('One row for each peer that a running node knows; connect to one, ban one, let one in again.')
    .option('--watch [seconds]', `look again and again, every ${DEFAULT_WATCH_S} s unless given`, seconds)
    .option('--wide', 'whole keys and peer ids')
    .option('--json', 'print JSON; with --watch a line for each look')
    .addHelpText('after', '\nExample:\n  hp-p2p peers ./node1 --watch')
    .action(runPeers)
  peers
    .command('connect <dir> <multiaddr>')
    .description('Dial an address now, and keep the connection until the node stops.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p peers connect ./node1 /ip4/10.0.0.2/tcp/22860/ws')
    .action(runConnect)
  peers
    .command('ban')
    .argument('<dir>', 'the contract directory')
    .argument('<peer>', PEER)
    .description('Cut a peer off and keep it out, also over restarts of the node.')
    .option('--reason <text>', 'for the log and for `peers`')
    .option('--seconds <n>', 'for how long; a day unless given', wholeNumber(1, 10 * 365 * 86_400))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p peers ban ./node1 3f1a9c --seconds 3600 --reason "floods us"')
    .action(runBan)
  peers
    .command('unban')
    .argument('<dir>', 'the contract directory')
    .argument('<peer>', PEER)
    .description('Let a banned peer connect again.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p peers unban ./node1 3f1a9c')
    .action(runUnban)
  program
    .command('ping')
    .argument('<dir>', 'the contract directory')
    .argument('<peer>', PEER)
    .description('Round trips from a running node to a connected peer.')
    .option('--count <n>', 'how many, one a second', wholeNumber(1, MAX_PINGS), DEFAULT_PINGS)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p ping ./node1 3f1a9c')
    .action(runPing)
}
