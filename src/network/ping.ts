import { randomBytes } from 'node:crypto'
import type { Connection, StreamMessageEvent } from '@libp2p/interface'
import { raceAbort } from './deadline.js'

const PROTOCOL = '/ipfs/ping/1.0.0'
const BYTES = 32

/** ms of a round trip on this very connection; libp2p's own client would choose one of several. */
export async function pingConnection(connection: Connection, signal: AbortSignal): Promise<number> {
  const stream = await connection.newStream(PROTOCOL, { signal })
  try {
    const sent = randomBytes(BYTES)
    const echoed = new Promise<Buffer>((resolve, reject) => {
      const parts: Uint8Array[] = []
      stream.addEventListener('message', (event: StreamMessageEvent) => {
        parts.push(event.data.subarray())
        const all = Buffer.concat(parts)
        if (all.byteLength >= BYTES) resolve(all)
      })
      stream.addEventListener('close', () => reject(new Error('the peer ended the ping')), { once: true })
    })
    echoed.catch(() => {})
    const startMs = performance.now()
    stream.send(sent)
    const back = await raceAbort(echoed, signal)
    if (!back.equals(sent)) throw new Error('the peer echoed other bytes')
    const latencyMs = performance.now() - startMs
    await stream.close({ signal })
    return latencyMs
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error('the ping failed'))
    throw error
  }
}
