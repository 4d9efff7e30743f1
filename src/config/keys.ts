import { CONFIG_RANGES, type ConfigRange, LIMITS } from '../codec/limits.js'
import {
  addressKey,
  argumentsKey,
  hexKey,
  historyKey,
  integerKey,
  type KeySpec,
  pathsKey,
  peersKey,
  portKey,
  publicKeysKey,
  stunKey,
  switchKey,
  textKey,
  unlKey,
  versionKey,
  wordKey
} from './specs.js'
import type { LogLevel } from './types.js'

const KIB = 1024
const MIB = 1024 * KIB
/** The longest that the users’ server can count to; stands for no limit. */
export const INT32_MAX = 2 ** 31 - 1
export const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** The contract id of a network that names none, such as a prototype's. The UNL still tells networks apart. */
export const DEFAULT_CONTRACT_ID = 'hotpocket'

/** Agreed numbers have the ranges and defaults that every node checks. */
function agreed(range: ConfigRange): { min: number; max: number; fallback: number } {
  return { min: range.min, max: range.max, fallback: range.default }
}

const prototypeKeys = {
  hotpocket: versionKey({ doc: 'Version of the file format.' }),
  pubkey: hexKey({ bytes: 32, doc: 'Public key of this node: validator key, libp2p identity and UNL entry in one.' }),
  seckey: hexKey({
    bytes: 64,
    secret: true,
    doc: 'Secret key, 64 bytes as libsodium writes it: seed, then public key.'
  }),
  keytype: wordKey({ words: ['ed25519'], fallback: 'ed25519', doc: 'Kind of the key pair.' }),
  binary: textKey({
    what: 'a path',
    max: 4096,
    fallback: undefined,
    doc: 'The contract: an executable, absolute or relative to the contract directory; a bare name that is not there is looked up on PATH.'
  }),
  binargs: argumentsKey({ doc: 'Arguments of the contract: an array, or one text that is split on spaces.' }),
  peers: peersKey({
    max: 1024,
    doc: 'Nodes to dial: multiaddrs, or `host:port` for a WebSocket port. One that is reachable is enough.'
  }),
  unl: unlKey({
    max: LIMITS.validators,
    scope: 'network',
    doc: 'Public keys of the validators that the network starts with, 1 to 128, the same on every node.'
  }),
  ip: addressKey({ fallback: '0.0.0.0', doc: 'Address to bind every port to.' }),
  peerport: portKey({ fallback: 22860, doc: 'Port for peers, libp2p over WebSocket; 0 for off.' }),
  roundtime: integerKey({
    ...agreed(CONFIG_RANGES.roundtimeMs),
    unit: 'a number of milliseconds',
    scope: 'network',
    doc: 'Longest time between two ledgers while nothing happens, ms.'
  }),
  pubport: portKey({ fallback: 8080, doc: 'Port for users, WebSocket; 0 for off.' }),
  pubmaxsize: integerKey({
    min: 1,
    max: 64 * MIB,
    fallback: MIB,
    unit: 'a number of bytes',
    doc: 'Largest message of a user, bytes.'
  }),
  pubmaxcpm: integerKey({
    min: 0,
    max: INT32_MAX,
    fallback: 600,
    unit: 'a number of messages',
    doc: 'Messages that one connection, and one user on all connections together, may send in a minute; 0 for no limit.'
  })
}

const networkKeys = {
  contractid: textKey({
    what: 'a text',
    max: LIMITS.contractIdBytes,
    fallback: DEFAULT_CONTRACT_ID,
    scope: 'network',
    doc: 'Name of the contract; tells apart two networks with the same validators.'
  }),
  minroundtime: integerKey({
    ...agreed(CONFIG_RANGES.minRoundtimeMs),
    unit: 'a number of milliseconds',
    scope: 'network',
    doc: 'Shortest time between two ledgers, ms; not above `roundtime`.'
  }),
  threshold: integerKey({
    ...agreed(CONFIG_RANGES.threshold),
    unit: 'a percentage',
    scope: 'network',
    doc: 'Percent of the UNL that closes a ledger. Below 67 two quorums need not share an honest validator.'
  }),
  ledgerbytes: integerKey({
    ...agreed(CONFIG_RANGES.ledgerInputBytes),
    unit: 'a number of bytes',
    scope: 'network',
    doc: 'Input bytes in one ledger; what does not fit waits for the next.'
  }),
  useroutputbytes: integerKey({
    ...agreed(CONFIG_RANGES.userOutputBytes),
    unit: 'a number of bytes',
    scope: 'network',
    doc: 'Output bytes of one user in one execution; past it the execution fails.'
  }),
  outputbytes: integerKey({
    ...agreed(CONFIG_RANGES.ledgerOutputBytes),
    unit: 'a number of bytes',
    scope: 'network',
    doc: 'Output bytes of all users in one execution; past it the execution fails.'
  }),
  nplbytes: integerKey({
    ...agreed(CONFIG_RANGES.nplBytes),
    unit: 'a number of bytes',
    scope: 'network',
    doc: 'Bytes that a node may send on the node party line in one execution; past it the execution fails.'
  }),
  exectimeout: integerKey({
    ...agreed(CONFIG_RANGES.execTimeoutMs),
    unit: 'a number of milliseconds',
    scope: 'network',
    doc: 'Wall time of one execution, ms; past it the contract is killed and the execution fails.'
  })
}

const nodeKeys = {
  tcpport: portKey({ fallback: null, doc: 'Port for peers, libp2p over TCP, beside `peerport`; 0 for off.' }),
  announce: peersKey({
    max: 64,
    doc: 'Addresses to tell peers instead of those bound, for a node behind a proxy or a forwarded port.'
  }),
  peermaxconns: integerKey({
    min: 1,
    max: 65_536,
    fallback: 400,
    unit: 'a number of connections',
    doc: 'Connections to peers in all.'
  }),
  peermaxaddrconns: integerKey({
    min: 1,
    max: 65_536,
    fallback: 128,
    unit: 'a number of connections',
    doc: 'Connections of peers from one IP address.'
  }),
  peermaxpending: integerKey({
    min: 1,
    max: 65_536,
    fallback: 64,
    unit: 'a number of connections',
    doc: 'Connections of peers that have not finished their handshake yet.'
  }),
  restrict: switchKey({
    fallback: false,
    doc: 'Whether only validators and the nodes in `observers` may connect.'
  }),
  observers: publicKeysKey({
    max: 1024,
    doc: 'Public keys of nodes outside the UNL that may connect where `restrict` is true.'
  }),
  reachability: wordKey({
    words: ['auto', 'public', 'private'],
    fallback: 'auto',
    doc: 'Whether other nodes can dial this one: `auto` finds out by asking peers to dial; `private` keeps to relays.'
  }),
  relay: wordKey({
    words: ['auto', 'on', 'off'],
    fallback: 'auto',
    doc: 'Whether this node passes on connections of nodes that cannot be dialled; `auto` does once this one can be.'
  }),
  relays: peersKey({
    max: 64,
    doc: 'Nodes to be reached through while this one cannot be dialled; empty for any connected ones that offer it.'
  }),
  relaycount: integerKey({
    min: 0,
    max: 8,
    fallback: 3,
    unit: 'a number of relays',
    doc: 'Relays to be reached through at one time while this node cannot be dialled; 0 for none.'
  }),
  upnp: wordKey({
    words: ['auto', 'on', 'off'],
    fallback: 'auto',
    doc: 'Whether to ask the router (UPnP, NAT-PMP) to forward the ports for peers; `auto` asks where this node cannot be dialled.'
  }),
  mdns: switchKey({ fallback: false, doc: 'Whether to look for nodes of the network on the local network (mDNS).' }),
  webrtc: switchKey({
    fallback: false,
    doc: 'Whether to connect nodes behind two NATs by WebRTC; needs the package `@libp2p/webrtc`.'
  }),
  stun: stunKey({ max: 16, doc: 'STUN servers, `host:port`, by which WebRTC learns the addresses outside.' }),
  history: historyKey({ doc: 'Ledgers to keep: `full`, or how many of the newest.' }),
  loglevel: wordKey({ words: LOG_LEVELS, fallback: 'info', doc: 'Least severity of what is logged.' }),
  pubcert: textKey({
    what: 'a path',
    max: 4096,
    fallback: null,
    doc: 'Certificate chain (PEM) that turns the users\u2019 port into wss; goes with `pubkeyfile`.'
  }),
  pubkeyfile: textKey({ what: 'a path', max: 4096, fallback: null, doc: 'Private key (PEM) of `pubcert`.' }),
  pubmaxconns: integerKey({
    min: 1,
    max: 1e6,
    fallback: 10_000,
    unit: 'a number of connections',
    doc: 'Connections of users in all.'
  }),
  pubmaxaddrconns: integerKey({
    min: 1,
    max: 1e6,
    fallback: 2048,
    unit: 'a number of connections',
    doc: 'Connections of users from one address.'
  }),
  pubmaxconnrate: integerKey({
    min: 0,
    max: 1e6,
    fallback: 250,
    unit: 'a number of connections',
    doc: 'New connections of users a second, after a burst of `pubmaxconns`; 0 for no limit.'
  }),
  pubmaxaddrconnrate: integerKey({
    min: 0,
    max: 1e6,
    fallback: 50,
    unit: 'a number of connections',
    doc: 'New connections of users a second from one address, after a burst of `pubmaxaddrconns`; 0 for no limit.'
  }),
  pubmaxhandshakes: integerKey({
    min: 1,
    max: 1e6,
    fallback: 1024,
    unit: 'a number of connections',
    doc: 'Connections of users that have not answered their challenge yet.'
  }),
  pubmaxuserconns: integerKey({
    min: 1,
    max: 1e6,
    fallback: 64,
    unit: 'a number of connections',
    doc: 'Connections of one user.'
  }),
  pubmaxbuffer: integerKey({
    min: 1,
    max: 1024 * MIB,
    fallback: 32 * MIB,
    unit: 'a number of bytes',
    doc: 'Bytes that wait for a user who reads too slowly; past it the connection is closed.'
  }),
  pubmaxallbuffers: integerKey({
    min: 1,
    max: 64 * 1024 * MIB,
    fallback: 256 * MIB,
    unit: 'a number of bytes',
    doc: 'Bytes that wait for all users together; past it the slowest connection is closed.'
  }),
  contractcpuseconds: integerKey({
    min: 1,
    max: 86_400,
    fallback: 60,
    unit: 'a number of seconds',
    doc: 'CPU time of one execution, s; past it the contract is killed.'
  }),
  contractmemory: integerKey({
    min: MIB,
    max: 2 ** 48,
    fallback: 1024 * MIB,
    unit: 'a number of bytes',
    doc: 'Memory of the contract with its children, bytes; past it the contract is killed.'
  }),
  contractfiles: integerKey({
    min: 16,
    max: 1e6,
    fallback: 1024,
    unit: 'a number of files',
    doc: 'Files that a process of the contract may open besides those it is given.'
  }),
  contractprocesses: integerKey({
    min: 1,
    max: 100_000,
    fallback: 64,
    unit: 'a number of processes',
    doc: 'Processes of the contract alive at once; past it the contract is killed.'
  }),
  contractfilebytes: integerKey({
    min: MIB,
    max: 2 ** 48,
    fallback: 1024 * MIB,
    unit: 'a number of bytes',
    doc: 'Largest file that a process of the contract may write, bytes.'
  }),
  contractstatebytes: integerKey({
    min: MIB,
    max: 2 ** 48,
    fallback: 16 * 1024 * MIB,
    unit: 'a number of bytes',
    doc: 'Disk space of the contract\u2019s own in the contract directory (the state, and what it keeps beside it), bytes; past it the contract is killed.'
  }),
  sandbox: wordKey({
    words: ['auto', 'on', 'off'],
    fallback: 'auto',
    doc: 'Whether the contract runs in a sandbox of bubblewrap: `auto` where that works, else with a warning; `on` or not at all; `off`.'
  }),
  sandboxnetwork: wordKey({
    words: ['none', 'host'],
    fallback: 'none',
    doc: 'Network of the contract in its sandbox: `none`, or `host` for the machine\u2019s.'
  }),
  sandboxpaths: pathsKey({
    max: 64,
    doc: 'Absolute paths that the contract may read in its sandbox, beside the system and its own directory.'
  }),
  sandboxtmpbytes: integerKey({
    min: 64 * KIB,
    max: 1024 * 1024 * MIB,
    fallback: 64 * MIB,
    unit: 'a number of bytes',
    doc: 'Size of /tmp in the sandbox, which lies in memory, bytes; a file counts for 4096 or more.'
  }),
  contractlogbytes: integerKey({
    min: 4 * KIB,
    max: 1024 * MIB,
    fallback: 10 * MIB,
    unit: 'a number of bytes',
    doc: 'Size of a log file of the contract\u2019s stdout or stderr before the next is begun.'
  }),
  contractlogfiles: integerKey({
    min: 1,
    max: 100,
    fallback: 3,
    unit: 'a number of files',
    doc: 'Log files kept of the contract\u2019s stdout and of its stderr, the current one included.'
  })
}

/** Every key of hp.cfg, in the order of the documentation. */
export const CONFIG_KEYS = { ...prototypeKeys, ...networkKeys, ...nodeKeys }

export type ConfigKey = keyof typeof CONFIG_KEYS
/** hp.cfg as it is read: each key with its value or its default. */
export type RawConfig = { [K in ConfigKey]: (typeof CONFIG_KEYS)[K] extends KeySpec<infer T> ? T : never }

export const CONFIG_KEY_NAMES = Object.keys(CONFIG_KEYS) as ConfigKey[]
/** The key groups, as the documentation shows them. */
export const CONFIG_KEY_GROUPS: { title: string; names: string[] }[] = [
  { title: 'The prototype\u2019s keys', names: Object.keys(prototypeKeys) },
  { title: 'Agreed by the network', names: Object.keys(networkKeys) },
  { title: 'Of this node alone', names: Object.keys(nodeKeys) }
]
