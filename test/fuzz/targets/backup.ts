import fs from 'node:fs'
import { join } from 'node:path'
import { ArchiveError } from '../../../src/backup/errors.js'
import { exportLedgers, verifyExport } from '../../../src/backup/ledger-file.js'
import { createHasher } from '../../../src/crypto/index.js'
import { LedgerStore } from '../../../src/ledger/index.js'
import type { Random } from '../../sim/random.js'
import { GENESIS, makeChain } from '../../unit/ledger/chain.js'
import { mutateBytes } from '../engine/mutate/bytes.js'
import { mutateProtobuf } from '../engine/mutate/protobuf.js'
import { claim, target } from '../engine/target.js'
import { makeTempDir, silent } from './shared.js'

const LENGTH = 3
const END = 255
const HEAD_BYTES = 5

interface Frame {
  type: number
  payload: Uint8Array
}

/** The first line and the frames without the last one; null when the file is not whole. */
function split(file: Uint8Array): { line: Uint8Array; frames: Frame[] } | null {
  const bytes = Buffer.from(file)
  const start = bytes.indexOf(10) + 1
  const frames: Frame[] = []
  for (let at = start; at + HEAD_BYTES <= bytes.length; ) {
    const type = bytes.readUInt8(at)
    const end = at + HEAD_BYTES + bytes.readUInt32BE(at + 1)
    if (type === END || end > bytes.length) break
    frames.push({ type, payload: bytes.subarray(at + HEAD_BYTES, end) })
    at = end
  }
  return start === 0 || frames.length === 0 ? null : { line: bytes.subarray(0, start), frames }
}

/** Writes the file with the hash that belongs to it. */
function joinFrames(line: Uint8Array, frames: readonly Frame[]): Uint8Array {
  const parts: Uint8Array[] = [line]
  const frame = (type: number, payload: Uint8Array): void => {
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt8(type)
    head.writeUInt32BE(payload.length, 1)
    parts.push(head, payload)
  }
  for (const { type, payload } of frames) frame(type, payload)
  const hasher = createHasher()
  for (const part of parts) hasher.update(part)
  frame(END, hasher.digest())
  return Buffer.concat(parts)
}

function mutateFrames(input: Uint8Array, random: Random): Uint8Array {
  const found = split(input)
  if (found === null) return mutateBytes(input, input, random)
  const { line, frames } = found
  const at = random.between(0, frames.length - 1)
  const frame = frames[at] as Frame
  switch (random.between(0, 5)) {
    case 0:
      return joinFrames(line, frames.toSpliced(at, 1))
    case 1:
      return joinFrames(line, frames.toSpliced(random.between(0, frames.length), 0, frame))
    case 2:
      return joinFrames(line, frames.with(at, { ...frame, type: random.between(0, 8) }))
    default:
      return joinFrames(
        line,
        frames.with(at, { ...frame, payload: mutateProtobuf(frame.payload, frame.payload, random) })
      )
  }
}

export const backupTargets = [
  target(
    'ledger-file',
    'a file of exported ledgers is refused in words, or proves ledgers that were closed',
    async () => {
      const dir = makeTempDir()
      const store = await LedgerStore.open(join(dir.path, 'ledgers'), { log: silent })
      await store.putGenesis(GENESIS)
      for (const { ledger, certificate, outputs } of makeChain(LENGTH)) {
        await store.append(ledger, certificate)
        if (outputs.length > 0) await store.putOutputs(ledger.header.seq, outputs)
      }
      const seeds: Uint8Array[] = []
      for (const first of [1, 2]) {
        const path = join(dir.path, `from-${first}`)
        await exportLedgers(store, path, { from: first })
        seeds.push(fs.readFileSync(path))
      }
      await store.close()
      const path = join(dir.path, 'input')
      return {
        shape: 'bytes',
        errors: [ArchiveError],
        seeds,
        words: ['hp-p2p ledgers 1\n', 'hp-p2p backup 1\n'],
        mutate: mutateFrames,
        maxBytes: 16_384,
        run: async (input) => {
          fs.writeFileSync(path, input)
          const { first, last } = await verifyExport(path)
          claim(first >= 1 && last <= LENGTH && first <= last + 1, `it proves ledgers ${first} to ${last}`)
          return `${first} ${last}`
        },
        close: dir.remove
      }
    },
    0.05
  )
]
