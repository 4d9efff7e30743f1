/** What the operator sees of each peer. */
import { peerIdFromString } from '@libp2p/peer-id'
import type { PublicKey } from '../consensus/types.js'
import { isRelayed, relayOf, transportName } from './addresses.js'
import type { Contacts } from './contacts.js'
import type { Dialer } from './dialer.js'
import type { Peer } from './link.js'
import { toPeerId, toPublicKey } from './peer-id.js'
import type { Peers } from './peers.js'
import type { PeerScores } from './scores.js'
import type { PeerInfo } from './types.js'

export interface PeerRowSources {
  peers: Peers
  dialer: Dialer
  scores: PeerScores
  contacts: Contacts
  isMember(peer: PublicKey): boolean
}

function describeConnection(peer: Peer) {
  const { connection } = peer.primary
  const address = connection.remoteAddr.toString()
  const relay = isRelayed(address) ? relayOf(address) : null
  const { latencyMs, status } = peer
  return {
    role: status.role,
    address,
    relayed: peer.primary.relayed,
    relay: relay === null ? null : toPublicKey(peerIdFromString(relay)),
    transport: transportName(address),
    direction: connection.direction,
    latencyMs,
    clockOffsetMs: Math.round(peer.clockOffsetMs + (latencyMs ?? 0) / 2),
    agent: status.agent,
    seq: status.seq,
    lcl: status.lcl,
    offersRelay: status.relay,
    unreached: status.unreached,
    connectedSince: peer.connectedSinceMs
  }
}

function describeAbsence(key: PublicKey, dialer: Dialer) {
  return {
    role: null,
    address: dialer.addressOf(key),
    relayed: null,
    relay: null,
    transport: null,
    direction: null,
    latencyMs: null,
    clockOffsetMs: null,
    agent: null,
    seq: null,
    lcl: null,
    offersRelay: null,
    unreached: [],
    connectedSince: null
  }
}

export function describePeer(key: PublicKey, { peers, dialer, scores, contacts, isMember }: PeerRowSources): PeerInfo {
  const peer = peers.get(key)
  const bytes = peers.bytes(key)
  const errors = [peers.lastError(key), dialer.lastError(key)].filter((error) => error !== null)
  const error = peer !== undefined ? undefined : errors.sort((a, b) => b.atMs - a.atMs)[0]
  const ban = scores.banOf(key)
  return {
    publicKey: key,
    peerId: toPeerId(key).toString(),
    inUnl: isMember(key),
    connected: peer !== undefined,
    connections: peer?.links.length ?? 0,
    ...(peer === undefined ? describeAbsence(key, dialer) : describeConnection(peer)),
    addresses: contacts.of(key),
    score: Math.round(scores.get(key)),
    bytesIn: bytes.in,
    bytesOut: bytes.out,
    lastError: error?.text ?? null,
    lastErrorAt: error?.atMs ?? null,
    bannedUntil: ban === null ? null : Date.now() + Math.round(ban.leftMs),
    banReason: ban?.reason ?? null
  }
}
