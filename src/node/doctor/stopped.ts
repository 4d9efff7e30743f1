import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { AdminError, acquireNodeLock, type DoctorCheck, type DoctorReport } from '../../admin/index.js'
import { networkIdOf } from '../../codec/index.js'
import { ConfigError, checkPorts, contractPaths, loadConfig, type NodeConfig } from '../../config/index.js'
import { ContractRunner } from '../../contract/index.js'
import { LedgerStore, LedgerStoreError } from '../../ledger/index.js'
import { contractLimits } from '../disk.js'
import { check } from './check.js'
import { examineJournal, examineSecret } from './files.js'
import { examineLedgers } from './ledgers.js'
import { examineMachine } from './machine.js'
import { examineProcessBound, examineSandbox } from './sandbox.js'

const log = pino({ level: 'silent' })

/** Looks at a contract directory whose node does not answer, and at the machine. */
export async function examineDirectory(dir: string): Promise<DoctorReport> {
  const checks: DoctorCheck[] = []
  const config = await examineConfig(dir, checks)
  const running = await examineLocked(dir, config, checks)
  checks.push(await examineSecret(dir))
  const { hist } = contractPaths(dir)
  const isMade = (await stat(hist).catch(() => null)) !== null
  checks.push(...(await examineMachine(isMade ? hist : dir)))
  return { running, checks }
}

function tell(error: ConfigError, checks: DoctorCheck[]): void {
  for (const { message } of error.problems) checks.push(check('hp.cfg', 'problem', message.replace(/^hp\.cfg: /, '')))
}

async function examineConfig(dir: string, checks: DoctorCheck[]): Promise<NodeConfig | null> {
  try {
    const config = await loadConfig(dir)
    checks.push(check('hp.cfg', 'ok', `a ${config.isValidator ? 'validator' : 'node outside the UNL'} at the start`))
    // The mode of the file has a check of its own.
    const warnings = config.warnings.filter((warning) => !warning.startsWith('others can read'))
    for (const warning of warnings) checks.push(check('hp.cfg', 'note', warning))
    return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    tell(error, checks)
    return null
  }
}

/** What needs the directory for itself. True when a node has it. */
async function examineLocked(dir: string, config: NodeConfig | null, checks: DoctorCheck[]): Promise<boolean> {
  try {
    const lock = await acquireNodeLock(dir)
    try {
      checks.unshift(
        check('node', 'note', 'it does not run', 'start it with `hp-p2p run`; it tells more while it runs')
      )
      await examineStores(dir, config, checks)
    } finally {
      await lock.release()
    }
    return false
  } catch (error) {
    if (!(error instanceof AdminError)) throw error
    const isRunning = error.code === 'already-running'
    const found = isRunning ? 'it runs and does not answer' : error.message
    const advice = isRunning ? 'it may be starting: try again; else look at its log' : null
    checks.unshift(check('node', 'problem', found, advice))
    return isRunning
  }
}

async function examineStores(dir: string, config: NodeConfig | null, checks: DoctorCheck[]): Promise<void> {
  if (config !== null) await examinePorts(config, checks)
  const networkId = await examineStore(dir, checks)
  if (config === null) return
  if (networkId !== null) checks.push(await examineJournal(dir, networkId, config.keys.publicKey))
  checks.push(...(await trySandbox(config)))
}

async function examinePorts(config: NodeConfig, checks: DoctorCheck[]): Promise<void> {
  try {
    await checkPorts(config)
    checks.push(check('ports', 'ok', 'those of hp.cfg are free'))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const { message } of error.problems) checks.push(check('ports', 'problem', message.replace(/^hp\.cfg: /, '')))
  }
}

/** The network of the ledgers, or null when there is none yet or it cannot be read. */
async function examineStore(dir: string, checks: DoctorCheck[]): Promise<string | null> {
  const { ledgers } = contractPaths(dir)
  if ((await stat(ledgers).catch(() => null)) === null) {
    checks.push(check('ledgers', 'note', 'there are none yet: they come with the first start'))
    return null
  }
  try {
    const store = await LedgerStore.open(ledgers, { log })
    try {
      const genesis = store.getGenesis()
      if (genesis === null) checks.push(check('ledgers', 'note', 'there are none yet'))
      else checks.push(await examineLedgers(store))
      return genesis === null ? null : networkIdOf(genesis)
    } finally {
      await store.close()
    }
  } catch (error) {
    if (!(error instanceof LedgerStoreError)) throw error
    checks.push(check('ledgers', 'problem', error.message))
    return null
  }
}

/** Starts nothing but the sandbox's own trial. */
async function trySandbox(config: NodeConfig): Promise<DoctorCheck[]> {
  const logDir = await mkdtemp(join(tmpdir(), 'hp-doctor-'))
  const runner = new ContractRunner({
    dir: config.dir,
    binary: config.contract.binary,
    args: config.contract.args,
    publicKey: config.keys.publicKey,
    logDir,
    limits: contractLimits(config, config.consensus),
    secretPaths: [contractPaths(config.dir).cfg],
    sandbox: config.contract.sandbox,
    log
  })
  try {
    // Its failure is in what `sandbox` says.
    await runner.start().catch(() => {})
    return [examineSandbox(runner.sandbox), examineProcessBound(runner.capabilities.processBound)]
  } finally {
    await runner.stop()
    await rm(logDir, { recursive: true, force: true })
  }
}
