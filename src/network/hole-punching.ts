/** DCUtR: two peers that met through a relay tell each other their addresses and dial at one time. */
import { type DCUtRServiceComponents, dcutr } from '@libp2p/dcutr'
import type { Connection, Startable, Topology } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { gateRegistrar, withRegistrar } from './gate.js'
import type { RelayGate } from './relays.js'

/** The relayed connection is closed by the peer table, once nothing is on its way on it; DCUtR would do so at once. */
function keptOpen(connection: Connection): Connection {
  return new Proxy(connection, {
    get(target, name) {
      if (name === 'close') return async () => {}
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

/** The service for libp2p, for peers that have passed hello alone. */
export function createHolePunching(gate: RelayGate): (components: DCUtRServiceComponents) => Startable {
  return (components) => {
    const gated = gateRegistrar(components.registrar, (handler, stream, connection) => {
      gate
        .admit(connection)
        .then(async (peer) => {
          if (peer === null) throw new Error('the peer has not passed hello')
          await handler(stream, keptOpen(connection))
        })
        .catch((error: unknown) => stream.abort(error instanceof Error ? error : new Error('refused')))
    })
    const register: Registrar['register'] = (protocol, topology) => {
      const watched: Topology = {
        ...topology,
        onConnect: async (peerId, connection) => {
          if ((await gate.admit(connection)) !== null) await topology.onConnect?.(peerId, keptOpen(connection))
        }
      }
      return components.registrar.register(protocol, watched)
    }
    const registrar = new Proxy(gated, {
      get: (target, name) => (name === 'register' ? register : Reflect.get(target, name, target))
    })
    return dcutr()(withRegistrar(components, registrar)) as unknown as Startable
  }
}
