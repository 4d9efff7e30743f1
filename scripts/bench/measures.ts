import type { HotPocketClient } from '../../dist/client/node.js'
import { type BenchNetwork, closeUsers, connectUsers } from './network.js'
import { type Load, measureLoad } from './processes.js'

export interface Latency {
  p50Ms: number
  p99Ms: number
  maxMs: number
}

export interface Throughput {
  users: number
  /** Inputs agreed, executed and answered in a second. */
  inputsPerS: number
  ledgersPerS: number
  /** Growth of hist/ of one node for each ledger. */
  diskBytesPerLedger: number
  /** Gossip and requests that one node sends to all its peers for each ledger. */
  sentBytesPerLedger: number
  load: Load
}

export interface Idle extends Load {
  ledgersPerS: number
  sentBytesPerLedger: number
}

/** Resolves with the bytes of the next outputs of a user until `bytes` have come. */
export function receive(user: HotPocketClient, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    const offs = [
      user.on('output', (output) => {
        chunks.push(output.bytes)
        length += output.bytes.length
        if (length >= bytes) finish(() => resolve(Buffer.concat(chunks)))
      }),
      user.on('notice', (notice) => finish(() => reject(new Error(`notice: ${JSON.stringify(notice)}`)))),
      user.on('close', ({ reason }) => finish(() => reject(new Error(`connection closed: ${reason}`))))
    ]
    const finish = (end: () => void): void => {
      for (const off of offs) off()
      end()
    }
  })
}

function quantile(sorted: number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number
}

/** One input after another of one user: from sending to the agreed output. */
export async function measureLatency(user: HotPocketClient, count: number): Promise<Latency> {
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const answer = receive(user, 6)
    const start = performance.now()
    await user.send('hello\n')
    await answer
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  return { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99), maxMs: times.at(-1) as number }
}

/** One large input, there and back. */
export async function measureLarge(user: HotPocketClient, bytes: number): Promise<number> {
  const input = Buffer.alloc(bytes, 'a')
  const answer = receive(user, bytes)
  const start = performance.now()
  await user.send(input)
  const output = await answer
  const tookMs = performance.now() - start
  if (!output.equals(Buffer.alloc(bytes, 'A'))) throw new Error(`the answer to ${bytes} bytes is not their upper-case`)
  return tookMs
}

/** Users who keep `window` inputs of 100 bytes under way each, for `seconds`. */
export async function measureThroughput(
  network: BenchNetwork,
  userCount: number,
  window: number,
  seconds: number
): Promise<Throughput> {
  const users = await connectUsers(network, userCount)
  const line = `${'x'.repeat(99)}\n`
  const failure: { error: Error | null } = { error: null }
  let answered = 0
  let running = true
  for (const user of users) {
    user.on('output', ({ bytes }) => {
      const inputs = Math.round(bytes.length / line.length)
      answered += inputs
      for (let index = 0; index < inputs && running; index++) user.send(line)
    })
    user.on('notice', (notice) => {
      failure.error ??= new Error(`notice: ${JSON.stringify(notice)}`)
    })
  }
  const before = await network.status(0)
  const diskBefore = network.historyBytes()
  const sentBefore = await network.sentBytes(0)
  const { load } = await measureLoad(network.pids, async () => {
    for (const user of users) for (let index = 0; index < window; index++) user.send(line)
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    running = false
  })
  const after = await network.status(0)
  const ledgers = after.seq - before.seq
  const diskBytes = network.historyBytes() - diskBefore
  const sentBytes = (await network.sentBytes(0)) - sentBefore
  await closeUsers(users)
  if (failure.error !== null) throw failure.error
  return {
    users: userCount,
    inputsPerS: answered / seconds,
    ledgersPerS: ledgers / seconds,
    diskBytesPerLedger: ledgers === 0 ? 0 : diskBytes / ledgers,
    sentBytesPerLedger: ledgers === 0 ? 0 : sentBytes / ledgers,
    load
  }
}

/** The network at rest. */
export async function measureIdle(network: BenchNetwork, seconds: number): Promise<Idle> {
  const before = await network.status(0)
  const sentBefore = await network.sentBytes(0)
  const { load } = await measureLoad(network.pids, () => new Promise((resolve) => setTimeout(resolve, seconds * 1000)))
  const ledgers = (await network.status(0)).seq - before.seq
  const sentBytes = (await network.sentBytes(0)) - sentBefore
  return { ...load, ledgersPerS: ledgers / seconds, sentBytesPerLedger: ledgers === 0 ? 0 : sentBytes / ledgers }
}
