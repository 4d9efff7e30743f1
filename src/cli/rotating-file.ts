import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'

/** A log file that starts anew past `maxBytes`; the one before is kept as `<path>.1`. Write errors are swallowed. */
export class RotatingFile {
  #fd: number
  #size: number

  constructor(
    readonly path: string,
    readonly maxBytes = 10 * 1024 * 1024
  ) {
    this.#fd = openSync(path, 'a', 0o600)
    this.#size = fstatSync(this.#fd).size
  }

  write(data: Uint8Array): void {
    if (this.#fd < 0) return
    try {
      if (this.#size >= this.maxBytes) this.#rotate()
      this.#size += writeSync(this.#fd, data)
    } catch {
      // A full disk must not end the network; the node says so itself.
    }
  }

  #rotate(): void {
    renameSync(this.path, `${this.path}.1`)
    const next = openSync(this.path, 'a', 0o600)
    closeSync(this.#fd)
    this.#fd = next
    this.#size = 0
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}
