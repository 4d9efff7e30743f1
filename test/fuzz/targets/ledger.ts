import { Key } from 'interface-datastore'
import { CodecError } from '../../../src/codec/index.js'
import { LedgerDb } from '../../../src/ledger/db.js'
import { LedgerStore, LedgerStoreError, verifyChain, view } from '../../../src/ledger/index.js'
import { decodeSeq, encodeSeq, KEYS } from '../../../src/ledger/keys.js'
import { LedgerReader } from '../../../src/ledger/reader.js'
import { checkLayout, loadChain } from '../../../src/ledger/start.js'
import { LedgerTable } from '../../../src/ledger/table.js'
import type { Random } from '../../sim/random.js'
import { GENESIS, makeChain } from '../../unit/ledger/chain.js'
import { mutateBytes } from '../engine/mutate/bytes.js'
import { mutateProtobuf } from '../engine/mutate/protobuf.js'
import { claim, target } from '../engine/target.js'
import { hashHex, makeTempDir, silent } from './shared.js'

type Entries = Map<string, Uint8Array>
const LENGTH = 5

/** Every entry of a real database with a genesis and some ledgers. */
async function readTemplate(): Promise<Entries> {
  const dir = makeTempDir()
  try {
    const store = await LedgerStore.open(dir.path, { log: silent })
    await store.putGenesis(GENESIS)
    for (const { ledger, certificate, outputs } of makeChain(LENGTH)) {
      await store.append(ledger, certificate)
      if (outputs.length > 0) await store.putOutputs(ledger.header.seq, outputs)
    }
    await store.putMeta('note', Buffer.from('a small value'))
    await store.close()
    const db = await LedgerDb.open(dir.path)
    const entries: Entries = new Map()
    for await (const key of db.keys(KEYS.root)) entries.set(key.toString(), (await db.get(key)) as Uint8Array)
    await db.close()
    return entries
  } finally {
    dir.remove()
  }
}

/** The database in memory: LevelDB itself is not what is tested here, and a hundred times as slow. */
class MemoryDb {
  readonly path = 'memory'

  constructor(readonly entries: Entries) {}

  async get(key: Key): Promise<Uint8Array | null> {
    return this.entries.get(key.toString()) ?? null
  }

  async has(key: Key): Promise<boolean> {
    return this.entries.has(key.toString())
  }

  async write(ops: Parameters<LedgerDb['write']>[0]): Promise<void> {
    for (const op of ops) {
      if (op.type === 'put') this.entries.set(op.key.toString(), op.value)
      else this.entries.delete(op.key.toString())
    }
  }

  async *keys(prefix: Key): AsyncGenerator<Key> {
    const start = prefix.toString() === '/' ? '/' : `${prefix.toString()}/`
    for (const name of [...this.entries.keys()].sort()) if (name.startsWith(start)) yield new Key(name, false)
  }

  async *seqs(prefix: Key, { from, to, reverse = false, limit = Number.POSITIVE_INFINITY }: SeqRange) {
    const seqs: number[] = []
    for await (const key of this.keys(prefix)) seqs.push(Number(key.name()))
    const within = seqs.filter((seq) => seq >= from && seq <= to).sort((a, b) => (reverse ? b - a : a - b))
    yield* within.slice(0, limit)
  }
}

interface SeqRange {
  from: number
  to: number
  reverse?: boolean
  limit?: number
}

class Reader extends LedgerReader {
  static async open(entries: Entries): Promise<Reader> {
    const db = new MemoryDb(entries) as unknown as LedgerDb
    const reader = new Reader(db, new LedgerTable(db))
    await checkLayout(db, reader.table)
    reader.chain = await loadChain(db, reader.table)
    return reader
  }

  /** Nothing is pruned here. */
  pin(): () => void {
    return () => {}
  }
}

/** An input replaces entries: index of the key, length of the value as two bytes, the value; no value removes it. */
function encodeEdit(index: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(index, value.length >> 8, value.length & 0xff), value])
}

function applyEdits(template: Entries, names: readonly string[], input: Uint8Array): Entries {
  const entries: Entries = new Map(template)
  for (let at = 0; at + 3 <= input.length; ) {
    const name = names[(input[at] as number) % names.length] as string
    const length = ((input[at + 1] as number) << 8) | (input[at + 2] as number)
    const value = input.slice(at + 3, at + 3 + length)
    if (value.length === 0) entries.delete(name)
    else entries.set(name, value)
    at += 3 + length
  }
  return entries
}

function mutateEdit(input: Uint8Array, random: Random): Uint8Array {
  const value = input.subarray(3)
  const edit = random.chance(0.7) ? mutateProtobuf : mutateBytes
  return encodeEdit(input[0] ?? 0, edit(value, value, random).subarray(0, 4000))
}

export const ledgerTargets = [
  target(
    'ledger-store',
    'a store with damaged entries is refused, mended or read; what is read is whole and verifies as it should',
    async () => {
      const template = await readTemplate()
      const names = [...template.keys()].sort()
      return {
        shape: 'bytes',
        errors: [LedgerStoreError],
        seeds: names.map((name, index) => encodeEdit(index, template.get(name) as Uint8Array)),
        mutate: mutateEdit,
        run: async (input) => {
          const reader = await Reader.open(applyEdits(template, names, input))
          if (reader.getGenesis() === null) return 'no genesis'
          const { seq: tip } = reader.tip()
          claim(tip <= LENGTH, `a tip at ${tip}, which was never written`)
          const store = reader as unknown as LedgerStore
          const report = await verifyChain(store)
          for (let seq = reader.first(); seq <= tip; seq++) {
            try {
              const shown = await view(store, seq)
              claim(shown === null || shown.seq === seq, 'a ledger under another number')
              await reader.getMeta('note')
            } catch (error) {
              // A chain that verifies can be read.
              if (report.ok || !(error instanceof LedgerStoreError || error instanceof CodecError)) throw error
            }
          }
          return `${tip} ${report.ok} ${reader.repaired() === null}`
        }
      }
    },
    0.02
  ),
  target('ledger-seq', 'a number in the store is none, or is written as it was', () => ({
    shape: 'bytes',
    errors: [],
    seeds: [encodeSeq(0), encodeSeq(7, hashHex('a ledger')), encodeSeq(2 ** 53 - 1)],
    run: (input) => {
      const read = decodeSeq(input)
      if (read === null) return 'none'
      claim(Buffer.compare(encodeSeq(read.seq, read.hash), input) === 0, 'it is written as other bytes')
      return 'read'
    }
  }))
]
