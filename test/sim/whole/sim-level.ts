import type { Random } from '../random.js'
import type { SimProcess } from './sim-process.js'

type Op = { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string }
interface Range {
  gte?: string
  gt?: string
  lte?: string
  lt?: string
  reverse?: boolean
  limit?: number
}

/**
 * What LevelDB keeps in one directory: the batches of its log, each whole or not at all. A power cut leaves those up to
 * the last synced one, and some of the later ones in their order.
 */
export class LevelFiles {
  readonly #durable = new Map<string, Uint8Array>()
  #log: Op[][] = []
  #all = new Map<string, Uint8Array>()
  #keys: string[] | null = null
  isOpen = false

  get(key: string): Uint8Array | undefined {
    return this.#all.get(key)
  }

  /** What any power cut leaves. */
  durable(key: string): Uint8Array | undefined {
    return this.#durable.get(key)
  }

  write(ops: Op[], sync: boolean): void {
    apply(this.#all, ops)
    this.#keys = null
    this.#log.push(ops)
    if (sync) this.#sync(this.#log.length)
  }

  keys({ gte = '', gt, lte, lt, reverse = false, limit = -1 }: Range): string[] {
    this.#keys ??= [...this.#all.keys()].sort()
    const found = this.#keys.filter(
      (key) =>
        key >= gte &&
        (gt === undefined || key > gt) &&
        (lte === undefined || key <= lte) &&
        (lt === undefined || key < lt)
    )
    if (reverse) found.reverse()
    return limit >= 0 ? found.slice(0, limit) : found
  }

  /** A bit of a value on the disk flips. */
  flipBit(key: string, random: Random): void {
    this.syncAll()
    const bytes = Buffer.from(this.#all.get(key) as Uint8Array)
    const at = random.between(0, bytes.length - 1)
    bytes[at] = (bytes[at] as number) ^ (1 << random.between(0, 7))
    this.#all.set(key, bytes)
    this.#durable.set(key, bytes)
  }

  cutPower(random: Random): void {
    this.#sync(random.between(0, this.#log.length))
    this.#log = []
    this.#all = new Map(this.#durable)
    this.#keys = null
  }

  copy(): Map<string, Uint8Array> {
    return new Map(this.#all)
  }

  /** Other files are put in the place of these. */
  replace(entries: ReadonlyMap<string, Uint8Array>): void {
    this.#log = []
    this.#durable.clear()
    for (const [key, value] of entries) this.#durable.set(key, value)
    this.#all = new Map(entries)
    this.#keys = null
  }

  syncAll(): void {
    this.#sync(this.#log.length)
  }

  #sync(batches: number): void {
    for (const ops of this.#log.splice(0, batches)) apply(this.#durable, ops)
  }
}

function apply(to: Map<string, Uint8Array>, ops: Op[]): void {
  for (const op of ops) {
    if (op.type === 'put') to.set(op.key, op.value)
    else to.delete(op.key)
  }
}

/** The class that stands for ClassicLevel in one process: the part that the ledger store uses. */
export function createLevelClass(process: SimProcess): unknown {
  const { io, machine } = process
  return class SimLevel {
    readonly #files: LevelFiles
    #isOpen = false

    constructor(path: string) {
      this.#files = machine.level(path)
    }

    async open(): Promise<void> {
      await io('read', () => {})
      if (this.#isOpen) return
      if (this.#files.isOpen) throw Object.assign(new Error('locked'), { code: 'LEVEL_LOCKED' })
      this.#files.isOpen = true
      // LevelDB writes what it finds in its log into a table, and syncs that.
      this.#files.syncAll()
      this.#isOpen = true
    }

    async close(): Promise<void> {
      await io('read', () => {})
      if (this.#isOpen) this.#files.isOpen = false
      this.#isOpen = false
    }

    get(key: string): Promise<Uint8Array | undefined> {
      return io('read', () => this.#open().get(key))
    }

    batch(ops: Op[], { sync = false } = {}): Promise<void> {
      return io(sync ? 'sync' : 'write', () => {
        if (machine.files.isFull) throw new Error('IO error: ledgers: No space left on device')
        this.#open().write(ops, sync)
      })
    }

    async *keys(range: Range): AsyncGenerator<string> {
      yield* await io('read', () => this.#open().keys(range))
    }

    iterator(range: Range): object {
      const read = () =>
        io('read', () =>
          this.#open()
            .keys(range)
            .map((key) => [key, this.#files.get(key)])
        )
      return {
        async *[Symbol.asyncIterator]() {
          yield* await read()
        },
        close: async () => {}
      }
    }

    #open(): LevelFiles {
      if (!this.#isOpen) throw Object.assign(new Error('Database is not open'), { code: 'LEVEL_DATABASE_NOT_OPEN' })
      return this.#files
    }
  }
}
