import { fstatSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { HotPocketClient } from '../../client/node.js'
import { type Network, openNetwork, userUrl } from '../devnet/network.js'
import { NodeProcess } from '../devnet/node-process.js'
import { CliError } from '../errors.js'
import { openPrompt, sendLines, showPlain } from '../lines.js'
import { portNumber, seconds, wholeNumber } from '../options.js'
import { formatTable, printable, printLine, printLines, printNote, printValue } from '../output.js'
import { type Answer, UserSession } from '../session.js'

interface DevnetOptions {
  nodes?: number
  dir?: string
  contract?: string
  basePort?: number
  once?: boolean
  timeout: number
  json?: boolean
}

const START_TIMEOUT_MS = 90_000

/** The running nodes and what ends them. */
class Cluster {
  readonly #interrupt = new AbortController()
  #died: string | null = null

  constructor(
    readonly network: Network,
    readonly nodes: NodeProcess[]
  ) {
    for (const node of nodes) void node.exited.then((how) => this.#report(node, how))
  }

  /** Aborted by the first Ctrl-C. */
  get signal(): AbortSignal {
    return this.#interrupt.signal
  }

  /** The node that ended although nobody asked, in words. */
  get died(): string | null {
    return this.#died
  }

  #report(node: NodeProcess, how: string): void {
    if (node.isStopping) return
    this.#died ??= `the node in ${node.dir} ended (${how})`
    printNote(`the node in ${node.dir} ended (${how}); its log ends with:\n${node.tail()}`)
  }

  interrupt(): void {
    if (this.#interrupt.signal.aborted) {
      if (process.exitCode !== undefined) process.exit(1)
      // What comes after the end of the nodes, such as removing the directory, goes on.
      process.exitCode = 1
      for (const node of this.nodes) node.kill()
      return
    }
    printNote('stopping the nodes; Ctrl-C kills them')
    this.#interrupt.abort()
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  waitForInterrupt(): Promise<void> {
    if (this.signal.aborted) return Promise.resolve()
    return new Promise((done) => this.signal.addEventListener('abort', () => done(), { once: true }))
  }
}

function describeNetwork(cluster: Cluster): unknown {
  const { network, nodes } = cluster
  return {
    dir: network.dir,
    basePort: network.basePort,
    contract: network.contract,
    nodes: nodes.map((node, index) => ({ dir: node.dir, pid: node.pid, userUrl: userUrl(network.basePort, index) }))
  }
}

function printNetwork(cluster: Cluster): void {
  const { network, nodes } = cluster
  printLine(
    formatTable(
      nodes.map((node, index) => ({ node, index })),
      [
        { title: 'node', value: ({ index }) => `node${index + 1}` },
        { title: 'for users', value: ({ index }) => userUrl(network.basePort, index) },
        { title: 'process', value: ({ node }) => String(node.pid), right: true },
        { title: 'log', value: ({ node }) => node.logPath }
      ]
    )
  )
}

async function connectUser(cluster: Cluster, reconnect: boolean): Promise<HotPocketClient> {
  const { network, nodes } = cluster
  return HotPocketClient.connect(
    nodes.map((_, index) => userUrl(network.basePort, index)),
    { reconnect, signal: cluster.signal }
  )
}

/** Sends the contract's sample one by one; fails when an answer does not come. */
async function playSample(cluster: Cluster, options: DevnetOptions): Promise<void> {
  const client = await connectUser(cluster, false)
  const answers: { input: string; output: string | null; ms: number }[] = []
  let latest: Answer | null = null
  const session = new UserSession(client, (answer) => {
    latest = answer
    if (!options.json) showPlain(answer)
  })
  try {
    for (const input of cluster.network.sample) {
      if (!options.json) printLine(`> ${printable(input)}`)
      latest = null
      const startMs = performance.now()
      session.sendLine(input)
      const isAnswered = await session.waitForAnswers(options.timeout * 1000)
      const answer = latest as Answer | null
      const output = isAnswered && answer?.kind === 'output' ? answer.text : null
      answers.push({ input, output, ms: Math.round((performance.now() - startMs) * 10) / 10 })
      if (output === null) throw new CliError(`no output for ${JSON.stringify(input)} within ${options.timeout} s`)
    }
  } finally {
    await client.close()
    if (options.json) printValue({ ...(describeNetwork(cluster) as object), answers })
  }
}

async function talk(cluster: Cluster): Promise<void> {
  const client = await connectUser(cluster, true)
  printNote('Type a line to send it to the contract; Ctrl-C or Ctrl-D stops the network.')
  const prompt = openPrompt((line) => {
    try {
      session.sendLine(line)
    } catch (error) {
      prompt.show((error as Error).message)
    }
  })
  const session = new UserSession(client, (answer) => {
    prompt.show(answer.kind === 'output' ? printLines(answer.text) : `(${printable(answer.text)})`)
  })
  await Promise.race([prompt.ended, cluster.waitForInterrupt()])
  prompt.close()
  if (!cluster.signal.aborted) cluster.interrupt()
  await client.close()
}

async function pipe(cluster: Cluster, options: DevnetOptions): Promise<void> {
  const client = await connectUser(cluster, true)
  try {
    const session = new UserSession(client, showPlain)
    const sending = sendLines(session, process.stdin, options.timeout * 1000)
    sending.catch(() => {})
    const result = await Promise.race([sending, cluster.waitForInterrupt()])
    if (result && result.unanswered > 0) {
      throw new CliError(`${result.unanswered} of ${result.sent} inputs got no output within ${options.timeout} s`)
    }
  } finally {
    process.stdin.destroy()
    await client.close()
  }
}

/** A pipe or a file has lines for the contract; /dev/null or a closed stdin has none and means: just run. */
function hasPipedInput(): boolean {
  try {
    const info = fstatSync(0)
    return info.isFIFO() || info.isFile() || info.isSocket()
  } catch {
    return false
  }
}

async function serve(cluster: Cluster, options: DevnetOptions): Promise<void> {
  if (options.once) return playSample(cluster, options)
  if (options.json) printValue(describeNetwork(cluster))
  if (options.json) return cluster.waitForInterrupt()
  if (process.stdin.isTTY === true) return talk(cluster)
  return hasPipedInput() ? pipe(cluster, options) : cluster.waitForInterrupt()
}

async function runCluster(cluster: Cluster, options: DevnetOptions): Promise<void> {
  const interrupt = () => cluster.interrupt()
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    const startMs = performance.now()
    await Promise.all(cluster.nodes.map((node) => node.waitUntilReady(START_TIMEOUT_MS, cluster.signal)))
    if (!options.json) {
      printLine(`${cluster.nodes.length} nodes ready in ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
      printNetwork(cluster)
    }
    await serve(cluster, options)
    if (options.once && cluster.died !== null) throw new CliError(cluster.died)
  } catch (error) {
    if (!cluster.signal.aborted) throw error
    if (options.once) throw new CliError('interrupted')
  } finally {
    await cluster.stop()
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

async function runDevnet(options: DevnetOptions): Promise<void> {
  const isTemporary = options.dir === undefined
  const dir = isTemporary ? await mkdtemp(join(tmpdir(), 'hp-devnet-')) : resolve(options.dir as string)
  try {
    const { nodes, contract, basePort } = options
    const network = await openNetwork({ dir, nodes, contract, basePort })
    const what = `${network.nodes} nodes in ${dir}, ports from ${network.basePort}`
    const kept = isTemporary
      ? ', removed at the end (--dir keeps a network)'
      : network.isNew
        ? ''
        : ', with their ledgers'
    if (!options.json) printLine(`${what}${kept}\ncontract ${network.contract}: ${printable(network.description)}`)
    if (network.note !== null) printNote(network.note)
    await runCluster(
      new Cluster(
        network,
        network.nodeDirs.map((path) => new NodeProcess(path))
      ),
      options
    )
  } finally {
    if (isTemporary) await rm(dir, { recursive: true, force: true })
  }
}

export function addDevnetCommand(program: Command): void {
  program
    .command('devnet')
    .description('Run a whole network on this machine, a process for each node; your lines go to its contract.')
    .option('-n, --nodes <n>', 'how many nodes (default 4)', wholeNumber(1, 64))
    .option('--dir <dir>', 'where the network lies, new or stopped before; a temporary directory when not given')
    .option('--contract <name>', 'an example, an executable, or a folder with a contract.json (default echo)')
    .option(
      '--base-port <port>',
      'first of the ports, ten for each node; free ones are searched when not given',
      portNumber
    )
    .option('--once', 'send the sample of the contract, print the answers, stop')
    .option('--timeout <seconds>', 'how long to wait for an output', seconds, 30)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p devnet -n 4 --dir ./net --contract counter')
    .action(runDevnet)
}
