/** The config that the network agrees on, as operators see it and wish for it to be. */
import {
  AdminError,
  type ConfigView,
  type PendingChangeView,
  type UnlRow,
  type UnlView,
  type WishRequest,
  type WishResult
} from '../admin/index.js'
import { CodecError, configHashOf, LIMITS } from '../codec/index.js'
import { quorumOf } from '../consensus/quorum.js'
import type { ConfigWish, ConsensusConfig, PublicKey } from '../consensus/types.js'
import { isFulfilled, targetOfWish } from '../consensus/wishes.js'
import { type NodeView, oldestSynced, quorumStatus } from './node-view.js'
import type { PendingChange } from './wishes.js'

const short = (key: PublicKey): string => `${key.slice(0, 16)}…`

function roleOf(node: NodeView): 'validator' | 'observer' {
  return node.driver.isValidator ? 'validator' : 'observer'
}

function viewChange(node: NodeView, change: PendingChange): PendingChangeView {
  const missing = node.agreed.unl.filter((key) => !change.supporters.includes(key))
  return { ...change, missing, needed: node.driver.quorum }
}

/** What is wished for and not in force, with who wishes for it. */
export function pendingChanges(node: NodeView): PendingChangeView[] {
  return node.wishes.pending(node.agreed, node.publicKey).map((change) => viewChange(node, change))
}

export function viewConfig(node: NodeView): ConfigView {
  const { agreed } = node
  return {
    role: roleOf(node),
    agreed,
    hash: configHashOf(agreed),
    quorum: quorumStatus(node),
    pending: pendingChanges(node)
  }
}

export function viewUnl(node: NodeView): UnlView {
  const { agreed, publicKey } = node
  const pending = pendingChanges(node).filter(({ wish }) => wish.kind !== 'set')
  const connected = node.network.connected().filter((key) => !agreed.unl.includes(key))
  const wished = pending.map(({ wish }) => targetOfWish(wish)).filter((key) => !agreed.unl.includes(key))
  const self = agreed.unl.includes(publicKey) ? [] : [publicKey]
  const observers = [...new Set([...self, ...connected, ...wished])].sort()
  return {
    role: roleOf(node),
    threshold: agreed.threshold,
    quorum: quorumStatus(node),
    validators: agreed.unl.map((key) => viewMember(node, key, pending)),
    observers: observers.map((key) => viewMember(node, key, pending)),
    pending
  }
}

function viewMember(node: NodeView, key: PublicKey, pending: PendingChangeView[]): UnlRow {
  const self = key === node.publicKey
  const peer = node.network.peer(key)
  const seq = self ? node.ledgers.tip().seq : peer.seq
  const change = pending.find(({ wish }) => targetOfWish(wish) === key)
  return {
    publicKey: key,
    role: node.agreed.unl.includes(key) ? 'validator' : 'observer',
    self,
    connected: self || peer.connected,
    synced: self ? !node.catchUp.active && node.executor.diverged === null : isSynced(node, key),
    seq,
    change: change === undefined ? null : change.wish.kind === 'add-validator' ? 'add' : 'remove'
  }
}

function isSynced(node: NodeView, key: PublicKey): boolean | null {
  const { seq } = node.network.peer(key)
  return seq === null ? null : seq >= oldestSynced(node)
}

/** The operator wishes for a change, or no longer does. Throws AdminError 'refused' with the reason. */
export async function wish(node: NodeView, { wish: wanted, force = false }: WishRequest): Promise<WishResult> {
  const config = node.agreed
  const notes: string[] = []
  if (!isFulfilled(wanted, config)) {
    if (!node.driver.isValidator) return { outcome: 'not-counted', change: null, notes }
    checkPossible(node, wanted)
    const danger = findDanger(node, wanted)
    if (danger !== null && !force) throw new AdminError('refused', danger)
    if (danger !== null) notes.push(danger)
  }
  try {
    const outcome = await node.wishes.add(wanted, config)
    node.log.info({ wish: wanted, force }, `the operator's wish is ${outcome.replace('-', ' ')}`)
    const change = node.wishes.pending(node.agreed, node.publicKey).find((known) => isSame(known.wish, wanted))
    return { outcome, change: change === undefined ? null : viewChange(node, change), notes }
  } catch (error) {
    if (error instanceof CodecError) throw new AdminError('bad-request', error.message)
    throw error
  }
}

function isSame(a: ConfigWish, b: ConfigWish): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function checkPossible(node: NodeView, wanted: ConfigWish): void {
  if (node.wishes.isPossible(wanted, node.agreed)) return
  const { unl, minRoundtimeMs, roundtimeMs } = node.agreed
  if (wanted.kind === 'remove-validator') {
    throw new AdminError('refused', 'no validator would be left: add another one before this one is removed')
  }
  if (wanted.kind === 'add-validator') {
    throw new AdminError('refused', `there are ${unl.length} validators, and ${LIMITS.validators} is the most`)
  }
  if (wanted.name === 'roundtimeMs' || wanted.name === 'minRoundtimeMs') {
    const inForce = `in force are ${minRoundtimeMs} to ${roundtimeMs} ms`
    throw new AdminError('refused', `the shortest time between two ledgers would be above the longest (${inForce})`)
  }
  throw new AdminError('bad-request', `${wanted.name} cannot be ${wanted.value}`)
}

/** Why the change would harm the network as far as this node can see, or null. */
function findDanger(node: NodeView, wanted: ConfigWish): string | null {
  const unready = wanted.kind === 'add-validator' ? findUnready(node, wanted.key) : null
  return unready ?? findLostQuorum(node, node.wishes.preview(wanted, node.agreed))
}

/** Why a node should not become a validator now, or null. */
function findUnready(node: NodeView, key: PublicKey): string | null {
  const peer = node.network.peer(key)
  if (!peer.connected) {
    const why = peer.lastError === null ? '' : ` (${peer.lastError})`
    return `${short(key)} is not connected to this node${why}: start it as an observer first`
  }
  if (isSynced(node, key) === true) return null
  const reached = peer.seq === null ? '' : `: it is at ledger ${peer.seq} of ${node.driver.tip.seq}`
  return `${short(key)} is not in sync yet${reached}; wait until it is`
}

/** Why the validators of `next` that are in touch now could not close a ledger, or null. */
function findLostQuorum(node: NodeView, next: ConsensusConfig): string | null {
  const connected = new Set([...node.network.connected(), node.publicKey])
  const present = next.unl.filter((key) => connected.has(key))
  const needed = quorumOf(next.unl.length, next.threshold)
  if (present.length >= needed) return null
  const absent = next.unl.filter((key) => !connected.has(key)).map(short)
  return `the network would stand still: of ${next.unl.length} validators then, ${needed} are needed to close a ledger and ${present.length} are in touch (not ${absent.join(', ')})`
}
