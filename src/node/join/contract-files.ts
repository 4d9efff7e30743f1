import { open, readdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import {
  asBytes,
  bytesToHex,
  CodecError,
  checkAscending,
  checkInteger,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes
} from '../../codec/index.js'
import * as pb from '../../codec/pb/join.js'
import { contractPaths, type NodeConfig } from '../../config/index.js'
import type { Hash } from '../../consensus/types.js'
import { createHasher, taggedHash } from '../../crypto/index.js'
import { NodeError } from '../errors.js'

/** Files of bin/ that are handed to a new node, their bytes in all, and the bytes of one answer. */
export const CONTRACT_FILES_MAX = 4096
export const CONTRACT_BYTES_MAX = 1024 * 1024 * 1024
export const PIECE_BYTES = 512 * 1024
export const MANIFEST_BYTES_MAX = 2 * 1024 * 1024
const PATH_BYTES_MAX = 1024
const ARGS_MAX = 256
const MANIFEST_DOMAIN = 'hp-p2p/contract/1'

export interface ContractFile {
  /** Relative to the contract directory, with slashes: bin/... */
  path: string
  bytes: number
  executable: boolean
  /** BLAKE3 of the content. */
  hash: Hash
}

/** The contract as one node hands it to another. */
export interface ContractManifest {
  /** As in hp.cfg: relative to the contract directory, or absolute. */
  binary: string
  args: string[]
  /** Ascending by path. */
  files: ContractFile[]
}

/** Names a contract: its command and every file of bin/. Nodes that run the same contract show the same hash. */
export function manifestHash(manifest: ContractManifest): Hash {
  return taggedHash(MANIFEST_DOMAIN, encodeManifest(manifest))
}

export function encodeManifest({ binary, args, files }: ContractManifest): Uint8Array {
  return pb.ContractManifest.encode({
    binary,
    binargs: args,
    files: files.map((file) => ({ ...file, hash: asBytes(hexToBytes(file.hash, HASH_BYTES)) }))
  })
}

/** Paths are checked: nothing outside bin/ is named. @throws CodecError */
export function decodeManifest(bytes: Uint8Array): ContractManifest {
  const name = 'contract manifest'
  const limits = { files: CONTRACT_FILES_MAX, binargs: ARGS_MAX }
  const message = decodeCanonical(pb.ContractManifest, bytes, { maxBytes: MANIFEST_BYTES_MAX, name, limits })
  const files = message.files.map(({ path, bytes: size, executable, hash }) => {
    checkPath(path)
    checkInteger(size, 0, CONTRACT_BYTES_MAX, `${name}: size of ${path}`)
    return { path, bytes: size, executable, hash: bytesToHex(hash, HASH_BYTES, `${name}: hash of ${path}`) }
  })
  checkAscending(
    files.map(({ path }) => path),
    name
  )
  if (files.reduce((sum, { bytes: size }) => sum + size, 0) > CONTRACT_BYTES_MAX) {
    throw new CodecError('too-large', `${name}: more than ${CONTRACT_BYTES_MAX} bytes of files`)
  }
  return { binary: message.binary, args: message.binargs, files }
}

function checkPath(path: string): void {
  const parts = path.split('/')
  const isWrong =
    Buffer.byteLength(path) > PATH_BYTES_MAX ||
    parts[0] !== 'bin' ||
    parts.length < 2 ||
    parts.some((part) => part === '' || part === '.' || part === '..') ||
    path.includes('\0') ||
    path.includes('\\')
  if (isWrong) {
    throw new CodecError('out-of-range', `contract manifest: ${JSON.stringify(path.slice(0, 100))} is no path in bin/`)
  }
}

/**
 * What lies in bin/ now. Links are followed as long as they stay in the contract directory.
 *
 * @throws NodeError when there is too much of it
 */
export async function readManifest(config: NodeConfig): Promise<ContractManifest> {
  const { dir, bin } = contractPaths(config.dir)
  const root = await realpath(dir)
  const files: ContractFile[] = []
  let total = 0
  for (const path of await listFiles(bin)) {
    const target = await realpath(path).catch(() => null)
    if (target === null || !target.startsWith(root + sep)) continue
    const found = await stat(target)
    if (!found.isFile()) continue
    total += found.size
    if (files.length >= CONTRACT_FILES_MAX || total > CONTRACT_BYTES_MAX) {
      throw new NodeError(
        `bin/ has more than ${CONTRACT_FILES_MAX} files or ${CONTRACT_BYTES_MAX} bytes: it is not handed to new nodes`
      )
    }
    const name = relative(dir, path).split(sep).join('/')
    const hash = await hashFile(target)
    files.push({ path: name, bytes: found.size, executable: (found.mode & 0o111) !== 0, hash })
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  const { binary, args } = config.contract
  const inside = relative(dir, binary)
  const isInside = !inside.startsWith('..') && !isAbsolute(inside)
  return { binary: isInside ? inside.split(sep).join('/') : binary, args, files }
}

async function listFiles(folder: string): Promise<string[]> {
  const found: string[] = []
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) found.push(...(await listFiles(path)))
    else if (entry.isFile() || entry.isSymbolicLink()) found.push(path)
    if (found.length > CONTRACT_FILES_MAX) break
  }
  return found
}

async function hashFile(path: string): Promise<Hash> {
  const file = await open(path, 'r')
  try {
    const hasher = createHasher()
    const piece = Buffer.alloc(PIECE_BYTES)
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES)
      if (bytesRead === 0) return hasher.digest().toString('hex')
      hasher.update(piece.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

/** One piece of a file of the manifest. @throws NodeError when there is no such file */
export async function readPiece(config: NodeConfig, path: string, offset: number): Promise<Uint8Array> {
  checkPath(path)
  const root = await realpath(config.dir)
  const target = await realpath(join(config.dir, path)).catch(() => null)
  if (target === null || !target.startsWith(root + sep)) throw new NodeError(`there is no file ${path}`)
  const file = await open(target, 'r')
  try {
    const piece = Buffer.alloc(PIECE_BYTES)
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset)
    return piece.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
