import type { Datastore } from 'interface-datastore'
import { Key } from 'interface-datastore'
import type { Logger } from 'pino'
import * as v from 'valibot'
import type { PublicKey } from '../consensus/types.js'
import type { NetworkLimits } from './limits.js'

export interface KnownAddress {
  transport: string
  /** ms since the epoch of the last connection made with it; 0 never. */
  workedMs: number
  failures: number
}

const PREFIX = '/hp/addresses/'
const Stored = v.array(v.object({ transport: v.pipe(v.string(), v.maxLength(256)), workedMs: v.number() }))

/**
 * Where each node can be dialled. Our own, since libp2p's peer store is overwritten by what each peer says of itself.
 * Addresses that worked are kept in the datastore. Bounded by `maxKnownPeers` and `maxAddressesPerPeer`.
 */
export class AddressBook {
  readonly #store: Datastore
  readonly #limits: NetworkLimits
  readonly #log: Logger
  readonly #peers = new Map<PublicKey, KnownAddress[]>()
  #writing: Promise<void> = Promise.resolve()

  constructor(store: Datastore, limits: NetworkLimits, log: Logger) {
    this.#store = store
    this.#limits = limits
    this.#log = log
  }

  async load(): Promise<void> {
    for await (const { key, value } of this.#store.query({ prefix: PREFIX })) {
      const publicKey = key.toString().slice(PREFIX.length)
      try {
        if (!/^[0-9a-f]{64}$/.test(publicKey)) throw new Error('its key is no public key')
        const stored = v.parse(Stored, JSON.parse(Buffer.from(value).toString()))
        this.#peers.set(
          publicKey,
          stored.slice(0, this.#limits.maxAddressesPerPeer).map((address) => ({ ...address, failures: 0 }))
        )
      } catch (error) {
        this.#log.warn({ err: error, entry: key.toString() }, 'an entry of the peer store is not readable; dropped')
        this.#delete(publicKey)
      }
      if (this.#peers.size >= this.#limits.maxKnownPeers) break
    }
  }

  peers(): PublicKey[] {
    return [...this.#peers.keys()]
  }

  has(peer: PublicKey): boolean {
    return this.#peers.has(peer)
  }

  /** The best first: fewest failures, then worked lately. */
  known(peer: PublicKey): Readonly<KnownAddress>[] {
    return [...(this.#peers.get(peer) ?? [])].sort((a, b) => a.failures - b.failures || b.workedMs - a.workedMs)
  }

  addresses(peer: PublicKey): string[] {
    return this.known(peer).map((address) => address.transport)
  }

  /** Remembers addresses; those that never worked make room first. `mayEvict` says which peers may be forgotten. */
  add(peer: PublicKey, transports: readonly string[], mayEvict: (peer: PublicKey) => boolean = () => true): void {
    let known = this.#peers.get(peer)
    if (known === undefined) {
      if (this.#peers.size >= this.#limits.maxKnownPeers) {
        const victim = [...this.#peers.keys()].find(mayEvict)
        if (victim === undefined) return
        this.forget(victim)
      }
      known = []
      this.#peers.set(peer, known)
    }
    for (const transport of transports) {
      if (known.some((address) => address.transport === transport)) continue
      if (known.length >= this.#limits.maxAddressesPerPeer) {
        const worst = known.reduce((a, b) => (b.workedMs < a.workedMs ? b : a))
        if (worst.workedMs > 0 && worst.failures === 0) return
        known.splice(known.indexOf(worst), 1)
      }
      known.push({ transport, workedMs: 0, failures: 0 })
    }
  }

  worked(peer: PublicKey, transport: string): void {
    this.add(peer, [transport])
    const address = this.#peers.get(peer)?.find((each) => each.transport === transport)
    if (address === undefined) return
    address.workedMs = Date.now()
    address.failures = 0
    this.#save(peer)
  }

  failed(peer: PublicKey, transport: string): void {
    const address = this.#peers.get(peer)?.find((each) => each.transport === transport)
    if (address !== undefined) address.failures++
  }

  /** Another node answers there. */
  remove(peer: PublicKey, transport: string): void {
    const known = this.#peers.get(peer)
    if (known === undefined) return
    this.#peers.set(
      peer,
      known.filter((address) => address.transport !== transport)
    )
    this.#save(peer)
  }

  forget(peer: PublicKey): void {
    if (this.#peers.delete(peer)) this.#delete(peer)
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writing
  }

  #save(peer: PublicKey): void {
    const worked = (this.#peers.get(peer) ?? []).filter((address) => address.workedMs > 0)
    if (worked.length === 0) {
      this.#delete(peer)
      return
    }
    const value = JSON.stringify(worked.map(({ transport, workedMs }) => ({ transport, workedMs })))
    this.#write(() => this.#store.put(new Key(PREFIX + peer), Buffer.from(value)))
  }

  #delete(peer: PublicKey): void {
    this.#write(() => this.#store.delete(new Key(PREFIX + peer)))
  }

  #write(work: () => unknown): void {
    this.#writing = this.#writing
      .then(async () => void (await work()))
      .catch((error: unknown) => this.#log.warn({ err: error }, 'the peer store could not be written'))
  }
}
