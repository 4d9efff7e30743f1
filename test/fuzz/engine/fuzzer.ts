import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Random } from '../../sim/random.js'
import { readCorpus } from './corpus.js'
import type { Coverage } from './coverage.js'
import { execute, executeForMemory, isSuspicious, type Outcome } from './execute.js'
import { minimise } from './minimise.js'
import { mutate } from './mutate/mutate.js'
import { Finding, type Target, type TargetEntry } from './target.js'

export interface FuzzOptions {
  seed: number
  /** Executions of mutated inputs. */
  count: number
  /** Ends earlier after this time. */
  seconds?: number
  /** Null: inputs are interesting for a new outcome alone, and a run is the same for its seed on every machine. */
  coverage: Coverage | null
  /** Called before each execution, so that a hang can be told from outside. */
  onInput?: (input: Uint8Array) => void
  onFinding?: (found: FoundInput) => void
  /** Findings of one target after which it is left. */
  maxFindings?: number
}

export interface FoundInput {
  input: Uint8Array
  finding: Finding
}

export interface FuzzResult {
  executions: number
  seconds: number
  findings: FoundInput[]
  /** Different outcomes, errors by their words. */
  kinds: string[]
  /** Smallest inputs that together show every outcome and all code that was reached. */
  kept: Uint8Array[]
}

/** Executions between two looks at memory and coverage. */
const BATCH = 200
const MAX_FINDINGS = 20
/** Executions between two turns of the event loop for targets that never wait. */
/** Outcomes beyond which a new one is no longer interesting: its words hold what the input says. */
const MAX_KINDS = 250
const TURN = 1000
/** Inputs that a corpus holds. */
const MAX_KEPT = 60
const LEAK_BYTES = 96 * 1024 * 1024

/** A seed of its own for each target, so that adding a target changes nothing for the others. */
function seedOf(seed: number, name: string): number {
  let hash = seed
  for (const character of name) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0
  return hash
}

/** Runs one target: its seeds and corpus, then mutations of them and of what turned out to be interesting. */
export class Fuzzer {
  readonly #entry: TargetEntry
  readonly #target: Target
  readonly #options: FuzzOptions
  readonly #random: Random
  readonly #pool: Uint8Array[] = []
  readonly #kinds = new Set<string>()
  readonly #findings: FoundInput[] = []
  #batch: Uint8Array[] = []
  #memory = process.memoryUsage()
  #executions = 0

  private constructor(entry: TargetEntry, target: Target, options: FuzzOptions) {
    this.#entry = entry
    this.#target = target
    this.#options = options
    this.#random = new Random(seedOf(options.seed, entry.name))
  }

  static async run(entry: TargetEntry, options: FuzzOptions): Promise<FuzzResult> {
    const target = await entry.open()
    try {
      return await new Fuzzer(entry, target, options).#run()
    } finally {
      await target.close?.()
    }
  }

  async #run(): Promise<FuzzResult> {
    const { count, seconds = Number.POSITIVE_INFINITY, coverage, maxFindings = MAX_FINDINGS } = this.#options
    coverage?.forget()
    const startMs = performance.now()
    for (const input of [...this.#target.seeds, ...readCorpus(this.#entry.name).map(({ bytes }) => bytes)]) {
      await this.#feed(input)
      this.#pool.push(input)
    }
    await this.#endBatch(false)
    const heapBefore = heapAfterCollection()
    for (let done = 0; done < count && this.#findings.length < maxFindings; done++) {
      if (performance.now() - startMs > seconds * 1000) break
      await this.#feed(this.#makeInput())
      if (this.#batch.length >= BATCH) await this.#endBatch(true)
      if (this.#executions % TURN === 0) await nextTurn()
    }
    await this.#endBatch(true)
    this.#checkLeak(heapBefore)
    const executions = this.#executions
    const tookS = (performance.now() - startMs) / 1000
    const kept = coverage === null ? [] : await this.#selectKept(coverage)
    return { executions, seconds: tookS, findings: this.#findings, kinds: [...this.#kinds].sort(), kept }
  }

  #makeInput(): Uint8Array {
    const random = this.#random
    // Those found last lead further more often.
    const recent = this.#pool.slice(-Math.ceil(this.#pool.length / 4))
    const parent = random.chance(0.3) ? random.pick(recent) : random.pick(this.#pool)
    return mutate(parent, random.pick(this.#pool), this.#target, random)
  }

  async #feed(input: Uint8Array): Promise<void> {
    const { kind, finding } = await this.#execute(input)
    this.#batch.push(input)
    if (this.#kinds.has(kind) || (finding === null && this.#kinds.size >= MAX_KINDS)) return
    this.#kinds.add(kind)
    if (finding === null) this.#pool.push(input)
    else await this.#report(input, finding, kind)
  }

  #execute(input: Uint8Array): Promise<Outcome> {
    this.#executions++
    this.#options.onInput?.(input)
    return execute(this.#target, input)
  }

  async #report(input: Uint8Array, finding: Finding, kind: string): Promise<void> {
    const isSame = async (candidate: Uint8Array): Promise<boolean> => (await this.#execute(candidate)).kind === kind
    this.#addFinding({ input: await minimise(input, isSame), finding })
  }

  #addFinding(found: FoundInput): void {
    this.#findings.push(found)
    this.#options.onFinding?.(found)
  }

  async #endBatch(keepInputs: boolean): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    if (isSuspicious(this.#target, this.#memory)) await this.#lookAtMemory(batch)
    if (this.#options.coverage !== null) await this.#lookAtCoverage(this.#options.coverage, batch, keepInputs)
    this.#memory = process.memoryUsage()
  }

  async #lookAtMemory(batch: readonly Uint8Array[]): Promise<void> {
    for (const input of batch) {
      const outcome = await executeForMemory(this.#target, input)
      if (outcome === null || outcome.finding === null || this.#kinds.has('memory')) continue
      this.#kinds.add('memory')
      this.#addFinding({ input, finding: outcome.finding })
    }
  }

  /** Looks at what the batch has reached, and if that is new, which of its inputs did it. */
  async #lookAtCoverage(coverage: Coverage, batch: readonly Uint8Array[], keepInputs: boolean): Promise<void> {
    const taken = coverage.take()
    if (keepInputs && coverage.isNew(taken, false)) {
      for (const input of batch) {
        await this.#execute(input)
        if (coverage.isNew(coverage.take(), true)) this.#pool.push(input)
      }
    }
    coverage.isNew(taken, true)
  }

  #checkLeak(heapBefore: number): void {
    const heldBytes = this.#pool.reduce((sum, input) => sum + input.length, 0)
    const grown = heapAfterCollection() - heapBefore - 2 * heldBytes
    if (grown < LEAK_BYTES) return
    const finding = new Finding('leak', `the heap grew by ${grown} bytes over ${this.#executions} executions`)
    this.#addFinding({ input: new Uint8Array(0), finding })
  }

  /** From small to large, each input that reaches more code than those before it; then those with other outcomes. */
  async #selectKept(coverage: Coverage): Promise<Uint8Array[]> {
    const seeds = new Set(this.#target.seeds)
    const own = this.#pool.filter((input) => !seeds.has(input)).sort((a, b) => a.length - b.length)
    coverage.forget()
    const kinds = new Set<string>()
    const kept: Uint8Array[] = []
    const others: { input: Uint8Array; kind: string }[] = []
    for (const input of [...seeds, ...own]) {
      const { kind } = await execute(this.#target, input)
      const isNew = coverage.isNew(coverage.take(), true)
      if (seeds.has(input)) kinds.add(kind)
      else if (isNew) kept.push(input)
      else others.push({ input, kind })
      if (isNew) kinds.add(kind)
    }
    for (const { input, kind } of others) {
      if (kinds.has(kind) || kept.length >= MAX_KEPT) continue
      kinds.add(kind)
      kept.push(input)
    }
    return kept
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Used bytes of the heap after a collection. */
function heapAfterCollection(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
