import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FINDINGS_DIR } from './corpus.js'
import type { RunSummary } from './supervise.js'
import type { TargetEntry } from './target.js'

interface Total {
  executions: number
  seconds: number
}

const FILE = join(FINDINGS_DIR, 'totals.json')

function readTotals(): Record<string, Total> {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Total>) : {}
}

/** Counts a run; the file is not in the repository. */
export function addTotals(name: string, { executions, seconds }: RunSummary): void {
  const totals = readTotals()
  const before = totals[name] ?? { executions: 0, seconds: 0 }
  totals[name] = { executions: before.executions + executions, seconds: before.seconds + seconds }
  mkdirSync(FINDINGS_DIR, { recursive: true })
  writeFileSync(FILE, `${JSON.stringify(totals, null, 2)}\n`)
}

/** A table in Markdown. */
export function formatTotals(targets: readonly TargetEntry[]): string {
  const totals = readTotals()
  const lines = ['| target | what must hold | executions | seconds |', '|---|---|---|---|']
  const sum = { executions: 0, seconds: 0 }
  for (const { name, about } of targets) {
    const { executions, seconds } = totals[name] ?? { executions: 0, seconds: 0 }
    sum.executions += executions
    sum.seconds += seconds
    lines.push(`| ${name} | ${about} | ${executions.toLocaleString('en')} | ${Math.round(seconds)} |`)
  }
  lines.push(`| all | | ${sum.executions.toLocaleString('en')} | ${Math.round(sum.seconds)} |`)
  return lines.join('\n')
}
