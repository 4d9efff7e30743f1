import type { DoctorCheck } from '../../admin/index.js'
import type { PeerInfo, ReachabilityInfo } from '../../network/index.js'
import type { NodeView } from '../node-view.js'
import { check } from './check.js'

/** Beyond it users' challenges and the times of ledgers begin to look odd. */
const CLOCK_ODD_MS = 1000
const CLOCK_WRONG_MS = 10_000
const NAMED_MAX = 5

export function examineNetwork(node: NodeView): DoctorCheck[] {
  const reach = node.network.reachability()
  const peers = node.network.peers()
  return [
    examinePorts(node),
    examineReach(reach, peers),
    examineNat(reach),
    examineRelays(reach),
    examineValidators(peers),
    examineBans(peers),
    examineClock(peers)
  ]
}

function examinePorts({ config, users }: NodeView): DoctorCheck {
  const { host, wsPort, tcpPort } = config.network
  const ports = [
    ...(wsPort === null ? [] : [`peers ${wsPort} (WebSocket)`]),
    ...(tcpPort === null ? [] : [`peers ${tcpPort} (TCP)`]),
    ...(users === null ? [] : [`users ${config.users.port}`])
  ]
  const found = ports.length === 0 ? 'none are open' : `${ports.join(', ')} on ${host}`
  if (wsPort !== null || tcpPort !== null) return check('ports', 'ok', found)
  return check('ports', 'warning', found, 'set peerport or tcpport, unless relays shall carry all that peers send')
}

function examineReach(reach: ReachabilityInfo, peers: PeerInfo[]): DoctorCheck {
  const { state, source, addresses, relays, portMappingError } = reach
  const how = { config: 'as hp.cfg says', announce: 'as announced', peers: 'as peers found' }[source]
  const at = addresses.length === 0 ? 'no address' : addresses.join(', ')
  if (state === 'public') return check('reachable', 'ok', `by all, ${how}: ${at}`)
  if (state === 'unknown') {
    const isAlone = !peers.some(({ connected }) => connected)
    const why = isAlone ? 'no peer is connected that could try' : 'peers have not tried yet'
    return check('reachable', 'note', `not known, ${why}: ${at}`, 'wait a minute, or set `reachability` or `announce`')
  }
  const mapping = portMappingError === null ? '' : `; the router forwards no port: ${portMappingError}`
  if (relays.length > 0) return check('reachable', 'note', `through relays only, ${how}: ${at}${mapping}`)
  const advice = 'forward the ports for peers on the router and set `announce`, or name nodes to go through in `relays`'
  return check('reachable', 'warning', `by nobody, ${how}: others cannot dial this node${mapping}`, advice)
}

function examineNat({ natKind, observed, portMappings }: ReachabilityInfo): DoctorCheck {
  const seen = observed.length === 0 ? '' : `, peers see ${observed.join(', ')}`
  const mapped = portMappings.map(
    ({ protocol, externalHost, externalPort, internalPort }) =>
      `${externalHost}:${externalPort} to ${internalPort} by ${protocol}`
  )
  const ports = mapped.length === 0 ? '' : `; forwarded: ${mapped.join(', ')}`
  const found = `${natKind}${seen}${ports}`
  if (natKind !== 'symmetric') return check('NAT', natKind === 'unknown' ? 'note' : 'ok', found)
  const advice = 'direct connections to nodes behind other NATs will not work: keep relays, or forward a port'
  return check('NAT', 'note', found, advice)
}

function examineRelays({ state, relays, offersRelay }: ReachabilityInfo): DoctorCheck {
  const offer = offersRelay ? '; this node serves others as relay' : ''
  if (relays.length > 0) {
    const names = relays.map(({ publicKey }) => `${publicKey.slice(0, 16)}…`).join(', ')
    const one = relays.length === 1 ? 'a second relay keeps this node reachable when the first goes' : null
    return check('relays', one === null ? 'ok' : 'note', `places at ${relays.length}: ${names}${offer}`, one)
  }
  if (state !== 'private') return check('relays', 'ok', `none needed${offer}`)
  return check('relays', 'warning', 'none', 'connect to nodes that can be dialled and offer relaying, or set `relays`')
}

function examineValidators(peers: PeerInfo[]): DoctorCheck {
  const validators = peers.filter(({ inUnl }) => inUnl)
  const absent = validators.filter(({ connected }) => !connected)
  const relayed = validators.filter((peer) => peer.relayed === true)
  const through = relayed.length === 0 ? '' : `, ${relayed.length} through relays`
  const connected = validators.length - absent.length
  const found = `${connected} of ${validators.length} others connected${through}`
  if (absent.length === 0) return check('validators', 'ok', found)
  const named = absent.slice(0, NAMED_MAX).map((peer) => {
    const why = peer.lastError ?? (peer.address === null ? 'no address is known' : 'not dialled yet')
    return `${peer.publicKey.slice(0, 16)}…: ${why}`
  })
  const more = absent.length > NAMED_MAX ? `; and ${absent.length - NAMED_MAX} more` : ''
  const advice = 'see that they run and can be dialled; `hp-p2p peers connect` tries an address at once'
  return check('validators', 'warning', `${found}; not ${named.join('; ')}${more}`, advice)
}

function examineBans(peers: PeerInfo[]): DoctorCheck {
  const banned = peers.filter(({ bannedUntil }) => bannedUntil !== null)
  if (banned.length === 0) return check('bans', 'ok', 'nobody is banned')
  const names = banned
    .slice(0, NAMED_MAX)
    .map(({ publicKey, banReason }) => `${publicKey.slice(0, 16)}… (${banReason})`)
  const isMember = banned.some(({ inUnl }) => inUnl)
  const found = `${banned.length} banned: ${names.join(', ')}`
  return check('bans', isMember ? 'warning' : 'note', found, '`hp-p2p peers unban` lets a peer in again')
}

/** The middle of what the peers' clocks say: one of them alone may be wrong. */
function examineClock(peers: PeerInfo[]): DoctorCheck {
  const offsets = peers.flatMap(({ clockOffsetMs }) => (clockOffsetMs === null ? [] : [clockOffsetMs]))
  if (offsets.length === 0) return check('clock', 'note', 'no connected peer to compare it with')
  const sorted = offsets.sort((a, b) => a - b)
  const middle = sorted[Math.floor(sorted.length / 2)] as number
  const [least, most] = [sorted[0] as number, sorted.at(-1) as number]
  const found = `peers are ${middle} ms ahead in the middle (${least} to ${most} ms, ${sorted.length} peers)`
  if (Math.abs(middle) < CLOCK_ODD_MS) return check('clock', 'ok', found)
  const advice = 'set the clock of this machine by NTP (`timedatectl set-ntp true`)'
  return check('clock', Math.abs(middle) < CLOCK_WRONG_MS ? 'warning' : 'problem', found, advice)
}
