/**
 * The delay of the lab's internet, for kernels without netem: a process that takes every packet that crosses the internet
 * out of a tun device and puts it back some milliseconds later, in order. It also watches over its parent: when that one
 * has ended without tidying up, this one does.
 *
 * Arguments: the namespace, the device. Messages from the parent: `{ delayMs }`. To the parent: `{ ready: true }` once the
 * device is attached, and `{ delayMs, forwarded, dropped }` after each change.
 */
import { closeSync, read, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { sweepDeadRuns } from './namespaces.js'
import { enterNamespace, openTun } from './system.js'

const MAX_PACKET_BYTES = 65_536
/** Packets wait for their time up to this many bytes; what comes above is lost, as in a router. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024
const COMPACT_AFTER = 1024
const SWEEP_TRIES = 60
const SWEEP_AGAIN_MS = 500

interface Waiting {
  dueMs: number
  packet: Buffer
}

class DelayLine {
  readonly #fd: number
  readonly #buffer = Buffer.alloc(MAX_PACKET_BYTES)
  readonly #waiting: Waiting[] = []
  #first = 0
  #waitingBytes = 0
  #delayMs = 0
  #lastDueMs = 0
  #timer: NodeJS.Timeout | null = null
  #closed = false
  forwarded = 0
  dropped = 0

  constructor(fd: number) {
    this.#fd = fd
    this.#read()
  }

  setDelay(delayMs: number): void {
    this.#delayMs = delayMs
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    closeSync(this.#fd)
  }

  #read(): void {
    read(this.#fd, this.#buffer, 0, MAX_PACKET_BYTES, null, (error, bytes) => {
      if (this.#closed) return
      // The device is gone: the internet is being taken down.
      if (error !== null) return this.close()
      this.#take(Buffer.from(this.#buffer.subarray(0, bytes)))
      this.#read()
    })
  }

  #take(packet: Buffer): void {
    if (this.#waitingBytes + packet.length > MAX_WAITING_BYTES) {
      this.dropped++
      return
    }
    // Never before a packet that came earlier, also when the delay has become shorter.
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + this.#delayMs)
    this.#waiting.push({ dueMs: this.#lastDueMs, packet })
    this.#waitingBytes += packet.length
    if (this.#timer === null) this.#arm()
  }

  #arm(): void {
    const head = this.#waiting[this.#first] as Waiting
    this.#timer = setTimeout(() => this.#release(), Math.max(0, head.dueMs - performance.now()))
  }

  #release(): void {
    this.#timer = null
    // Timers round to whole milliseconds.
    const nowMs = performance.now() + 0.5
    for (;;) {
      const head = this.#waiting[this.#first]
      if (head === undefined || head.dueMs > nowMs) break
      this.#first++
      this.#waitingBytes -= head.packet.length
      this.#write(head.packet)
    }
    if (this.#first > COMPACT_AFTER) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    if (this.#first < this.#waiting.length) this.#arm()
  }

  #write(packet: Buffer): void {
    try {
      writeSync(this.#fd, packet)
      this.forwarded++
    } catch {
      this.dropped++
    }
  }
}

const [namespace, device] = process.argv.slice(2) as [string, string]
enterNamespace(namespace)
const line = new DelayLine(openTun(device))
process.on('message', ({ delayMs }: { delayMs: number }) => {
  line.setDelay(delayMs)
  process.send?.({ delayMs, forwarded: line.forwarded, dropped: line.dropped })
})
// The parent is gone, in order or not.
process.on('disconnect', async () => {
  for (let tries = 0; tries < SWEEP_TRIES; tries++) {
    try {
      // The channel ends a little before the process.
      if ((await sweepDeadRuns()).some((name) => name === namespace)) break
    } catch {
      // A machine that is short of something, or another run that sweeps as well.
    }
    await delay(SWEEP_AGAIN_MS)
  }
  // An exit in order would wait for the thread that reads from the device.
  process.kill(process.pid, 'SIGKILL')
})
process.send?.({ ready: true })
