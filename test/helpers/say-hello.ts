import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import type { PublicKey } from '../../src/consensus/types.js'
import { Deadline } from '../../src/network/deadline.js'
import { exchangeHello } from '../../src/network/hello.js'
import { type NetworkOptions, PROTOCOL_VERSION } from '../../src/network/index.js'

const TIMEOUT_MS = 10_000

/** Says hello on a new stream as `self` would, without a node. Throws an error with the reason of a refusal. */
export async function sayHello(
  stream: Stream,
  self: { networkId: string; publicKey: PublicKey; description: ReturnType<NetworkOptions['describe']> },
  target: PublicKey
): Promise<void> {
  const { networkId, publicKey, description } = self
  const own = () => ({
    ...description,
    protocolVersion: PROTOCOL_VERSION,
    agent: 'attacker',
    networkId,
    publicKey,
    addresses: [],
    timeMs: Date.now(),
    instance: randomBytes(16).toString('hex'),
    alone: true,
    relay: false,
    observed: ''
  })
  const accept = () => ({ accepted: true, code: 'ok', reason: '' })
  const deadline = new Deadline(TIMEOUT_MS)
  try {
    const { received } = await exchangeHello(stream, true, own, target, accept, deadline)
    if (!received.accepted) throw new Error(received.reason)
    await stream.close()
  } finally {
    deadline.clear()
  }
}
