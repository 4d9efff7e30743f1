import { adminRequest } from '../../src/admin/index.js'
import type { LabNetwork } from './network.js'

export interface Spread {
  count: number
  p50: number
  p99: number
}

/** Median and 99th percentile by nearest rank. */
export function spreadOf(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p99: at(0.99) }
}

/** Times between neighbouring ledgers after `fromSeq` up to `toSeq`, ms, from the agreed times in them. */
export async function measureLedgers(network: LabNetwork, fromSeq: number, toSeq: number): Promise<Spread> {
  const node = network.running[0]
  if (node === undefined) throw new Error('no node runs')
  const rows = await adminRequest(node.process.dir, `/v1/ledgers?from=${fromSeq}&count=${toSeq - fromSeq + 1}`)
  const timesMs = rows.map(({ time }) => Date.parse(time))
  return spreadOf(timesMs.slice(1).map((timeMs, index) => timeMs - (timesMs[index] as number)))
}

export interface Directness {
  /** Pairs of running nodes that are connected without a relay between them. */
  direct: number
  /** Pairs that are connected. */
  connected: number
  /** Pairs that there are. */
  pairs: number
}

/** A pair is direct when one of its sides says so. */
export async function measureDirectness(network: LabNetwork): Promise<Directness> {
  const kinds = new Map<string, boolean>()
  for (const { from, to, row } of await network.links()) {
    const pair = [from, to].sort().join(' ')
    kinds.set(pair, (kinds.get(pair) ?? false) || row.relayed === false)
  }
  const nodes = network.running.length
  const direct = [...kinds.values()].filter(Boolean).length
  return { direct, connected: kinds.size, pairs: (nodes * (nodes - 1)) / 2 }
}

export interface Figures {
  firstLedgerMs?: number
  directness?: Directness
  ledgers?: Spread
  answers?: Spread
}

/** The figures of one situation in one line. */
export function formatFigures(what: string, { firstLedgerMs, directness, ledgers, answers }: Figures): string {
  const parts: string[] = []
  if (firstLedgerMs !== undefined) parts.push(`first ledger after ${(firstLedgerMs / 1000).toFixed(1)} s`)
  if (directness !== undefined) {
    const { direct, connected, pairs } = directness
    const percent = Math.round((100 * direct) / Math.max(1, connected))
    parts.push(`direct ${direct} of ${connected} connected pairs (${percent} %; ${pairs} pairs in all)`)
  }
  const spread = ({ p50, p99, count }: Spread): string =>
    `p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms (${count})`
  if (ledgers !== undefined) parts.push(`ledger ${spread(ledgers)}`)
  if (answers !== undefined) parts.push(`answer ${spread(answers)}`)
  return `${what}: ${parts.join('; ')}`
}
