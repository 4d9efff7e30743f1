import type { PublicKey, UserOutput } from '../../../src/consensus/types.js'
import type { Execution } from '../../../src/contract/index.js'

/** The files that a contract works on: those of a node, or those of the model. */
export interface ContractFiles {
  read(path: string): Buffer | undefined
  write(path: string, bytes: Uint8Array): void
  remove(path: string): void
}

export type ContractResult = { status: 'ok'; outputs: UserOutput[] } | { status: 'failed' }

/** What is to be asked of the contract. */
export const COMMANDS = ['add', 'add', 'add', 'big', 'drop', 'fail'] as const
export type Command = (typeof COMMANDS)[number]

const BIG_BYTES = 200 * 1024
const PATCH_BYTES = 3000
const LOG_LINES = 12

const textOf = (bytes: Buffer | undefined): string => bytes?.toString() ?? ''

/**
 * A deterministic contract: counts inputs, keeps a log of the last ones, writes small and large files and removes them.
 * Yields between its writes: there it may be killed.
 */
export function* runContract(files: ContractFiles, { seq, users, unl }: Execution): Generator<void, ContractResult> {
  const outputs: UserOutput[] = []
  let count = Number(textOf(files.read('count')))
  const members = unl.map((key) => key.slice(0, 4)).join('')
  let log = textOf(files.read('log')).split('\n').filter(Boolean)
  for (const { key, inputs } of users) {
    if (inputs.length === 0) continue
    for (const input of inputs) {
      const text = Buffer.from(input).toString()
      count += 1
      log = [...log, `${seq} ${members} ${count} ${text}`].slice(-LOG_LINES)
      const file = `users/${key.slice(0, 8)}`
      if (text.startsWith('fail')) {
        files.write('half-written', Buffer.from(text))
        yield
        return { status: 'failed' }
      }
      if (text.startsWith('drop')) files.remove(file)
      else files.write(file, Buffer.from(`${count} ${text}`))
      yield
      if (text.startsWith('big')) {
        const bytes = Buffer.from(files.read('big') ?? Buffer.alloc(BIG_BYTES))
        bytes.fill(count & 255, (count * 7919) % (BIG_BYTES - PATCH_BYTES)).fill(seq & 255, 0, PATCH_BYTES)
        files.write('big', bytes)
        yield
      }
    }
    outputs.push({ user: key, content: answerTo(seq, count, inputs) })
    files.write('count', Buffer.from(String(count)))
    yield
    files.write('log', Buffer.from(`${log.join('\n')}\n`))
  }
  return { status: 'ok', outputs: outputs.sort((a, b) => (a.user < b.user ? -1 : 1)) }
}

function answerTo(seq: number, count: number, inputs: Uint8Array[]): Uint8Array {
  return Buffer.from(`${seq} ${count} ${inputs.map((input) => Buffer.from(input).toString()).join(',')}`)
}

/** Ledger that an output answers. */
export function seqOfAnswer(output: Uint8Array): number {
  return Number.parseInt(Buffer.from(output).toString(), 10)
}

/** Files of the model. */
export class ModelFiles implements ContractFiles {
  readonly all: Map<string, Buffer>

  constructor(all: ReadonlyMap<string, Buffer> = new Map()) {
    this.all = new Map(all)
  }

  read(path: string): Buffer | undefined {
    return this.all.get(path)
  }

  write(path: string, bytes: Uint8Array): void {
    this.all.set(path, Buffer.from(bytes))
  }

  remove(path: string): void {
    this.all.delete(path)
  }
}

export interface Answer {
  user: PublicKey
  text: string
}
