import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Relative path -> content of every file of a state directory, as latin1. */
export function readState(dir: string): Map<string, string> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return new Map(files.sort().map((path) => [path.slice(dir.length + 1), readFileSync(path, 'latin1')]))
}
