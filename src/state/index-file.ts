import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createHasher } from '../crypto/index.js'
import { replaceFile } from './files.js'
import { Pacer } from './pacer.js'
import { isTrackedDir, type Tracked, type TrackedDir, type TrackedFile } from './scanner.js'
import { blockCount, decodeText, type FileNode, makeDir, makeFile, type TreeNode } from './tree.js'

/**
 * What the last scans saw, on disk, so that a restart reads only the files that changed. It is a cache: when it is
 * missing, damaged, old or from before a reboot of the machine (after which a file may lack data that its times say it
 * has), files are read again.
 */
export interface ScanIndex {
  state: TrackedDir | undefined
  snapshot: TrackedDir | undefined
}

const MAGIC = 'hp-p2p state index 1\n'
const SUM_BYTES = 32
const PART_BYTES = 256 * 1024
const KIND_FILE = 0
const KIND_EXECUTABLE = 1
const KIND_LINK = 2
const KIND_DIR = 3
const KIND_NONE = 4

/** Names this run of the machine; undefined when the system does not tell. */
export function readBootId(): string | undefined {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

export async function saveIndex(file: string, index: ScanIndex, bootId: string): Promise<number> {
  const writer = new ByteWriter()
  const pacer = new Pacer()
  writer.text(MAGIC)
  writer.text(bootId)
  for (const side of [index.state, index.snapshot]) {
    if (side === undefined) writer.byte(KIND_NONE)
    else await writeDir(writer, side, pacer)
  }
  const body = writer.finish()
  const hasher = createHasher()
  hasher.update(body)
  await replaceFile(file, Buffer.concat([body, hasher.digest()]), false)
  return body.length
}

export async function loadIndex(file: string, bootId: string): Promise<ScanIndex> {
  const nothing: ScanIndex = { state: undefined, snapshot: undefined }
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch {
    return nothing
  }
  const body = bytes.subarray(0, Math.max(0, bytes.length - SUM_BYTES))
  const hasher = createHasher()
  hasher.update(body)
  if (!hasher.digest().equals(bytes.subarray(body.length))) return nothing
  const reader = new ByteReader(body)
  if (reader.text() !== MAGIC || reader.text() !== bootId) return nothing
  const pacer = new Pacer()
  const shared = new Map<string, FileNode>()
  return { state: await readSide(reader, pacer, shared), snapshot: await readSide(reader, pacer, shared) }
}

async function readSide(reader: ByteReader, pacer: Pacer, shared: Map<string, FileNode>) {
  return reader.byte() === KIND_NONE ? undefined : readDir(reader, pacer, shared)
}

async function writeDir(writer: ByteWriter, dir: TrackedDir, pacer: Pacer): Promise<void> {
  writer.byte(KIND_DIR)
  writer.number(dir.children.size)
  for (const [name, child] of dir.children) {
    if (pacer.due()) await pacer.pause()
    writer.text(name)
    if (isTrackedDir(child)) await writeDir(writer, child, pacer)
    else writeFile(writer, child)
  }
}

function writeFile(writer: ByteWriter, file: TrackedFile): void {
  const { node } = file
  if (node.kind === 'link') {
    writer.byte(KIND_LINK)
    writer.text(node.target)
  } else {
    writer.byte(node.executable ? KIND_EXECUTABLE : KIND_FILE)
    writer.number(node.size)
    writer.bytes(blockCount(node.size) === 1 ? Buffer.from(node.hash, 'hex') : node.blocks)
  }
  writer.byte(file.racy ? 1 : 0)
  writer.bigint(file.ino)
  writer.bigint(file.mtimeNs)
  writer.bigint(file.ctimeNs)
}

async function readDir(reader: ByteReader, pacer: Pacer, shared: Map<string, FileNode>): Promise<TrackedDir> {
  const children = new Map<string, Tracked>()
  const nodes = new Map<string, TreeNode>()
  for (let count = reader.number(); count > 0; count--) {
    if (pacer.due()) await pacer.pause()
    const name = reader.text()
    const kind = reader.byte()
    const child = kind === KIND_DIR ? await readDir(reader, pacer, shared) : readEntry(reader, kind, shared)
    children.set(name, child)
    nodes.set(name, child.node)
  }
  return { node: makeDir(nodes), children }
}

function readEntry(reader: ByteReader, kind: number, shared: Map<string, FileNode>): TrackedFile {
  const node =
    kind === KIND_LINK ? { kind: 'link' as const, target: reader.text() } : readFileNode(reader, kind, shared)
  return { node, racy: reader.byte() === 1, ino: reader.bigint(), mtimeNs: reader.bigint(), ctimeNs: reader.bigint() }
}

/** The state's and the snapshot's file are mostly the same: one node for both. */
function readFileNode(reader: ByteReader, kind: number, shared: Map<string, FileNode>): FileNode {
  const size = reader.number()
  const made = makeFile(kind === KIND_EXECUTABLE, size, reader.bytes(blockCount(size) * 32))
  const key = `${made.hash}${size}${kind}`
  const known = shared.get(key)
  if (known !== undefined) return known
  shared.set(key, made)
  return made
}

class ByteWriter {
  #parts: Buffer[] = []
  #part = Buffer.allocUnsafe(PART_BYTES)
  #at = 0

  #room(count: number): Buffer {
    if (this.#at + count > this.#part.length) {
      this.#parts.push(this.#part.subarray(0, this.#at))
      this.#part = Buffer.allocUnsafe(Math.max(PART_BYTES, count))
      this.#at = 0
    }
    return this.#part
  }

  byte(value: number): void {
    this.#room(1)[this.#at++] = value
  }

  number(value: number): void {
    this.#room(8).writeDoubleBE(value, this.#at)
    this.#at += 8
  }

  bigint(value: bigint): void {
    this.#room(8).writeBigInt64BE(BigInt.asIntN(64, value), this.#at)
    this.#at += 8
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length).set(value, this.#at)
    this.#at += value.length
  }

  text(value: string): void {
    const bytes = Buffer.from(value)
    this.#room(2).writeUInt16BE(bytes.length, this.#at)
    this.#at += 2
    this.bytes(bytes)
  }

  finish(): Buffer {
    return Buffer.concat([...this.#parts, this.#part.subarray(0, this.#at)])
  }
}

/** For bytes whose checksum is right. */
class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  number(): number {
    this.#at += 8
    return this.#bytes.readDoubleBE(this.#at - 8)
  }

  bigint(): bigint {
    this.#at += 8
    const value = this.#bytes.readBigInt64BE(this.#at - 8)
    return value
  }

  bytes(count: number): Uint8Array {
    this.#at += count
    return Uint8Array.prototype.slice.call(this.#bytes, this.#at - count, this.#at)
  }

  text(): string {
    const length = this.#bytes.readUInt16BE(this.#at)
    this.#at += 2 + length
    return decodeText(this.#bytes.subarray(this.#at - length, this.#at)) ?? ''
  }
}
