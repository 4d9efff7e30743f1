/** What a node has only when its operator asks for it. */
import type { PeerDiscovery } from '@libp2p/interface'
import { type MulticastDNSComponents, mdns } from '@libp2p/mdns'
import type { Hash } from '../consensus/types.js'
import { NetworkError } from './errors.js'

/** Finds nodes of this network alone on the local network. */
export function createLocalDiscovery(networkId: Hash): (components: MulticastDNSComponents) => PeerDiscovery {
  return mdns({ serviceTag: `_hp-${networkId.slice(0, 16)}._udp.local`, interval: 20_000 })
}

/** A transport for libp2p. */
type TransportFactory = (components: never) => unknown

interface WebRtcModule {
  webRTC(init: { rtcConfiguration: { iceServers: { urls: string[] }[] } }): TransportFactory
}

const WEBRTC_PACKAGE: string = '@libp2p/webrtc'

/**
 * The WebRTC transport, whose package is not one of ours: it brings 300 MB of React Native along. Throws NetworkError
 * 'not-installed' that says how to install it without.
 */
export async function createWebRtc(stun: readonly string[]): Promise<TransportFactory> {
  let loaded: WebRtcModule
  try {
    loaded = (await import(WEBRTC_PACKAGE)) as WebRtcModule
  } catch (error) {
    throw new NetworkError(
      'not-installed',
      'webrtc is true, and the package @libp2p/webrtc cannot be loaded. Set webrtc to false, or install it beside ' +
        'hp-p2p: put "overrides": { "react-native-webrtc": "npm:empty-npm-package@1.0.0" } into package.json, so that ' +
        'React Native (300 MB) stays away, then run npm install @libp2p/webrtc@6.0.33',
      { cause: error }
    )
  }
  const urls = stun.map((server) => `stun:${server}`)
  return loaded.webRTC({ rtcConfiguration: { iceServers: urls.length > 0 ? [{ urls }] : [] } })
}
