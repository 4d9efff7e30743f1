/** What an operator does with a running node. */
import { peerIdFromString } from '@libp2p/peer-id'
import {
  AdminError,
  type AdminOperations,
  type BackupRequest,
  type BackupResult,
  type BanRequest,
  type ExportRequest,
  type ExportView,
  type PingResult
} from '../admin/index.js'
import type { PublicKey } from '../consensus/types.js'
import { NetworkError, toPublicKey } from '../network/index.js'
import { wish } from './membership.js'
import type { NodeView } from './node-view.js'
import { compareStates } from './state-diff.js'

const DAY_S = 24 * 3600
/** Digits of a key that name a known peer. */
const PREFIX = /^[0-9a-f]{6,63}$/

export function createOperations(node: NodeView): AdminOperations {
  return {
    wish: (request) => wish(node, request),
    connectPeer: (address) => connectPeer(node, address),
    banPeer: (request) => banPeer(node, request),
    unbanPeer: (peer) => {
      const publicKey = findPeer(node, peer)
      return { publicKey, wasBanned: node.network.unban(publicKey) }
    },
    backup: (request) => backup(node, request),
    exportLedgers: (request) => exportLedgers(node, request),
    stateDiff: ({ peer, files }) => compareStates(node, findPeer(node, peer), { files }),
    ping: (peer, count) => ping(node, findPeer(node, peer), count)
  }
}

/** By public key, peer id, or the first digits of the key of a peer that is known. */
function findPeer(node: NodeView, text: string): PublicKey {
  const name = text.toLowerCase()
  if (/^[0-9a-f]{64}$/.test(name)) return notSelf(node, name)
  if (PREFIX.test(name)) {
    const found = node.network.peers().filter(({ publicKey }) => publicKey.startsWith(name))
    const [first] = found
    if (first !== undefined && found.length === 1) return first.publicKey
    const why = found.length === 0 ? 'no known peer has a key' : `${found.length} peers have keys`
    throw new AdminError('bad-request', `${why} that begins with ${name}`)
  }
  const key = keyOfPeerId(text)
  if (key !== null) return notSelf(node, key)
  throw new AdminError(
    'bad-request',
    'a peer is named by its public key, by at least 6 first digits of it, or by its peer id'
  )
}

function notSelf(node: NodeView, key: PublicKey): PublicKey {
  if (key === node.publicKey) throw new AdminError('bad-request', 'that is this node itself')
  return key
}

function keyOfPeerId(text: string): PublicKey | null {
  try {
    return toPublicKey(peerIdFromString(text))
  } catch {
    return null
  }
}

async function connectPeer(node: NodeView, address: string): Promise<{ publicKey: PublicKey }> {
  try {
    return { publicKey: await node.network.connect(address) }
  } catch (error) {
    throw toAdminError(error)
  }
}

function banPeer(
  node: NodeView,
  { peer, reason, seconds = DAY_S }: BanRequest
): { publicKey: PublicKey; untilMs: number } {
  const publicKey = findPeer(node, peer)
  try {
    node.network.ban(publicKey, reason, seconds * 1000)
  } catch (error) {
    throw toAdminError(error)
  }
  return { publicKey, untilMs: Date.now() + seconds * 1000 }
}

async function ping(node: NodeView, publicKey: PublicKey, count: number): Promise<PingResult> {
  const roundTripsMs: (number | null)[] = []
  let failure: string | null = null
  for (let sent = 0; sent < count && !node.stopping; sent++) {
    try {
      roundTripsMs.push(await node.network.ping(publicKey))
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
      if (error.code === 'not-connected') throw toAdminError(error)
      roundTripsMs.push(null)
      failure = error.message
    }
  }
  return { publicKey, roundTripsMs, error: failure }
}

async function backup(node: NodeView, { path, keys = true }: BackupRequest): Promise<BackupResult> {
  const { config, ledgers, state, signal } = node
  return await writeFile(node, async ({ writeBackup }) => {
    const result = await writeBackup({ dir: config.dir, ledgers, state }, path, { keys, signal })
    node.log.info({ path, bytes: result.bytes, seq: result.seq }, 'a backup is written')
    return result
  })
}

async function exportLedgers(node: NodeView, { path, from, to }: ExportRequest): Promise<ExportView> {
  const { ledgers, signal } = node
  return await writeFile(node, async (archives) => {
    const result = await archives.exportLedgers(ledgers, path, { from, to, signal })
    node.log.info({ path, bytes: result.bytes, first: result.first, last: result.last }, 'ledgers are exported')
    return result
  })
}

type Archives = typeof import('../backup/index.js')

async function writeFile<T>(node: NodeView, write: (archives: Archives) => Promise<T>): Promise<T> {
  // Loaded on demand: most nodes never write one.
  const archives = await import('../backup/index.js')
  try {
    return await write(archives)
  } catch (error) {
    if (error instanceof archives.ArchiveError) throw new AdminError('refused', error.message)
    if (node.stopping) throw new AdminError('refused', 'the node stops')
    throw error
  }
}

function toAdminError(error: unknown): unknown {
  if (!(error instanceof NetworkError)) return error
  const isMistake = error.code === 'bad-address' || error.code === 'bad-key'
  return new AdminError(isMistake ? 'bad-request' : 'refused', error.message)
}
