import type { ChaosOutcome } from './run.js'

/** The value below which the part `share` of sorted numbers lies. */
function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

function describeTimes(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const [p50, p90] = [percentile(sorted, 0.5), percentile(sorted, 0.9)]
  return `p50 ${seconds(p50)}, p90 ${seconds(p90)}, max ${seconds(sorted.at(-1) ?? 0)} (${sorted.length})`
}

/** Adds up what the seeds of one command came to. */
export class Summary {
  #seeds = 0
  #ms = 0
  #rounds = 0
  #ledgers = 0
  #inputs = 0
  #answers = 0
  #longestPauseMs = 0
  readonly #faults = new Map<string, number>()
  readonly #recoveries = new Map<string, number[]>()
  failed = 0

  add({ manifest, verdict, faults, recoveries, rounds, tookMs, error, longestPauseMs }: ChaosOutcome): void {
    this.#seeds++
    this.#ms += tookMs
    this.#rounds += rounds
    this.#ledgers += verdict?.ledgers ?? 0
    this.#inputs += verdict?.inputs ?? 0
    this.#answers += verdict?.answers ?? 0
    this.#longestPauseMs = Math.max(this.#longestPauseMs, longestPauseMs)
    if (error !== null) this.failed++
    for (const [kind, count] of faults) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count)
    for (const { kind, ms } of recoveries) {
      const name = `${kind}, ${manifest.validators < 6 ? '4 or 5' : '6 to 10'} validators`
      this.#recoveries.set(name, [...(this.#recoveries.get(name) ?? []), ms])
    }
  }

  toString(): string {
    const faults = [...this.#faults].sort().map(([kind, count]) => `${kind} ${count}`)
    const total = [...this.#faults.values()].reduce((sum, count) => sum + count, 0)
    const lines = [
      `${this.#seeds} seeds, ${this.failed} failed, ${(this.#ms / 3_600_000).toFixed(2)} h, ${this.#rounds} rounds, ${this.#ledgers} ledgers, ${this.#inputs} inputs, ${this.#answers} answers, longest pause ${seconds(this.#longestPauseMs)}`,
      `${total} faults: ${faults.join(', ')}`
    ]
    for (const [kind, times] of [...this.#recoveries].sort()) {
      lines.push(`recovery after ${kind}: ${describeTimes(times)}`)
    }
    return lines.join('\n')
  }
}
