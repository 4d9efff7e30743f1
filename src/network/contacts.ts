/** Which addresses lead where: what peers tell of themselves and of each other, and what this node tells of itself. */
import type { PublicKey } from '../consensus/types.js'
import type { AddressBook } from './address-book.js'
import { checkToldAddresses, ipOf, isRelayed, needsRelay, withPeerId } from './addresses.js'
import type { NetworkLimits } from './limits.js'
import type { Peer } from './link.js'

export interface ContactsHost {
  self: PublicKey
  limits: NetworkLimits
  book: AddressBook
  /** Not to be forgotten for the sake of others. */
  isKept(peer: PublicKey): boolean
  /** Multiaddrs, with or without /p2p, that this node listens on or was told to announce. */
  direct(): string[]
  /** Transports that a router forwards to this node. */
  mapped(): string[]
  /** Transports at which relays take connections for this node. */
  relayed(): string[]
  /** This node also takes WebRTC. */
  webrtc: boolean
}

const MAX_OWN_ADDRESSES = 16
const WEBRTC = '/webrtc'

export class Contacts {
  readonly #host: ContactsHost

  constructor(host: ContactsHost) {
    this.#host = host
  }

  /** Full multiaddrs at which others can dial this node. */
  own(): string[] {
    const relayed = this.#host.relayed()
    const webrtc = this.#host.webrtc ? relayed.slice(0, 2).map((transport) => transport + WEBRTC) : []
    const suffix = withPeerId('', this.#host.self).toString()
    const all = [...this.#host.direct(), ...this.#host.mapped(), ...relayed, ...webrtc]
    return [...new Set(all.map((address) => (address.endsWith(suffix) ? address : address + suffix)))].slice(
      0,
      MAX_OWN_ADDRESSES
    )
  }

  /** Of a connected or known peer, those that worked first. */
  of(peer: PublicKey): string[] {
    return this.#host.book.addresses(peer).map((transport) => withPeerId(transport, peer).toString())
  }

  /** Transports of a peer that lead to it without a relay, or past one after the first words. */
  directOf(peer: Peer): string[] {
    return this.#host.book.addresses(peer.publicKey).filter((transport) => !isRelayed(transport))
  }

  /** Transports of a relay to hand on: the one that we use, if we dialled it, then what it tells of itself. */
  ofRelay({ publicKey, status, primary }: Peer): string[] {
    const { maxAddressesPerPeer, maxAddressLength } = this.#host.limits
    const remote = primary.connection.remoteAddr.toString()
    const used = primary.connection.direction === 'outbound' ? [remote] : []
    const told = [...used, ...status.addresses].filter((address) => !needsRelay(address))
    const good = checkToldAddresses(told, publicKey, remote, maxAddressesPerPeer, maxAddressLength)
    return good.length > 0 ? good : this.#host.book.addresses(publicKey).filter((transport) => !needsRelay(transport))
  }

  /** Addresses that a peer tells of itself, and its ports at the address from which it came. True when any is new. */
  remember(peer: PublicKey, remote: string, told: readonly string[]): boolean {
    const { maxAddressesPerPeer, maxAddressLength } = this.#host.limits
    const good = checkToldAddresses(told, peer, remote, maxAddressesPerPeer, maxAddressLength)
    const ip = isRelayed(remote) ? null : ipOf(remote)
    const seen = told.slice(0, maxAddressesPerPeer).flatMap((address) => {
      const match = /^\/ip[46]\/[^/]+\/tcp\/(\d{1,5})(\/ws)?(\/p2p\/[^/]+)?$/.exec(address)
      if (match === null || ip === null) return []
      return [`/ip${ip.includes(':') ? 6 : 4}/${ip}/tcp/${match[1]}${match[2] ?? ''}`]
    })
    return this.#add(peer, [...good, ...checkToldAddresses(seen, peer, remote, 2, maxAddressLength)])
  }

  /** Addresses that a peer tells of another one; whether any is new, or null when none is usable. */
  hear(teller: Peer, about: PublicKey, addresses: readonly string[]): boolean | null {
    const remote = teller.primary.connection.remoteAddr.toString()
    const { maxAddressesPerPeer, maxAddressLength } = this.#host.limits
    const good = checkToldAddresses(addresses, about, remote, maxAddressesPerPeer, maxAddressLength)
    if (good.length === 0) return null
    const isNews = this.#add(about, good)
    return this.#host.book.has(about) ? isNews : null
  }

  #add(peer: PublicKey, transports: readonly string[]): boolean {
    const known = new Set(this.#host.book.addresses(peer))
    const fresh = transports.filter((transport) => !known.has(transport))
    if (fresh.length > 0 || known.size === 0) {
      this.#host.book.add(peer, fresh, (victim) => !this.#host.isKept(victim))
    }
    return fresh.length > 0
  }
}
