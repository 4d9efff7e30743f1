import { resolve } from 'node:path'
import type { Command } from 'commander'
import { AdminError, adminPost, type ExportView } from '../../admin/index.js'
import { CliError } from '../errors.js'
import { requireContractDir, wholeNumber } from '../options.js'
import { formatFields, printLine, printNote, printValue } from '../output.js'

/** Loaded on demand, so that a short command starts fast. */
const loadBackup = () => import('../../backup/index.js')

/** Largest number of a ledger that may be named. */
const SEQ_MAX = 2 ** 48
const SHOWN_EVERY_MS = 200
/** Many ledgers take their time. */
const EXPORT_TIMEOUT_MS = 24 * 3_600_000

/** Shows now and then on a terminal which ledger a long work has come to; `end` ends the line. */
export function createProgress(quiet: boolean): { onProgress: (seq: number) => void; end: () => void } {
  const isShown = process.stderr.isTTY === true && !quiet
  let shownMs = 0
  return {
    onProgress(seq) {
      const nowMs = Date.now()
      if (!isShown || nowMs - shownMs < SHOWN_EVERY_MS) return
      shownMs = nowMs
      process.stderr.write(`\rledger ${seq} `)
    },
    end() {
      if (shownMs > 0) printNote('')
    }
  }
}

/** Runs with a signal that SIGINT and SIGTERM abort, so that nothing is left half done. */
export async function untilSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const aborting = new AbortController()
  const stop = (): void => aborting.abort(new CliError('stopped'))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    return await work(aborting.signal)
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

function rangeOf(first: number, last: number): string {
  return first > last ? 'none' : `${first} to ${last}`
}

interface ExportCommandOptions {
  from?: number
  to?: number
  json?: boolean
}

/** Asks the running node, else reads its store. */
async function exportFrom(dir: string, file: string, options: ExportCommandOptions): Promise<ExportView> {
  const path = resolve(file)
  const range = { from: options.from, to: options.to }
  try {
    return await adminPost(dir, '/v1/export', { path, ...range }, { timeoutMs: EXPORT_TIMEOUT_MS })
  } catch (error) {
    if (!(error instanceof AdminError) || error.code !== 'not-reachable') throw error
  }
  const { exportDirectory } = await loadBackup()
  const { onProgress, end } = createProgress(options.json ?? false)
  try {
    return await untilSignal((signal) => exportDirectory(dir, path, { ...range, onProgress, signal }))
  } finally {
    end()
  }
}

async function runExport(dir: string, file: string, options: ExportCommandOptions): Promise<void> {
  await requireContractDir(dir)
  const result = await exportFrom(dir, file, options)
  if (options.json) return printValue(result)
  printLine(
    formatFields([
      ['file', result.path],
      ['bytes', String(result.bytes)],
      ['ledgers', rangeOf(result.first, result.last)],
      ['hash', result.hash]
    ])
  )
}

async function runImport(dir: string, file: string, options: { json?: boolean }): Promise<void> {
  await requireContractDir(dir)
  const { importDirectory } = await loadBackup()
  const { onProgress, end } = createProgress(options.json ?? false)
  const result = await untilSignal((signal) => importDirectory(dir, file, { onProgress, signal }))
  end()
  if (options.json) return printValue(result)
  printLine(
    formatFields([
      ['network id', result.networkId],
      ['ledgers in the file', rangeOf(result.first, result.last)],
      ['new here', String(result.added)],
      ['last ledger here', String(result.tip)]
    ])
  )
}

/** Verifies a file of exported ledgers. */
export async function verifyFile(file: string, options: { json?: boolean }): Promise<void> {
  const { verifyExport } = await loadBackup()
  const { onProgress, end } = createProgress(options.json ?? false)
  const report = await untilSignal((signal) => verifyExport(file, { onProgress, signal }))
  end()
  if (options.json) return printValue({ ok: true, ...report })
  const count = report.last - report.first + 1
  printLine(`${count} ledgers are sound: hashes, links and certificates; ${report.milestones} changes of the config`)
  printLine(
    formatFields([
      ['network id', report.networkId],
      ['ledgers', rangeOf(report.first, report.last)],
      ['last hash', report.lastHash]
    ])
  )
}

export function addLedgerFileCommands(ledger: Command): void {
  ledger
    .command('export <dir> <file>')
    .description('Write ledgers, with all that proves them, into one new file; the node may run.')
    .option('--from <seq>', 'first ledger; default: the oldest that is kept', wholeNumber(1, SEQ_MAX))
    .option('--to <seq>', 'last ledger; default: the newest', wholeNumber(1, SEQ_MAX))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p ledger export ./node1 ./ledgers.hpl')
    .action(runExport)
  ledger
    .command('import <dir> <file>')
    .description('Verify a file of exported ledgers and take what is new of it; the node must not run.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p ledger import ./node2 ./ledgers.hpl')
    .action(runImport)
}
