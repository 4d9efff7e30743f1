import fs from 'node:fs'
import { join } from 'node:path'
import { BACKUP_FRAMES } from '../../../src/backup/entries.js'
import { ArchiveError } from '../../../src/backup/errors.js'
import { exportLedgers, verifyExport } from '../../../src/backup/ledger-file.js'
import { restoreBackup } from '../../../src/backup/restore.js'
import { writeBackup } from '../../../src/backup/write-backup.js'
import { genesisLedger } from '../../../src/codec/index.js'
import { ConfigError, contractPaths, createContractDir, loadConfig } from '../../../src/config/index.js'
import { createHasher, createKeyPair } from '../../../src/crypto/index.js'
import { type LedgerLink, LedgerStore } from '../../../src/ledger/index.js'
import { StateStore } from '../../../src/state/index.js'
import type { Random } from '../../sim/random.js'
import { certify, GENESIS, makeChain, makeConfig, makeLedger } from '../../unit/ledger/chain.js'
import { mutateBytes } from '../engine/mutate/bytes.js'
import { mutateJson } from '../engine/mutate/json.js'
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

const WORDS = [
  'kind',
  'file',
  'dir',
  'link',
  'path',
  'bytes',
  'target',
  '../x',
  '/etc',
  'bin/a',
  'state/a',
  'cfg/hp.cfg',
  'wishes'
]

/** A change within the JSON of a frame, and of the frame's content when it has none. */
function mutateFrame({ type, payload }: Frame, random: Random): Frame {
  const { manifest, entry, piece, meta } = BACKUP_FRAMES
  if (type === piece) return { type, payload: mutateBytes(payload, payload, random) }
  if (type !== manifest && type !== entry && type !== meta) {
    return { type, payload: mutateProtobuf(payload, payload, random) }
  }
  const text = Buffer.from(payload).toString()
  return { type, payload: Buffer.from(mutateJson(text, text, WORDS, random)) }
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
      return joinFrames(line, frames.with(at, { ...frame, type: random.between(0, 20) }))
    default:
      return joinFrames(line, frames.with(at, mutateFrame(frame, random)))
  }
}

/** A contract directory with a short chain, a state with all that a state can have, and a wish. */
async function makeBackups(root: string): Promise<{ seeds: Uint8Array[]; stateRoot: string }> {
  const dir = join(root, 'node')
  await createContractDir(dir, {
    binary: 'bin/contract',
    keys: createKeyPair(Buffer.alloc(32, 1)),
    unl: makeConfig().unl,
    pubport: 8081
  })
  const paths = contractPaths(dir)
  fs.writeFileSync(join(paths.bin, 'contract'), '#!/bin/sh\n', { mode: 0o755 })
  fs.mkdirSync(join(paths.state, 'dir'))
  fs.writeFileSync(join(paths.state, 'dir', 'file'), 'content')
  fs.symlinkSync('dir/file', join(paths.state, 'link'))
  const state = await StateStore.open({ stateDir: paths.state, metaDir: paths.snapshot, log: silent })
  const { root: stateRoot } = await state.scan()
  await state.commit(stateRoot)
  const genesis = { contractId: (await loadConfig(dir)).contractId, config: makeConfig(), stateRoot }
  const ledgers = await LedgerStore.open(paths.ledgers, { log: silent })
  await ledgers.putGenesis(genesis)
  let last: LedgerLink = genesisLedger(genesis)
  for (let count = 0; count < LENGTH; count++) {
    const ledger = makeLedger(last, { result: { stateRoot } })
    await ledgers.append(ledger, certify(ledger), { sync: false })
    last = ledger
  }
  await ledgers.putMeta('wishes', Buffer.from('[]'))
  const seeds: Uint8Array[] = []
  for (const keys of [true, false]) {
    const path = join(root, `backup-${keys}`)
    await writeBackup({ dir, ledgers, state }, path, { keys })
    seeds.push(fs.readFileSync(path))
  }
  await Promise.all([ledgers.close(), state.close()])
  return { seeds, stateRoot }
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
  ),
  target(
    'backup',
    'a backup is refused in words and leaves nothing behind, or restores a state that its ledgers agreed on, in its place alone',
    async () => {
      const dir = makeTempDir()
      const { seeds, stateRoot } = await makeBackups(dir.path)
      const place = join(dir.path, 'restored')
      const file = join(dir.path, 'input')
      fs.writeFileSync(file, '')
      const listing = (): string => fs.readdirSync(dir.path).sort().join(' ')
      const before = listing()
      return {
        shape: 'bytes',
        errors: [ArchiveError, ConfigError],
        seeds,
        words: ['hp-p2p ledgers 1\n', 'hp-p2p backup 1\n'],
        mutate: mutateFrames,
        maxBytes: 32_768,
        run: async (input) => {
          fs.writeFileSync(file, input)
          try {
            const report = await restoreBackup(file, place)
            claim(
              report.stateRoot === stateRoot,
              `it restores the state ${report.stateRoot}, which no ledger agreed on`
            )
            claim(report.tip <= LENGTH, `it restores ledger ${report.tip}`)
            claim(fs.readdirSync(place).length > 0, 'it restores nothing')
            fs.rmSync(place, { recursive: true })
            return `${report.tip} ${report.isNewKey}`
          } finally {
            claim(listing() === before, `besides its place there is: ${listing()}`)
          }
        },
        close: dir.remove
      }
    },
    0.02
  )
]
