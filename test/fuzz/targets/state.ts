import fs from 'node:fs'
import { join } from 'node:path'
import { StateRequest } from '../../../src/codec/pb/sync.js'
import { blake3Hex, createHasher } from '../../../src/crypto/index.js'
import { type Network, RequestError, type RequestHandler } from '../../../src/network/index.js'
import { serveState } from '../../../src/node/state-copy.js'
import { type ChunkWant, isChunk, rootWant } from '../../../src/state/chunks.js'
import { StateError, toStateError } from '../../../src/state/errors.js'
import { StateStore } from '../../../src/state/index.js'
import { loadIndex } from '../../../src/state/index-file.js'
import { Journal } from '../../../src/state/journal.js'
import { DEFAULT_LIMITS } from '../../../src/state/limits.js'
import { ChunkPack } from '../../../src/state/pack.js'
import { TargetTree } from '../../../src/state/target-tree.js'
import {
  decodeListing,
  encodeListing,
  encodeRootChunk,
  hashContent,
  type ListingEntry,
  NO_BLOCKS,
  rootOf,
  type TreeNode
} from '../../../src/state/tree.js'
import { mutateBytes } from '../engine/mutate/bytes.js'
import { claim, target } from '../engine/target.js'
import { hashBytes, hashHex, makeTempDir, silent, textOf, utf8 } from './shared.js'

function toNode(entry: ListingEntry): TreeNode {
  if (entry.kind === 'link') return { kind: 'link', target: entry.target }
  const { size, hash } = entry
  if (entry.kind === 'dir') return { kind: 'dir', size, hash, children: new Map() }
  return { kind: 'file', size, hash, executable: entry.executable, blocks: NO_BLOCKS }
}

const file = (name: string, size: number): TreeNode => ({
  kind: 'file',
  executable: size % 2 === 1,
  size,
  hash: hashHex(name),
  blocks: NO_BLOCKS
})

const LISTINGS = [
  encodeListing(
    new Map<string, TreeNode>([
      ['a.txt', file('a', 12)],
      ['dir', { kind: 'dir', size: 80, hash: hashHex('dir'), children: new Map() }],
      ['link', { kind: 'link', target: '../other/file' }]
    ])
  ),
  encodeListing(new Map<string, TreeNode>([['\u00e9\u{1f600}', file('b', 2 ** 40 + 1)]])),
  new Uint8Array(0)
]

/** A state as a hostile source describes it: sizes and hashes are right unless they are given. */
interface Described {
  name?: string
  kind?: string
  size?: number
  target?: string
  text?: string
  children?: Described[]
}

/** The listing of the children and, by their hash, the contents that lie below it. */
function describe(children: readonly Described[], contents: Map<string, Uint8Array>, depth: number): Uint8Array {
  const parts = children.slice(0, 200).map((child) => {
    const name = Buffer.from(String(child?.name ?? 'x'), 'utf8').subarray(0, 255)
    const head = (kind: number): Buffer => Buffer.concat([Uint8Array.of(kind, name.length), name])
    if (child?.kind === 'link') {
      const to = Buffer.from(String(child.target ?? '')).subarray(0, 65_535)
      return Buffer.concat([head(3), Uint8Array.of(to.length >> 8, to.length & 0xff), to])
    }
    const isDir = child?.kind === 'dir'
    const below = Array.isArray(child?.children) && depth < 100 ? child.children : []
    const content = isDir ? describe(below, contents, depth + 1) : utf8(String(child?.text ?? ''))
    const hash = hashContent(content)
    contents.set(hash, content)
    const size = Buffer.alloc(8)
    const said = Math.trunc(Number(child?.size ?? content.length))
    size.writeBigUInt64BE(BigInt.asUintN(64, Number.isFinite(said) ? BigInt(said) : 0n))
    return Buffer.concat([head(isDir ? 2 : child?.kind === 'exe' ? 1 : 0), size, Buffer.from(hash, 'hex')])
  })
  return Buffer.concat(parts)
}

const DESCRIBED: Described[][] = [
  [
    { name: 'a.txt', kind: 'file', text: 'hello' },
    { name: 'dir', kind: 'dir', children: [{ name: 'b', kind: 'exe', text: '#!/bin/sh' }] },
    { name: 'link', kind: 'link', target: 'dir/b' }
  ],
  [{ name: 'd', kind: 'dir', children: [{ name: 'up', kind: 'link', target: '../a' }] }],
  [{ name: 'big', kind: 'file', size: 70_000, text: 'x' }],
  []
]

const BOOT = '01234567-89ab-cdef-0123-456789abcdef'

/** A store with a few files, for what it writes and serves. */
async function makeStore(dir: string): Promise<StateStore> {
  const stateDir = join(dir, 'state')
  fs.mkdirSync(join(stateDir, 'dir'), { recursive: true })
  fs.writeFileSync(join(stateDir, 'a.txt'), 'hello')
  fs.writeFileSync(join(stateDir, 'dir', 'b'), Buffer.alloc(70_000, 7))
  fs.symlinkSync('dir/b', join(stateDir, 'link'))
  const store = await StateStore.open({ stateDir, metaDir: join(dir, 'meta'), log: silent })
  const { root } = await store.scan()
  await store.commit(root)
  return store
}

async function readOperations(path: string): Promise<string[] | undefined> {
  const journal = await Journal.open(path)
  if (journal === undefined) return undefined
  const operations = [journal.root]
  try {
    for await (const operation of journal.operations()) operations.push(JSON.stringify(operation))
  } finally {
    journal.close()
  }
  return operations
}

async function makeStateJournal(path: string): Promise<void> {
  const journal = await Journal.create(path, hashHex('root 0'))
  for (let group = 1; group <= 3; group++) {
    await journal.append({ kind: 'dir', path: `dir${group}` })
    await journal.append({ kind: 'file', path: `dir${group}/f`, executable: false, size: 5, base: 'fresh' })
    await journal.append({ kind: 'block', index: 0, data: Buffer.from(`data${group}`) })
    await journal.commit(hashHex(`root ${group}`))
  }
  journal.close()
}

export const stateTargets = [
  target('state-listing', 'the listing of a directory is refused or canonical', () => ({
    shape: 'bytes',
    errors: [StateError],
    seeds: LISTINGS,
    words: ['..', '/'],
    run: (input) => {
      const entries = decodeListing(input, 2)
      const again = encodeListing(new Map(entries.map((entry) => [entry.name, toNode(entry)])))
      claim(Buffer.compare(again, input) === 0, 'what was decoded encodes to other bytes')
      claim(
        entries.every(({ name }) => name !== '..' && !name.includes('/')),
        'a name leads elsewhere'
      )
      return String(Math.min(entries.length, 3))
    }
  })),
  target('state-tree', 'a hostile state, each chunk of the right hash, is refused or makes its root', () => ({
    shape: 'json',
    errors: [StateError],
    words: ['dir', 'link', 'exe', '..', '../..', '/etc', 'a/b', '.', '2', '9007199254740993'],
    seeds: DESCRIBED.map((described) => utf8(JSON.stringify(described))),
    // Block hashes of a file of 256 GiB, which the limits allow.
    memoryBytes: 160 * 1024 * 1024,
    run: (input) => {
      let described: unknown
      try {
        described = JSON.parse(textOf(input))
      } catch {
        return 'no JSON'
      }
      if (!Array.isArray(described)) return 'no list'
      const contents = new Map<string, Uint8Array>()
      const listing = describe(described as Described[], contents, 0)
      const top = { size: listing.length, hash: hashContent(listing) }
      contents.set(top.hash, listing)
      const root = rootOf(top)
      const none = { findDir: () => undefined, findFile: () => undefined }
      const tree = new TargetTree(root, DEFAULT_LIMITS, none, false)
      const wants: ChunkWant[] = [rootWant(root)]
      for (let count = 0; wants.length > 0; count++) {
        claim(count < 10_000, 'more chunks are wanted than there are')
        const want = wants.pop() as ChunkWant
        const chunk = want.hash === root ? encodeRootChunk(top) : contents.get(want.hash)
        if (chunk === undefined || !isChunk(want, chunk)) return 'not there'
        wants.push(...tree.add(want, chunk))
      }
      claim(rootOf(tree.finish()) === root, 'the tree has another root')
      return 'copied'
    }
  })),
  target(
    'state-journal',
    'a damaged journal of the state gives the beginning of what was written, or nothing',
    async () => {
      const dir = makeTempDir()
      const path = join(dir.path, 'journal')
      await makeStateJournal(path)
      const whole = fs.readFileSync(path)
      const written = (await readOperations(path)) as string[]
      return {
        shape: 'bytes',
        errors: [StateError],
        seeds: [whole, whole.subarray(0, whole.length - 3)],
        run: async (input) => {
          fs.writeFileSync(path, input)
          const found = await readOperations(path)
          if (found === undefined) return 'none'
          const [, ...operations] = found
          claim(
            operations.every((operation, index) => operation === written[index + 1]),
            'it has operations that were not written'
          )
          return String(operations.length)
        },
        close: dir.remove
      }
    },
    0.2
  ),
  target(
    'state-index',
    'a damaged index of the state is left aside; one that says what it must not is refused in words',
    async () => {
      const dir = makeTempDir()
      const store = await makeStore(dir.path)
      await store.close()
      const path = join(dir.path, 'meta', 'index')
      const whole = fs.readFileSync(path)
      const boot = whole.toString('latin1').match(/[0-9a-f]{8}-[0-9a-f-]{27}/)?.[0] ?? BOOT
      return {
        shape: 'bytes',
        errors: [StateError],
        seeds: [whole],
        // The checksum is mended, so that what stands behind it is reached.
        mutate: (input, random) => {
          const body = mutateBytes(input.subarray(0, -32), input, random)
          const hasher = createHasher()
          hasher.update(body)
          return Buffer.concat([body, hasher.digest()])
        },
        run: async (input) => {
          fs.writeFileSync(path, input)
          try {
            const { state, snapshot } = await loadIndex(path, boot)
            return `${state === undefined} ${snapshot === undefined}`
          } catch (error) {
            // As the store does on opening.
            throw toStateError(error, 'opening the state')
          }
        },
        close: dir.remove
      }
    },
    0.2
  ),
  target(
    'state-pack',
    'a damaged pack of fetched chunks gives a chunk as it was, or none',
    async () => {
      const dir = makeTempDir()
      const path = join(dir.path, 'pack')
      const chunks = [utf8('hello'), new Uint8Array(300).fill(1), utf8('x')]
      const wants = chunks.map((bytes, index): ChunkWant => {
        return { path: 'f', level: 0, index, hash: blake3Hex(bytes), bytes: bytes.length }
      })
      const pack = await ChunkPack.open(path)
      for (const [index, bytes] of chunks.entries()) await pack.put(wants[index]!.hash, bytes)
      pack.close()
      const whole = fs.readFileSync(path)
      return {
        shape: 'bytes',
        errors: [StateError],
        seeds: [whole, whole.subarray(0, 50)],
        run: async (input) => {
          fs.writeFileSync(path, input)
          const opened = await ChunkPack.open(path)
          let found = 0
          try {
            for (const [index, want] of wants.entries()) {
              const bytes = await opened.get(want)
              if (bytes === undefined) continue
              found += 1
              claim(Buffer.compare(bytes, chunks[index] as Uint8Array) === 0, 'another chunk came back')
            }
          } finally {
            opened.close()
          }
          return String(found)
        },
        close: dir.remove
      }
    },
    0.2
  ),
  target(
    'state-request',
    'chunks that a peer asks for are given as their hash says, or not at all',
    async () => {
      const dir = makeTempDir()
      const store = await makeStore(dir.path)
      let handler: RequestHandler | undefined
      const network = {
        handle: async (_name: string, _version: number, _options: unknown, given: RequestHandler) => {
          handler ??= given
          return async () => {}
        }
      } as unknown as Network
      await serveState(network, store)
      const root = new Uint8Array(Buffer.from(store.committedRoot, 'hex'))
      const hello = { path: 'a.txt', level: 0, index: 0, hash: hashOfText('hello'), bytes: 5 }
      const want = rootWant(store.committedRoot)
      return {
        shape: 'protobuf',
        errors: [RequestError],
        words: ['..', '/', 'dir/b', 'link'],
        seeds: [
          StateRequest.encode({ root, wants: [{ ...want, hash: root }, hello] }),
          StateRequest.encode({
            root,
            wants: [{ path: 'dir/b', level: 1, index: 0, hash: hashBytes('x'), bytes: 64 }]
          }),
          StateRequest.encode({ root, wants: [{ ...hello, path: '../state/a.txt' }] })
        ],
        run: async (input) => {
          const answer = await handler?.(input, hashHex('peer'), new AbortController().signal)
          claim(answer instanceof Uint8Array, 'the answer is no message')
          return 'answered'
        },
        close: async () => {
          await store.close()
          dir.remove()
        }
      }
    },
    0.1
  )
]

function hashOfText(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(blake3Hex(utf8(text)), 'hex'))
}
