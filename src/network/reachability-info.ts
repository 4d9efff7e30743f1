/** Whether others can dial a node, and how it is reached otherwise. */
import type { Core } from './core.js'
import { toPeerId } from './peer-id.js'
import type { ReachabilityInfo } from './types.js'

export function describeReachability(core: Core): ReachabilityInfo {
  const { reachability = 'auto', announce = [] } = core.options
  const suffix = `/p2p/${core.peerId}`
  return {
    state: core.reachability.state,
    source: reachability !== 'auto' ? 'config' : announce.length > 0 ? 'announce' : 'peers',
    observed: core.reachability.observed(),
    natKind: core.reachability.natKind(),
    addresses: core.contacts.own(),
    relays: core.relays.held().map(({ publicKey, since, addresses }) => ({
      publicKey,
      peerId: toPeerId(publicKey).toString(),
      since,
      addresses: addresses.map((address) => address + suffix)
    })),
    offersRelay: core.offersRelay(),
    portMappings: core.portMapper.mappings,
    portMappingError: core.portMapper.error
  }
}
