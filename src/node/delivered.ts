import { writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Hash } from '../consensus/types.js'

/** A seq of 16 digits, a space, the network id. */
const BYTES = 16 + 1 + 64
const FORM = /^(\d{16}) ([0-9a-f]{64})$/

/**
 * The last ledger whose outputs this node has handed to its users, in a file of its own: a node whose ledger store was
 * damaged executes ledgers again, and must not answer them again. It is not synced, so that after a power cut, unlike
 * after a crash, an answer may come twice.
 */
export class DeliveredMark {
  readonly #file: FileHandle
  readonly #networkId: Hash
  #seq: number

  private constructor(file: FileHandle, networkId: Hash, seq: number) {
    this.#file = file
    this.#networkId = networkId
    this.#seq = seq
  }

  /** Opens or makes the file; what cannot be read, or is of another network, counts as nothing delivered. */
  static async open(path: string, networkId: Hash): Promise<DeliveredMark> {
    // Made where it is missing, and not cut where it is there.
    await (await open(path, 'a', 0o600)).close()
    const file = await open(path, 'r+')
    const buffer = Buffer.alloc(BYTES)
    const { bytesRead } = await file.read(buffer, 0, BYTES, 0)
    const [, digits, network] = FORM.exec(buffer.subarray(0, bytesRead).toString('latin1')) ?? []
    const seq = network === networkId ? Number(digits) : 0
    return new DeliveredMark(file, networkId, Number.isSafeInteger(seq) ? seq : 0)
  }

  get seq(): number {
    return this.#seq
  }

  /** Outputs of ledger `seq` are about to be handed out. @returns false when they were before */
  take(seq: number): boolean {
    if (seq <= this.#seq) return false
    this.#seq = seq
    writeSync(this.#file.fd, `${String(seq).padStart(16, '0')} ${this.#networkId}`, 0, 'latin1')
    return true
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
