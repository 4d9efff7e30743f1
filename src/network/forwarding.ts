import type { PublicKey } from '../consensus/types.js'

/** Nodes that hand one message on for a pair; more than one, since one of them may be silent or hostile. */
const MAX_FORWARDERS = 3

export interface Reach {
  publicKey: PublicKey
  /** Members of the UNL to which the peer says that it has no connection. */
  unreached: readonly PublicKey[]
}

/**
 * Whom to hand a message on to that came from `from`: the peers that it cannot reach, as one of the two says, and for
 * which this node is among the few that do it. All members that reach both are ranked by a distance from the message's
 * id, so that each knows without a word whether it is its turn, and the turn goes round.
 */
export function chooseForwards(
  self: PublicKey,
  from: Reach,
  peers: readonly Reach[],
  members: readonly PublicKey[],
  id: Uint8Array
): PublicKey[] {
  const chosen: PublicKey[] = []
  for (const peer of peers) {
    if (peer.publicKey === from.publicKey) continue
    const isCut = from.unreached.includes(peer.publicKey) || peer.unreached.includes(from.publicKey)
    if (isCut && isMyTurn(self, from, peer, members, id)) chosen.push(peer.publicKey)
  }
  return chosen
}

function isMyTurn(self: PublicKey, from: Reach, to: Reach, members: readonly PublicKey[], id: Uint8Array): boolean {
  // A node outside the UNL is asked by nobody, and helps only with its own few peers.
  if (!members.includes(self)) return false
  const mine = distance(self, id)
  let nearer = 0
  for (const member of members) {
    if (member === self || member === from.publicKey || member === to.publicKey) continue
    if (from.unreached.includes(member) || to.unreached.includes(member)) continue
    if (distance(member, id) < mine && ++nearer >= MAX_FORWARDERS) return false
  }
  return true
}

function distance(member: PublicKey, id: Uint8Array): number {
  const own = Number.parseInt(member.slice(0, 8), 16)
  const message = ((id[0] ?? 0) << 24) | ((id[1] ?? 0) << 16) | ((id[2] ?? 0) << 8) | (id[3] ?? 0)
  return (own ^ message) >>> 0
}
