import { closeSync, constants, fchmodSync, fstatSync, openSync } from 'node:fs'
import { SANDBOX_DEVICES } from './layout.js'

/**
 * Keeps the modes of the machine's devices. They cannot be shown read-only and stay devices, so a contract of a node
 * that runs as root, to whom they belong, could change their mode.
 */
export class DeviceGuard {
  readonly #devices: { fd: number; path: string; mode: number }[] = []

  /** Does nothing where the contract owns no device. */
  constructor() {
    if (process.getuid?.() !== 0) return
    for (const path of SANDBOX_DEVICES) {
      try {
        const fd = openSync(path, constants.O_RDONLY)
        this.#devices.push({ fd, path, mode: fstatSync(fd).mode })
      } catch {
        // not here: not shown either
      }
    }
  }

  /** Undoes a change; the path of what was changed, or null. */
  restore(): string | null {
    let changed: string | null = null
    for (const { fd, path, mode } of this.#devices) {
      if (fstatSync(fd).mode === mode) continue
      fchmodSync(fd, mode & 0o7777)
      changed = path
    }
    return changed
  }

  close(): void {
    for (const { fd } of this.#devices.splice(0)) closeSync(fd)
  }
}
