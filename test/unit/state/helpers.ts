import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Logger, pino } from 'pino'
import { StateStore, type StateStoreOptions } from '../../../src/state/index.js'

export const log: Logger = pino({ level: 'silent' })

/** A directory in memory when there is so much room in it; making and removing very many files is slow elsewhere. */
export function quickDir(bytes: number): string {
  try {
    const { bavail, bsize, type } = fs.statfsSync('/dev/shm')
    const TMPFS = 0x01021994
    return type === TMPFS && bavail * bsize > bytes ? '/dev/shm' : tmpdir()
  } catch {
    return tmpdir()
  }
}

export class Sandbox {
  readonly dir: string
  readonly stateDir: string
  readonly metaDir: string
  readonly #stores: StateStore[] = []

  constructor(base = tmpdir()) {
    this.dir = fs.mkdtempSync(path.join(base, 'hp-state-'))
    this.stateDir = path.join(this.dir, 'state')
    this.metaDir = path.join(this.dir, 'hist')
  }

  async open(extra: Partial<StateStoreOptions> = {}): Promise<StateStore> {
    const store = await StateStore.open({ stateDir: this.stateDir, metaDir: this.metaDir, log, ...extra })
    this.#stores.push(store)
    return store
  }

  path(relative: string): string {
    return path.join(this.stateDir, relative)
  }

  write(relative: string, content: string | Uint8Array, mode = 0o644): void {
    fs.mkdirSync(path.dirname(this.path(relative)), { recursive: true })
    fs.writeFileSync(this.path(relative), content)
    fs.chmodSync(this.path(relative), mode)
  }

  read(relative: string): string {
    return fs.readFileSync(this.path(relative), 'utf8')
  }

  async destroy(): Promise<void> {
    for (const store of this.#stores) await store.close()
    fs.rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Path -> what is there, for comparing directories: kind, executable bit and content. */
export function listTree(dir: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of fs.readdirSync(dir).sort()) {
    const file = path.join(dir, name)
    const stat = fs.lstatSync(file)
    const rel = prefix + name
    if (stat.isSymbolicLink()) found[rel] = `link ${fs.readlinkSync(file)}`
    else if (stat.isDirectory()) Object.assign(found, { [rel]: 'dir' }, listTree(file, `${rel}/`))
    else found[rel] = `file ${stat.mode & 0o100 ? 'x' : '-'} ${fs.readFileSync(file, 'latin1')}`
  }
  return found
}

/** Bytes that differ from block to block and from seed to seed. */
export function makeBytes(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size)
  let x = (seed * 2654435761 + 1) >>> 0
  for (let i = 0; i + 4 <= size; i += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    bytes.writeUInt32LE(x, i)
  }
  return bytes
}
