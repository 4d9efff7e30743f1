/** Our own end of a connection, and whether this machine still has its address. */
import { networkInterfaces } from 'node:os'
import type { Connection } from '@libp2p/interface'

interface LocalEnd {
  localAddress?: string
  localPort?: number
}

interface ConnectionInternals {
  maConn?: { socket?: LocalEnd; websocket?: { _socket?: LocalEnd } }
}

/** libp2p does not tell it. */
function localEndOf(connection: Connection): LocalEnd | undefined {
  const { maConn } = connection as unknown as ConnectionInternals
  return maConn?.socket ?? maConn?.websocket?._socket
}

/** Null when it cannot be had. */
export function localPortOf(connection: Connection): number | null {
  return localEndOf(connection)?.localPort ?? null
}

/** Null when it cannot be had, such as of a connection through a relay. */
export function localAddressOf(connection: Connection): string | null {
  const address = localEndOf(connection)?.localAddress
  return address === undefined ? null : normalize(address)
}

function normalize(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '')
}

function readOwn(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? [])
}

/** Looks in a row that miss an address before it counts as gone: a cable may be pulled out for a moment. */
const MISSES = 2

/** Tells which addresses this machine has lost while we looked. */
export class LocalAddresses {
  readonly #read: () => string[]
  /** The addresses that were there, with the number of looks in a row that have missed them. */
  readonly #misses = new Map<string, number>()

  constructor(read: () => string[] = readOwn) {
    this.#read = read
  }

  /** Called every second. True when the addresses are others than at the last look. */
  look(): boolean {
    const own = new Set(this.#read().map(normalize))
    let isOther = false
    for (const [address, misses] of this.#misses) {
      if (own.has(address)) continue
      if (misses === 0) isOther = true
      this.#misses.set(address, Math.min(misses + 1, MISSES))
    }
    for (const address of own) {
      if (this.#misses.get(address) !== 0) isOther = true
      this.#misses.set(address, 0)
    }
    // Addresses of IPv6 come and go; those long gone have no connections any more.
    if (this.#misses.size > 1000) {
      for (const [address, misses] of this.#misses) if (misses >= MISSES) this.#misses.delete(address)
    }
    return isOther
  }

  /** An address that never was among the machine's, as routers and containers make them, is not gone. */
  readonly isGone = (address: string): boolean => (this.#misses.get(address) ?? 0) >= MISSES
}
