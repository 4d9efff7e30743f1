import { type Command, Option } from 'commander'
import type { Logger } from 'pino'
import { acquireNodeLock } from '../../admin/index.js'
import { checkPorts, ensureContractDirs, LOG_LEVELS, loadConfig, type NodeConfig } from '../../config/index.js'
import { CliError } from '../errors.js'
import { createLogger } from '../log.js'
import { loadNode, type RunningNode } from '../node-api.js'

/** Resolves with the name of the first signal, or 'parent' when the process that started us is gone. */
function waitForStop(log: Logger): Promise<string> {
  return new Promise((resolve) => {
    let asked = false
    const ask = (why: string) => {
      if (asked && why !== 'parent') {
        log.warn('stopped at once')
        process.exit(1)
      }
      if (!asked) log.info(`stopping (${why}); the same again stops at once`)
      asked = true
      resolve(why)
    }
    process.on('SIGINT', () => ask('SIGINT'))
    process.on('SIGTERM', () => ask('SIGTERM'))
    if (process.channel !== undefined) process.on('disconnect', () => ask('parent'))
  })
}

/** Resolves with a fault that nobody handled: the node cannot be trusted to go on after it. */
function waitForFault(log: Logger): Promise<Error> {
  return new Promise((resolve) => {
    const fail = (error: unknown) => {
      log.fatal({ err: error }, 'an error that nothing handles')
      resolve(error instanceof Error ? error : new Error(String(error)))
    }
    process.on('uncaughtException', fail)
    process.on('unhandledRejection', fail)
  })
}

async function prepare(dir: string): Promise<NodeConfig> {
  const config = await loadConfig(dir)
  await ensureContractDirs(dir)
  // Said before the ports are looked at, which that other node has.
  await (await acquireNodeLock(dir)).release()
  await checkPorts(config)
  return config
}

async function waitForEnd(node: RunningNode, signal: Promise<string>, fault: Promise<Error>): Promise<Error | null> {
  const failure = await Promise.race([
    signal.then(() => null),
    fault,
    node.stopped.then((error) => error ?? new Error('the node stopped by itself'))
  ])
  await node.stop()
  return failure
}

export interface RunOptions {
  loglevel?: NodeConfig['logLevel'] | undefined
  /** Called once the node is up, and again when it started anew by itself. */
  onStarted?: (node: RunningNode) => void
}

/** Runs a node until a signal ends it. Rejects when it cannot start or go on. */
export async function runNode(dir: string, options: RunOptions): Promise<void> {
  const config = await prepare(dir)
  const log = createLogger(options.loglevel ?? config.logLevel)
  const signal = waitForStop(log)
  const fault = waitForFault(log)
  for (const warning of config.warnings) log.warn(warning)
  const { startNode } = await loadNode()
  for (;;) {
    const starting = startNode({ dir: config.dir, config, log })
    const node = await Promise.race([starting, fault.then((error) => Promise.reject(new CliError(error.message)))])
    options.onStarted?.(node)
    const failure = await waitForEnd(node, signal, fault)
    if (failure === null) break
    if (!('restart' in failure) || failure.restart !== true) throw new CliError(failure.message)
  }
  log.info('stopped')
}

export function addRunCommand(program: Command): void {
  program
    .command('run <dir>')
    .description('Run the node of a contract directory in the foreground; SIGINT or SIGTERM stops it, twice at once.')
    .addOption(new Option('--loglevel <level>', 'what to log instead of the configured level').choices(LOG_LEVELS))
    .addHelpText('after', '\nExample:\n  hp-p2p run ./node1')
    .action((dir: string, options: { loglevel?: NodeConfig['logLevel'] }) => runNode(dir, options))
}
