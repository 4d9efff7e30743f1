import { resolve } from 'node:path'
import type { Command } from 'commander'
import { AdminError, adminPost } from '../../admin/index.js'
import type { RestoreReport } from '../../backup/index.js'
import { requireContractDir } from '../options.js'
import { formatFields, printLine, printNote, printValue } from '../output.js'
import { createProgress, untilSignal } from './ledger-file.js'

/** Loaded on demand, so that a short command starts fast. */
const loadBackup = () => import('../../backup/index.js')

/** A large state takes its time. */
const BACKUP_TIMEOUT_MS = 24 * 3_600_000

interface BackupCommandOptions {
  keys: boolean
  json?: boolean
}

interface Shown {
  path: string
  bytes: number
  seq: number
  stateRoot: string
  notes?: string[]
}

/** Asks the running node, else reads the directory itself. */
async function backup(dir: string, file: string, options: BackupCommandOptions): Promise<Shown> {
  const path = resolve(file)
  try {
    return await adminPost(dir, '/v1/backup', { path, keys: options.keys }, { timeoutMs: BACKUP_TIMEOUT_MS })
  } catch (error) {
    if (!(error instanceof AdminError) || error.code !== 'not-reachable') throw error
  }
  const { backupDirectory } = await loadBackup()
  const { onProgress, end } = createProgress(options.json ?? false)
  try {
    return await untilSignal((signal) => backupDirectory(dir, path, { keys: options.keys, onProgress, signal }))
  } finally {
    end()
  }
}

async function runBackup(dir: string, file: string, options: BackupCommandOptions): Promise<void> {
  await requireContractDir(dir)
  const result = await backup(dir, file, options)
  for (const note of result.notes ?? []) printNote(`note: ${note}`)
  if (options.json) return printValue(result)
  printLine(
    formatFields([
      ['file', result.path],
      ['bytes', String(result.bytes)],
      ['ledger', String(result.seq)],
      ['state root', result.stateRoot]
    ])
  )
  if (options.keys) printNote('The secret key is in it: whoever reads the file can vote as this node.')
}

/** What an operator must know before the restored node runs. */
function adviceOf(report: RestoreReport): string[] {
  if (report.isNewKey) {
    return [
      `It has a new key and follows as an observer; to make it a validator: hp-p2p unl add <dir> ${report.publicKey}`
    ]
  }
  const lines = [
    'Never run it beside the node that the backup is of: two nodes with one key break the rules of the vote.'
  ]
  if (!report.isValidator) return lines
  lines.push(
    report.validators === 1
      ? `It is the only validator: ledgers after ${report.tip} that were closed before are lost, and others take their place.`
      : 'Its journal is not in a backup: it leaves ledgers to the other validators that it may have voted on before.'
  )
  return lines
}

async function runRestore(file: string, dir: string, options: { json?: boolean }): Promise<void> {
  const { restoreBackup } = await loadBackup()
  const { onProgress, end } = createProgress(options.json ?? false)
  const report = await untilSignal((signal) => restoreBackup(file, dir, { onProgress, signal })).finally(end)
  for (const note of report.notes) printNote(`note: ${note}`)
  if (options.json) return printValue(report)
  printLine(
    formatFields([
      ['directory', report.dir],
      ['public key', report.publicKey],
      ['network id', report.networkId],
      ['ledgers', report.first > report.tip ? 'none' : `${report.first} to ${report.tip}`],
      ['state of ledger', String(report.seq)],
      ['state root', report.stateRoot]
    ])
  )
  for (const line of adviceOf(report)) printNote(line)
  printLine(`Next: \`hp-p2p run ${dir}\`.`)
}

export function addBackupCommands(program: Command): void {
  program
    .command('backup <dir> <file>')
    .description('Write a node, running or not, into one new file: hp.cfg, contract, ledgers, agreed state.')
    .option('--no-keys', 'leave the key pair out: the restored node gets a new one')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p backup ./node1 ./node1.hpb')
    .action(runBackup)
  program
    .command('restore <file> <dir>')
    .description('Make a contract directory from a backup; all of it is verified before it is put in its place.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p restore ./node1.hpb ./node1')
    .action(runRestore)
}
