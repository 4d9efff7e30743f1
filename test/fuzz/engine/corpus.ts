import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('..', import.meta.url))
export const CORPUS_DIR = join(HERE, 'corpus')
/** Not in the repository. */
export const FINDINGS_DIR = join(HERE, 'findings')
/** Inputs that led to a fault which is mended; they stay whatever they cover. */
const FIXED = 'fixed-'

export interface CorpusEntry {
  name: string
  bytes: Uint8Array
}

export function nameOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16)
}

/** The kept inputs of a target, in the order of their names. */
export function readCorpus(targetName: string): CorpusEntry[] {
  const dir = join(CORPUS_DIR, targetName)
  if (!existsSync(dir)) return []
  return readdirSync(dir)
    .sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(dir, name))) }))
}

export function isFixed({ name }: CorpusEntry): boolean {
  return name.startsWith(FIXED)
}

/** Makes `inputs`, and what was kept for faults, the corpus of the target. */
export function writeCorpus(targetName: string, inputs: readonly Uint8Array[]): void {
  const dir = join(CORPUS_DIR, targetName)
  mkdirSync(dir, { recursive: true })
  const wanted = new Set(inputs.map(nameOf))
  for (const name of readdirSync(dir)) if (!name.startsWith(FIXED) && !wanted.has(name)) rmSync(join(dir, name))
  for (const bytes of inputs) writeFileSync(join(dir, nameOf(bytes)), bytes)
}

/** @returns the path of the saved input */
export function saveFinding(targetName: string, input: Uint8Array, about: string): string {
  const dir = join(FINDINGS_DIR, targetName)
  mkdirSync(dir, { recursive: true })
  const path = join(dir, nameOf(input))
  writeFileSync(path, input)
  writeFileSync(`${path}.txt`, `${about}\n`)
  return path
}
