import type { Connection } from '@libp2p/interface'
import type { PublicKey } from '../consensus/types.js'
import { isRelayed } from './addresses.js'
import { awakeNow } from './awake.js'
import type { HelloInfo, PeerStatus } from './types.js'

export interface Peer {
  publicKey: PublicKey
  hello: HelloInfo
  status: PeerStatus
  /** The one that gossip and requests use. */
  primary: Link
  links: Link[]
  connectedSinceMs: number
  latencyMs: number | null
  /** The peer's clock minus ours when its hello came; half a round trip is still to be added. */
  clockOffsetMs: number
  /** Of the clock of awake.ts. */
  lastHeardMs: number
  /** Both gossip topics were seen subscribed. */
  ready: boolean
}

/** One connection. */
export interface Link {
  connection: Connection
  publicKey: PublicKey
  /** Every byte goes through a relay. */
  relayed: boolean
  /** Times of the clock of awake.ts. */
  openedMs: number
  verifiedMs: number | null
  helloStarted: boolean
  /** Opened by the other side before hello was complete. */
  earlyStreams: number
  clockOffsetMs: number
  admitted: Promise<PublicKey | null>
  settle: (key: PublicKey | null) => void
  /** Our hello on it said that there is no other connection that works. */
  saidAlone: boolean
  /** Ends the time for hello. */
  cancelTimer: () => void
}

export function createLink(connection: Connection, publicKey: PublicKey): Link {
  let settle!: Link['settle']
  const admitted = new Promise<PublicKey | null>((resolve) => {
    settle = resolve
  })
  return {
    connection,
    publicKey,
    relayed: isRelayed(connection.remoteAddr.toString()),
    openedMs: awakeNow(),
    verifiedMs: null,
    helloStarted: false,
    earlyStreams: 0,
    clockOffsetMs: 0,
    admitted,
    settle,
    saidAlone: false,
    cancelTimer: () => {}
  }
}

export function statusOf(hello: HelloInfo): PeerStatus {
  const { seq, lcl, role, agent, addresses, relay } = hello
  return { seq, lcl, role, agent, addresses, relay, unreached: [] }
}
