import fs from 'node:fs'
import path from 'node:path'

/** One line of what a bench prints. */
export interface Figure {
  name: string
  value: string
  wanted: string
  note: string
}

/**
 * Writes files of equal size with content of their own for every KiB. With `step` only every so many of them, and other
 * content than the first time.
 */
export function fillFiles(stateDir: string, megabytes: number, count: number, step = 1): void {
  const bytes = Buffer.alloc(Math.max(1024, Math.floor((megabytes * 2 ** 20) / count)))
  for (let i = 0; i < count; i += step) {
    const dir = path.join(stateDir, `d${i % 100}`)
    fs.mkdirSync(dir, { recursive: true })
    for (let at = 0; at + 8 <= bytes.length; at += 1024) {
      bytes.writeUInt32LE(i, at)
      bytes.writeUInt32LE(at + step, at + 4)
    }
    fs.writeFileSync(path.join(dir, `file${i}`), bytes)
  }
}
