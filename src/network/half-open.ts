/**
 * Sockets from outside that are not connections of libp2p yet. libp2p refuses new ones while as many as it allows are
 * under way, so that whoever opens sockets and says nothing would keep everybody out. Here a new one pushes out the oldest
 * one of the address that has most of them.
 */
import type { Socket } from 'node:net'
import { ipOf } from './addresses.js'

interface HalfOpen {
  socket: Socket
  ip: string
  name: string
}

export class HalfOpenSockets {
  readonly #max: number
  /** By address and port of the other side, oldest first. */
  readonly #waiting = new Map<string, HalfOpen>()
  readonly #countOf = new Map<string, number>()

  /** @param max of all listeners together */
  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#waiting.size
  }

  add(socket: Socket): void {
    const ip = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    const entry = { socket, ip, name: `${ip} ${socket.remotePort}` }
    this.#remove(entry.name)
    this.#waiting.set(entry.name, entry)
    this.#countOf.set(ip, (this.#countOf.get(ip) ?? 0) + 1)
    socket.once('close', () => {
      if (this.#waiting.get(entry.name) === entry) this.#remove(entry.name)
    })
    if (this.#waiting.size > this.#max) this.#pushOut()
  }

  /** A connection is made of it. `remote` is its multiaddr. */
  release(remote: string): void {
    const port = /\/tcp\/(\d+)/.exec(remote)?.[1]
    this.#remove(`${ipOf(remote)} ${port}`)
  }

  /** Cuts all. */
  end(): void {
    for (const { socket } of this.#waiting.values()) socket.destroy()
    this.#waiting.clear()
    this.#countOf.clear()
  }

  #pushOut(): void {
    const most = Math.max(...this.#countOf.values())
    for (const { socket, ip, name } of this.#waiting.values()) {
      if (this.#countOf.get(ip) !== most) continue
      this.#remove(name)
      socket.destroy()
      return
    }
  }

  #remove(name: string): void {
    const entry = this.#waiting.get(name)
    if (entry === undefined) return
    this.#waiting.delete(name)
    const left = (this.#countOf.get(entry.ip) ?? 1) - 1
    if (left === 0) this.#countOf.delete(entry.ip)
    else this.#countOf.set(entry.ip, left)
  }
}
