import './shim.js'
import { isIP } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { PublicKey } from '../consensus/types.js'
import { NetworkError } from './errors.js'
import { toPeerId } from './peer-id.js'

/** How a node can be reached: a multiaddr without its /p2p part, and the peer id that part named, if any. */
export interface DialAddress {
  transport: string
  peerId: string | null
}

const HOSTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
const STACKS = new Set(['tcp', 'tcp/ws', 'tcp/wss', 'tcp/tls/ws'])

/**
 * Takes `/(ip4|ip6|dns|dns4|dns6)/HOST/tcp/PORT[/ws|/wss|/tls/ws][/p2p/ID]` apart. Throws NetworkError 'bad-address'
 * with what is wrong.
 */
export function parseAddress(text: string, maxLength = 256): DialAddress {
  const fail = (why: string): never => {
    throw new NetworkError('bad-address', `${JSON.stringify(text.slice(0, 100))} is no usable peer address: ${why}`)
  }
  if (text.length > maxLength) fail(`it is longer than ${maxLength} characters`)
  let address: Multiaddr
  try {
    address = multiaddr(text)
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'it is no multiaddr')
  }
  const parts = address.getComponents()
  const last = parts.at(-1)
  const peerId = last?.name === 'p2p' ? (last.value ?? null) : null
  const transport = peerId === null ? parts : parts.slice(0, -1)
  const [host, ...stack] = transport
  if (host === undefined || !HOSTS.has(host.name)) fail('it must begin with /ip4, /ip6 or /dns')
  if (!STACKS.has(stack.map((part) => part.name).join('/')))
    fail('after the host it must have /tcp/PORT, then /ws or nothing')
  const port = Number(stack[0]?.value)
  if (!(port >= 1 && port <= 65535)) fail('its port must be 1 to 65535')
  if (host?.value === '0.0.0.0' || host?.value === '::') fail('it names no host')
  return {
    transport: `/${transport.map((part) => [part.name, part.value].filter(Boolean).join('/')).join('/')}`,
    peerId
  }
}

export function withPeerId(transport: string, publicKey: PublicKey): Multiaddr {
  return multiaddr(`${transport}/p2p/${toPeerId(publicKey).toString()}`)
}

function hostOf(address: string): { name: string; value: string } {
  const [, name = '', value = ''] = address.split('/')
  return { name, value }
}

export function isLoopback(address: string): boolean {
  const { name, value } = hostOf(address)
  return (name === 'ip4' && value.startsWith('127.')) || (name === 'ip6' && value === '::1') || value === 'localhost'
}

/** The IP address in a multiaddr, or null. */
export function ipOf(address: string): string | null {
  const { value } = hostOf(address)
  return isIP(value) === 0 ? null : value.replace(/^::ffff:/, '')
}

/**
 * The usable ones among addresses that a peer tells of a node: at most `max`, well-formed, for that node, and no
 * loopback address unless the teller itself is on this machine.
 */
export function checkToldAddresses(
  told: readonly string[],
  about: PublicKey,
  teller: string,
  max: number,
  maxLength: number
): string[] {
  const peerId = toPeerId(about).toString()
  const good = new Set<string>()
  for (const text of told.slice(0, max * 4)) {
    if (good.size >= max) break
    try {
      const address = parseAddress(text, maxLength)
      if (address.peerId !== null && address.peerId !== peerId) continue
      if (isLoopback(address.transport) && !isLoopback(teller)) continue
      good.add(address.transport)
    } catch {
      // A peer may run a newer version with kinds of addresses that we do not know.
    }
  }
  return [...good]
}

export function listenAddress(host: string, port: number, kind: 'ws' | 'tcp'): string {
  const family = isIP(host)
  if (family === 0)
    throw new NetworkError('bad-address', `${JSON.stringify(host)} is no IP address to listen on`, { host })
  return `/ip${family}/${host}/tcp/${port}${kind === 'ws' ? '/ws' : ''}`
}
