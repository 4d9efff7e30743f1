import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'

/**
 * libp2p's registrar, save that every stream goes through `onStream`, which calls the handler or does not. For parts of
 * libp2p that would serve anybody who connects.
 */
export function gateRegistrar(
  registrar: Registrar,
  onStream: (handler: StreamHandler, stream: Stream, connection: Connection) => void
): Registrar {
  const handle: Registrar['handle'] = (protocol, handler, options) =>
    registrar.handle(protocol, (stream, connection) => onStream(handler, stream, connection), options)
  return new Proxy(registrar, {
    get(target, name) {
      if (name === 'handle') return handle
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

/** The components of libp2p, themselves a proxy that cannot be spread, with another registrar. */
export function withRegistrar<T extends { registrar: Registrar }>(components: T, registrar: Registrar): T {
  return new Proxy(components, {
    get: (target, name) => (name === 'registrar' ? registrar : Reflect.get(target, name, target))
  })
}
