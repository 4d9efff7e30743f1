import { pino } from 'pino'
import { describe, expect, it, vi } from 'vitest'
import { EMPTY_OUTPUTS_ROOT, outputsRootOf } from '../../../src/codec/index.js'
import type { ConsensusConfig, Hash, Ledger, UserOutput } from '../../../src/consensus/types.js'
import type { ExecutionOutcome } from '../../../src/contract/index.js'
import { Executor, type ExecutorOptions } from '../../../src/node/executor.js'
import { PassedOver, type PassedOverOptions, type Settlement } from '../../../src/node/passed-over.js'

const USER = 'ab'.repeat(32)
const hashOf = (seq: number): Hash => seq.toString(16).padStart(64, '0')
/** The state after the execution of ledger `seq`. */
const rootAfter = (seq: number): Hash => `5${hashOf(seq).slice(1)}`
const answerOf = (seq: number): UserOutput[] => [{ user: USER, content: Buffer.from(`answer ${seq}`) }]

/** Ledger `seq`, which agrees on what the execution of the one before came to. */
function ledgerOf(seq: number): Ledger {
  const outputsRoot = seq === 1 ? EMPTY_OUTPUTS_ROOT : outputsRootOf(answerOf(seq - 1))
  const result = { status: 'ok', stateRoot: rootAfter(seq - 1), outputsRoot, configHash: hashOf(0) }
  const header = { seq, previous: hashOf(seq - 1), timeMs: seq, result }
  return { hash: hashOf(seq), header, users: [USER], inputs: [], config: null } as unknown as Ledger
}

/** A node's executor over a contract and a state that exist in memory alone. */
class Rig {
  readonly ledgers = new Map<number, Ledger>()
  readonly executed: number[] = []
  readonly copied: Hash[] = []
  readonly settled: Settlement[] = []
  /** Told after later ones. */
  readonly late: Settlement[] = []
  readonly asked: number[] = []
  /** Ledgers whose outputs were kept after they had been passed over. */
  readonly kept = new Set<number>()
  target = 0
  committed = rootAfter(0)
  #scanned = rootAfter(0)
  executionMs = 0
  hasUsers = true
  readonly executor: Executor

  readonly passedOver: PassedOver

  constructor(options: Partial<ExecutorOptions & PassedOverOptions> = {}) {
    const rig = this
    this.passedOver = new PassedOver({
      log: pino({ level: 'silent' }),
      readLedger: async (seq) => this.ledgers.get(seq) ?? null,
      readHeader: async (seq) => this.ledgers.get(seq)?.header ?? null,
      hasOutputs: async (seq) => this.kept.has(seq),
      hasUsers: () => this.hasUsers,
      fetchOutputs: async (seq) => {
        this.asked.push(seq)
        return answerOf(seq)
      },
      keepOutputs: async (seq) => {
        this.kept.add(seq)
      },
      onSettled: (settlement, isLate) => (isLate ? this.late : this.settled).push(settlement),
      onFatal: (error) => {
        throw error
      },
      ...options
    })
    this.executor = new Executor({
      contract: {
        async execute({ seq }) {
          if (rig.executionMs > 0) await new Promise((resolve) => setTimeout(resolve, rig.executionMs))
          rig.executed.push(seq)
          rig.#scanned = rootAfter(seq)
          return { status: 'ok', reason: null, durationMs: 0, outputs: answerOf(seq) } as unknown as ExecutionOutcome
        }
      },
      state: {
        get committedRoot() {
          return rig.committed
        },
        scan: async () => ({ root: rig.#scanned }),
        commit: async (root) => {
          rig.committed = root
        },
        rollback: async () => rig.committed
      },
      readConfig: async () => ({ unl: [] }) as unknown as ConsensusConfig,
      log: pino({ level: 'silent' }),
      readLedger: async (seq) => this.ledgers.get(seq) ?? null,
      onExecuted: () => {},
      onSettled: (settlement) => this.settled.push(settlement),
      keepOutputs: async () => {},
      copyState: async (root) => {
        this.copied.push(root)
        this.committed = root
        return true
      },
      target: () => this.target,
      passedOver: this.passedOver,
      onFatal: (error) => {
        throw error
      },
      ...options
    })
    this.close(1)
    this.executor.resume(1, 1)
  }

  close(seq: number): void {
    const ledger = ledgerOf(seq)
    this.ledgers.set(seq, ledger)
    this.executor.enqueue(ledger)
  }

  closeTo(seq: number): void {
    for (let next = this.ledgers.size + 1; next <= seq; next++) this.close(next)
  }

  async waitUntilIdle(): Promise<void> {
    await vi.waitFor(() => expect(this.executor.backlog).toBe(0), { timeout: 20_000, interval: 5 })
  }
}

describe('a few ledgers that were missed', () => {
  it('are executed one after another, and their outputs handed out', async () => {
    const rig = new Rig()
    rig.closeTo(12)
    await rig.waitUntilIdle()
    expect(rig.executed).toEqual(Array.from({ length: 12 }, (_, index) => index + 1))
    expect(rig.settled.map(({ ledger }) => ledger.header.seq)).toEqual(rig.executed.slice(0, -1))
    expect(rig.copied).toEqual([])
    await rig.executor.stop()
  })
})

describe('many ledgers that were missed', () => {
  it('are passed over by one copy once all of them are here, their outputs handed out in order', async () => {
    const rig = new Rig()
    rig.executionMs = 5
    rig.target = 2000
    // What is fetched comes in the midst of executions.
    for (let seq = 100; seq <= 2000; seq += 100) {
      rig.closeTo(seq)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await rig.waitUntilIdle()
    expect(rig.copied).toEqual([rootAfter(1999)])
    expect(rig.executed.at(-1)).toBe(2000)
    expect(rig.executed.length).toBeLessThan(300)
    const seqs = rig.settled.map(({ ledger }) => ledger.header.seq)
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    expect(seqs.slice(-1024)).toEqual(Array.from({ length: 1024 }, (_, index) => 976 + index))
    expect(rig.asked.length).toBe(1024)
    expect(rig.late).toEqual([])
    await rig.executor.stop()
  })

  it('leave nobody without the outputs of the execution that was under way', async () => {
    const rig = new Rig()
    rig.executionMs = 1500
    rig.closeTo(30)
    await rig.waitUntilIdle()
    expect(rig.copied).toEqual([rootAfter(29)])
    expect(rig.executed).toEqual([1, 30])
    expect(rig.settled.map(({ ledger }) => ledger.header.seq)).toEqual(Array.from({ length: 29 }, (_, i) => i + 1))
    await rig.executor.stop()
  })

  it('are told late where nobody had the outcome at once, and each once', { timeout: 20_000 }, async () => {
    const tries = new Map<number, number>()
    const rig = new Rig({
      fetchOutputs: async (seq) => {
        tries.set(seq, (tries.get(seq) ?? 0) + 1)
        return seq % 10 === 0 && tries.get(seq) === 1 ? null : answerOf(seq)
      }
    })
    rig.closeTo(300)
    await rig.waitUntilIdle()
    await vi.waitFor(() => expect(rig.passedOver.waiting).toBe(0), { timeout: 15_000, interval: 5 })
    expect(rig.late.length).toBeGreaterThan(20)
    const seqs = [...rig.settled, ...rig.late].map(({ ledger }) => ledger.header.seq)
    expect(seqs.sort((a, b) => a - b)).toEqual(Array.from({ length: 299 }, (_, index) => index + 1))
    await rig.passedOver.stop()
    await rig.executor.stop()
  })

  it('hold up nothing when nobody is connected who could be told', async () => {
    const rig = new Rig({ fetchOutputs: () => new Promise(() => {}) })
    rig.hasUsers = false
    rig.closeTo(500)
    await rig.waitUntilIdle()
    expect(rig.executed.at(-1)).toBe(500)
    expect(rig.passedOver.waiting).toBeGreaterThan(400)
  })

  it('do not wait for peers that never answer', { timeout: 30_000 }, async () => {
    const rig = new Rig({
      fetchOutputs: (_seq, _root, signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve(null)))
    })
    rig.executionMs = 5
    rig.closeTo(2000)
    await rig.waitUntilIdle()
    expect(rig.executed.at(-1)).toBe(2000)
    expect(rig.passedOver.waiting).toBe(1024)
    // Nor does the end of the node.
    await rig.passedOver.stop()
    await rig.executor.stop()
  })

  it('are learnt after a restart where the node stopped before it knew their outcome', async () => {
    const rig = new Rig()
    rig.closeTo(40)
    await rig.waitUntilIdle()
    for (const seq of [1, 2, 3, 5, 8]) rig.kept.add(seq)
    rig.passedOver.resume(1, 12)
    await vi.waitFor(() => expect(rig.asked).toEqual([4, 6, 7, 9, 10, 11]))
    await vi.waitFor(() => expect(rig.late.map(({ ledger }) => ledger.header.seq)).toEqual(rig.asked))
    await rig.passedOver.stop()
    await rig.executor.stop()
  })

  it('are given up when no peer ever has the outcome, in bounded time and with a word', async () => {
    const warned: string[] = []
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const log = { ...pino({ level: 'silent' }), warn: (words: string) => warned.push(words) } as never
      const rig = new Rig({ fetchOutputs: async () => null, log })
      rig.closeTo(30)
      await vi.advanceTimersByTimeAsync(100)
      rig.passedOver.resume(1, 20)
      await vi.advanceTimersByTimeAsync(1000)
      expect(rig.passedOver.waiting).toBe(19)
      await vi.advanceTimersByTimeAsync(1_200_000)
      expect(rig.passedOver.waiting).toBe(0)
      expect(warned.join()).toContain('outputs of 19 ledgers from 1 to 19 are at no peer')
      await rig.passedOver.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  it('are not waited for when a peer promises what never comes', async () => {
    const rig = new Rig()
    rig.target = 2 ** 52
    rig.closeTo(500)
    await rig.waitUntilIdle()
    expect(rig.copied).toEqual([rootAfter(499)])
    await rig.executor.stop()
  })

  it('are executed when nobody has the state', async () => {
    let asked = 0
    const rig = new Rig({
      copyState: async () => {
        asked += 1
        return false
      }
    })
    rig.closeTo(300)
    await rig.waitUntilIdle()
    expect(asked).toBeGreaterThan(0)
    expect(rig.executed).toEqual(Array.from({ length: 300 }, (_, index) => index + 1))
    await rig.executor.stop()
  })

  it('are copied at the newest ledger when peers went on before the first question', async () => {
    const wanted: Hash[] = []
    const rig: Rig = new Rig({
      copyState: async (root) => {
        wanted.push(root)
        if (wanted.length < 3) rig.closeTo(rig.ledgers.size + 1)
        else rig.committed = root
        return wanted.length === 3
      }
    })
    rig.closeTo(400)
    await rig.waitUntilIdle()
    expect(wanted).toEqual([rootAfter(399), rootAfter(400), rootAfter(401)])
    expect(rig.executed.at(-1)).toBe(402)
    await rig.executor.stop()
  })

  it('do not hold up the end of the node', async () => {
    const rig = new Rig()
    rig.target = 2 ** 52
    rig.closeTo(500)
    await rig.executor.stop()
    expect(rig.executor.backlog).toBeGreaterThan(0)
  })
})

describe('slow executions', () => {
  it('are passed over sooner than quick ones', { timeout: 30_000 }, async () => {
    for (const [executionMs, copies] of [
      [1, []],
      [60, [rootAfter(69)]]
    ] as const) {
      const rig = new Rig()
      rig.executionMs = executionMs
      rig.closeTo(20)
      await rig.waitUntilIdle()
      rig.closeTo(70)
      await rig.waitUntilIdle()
      expect(rig.copied).toEqual(copies)
      await rig.executor.stop()
    }
  })
})
