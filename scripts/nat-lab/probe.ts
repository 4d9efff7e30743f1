import type { Worker } from 'node:worker_threads'
import type { ProbeAnswer, ProbeRequest } from './probe-thread.js'
import { startThread } from './thread.js'

const PORT = 3478
const TIMEOUT_MS = 5_000

/** A port for datagrams on a host of the lab that tells others how it sees them, and can ask them the same. */
export class Probe {
  readonly #thread: Worker
  readonly #waiting = new Map<number, (answer: ProbeAnswer) => void>()
  #asked = 0

  private constructor(thread: Worker) {
    this.#thread = thread
    thread.on('message', (answer: ProbeAnswer) => {
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
  }

  static async open(namespace: string): Promise<Probe> {
    const [thread] = await startThread('./probe-thread.ts', { namespace, port: PORT })
    return new Probe(thread)
  }

  /** How a probe at `address` sees us, and the round trip; null when nothing comes back in time. */
  ask(address: string, port = PORT, timeoutMs = TIMEOUT_MS): Promise<ProbeAnswer['seen']> {
    const id = this.#asked++
    return new Promise((resolve) => {
      this.#waiting.set(id, ({ seen }) => resolve(seen))
      this.#thread.postMessage({ id, address, port, timeoutMs } satisfies ProbeRequest)
    })
  }

  async close(): Promise<void> {
    await this.#thread.terminate()
  }
}
