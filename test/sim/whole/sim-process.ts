import * as childProcess from 'node:child_process'
import * as crypto from 'node:crypto'
import type { Clock } from '../clock.js'
import type { Random } from '../random.js'
import { asModule, type Surroundings } from './program.js'
import { SimFiles } from './sim-files.js'
import { createFs } from './sim-fs.js'
import { createLevelClass, LevelFiles } from './sim-level.js'

export type IoKind = 'read' | 'write' | 'sync'

/** How long the disk takes, ms: mostly the lower number and a bit; now and then many times that. */
const IO_MS: Record<IoKind, number> = { read: 0.05, write: 0.1, sync: 1 }
/** 2026-01-01, where the clocks of the day begin. */
export const EPOCH_MS = 1_767_225_600_000

export interface MachineOptions {
  clock: Clock
  random: Random
  /** How much slower than a good one this disk is. */
  diskFactor: number
  /** How fast its clocks run; 1 is right. */
  rate: number
  /** By how much its clock of the day is wrong, ms. */
  skewMs: number
}

/** One computer: its clocks and its disk, which outlive the processes on it. */
export class Machine {
  readonly clock: Clock
  readonly random: Random
  readonly files: SimFiles
  readonly rate: number
  skewMs: number
  #diskFactor: number
  readonly #levels = new Map<string, LevelFiles>()
  #boots = 1
  /** Called when something is on its way to the disk, with the time that it will take: a good instant for a crash. */
  onIo: (ms: number) => void = () => {}

  constructor({ clock, random, diskFactor, rate, skewMs }: MachineOptions) {
    this.clock = clock
    this.random = random
    this.rate = rate
    this.skewMs = skewMs
    this.#diskFactor = diskFactor
    this.files = new SimFiles(random, () => this.wallMs)
  }

  get bootId(): string {
    return `boot ${this.#boots}\n`
  }

  /** What its clock of the day shows. */
  get wallMs(): number {
    return EPOCH_MS + this.clock.nowMs * this.rate + this.skewMs
  }

  level(path: string): LevelFiles {
    const known = this.#levels.get(path)
    if (known !== undefined) return known
    const files = new LevelFiles()
    this.#levels.set(path, files)
    return files
  }

  repairDisk(): void {
    this.#diskFactor = Math.min(this.#diskFactor, 1)
    this.files.isFull = false
  }

  ioMs(kind: IoKind): number {
    const { random } = this
    const tail = random.chance(0.02) ? 20 : 1 + 3 * random.fraction()
    return IO_MS[kind] * this.#diskFactor * tail
  }

  processEnded(): void {
    for (const level of this.#levels.values()) level.isOpen = false
  }

  cutPower(): void {
    this.#boots++
    this.files.cutPower()
    for (const level of this.#levels.values()) level.cutPower(this.random)
  }
}

interface Timer {
  run: () => void
  isLive: boolean
}

/**
 * One process on a machine: timers, clocks, files and randomness as a program sees them. Once it has ended nothing of
 * it runs any more: its timers do not fire and its calls to the disk never return.
 */
export class SimProcess {
  readonly machine: Machine
  isAlive = true
  /** Calls under way, which may or may not reach the disk when the process ends. */
  readonly #calls = new Set<() => unknown>()
  /** What timers of this process have thrown; a real process would have died of it. */
  onUncaught: (error: unknown) => void = () => {}

  constructor(machine: Machine) {
    this.machine = machine
  }

  /** Does `call` at the disk, after the time that such a thing takes. */
  readonly io = <T>(kind: IoKind, call: () => T): Promise<T> => {
    return new Promise((resolve, reject) => {
      const { clock } = this.machine
      const ms = this.machine.ioMs(kind)
      this.#calls.add(call)
      if (kind !== 'read') this.machine.onIo(ms)
      clock.schedule(ms, () => {
        if (!this.isAlive) return
        this.#calls.delete(call)
        try {
          resolve(call())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** The process is killed: of what was on its way to the disk some arrives. */
  kill(): void {
    if (!this.isAlive) return
    this.isAlive = false
    for (const call of this.#calls) {
      if (!this.machine.random.chance(0.5)) continue
      try {
        call()
      } catch {
        // Nobody is left to hear of it.
      }
    }
    this.#calls.clear()
    this.machine.processEnded()
  }

  /** Waits as a contract or a remote hand would: `run` is not called once the process has ended. */
  after(ms: number, run: () => void): void {
    this.machine.clock.schedule(ms, () => {
      if (this.isAlive) run()
    })
  }

  globals(): Surroundings['globals'] {
    const { machine } = this
    const clear = (timer: Timer | undefined): void => {
      if (timer !== undefined) timer.isLive = false
    }
    const begin = (run: (...args: unknown[]) => void, ms = 1, args: unknown[] = [], isRepeated = false): Timer => {
      const waitMs = Math.max(1, ms) / machine.rate
      const timer = {
        isLive: true,
        run: () => {
          if (!timer.isLive || !this.isAlive) return
          timer.isLive = isRepeated
          if (isRepeated) machine.clock.schedule(waitMs, timer.run)
          try {
            run(...args)
          } catch (error) {
            this.onUncaught(error)
          }
        },
        ref: () => timer,
        unref: () => timer,
        hasRef: () => true
      }
      machine.clock.schedule(waitMs, timer.run)
      return timer
    }
    const setImmediate = (run: (...args: unknown[]) => void, ...args: unknown[]): Timer => {
      const soon = { isLive: true, run: () => {} }
      machine.clock.schedule(0, () => {
        if (soon.isLive && this.isAlive) run(...args)
      })
      return soon
    }
    class SimDate extends Date {
      constructor(...args: ConstructorParameters<typeof Date> | []) {
        if (args.length === 0) super(Math.floor(machine.wallMs))
        else super(...args)
      }
      static override now(): number {
        return Math.floor(machine.wallMs)
      }
    }
    return {
      setTimeout: (run: () => void, ms?: number, ...args: unknown[]) => begin(run, ms, args),
      clearTimeout: clear,
      setInterval: (run: () => void, ms?: number, ...args: unknown[]) => begin(run, ms, args, true),
      clearInterval: clear,
      setImmediate,
      clearImmediate: clear,
      Date: SimDate,
      performance: { now: () => machine.clock.nowMs * machine.rate }
    }
  }

  modules(): Map<string, unknown> {
    const { random, clock } = this.machine
    const { fs, promises } = createFs(this)
    const wait = <T>(ms: number, value?: T, options?: { signal?: AbortSignal }): Promise<T | undefined> =>
      new Promise((resolve, reject) => {
        const { signal } = options ?? {}
        const abort = (): void => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }))
        if (signal?.aborted === true) return abort()
        signal?.addEventListener('abort', abort, { once: true })
        clock.schedule(ms / this.machine.rate, () => {
          if (!this.isAlive) return
          signal?.removeEventListener('abort', abort)
          resolve(value)
        })
      })
    const randomBytes = (count: number): Buffer =>
      Buffer.from(Array.from({ length: count }, () => random.between(0, 255)))
    // As where there is no such program: what it is called for is then done by other means.
    const execFile = (...args: unknown[]): void => {
      const done = args.at(-1) as (error: Error) => void
      this.after(1, () => done(new Error('no such program')))
    }
    return new Map<string, unknown>([
      ['node:fs', asModule(fs)],
      ['node:fs/promises', asModule(promises)],
      ['node:timers/promises', asModule({ setTimeout: wait, setImmediate: () => wait(0) })],
      ['node:crypto', asModule({ ...crypto, randomBytes, randomUUID: () => randomBytes(16).toString('hex') })],
      ['node:child_process', asModule({ ...childProcess, execFile })],
      ['classic-level', asModule({ ClassicLevel: createLevelClass(this) })]
    ])
  }
}
