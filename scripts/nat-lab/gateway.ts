import type { Worker } from 'node:worker_threads'
import { startThread } from './thread.js'

/** A port on the machine's loopback that leads to a port in a network namespace. */
export class Gateway {
  readonly port: number
  readonly #thread: Worker

  private constructor(thread: Worker, port: number) {
    this.#thread = thread
    this.port = port
  }

  static async open(namespace: string, port: number): Promise<Gateway> {
    const [thread, outside] = await startThread<number>('./gateway-thread.ts', { namespace, port })
    return new Gateway(thread, outside)
  }

  async close(): Promise<void> {
    await this.#thread.terminate()
  }
}
