import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync
} from 'node:fs'
import { join, relative } from 'node:path'
import type { Random } from '../sim/random.js'

/** All files below `root` that hold something, in a fixed order; `root` itself when it is a file. */
function listFiles(root: string): string[] {
  if (!existsSync(root)) return []
  if (statSync(root).isFile()) return statSync(root).size > 0 ? [root] : []
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size > 0)
    .sort()
}

function flipBits(path: string, bytes: number, random: Random): string {
  const count = random.pick([1, 1, 1, 8])
  const places: number[] = []
  const fd = openSync(path, 'r+')
  try {
    for (let done = 0; done < count; done++) {
      const at = random.between(0, bytes - 1)
      const byte = Buffer.alloc(1)
      readSync(fd, byte, 0, 1, at)
      byte[0] = (byte[0] as number) ^ (1 << random.between(0, 7))
      writeSync(fd, byte, 0, 1, at)
      places.push(at)
    }
  } finally {
    closeSync(fd)
  }
  return `flipped a bit at ${places.join(', ')} of ${bytes}`
}

/**
 * Truncates a file below one of `roots`, flips bits in it, or removes it where `mayRemove`. The node must not run.
 *
 * @returns what was done, or null when there is no file to damage
 */
export function damage(roots: string[], base: string, random: Random, mayRemove: boolean): string | null {
  const files = roots.flatMap(listFiles)
  if (files.length === 0) return null
  const path = random.pick(files)
  const bytes = statSync(path).size
  const how = random.pick(mayRemove ? ['truncate', 'flip', 'flip', 'remove'] : ['truncate', 'flip', 'flip'])
  const name = relative(base, path)
  if (how === 'flip') return `${name}: ${flipBits(path, bytes, random)}`
  if (how === 'remove') {
    rmSync(path)
    return `${name}: removed`
  }
  const left = random.between(0, bytes - 1)
  truncateSync(path, left)
  return `${name}: truncated from ${bytes} to ${left} bytes`
}
