import type { Command } from 'commander'
import { AdminError, adminRequest, type DoctorReport } from '../../admin/index.js'
import { CliError } from '../errors.js'
import { requireContractDir } from '../options.js'
import { printable, printLine, printValue } from '../output.js'

const TIMEOUT_MS = 60_000

async function examine(dir: string): Promise<DoctorReport> {
  try {
    return await adminRequest(dir, '/v1/doctor', { timeoutMs: TIMEOUT_MS })
  } catch (error) {
    if (!(error instanceof AdminError) || error.code !== 'not-reachable') throw error
    // Loaded on demand, like the node.
    const { examineDirectory } = await import('../../node/doctor/stopped.js')
    return examineDirectory(dir)
  }
}

function formatReport({ checks }: DoctorReport): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  const indent = ' '.repeat(9 + width + 2)
  return checks
    .flatMap(({ name, state, found, advice }) => [
      `${state.padEnd(7)}  ${name.padEnd(width)}  ${printable(found)}`,
      ...(advice === null ? [] : [`${indent}-> ${printable(advice)}`])
    ])
    .join('\n')
}

async function runDoctor(dir: string, options: { json?: boolean }): Promise<void> {
  await requireContractDir(dir)
  const report = await examine(dir)
  if (options.json) printValue(report)
  else printLine(formatReport(report))
  const problems = report.checks.filter(({ state }) => state === 'problem')
  if (problems.length > 0) {
    const names = problems.map(({ name }) => name).join(', ')
    throw new CliError(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}: ${names}`)
  }
}

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor <dir>')
    .description('Look at a node, running or not, and its machine; say what is amiss and what to do about it.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nIt ends with exit code 1 when there is a problem.\n\nExample:\n  hp-p2p doctor ./node1')
    .action(runDoctor)
}
