import type { JournalFile } from '../../src/node/journal.js'
import type { Random } from './random.js'

type Operation = { append: Buffer } | { truncate: number }

/** A file on a disk that forgets: what was not synced may be lost in a power cut, or be there in part. */
export class SimDisk {
  readonly #random: Random
  /** What survives any power cut. */
  #durable: Buffer = Buffer.alloc(0)
  #pending: Operation[] = []
  /** Handles opened before the last power cut are dead. */
  #life = 0

  constructor(random: Random) {
    this.#random = random
  }

  get durable(): Buffer {
    return this.#durable
  }

  open(): JournalFile {
    const life = this.#life
    const work = async <T>(run: () => T): Promise<T> => {
      await new Promise((resolve) => setTimeout(resolve, this.#random.between(0, 2)))
      if (life !== this.#life) throw new Error('power cut')
      return run()
    }
    return {
      read: () => work(() => new Uint8Array(this.#pending.reduce(applyTo, this.#durable))),
      append: (bytes) => work(() => void this.#pending.push({ append: Buffer.from(bytes) })),
      truncate: (length) => work(() => void this.#pending.push({ truncate: length })),
      sync: () =>
        work(() => {
          this.#durable = this.#pending.reduce(applyTo, this.#durable)
          this.#pending = []
        }),
      close: async () => {}
    }
  }

  /** Some of what was not synced is there, in the order of writing, the last of it perhaps in part. */
  cutPower(): void {
    const kept = this.#pending.slice(0, this.#random.between(0, this.#pending.length))
    const last = kept.at(-1)
    if (last !== undefined && 'append' in last && this.#random.chance(0.7)) {
      kept[kept.length - 1] = { append: last.append.subarray(0, this.#random.between(0, last.append.length)) }
    }
    this.#durable = kept.reduce(applyTo, this.#durable)
    this.#pending = []
    this.#life++
  }
}

function applyTo(bytes: Buffer, operation: Operation): Buffer {
  if ('append' in operation) return Buffer.concat([bytes, operation.append])
  return bytes.subarray(0, operation.truncate)
}
