/** Makes the parts of a node and tells each what it needs of the others. */
import { Contacts } from './contacts.js'
import type { Core } from './core.js'
import { Dialer } from './dialer.js'
import { Exchanges } from './exchanges.js'
import { Gossip } from './gossip.js'
import { Peers } from './peers.js'
import { PortMapper } from './port-mapping.js'
import { Reachability } from './reachability.js'
import { Relays } from './relays.js'
import { RequestResponse } from './request-response.js'
import { Upgrades } from './upgrades.js'
import { Upkeep } from './upkeep.js'

const DEFAULT_RELAYS = 3

export function createPeers(core: Core): Peers {
  return new Peers({
    self: core.publicKey,
    limits: core.limits,
    log: core.options.log,
    scores: core.scores,
    describe: (alone, remote) => core.describe(alone, remote),
    refuse: (peer) => core.refuse(peer),
    onConnect: (peer) => core.onConnect(peer),
    onRebind: (peer) => {
      // After gossipsub has noticed the end of the stream on the old connection.
      setImmediate(() => {
        const current = core.peers.get(peer.publicKey)
        if (current !== undefined) core.gossip.attach(current.publicKey, current.primary.connection)
      })
    },
    onUpgrade: ({ publicKey, primary: { connection } }) => {
      core.inBackground(core.gossip.move(publicKey, connection))
      core.events.emit('peer:direct', { publicKey, address: connection.remoteAddr.toString() })
    },
    carriesGossip: (peer, connection) => core.gossip.isOn(peer, connection),
    onDisconnect: (peer, reason) => core.onDisconnect(peer, reason),
    onRefused: (peer, verdict, by) => core.onRefused(peer, verdict, by),
    onBanned: (peer, reason) => core.onBanned(peer, reason, core.limits.banMs),
    onGoodbye: (peer, code, reason) => {
      if (code === 'banned' || code === 'disconnected') core.dialer.postpone(peer, core.limits.banMs, reason)
    }
  })
}

export function createGossip(core: Core): Gossip {
  return new Gossip({
    networkId: core.options.networkId,
    limits: core.limits,
    log: core.options.log,
    admit: (connection) => core.peers.admit(connection),
    isValidator: (peer) => core.validators().includes(peer),
    report: (peer, rule, detail) => core.peers.report(peer, rule, detail),
    count: (peer, direction, bytes) => core.peers.count(peer, direction, bytes),
    onSubscription: (peer) => core.upkeep.checkReady(peer),
    forwardTo: (from, id) => core.forwardTo(from, id)
  })
}

export function createRequests(core: Core): RequestResponse {
  return new RequestResponse({
    networkId: core.options.networkId,
    limits: core.limits,
    log: core.options.log,
    handle: async (protocol, onStream, maxStreams) => {
      const streams = { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams }
      await core.node?.handle(protocol, onStream, streams)
    },
    unhandle: async (protocol) => await core.node?.unhandle(protocol),
    connectionOf: (peer) => core.peers.get(peer)?.primary.connection ?? null,
    admit: (connection) => core.peers.admit(connection),
    isValidator: (peer) => core.validators().includes(peer),
    report: (peer, rule, detail) => core.peers.report(peer, rule, detail),
    count: (peer, direction, bytes) => core.peers.count(peer, direction, bytes)
  })
}

export function createDialer(core: Core): Dialer {
  return new Dialer({
    self: core.publicKey,
    limits: core.limits,
    log: core.options.log,
    book: core.book,
    validators: () => core.validators(),
    // Beside a connection that may be dead.
    dial: (address, signal, peer) => core.dial(address, signal, peer !== null && core.peers.isDoubtful(peer)),
    admit: (connection) => core.peers.admit(connection),
    isConnected: (peer) => core.peers.get(peer) !== undefined && !core.peers.isDoubtful(peer),
    isRelayAt: (peerId) => core.isRelayAt(peerId),
    findByAddress: (transport) => core.findByAddress(transport),
    countObservers: () => core.countObservers()
  })
}

export function createContacts(core: Core): Contacts {
  return new Contacts({
    self: core.publicKey,
    limits: core.limits,
    book: core.book,
    isKept: (peer) => core.isKept(peer) || core.peers.get(peer) !== undefined,
    direct: () => core.listening(),
    mapped: () => core.portMapper.addresses(),
    relayed: () => core.relays.addresses(),
    webrtc: core.options.webrtc === true
  })
}

export function createExchanges(core: Core): Exchanges {
  return new Exchanges({
    limits: core.limits,
    log: core.options.log,
    requests: core.requests,
    peers: () => core.peers.all(),
    status: () => core.ownStatus(),
    addressesOf: (peer) => core.contacts.of(peer),
    onStatus: (peer, status) => core.onStatus(peer, status),
    onTold: (teller, about, addresses) => core.onTold(teller, about, addresses),
    report: (peer, rule, detail) => core.peers.report(peer, rule, detail)
  })
}

export function createRelays(core: Core): Relays {
  const { relays = [], relayCount = DEFAULT_RELAYS, log } = core.options
  return new Relays({
    self: core.publicKey,
    limits: core.limits,
    log,
    count: relayCount,
    admit: (connection) => core.peers.admit(connection),
    isWanted: () => core.reachability.needsRelays,
    peers: () => core.peers.all(),
    isValidator: (peer) => core.validators().includes(peer),
    hasConfigured: relays.length > 0,
    isConfigured: (peer) => core.dialer.configuredAddresses(peer).some((each) => core.namedRelays.has(each)),
    addressesOf: (relay) => core.contacts.ofRelay(relay),
    onChange: () => core.onWhereaboutsChange()
  })
}

export function createReachability(core: Core): Reachability {
  const { reachability = 'auto', announce = [], log } = core.options
  return new Reachability({
    limits: core.limits,
    log,
    requests: core.requests,
    policy: reachability,
    isAnnounced: announce.length > 0,
    peers: () => core.peers.all(),
    peer: (key) => core.peers.get(key),
    listening: () => [...core.listening(), ...core.portMapper.addresses()],
    probe: (address, signal) => core.probe(address, signal),
    onChange: () => core.onWhereaboutsChange()
  })
}

export function createUpgrades(core: Core): Upgrades {
  return new Upgrades({
    self: core.publicKey,
    limits: core.limits,
    log: core.options.log,
    peers: () => core.peers.all(),
    directOf: (peer) => core.contacts.directOf(peer),
    dial: (address, signal) => core.dial(address, signal, true),
    admit: (connection) => core.peers.admit(connection),
    worked: (peer, transport) => core.book.worked(peer, transport),
    failed: (peer, transport) => core.book.failed(peer, transport)
  })
}

export function createUpkeep(core: Core): Upkeep {
  return new Upkeep({
    self: core.publicKey,
    limits: core.limits,
    log: core.options.log,
    peers: core.peers,
    gossip: core.gossip,
    validators: () => core.validators(),
    doubt: (peer) => core.dialer.doubt(peer),
    lastError: (peer) => core.peers.lastError(peer) ?? core.dialer.lastError(peer),
    onReady: (peer) => {
      core.events.emit('peer:ready', { publicKey: peer })
      core.relays.check()
    },
    onReachChange: () => core.tellStatus(),
    onAddressChange: () => core.onAddressChange()
  })
}

export function createPortMapper(core: Core): PortMapper {
  return new PortMapper({
    log: core.options.log,
    description: `hp-p2p ${core.publicKey.slice(0, 16)}`,
    host: core.options.listen.host,
    ports: () => core.listenPorts(),
    onChange: () => {
      core.reachability.reset()
      core.onWhereaboutsChange()
    }
  })
}
