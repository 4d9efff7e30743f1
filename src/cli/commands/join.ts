import { type Command, InvalidArgumentError, Option } from 'commander'
import { LOG_LEVELS, type NodeConfig } from '../../config/index.js'
import { CliError } from '../errors.js'
import { createLogger } from '../log.js'
import { loadNode, type NodeProgress, type RunningNode } from '../node-api.js'
import { portOrOff } from '../options.js'
import { formatFields, printLine, printNote } from '../output.js'
import { runNode } from './run.js'

interface JoinCommandOptions {
  network?: string
  history: 'full' | number
  peerport?: number
  tcpport?: number
  pubport?: number
  start: boolean
  loglevel?: NodeConfig['logLevel']
}

/** How often the way into the network is looked at, ms. */
const POLL_MS = 200
/** Between two lines where there is no terminal, ms. */
const LINE_MS = 5000
const BAR_WIDTH = 30
const HISTORY_MAX = 10_000_000

function networkId(text: string): string {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new InvalidArgumentError('It must be 64 hex digits, as `hp-p2p id` shows.')
  return text.toLowerCase()
}

function historyOf(text: string): 'full' | number {
  if (text === 'full') return text
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > HISTORY_MAX) {
    throw new InvalidArgumentError(`It must be "full" or a number of ledgers from 1 to ${HISTORY_MAX}.`)
  }
  return count
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH)
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}]`
}

/** One line on where a joining node stands. */
export function describeProgress({ seq, target, backlog, copy, sync }: NodeProgress): string {
  if (copy !== null && copy.phase !== 'done') {
    const share = copy.totalBytes === 0 ? 0 : copy.doneBytes / copy.totalBytes
    const speed = copy.elapsedMs > 0 ? `, ${megabytes((1000 * copy.fetchedBytes) / copy.elapsedMs)}/s` : ''
    const bytes = `${megabytes(copy.doneBytes)} of ${megabytes(copy.totalBytes)}`
    return `${bar(share)} state: ${bytes}${speed}, from ${copy.sources} peers`
  }
  if (target > seq) return `${bar(seq / target)} ledgers: ${seq} of ${target}`
  if (backlog > 2) return `${bar(0)} ${backlog} ledgers to execute`
  return `ledger ${seq}, ${sync}`
}

/** Shows how the node gets into its network; resolves when it stands there. */
function follow(node: () => RunningNode): Promise<void> {
  const terminal = process.stderr.isTTY === true
  let saidMs = 0
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const progress = node().progress()
      const isThere = progress.sync === 'synced' && progress.copy === null && progress.seq >= progress.target
      const line = describeProgress(progress)
      if (terminal) process.stderr.write(`\r\x1b[K${line}${isThere ? '\n' : ''}`)
      else if (isThere || performance.now() - saidMs > LINE_MS) {
        saidMs = performance.now()
        printNote(line)
      }
      if (!isThere) return
      clearInterval(timer)
      resolve()
    }, POLL_MS)
    timer.unref()
  })
}

async function runJoin(dir: string, address: string, options: JoinCommandOptions): Promise<void> {
  const { prepareJoin } = await loadNode()
  const aborting = new AbortController()
  const onSignal = (): void => aborting.abort(new CliError('stopped: nothing was left behind'))
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  const ports = { peerport: options.peerport, tcpport: options.tcpport, pubport: options.pubport }
  const given = Object.fromEntries(Object.entries(ports).filter(([, port]) => port !== undefined))
  const joined = await prepareJoin({
    dir,
    address,
    network: options.network ?? null,
    ledgers: options.history === 'full' ? Number.POSITIVE_INFINITY : options.history,
    config: { ...given, history: options.history },
    log: createLogger(options.loglevel ?? 'error', process.stderr),
    signal: aborting.signal,
    onStep: printNote
  }).finally(() => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  })
  for (const warning of joined.warnings) printNote(`warning: ${warning}`)
  printLine(
    formatFields([
      ['directory', dir],
      ['public key', joined.publicKey],
      ['network id', joined.networkId],
      ['contract id', joined.contractId],
      ['contract', joined.contractHash]
    ])
  )
  if (options.network === undefined) {
    printNote(
      `The network is what ${address} says it is. Compare network id and contract with another member, or pin them: --network ${joined.networkId}`
    )
  }
  if (!options.start) return printLine(`Next: \`hp-p2p run ${dir}\`; it copies the state and follows as an observer.`)
  let current: RunningNode | null = null
  await runNode(dir, {
    loglevel: options.loglevel ?? 'warn',
    onStarted: (node) => {
      const isFirst = current === null
      current = node
      if (!isFirst) return
      void follow(() => current as RunningNode).then(() => {
        printLine(`The node follows the network as an observer. To make it a validator, the operators of a quorum run:`)
        printLine(`  hp-p2p unl add <their directory> ${joined.publicKey}`)
      })
    }
  })
}

export function addJoinCommand(program: Command): void {
  program
    .command('join <dir> <multiaddr>')
    .description(
      'Make a node of a running network from one peer: network, config, contract, ledgers, state; then run it.'
    )
    .option('--network <id>', 'the network that is expected; another one is refused', networkId)
    .option('--history <ledgers>', 'ledgers to fetch and to keep: "full", or how many of the newest', historyOf, 5000)
    .option('--peerport <port>', 'port for peers, libp2p over WebSocket; 0 for off', portOrOff)
    .option('--tcpport <port>', 'port for peers, libp2p over TCP; 0 for off', portOrOff)
    .option('--pubport <port>', 'port for users; 0 for off', portOrOff)
    .option('--no-start', 'make the directory and do not run the node')
    .addOption(new Option('--loglevel <level>', 'what to log').choices(LOG_LEVELS))
    .addHelpText('after', '\nExample:\n  hp-p2p join ./mynode /dns4/node.example/tcp/22860/ws/p2p/12D3KooW...')
    .action(runJoin)
}
