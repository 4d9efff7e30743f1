import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import type { NodeConfig } from '../config/index.js'
import type { PublicKey } from '../consensus/types.js'

export interface Identity {
  publicKey: PublicKey
  peerId: string
  contractId: string
  /** Multiaddrs from the configuration, with the peer id. */
  multiaddrs: string[]
}

function addressesOf(config: NodeConfig): string[] {
  const { host, wsPort, tcpPort, announce } = config.network
  if (announce.length > 0) return announce
  const base = `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}`
  return [
    ...(tcpPort === null ? [] : [`${base}/tcp/${tcpPort}`]),
    ...(wsPort === null ? [] : [`${base}/tcp/${wsPort}/ws`])
  ]
}

/** What a node is called, from its configuration alone. */
export function identify(config: NodeConfig): Identity {
  const publicKey = config.keys.publicKey
  const peerId = peerIdFromPublicKey(publicKeyFromRaw(Buffer.from(publicKey, 'hex'))).toString()
  const multiaddrs = addressesOf(config).map((address) =>
    address.includes('/p2p/') ? address : `${address}/p2p/${peerId}`
  )
  return { publicKey, peerId, contractId: config.contractId, multiaddrs }
}
