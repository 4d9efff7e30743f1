import './shim.js'
import { isIP } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { PublicKey } from '../consensus/types.js'
import { NetworkError } from './errors.js'
import { toPeerId } from './peer-id.js'
import type { TransportName } from './types.js'

/** How a node can be reached: a multiaddr without its last /p2p part, and the peer id that part named, if any. */
export interface DialAddress {
  transport: string
  peerId: string | null
}

interface Part {
  name: string
  value?: string | undefined
}

const HOSTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
const STACKS = new Set(['tcp', 'tcp/ws', 'tcp/wss', 'tcp/tls/ws'])
const CIRCUIT = '/p2p-circuit'

function describeParts(parts: readonly Part[]): string {
  return parts.map(({ name, value }) => `/${name}${value === undefined ? '' : `/${value}`}`).join('')
}

/** What is wrong with the host and the protocols of a direct address, or null. */
function findDirectFault(parts: readonly Part[]): string | null {
  const [host, ...stack] = parts
  if (host?.name === 'dnsaddr') return stack.length === 0 ? null : 'after /dnsaddr/NAME it may have /p2p only'
  if (host === undefined || !HOSTS.has(host.name)) return 'it must begin with /ip4, /ip6, /dns or /dnsaddr'
  if (!STACKS.has(stack.map((part) => part.name).join('/'))) {
    return 'after the host it must have /tcp/PORT, then /ws or nothing'
  }
  const port = Number(stack[0]?.value)
  if (!(port >= 1 && port <= 65535)) return 'its port must be 1 to 65535'
  return host.value === '0.0.0.0' || host.value === '::' ? 'it names no host' : null
}

/** What is wrong with an address without its last /p2p part, or null. */
function findFault(parts: readonly Part[], peerId: string | null): string | null {
  const circuit = parts.findIndex(({ name }) => name === 'p2p-circuit')
  if (circuit === -1) return findDirectFault(parts)
  const after = parts.slice(circuit + 1).map(({ name }) => name)
  if (parts[circuit - 1]?.name !== 'p2p') return 'before /p2p-circuit it must have /p2p with the id of the relay'
  if (after.length > 0 && after.join('/') !== 'webrtc') return 'after /p2p-circuit it may have /p2p only'
  if (peerId === null) return 'after /p2p-circuit it must have /p2p with the id of the node behind the relay'
  return findDirectFault(parts.slice(0, circuit - 1))
}

/**
 * Takes `/(ip4|ip6|dns|dns4|dns6)/HOST/tcp/PORT[/ws|/wss|/tls/ws][/p2p/ID]`, `/dnsaddr/NAME[/p2p/ID]` and
 * `<direct address of a relay>/p2p/RELAY/p2p-circuit/p2p/ID` apart. Throws NetworkError 'bad-address' with what is wrong.
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
  const all = address.getComponents()
  const last = all.at(-1)
  const peerId = last?.name === 'p2p' ? (last.value ?? null) : null
  const parts = peerId === null ? all : all.slice(0, -1)
  const fault = findFault(parts, peerId)
  if (fault !== null) fail(fault)
  return { transport: describeParts(parts), peerId }
}

export function withPeerId(transport: string, publicKey: PublicKey): Multiaddr {
  return multiaddr(`${transport}/p2p/${toPeerId(publicKey).toString()}`)
}

/** The address of a node behind a relay, without the node's own /p2p part. */
export function throughRelay(relayTransport: string, relay: PublicKey): string {
  return `${relayTransport}/p2p/${toPeerId(relay).toString()}${CIRCUIT}`
}

/** Whether all bytes of a connection to or from this address pass through a relay. */
export function isRelayed(address: string): boolean {
  return address.includes(CIRCUIT) && !address.includes('/webrtc')
}

/** Whether it needs a relay to be dialled, be it for the first words only. */
export function needsRelay(address: string): boolean {
  return address.includes(CIRCUIT)
}

/** The peer id of the relay in a relayed address, or null. */
export function relayOf(address: string): string | null {
  return /\/p2p\/([^/]+)\/p2p-circuit/.exec(address)?.[1] ?? null
}

/** What carries a connection of this address; of a relayed one, up to the relay. */
export function transportName(address: string): TransportName {
  const direct = address.split('/p2p/')[0] as string
  if (address.includes('/webrtc')) return 'webrtc'
  if (direct.endsWith('/wss') || direct.endsWith('/tls/ws')) return 'wss'
  return direct.endsWith('/ws') ? 'ws' : 'tcp'
}

function hostOf(address: string): { name: string; value: string } {
  const [, name = '', value = ''] = address.split('/')
  return { name, value }
}

export function isLoopback(address: string): boolean {
  const { name, value } = hostOf(address)
  return (name === 'ip4' && value.startsWith('127.')) || (name === 'ip6' && value === '::1') || value === 'localhost'
}

/** The IP address in a multiaddr, of the relay in a relayed one, or null. */
export function ipOf(address: string): string | null {
  const { value } = hostOf(address)
  return isIP(value) === 0 ? null : value.replace(/^::ffff:/, '')
}

/**
 * The usable ones among addresses that a peer tells of a node: at most `max`, well-formed, for that node, no names to
 * look up in the DNS for more names, and no loopback address unless the teller itself is on this machine.
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
      if (address.transport.startsWith('/dnsaddr/')) continue
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
