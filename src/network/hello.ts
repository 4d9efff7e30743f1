/** The first words of two nodes: who they are, and whether they belong to the same network. */
import type { Stream } from '@libp2p/interface'
import { bytesToHex, CodecError, checkInteger } from '../codec/canonical.js'
import { Hello, Verdict } from '../codec/pb/network.js'
import type { Hash, PublicKey } from '../consensus/types.js'
import type { Deadline } from './deadline.js'
import { decodeLenient, wellFormed } from './decode.js'
import { FRAME_MESSAGE, FrameReader, writeFrame } from './frames.js'
import { type HelloInfo, PROTOCOL_VERSION, type SelfDescription } from './types.js'

export const HELLO_PROTOCOL = '/hp/hello/1'
export const GOODBYE_PROTOCOL = '/hp/goodbye/1'

const MAX_HELLO_BYTES = 16 * 1024
const MAX_TEXT = 256
const MAX_TOLD_ADDRESSES = 32

export interface HelloVerdict {
  accepted: boolean
  /** 'ok', 'other-network', 'banned', 'full', 'restricted', 'version' */
  code: string
  /** Words for the operator of the node that receives it: 'your UNL differs'. */
  reason: string
}

function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

function hash(field: string, value: Uint8Array): Hash {
  return bytesToHex(value, 32, field)
}

function text(field: string, value: string): string {
  if (value.length > MAX_TEXT) throw new CodecError('too-large', `${field} is longer than ${MAX_TEXT} characters`)
  // It goes to logs and terminals.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to drop
  return wellFormed(value).replace(/[\x00-\x1f\x7f-\x9f]/g, '?')
}

export function encodeHello(info: HelloInfo): Uint8Array {
  return Hello.encode({
    protocolVersion: info.protocolVersion,
    agent: info.agent,
    networkId: bytes(info.networkId),
    contractId: info.contractId,
    unlHash: bytes(info.unlHash),
    configHash: bytes(info.configHash),
    genesisStateRoot: bytes(info.genesisStateRoot),
    threshold: info.threshold,
    roundtimeMs: info.roundtimeMs,
    minRoundtimeMs: info.minRoundtimeMs,
    limitsHash: bytes(info.limitsHash),
    role: info.role === 'validator' ? 1 : 0,
    publicKey: bytes(info.publicKey),
    addresses: info.addresses,
    seq: info.seq,
    lcl: bytes(info.lcl),
    timeMs: info.timeMs,
    instance: bytes(info.instance),
    alone: info.alone,
    relay: info.relay,
    observed: info.observed
  })
}

/** @throws CodecError with what is wrong. `from` is the key that the connection was authenticated with. */
export function decodeHello(body: Uint8Array, from: PublicKey): HelloInfo {
  const hello = decodeLenient(Hello, body, 'hello', { addresses: MAX_TOLD_ADDRESSES })
  const publicKey = hash('publicKey', hello.publicKey)
  if (publicKey !== from) throw new CodecError('out-of-range', 'publicKey is not the key of the connection')
  return {
    protocolVersion: hello.protocolVersion,
    agent: text('agent', hello.agent),
    networkId: hash('networkId', hello.networkId),
    contractId: text('contractId', hello.contractId),
    unlHash: hash('unlHash', hello.unlHash),
    configHash: hash('configHash', hello.configHash),
    genesisStateRoot: hash('genesisStateRoot', hello.genesisStateRoot),
    threshold: hello.threshold,
    roundtimeMs: hello.roundtimeMs,
    minRoundtimeMs: hello.minRoundtimeMs,
    limitsHash: hash('limitsHash', hello.limitsHash),
    role: hello.role === 1 ? 'validator' : 'observer',
    publicKey,
    addresses: hello.addresses.map(wellFormed),
    seq: checkInteger(hello.seq, 0, Number.MAX_SAFE_INTEGER, 'seq'),
    lcl: hash('lcl', hello.lcl),
    timeMs: checkInteger(hello.timeMs, 0, Number.MAX_SAFE_INTEGER, 'timeMs'),
    instance: bytesToHex(hello.instance, 16, 'instance'),
    alone: hello.alone,
    relay: hello.relay,
    observed: text('observed', hello.observed)
  }
}

interface Genesis extends SelfDescription {
  networkId: Hash
}

/**
 * What keeps the two apart, as short nouns ('UNL', 'roundtime (theirs 1000 ms, ours 2000 ms)'), empty when they belong
 * together. `ours` is the side that speaks.
 */
export function findDifferences(ours: Genesis, theirs: Genesis): string[] {
  if (ours.networkId === theirs.networkId) return []
  const found: string[] = []
  if (ours.contractId !== theirs.contractId) found.push('contract id')
  if (ours.unlHash !== theirs.unlHash) found.push('UNL')
  if (ours.genesisStateRoot !== theirs.genesisStateRoot) found.push('initial state')
  if (ours.roundtimeMs !== theirs.roundtimeMs) found.push('roundtime')
  if (ours.minRoundtimeMs !== theirs.minRoundtimeMs) found.push('minroundtime')
  if (ours.threshold !== theirs.threshold) found.push('threshold')
  if (ours.limitsHash !== theirs.limitsHash) found.push('limits')
  if (found.length === 0 && ours.configHash !== theirs.configHash) found.push('consensus configuration')
  return found.length === 0 ? ['network id'] : found
}

function sentence(whose: string, things: string[]): string {
  const list = things.length === 1 ? things[0] : `${things.slice(0, -1).join(', ')} and ${things.at(-1)}`
  return `${whose} ${list} ${things.length === 1 ? 'differs' : 'differ'}`
}

/** What to tell the peer, or null when it may stay. 'your UNL differs' */
export function judgeHello(ours: HelloInfo, theirs: HelloInfo): HelloVerdict | null {
  if (theirs.protocolVersion !== PROTOCOL_VERSION) {
    const reason = `your protocol version ${theirs.protocolVersion} differs from ${PROTOCOL_VERSION}`
    return { accepted: false, code: 'version', reason }
  }
  const differences = findDifferences(ours, theirs)
  if (differences.length === 0) return null
  return { accepted: false, code: 'other-network', reason: sentence('your', differences) }
}

/** Why hello failed, in words for the operator of this node. */
export function describeHelloFailure(error: unknown): string {
  // libp2p's, when the other side knows none of the protocols that a stream is opened for.
  if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
    return `it does not speak ${HELLO_PROTOCOL}: it runs a version of hp-p2p that cannot talk with this one, or is no node`
  }
  return error instanceof Error ? error.message : String(error)
}

/**
 * Both sides of the exchange on one stream. The dialler sends its hello, the other one answers with its own; then each
 * sends its verdict. Throws for anything malformed, late or missing. `decide` is called once with the peer's hello.
 */
export async function exchangeHello(
  stream: Stream,
  dialled: boolean,
  own: () => HelloInfo,
  from: PublicKey,
  decide: (ours: HelloInfo, theirs: HelloInfo) => HelloVerdict,
  deadline: Deadline
): Promise<{ ours: HelloInfo; theirs: HelloInfo; given: HelloVerdict; received: HelloVerdict }> {
  const reader = new FrameReader(stream)
  const read = async (): Promise<Uint8Array> => {
    const frame = await reader.read(MAX_HELLO_BYTES, deadline)
    if (frame === null || frame.kind !== FRAME_MESSAGE) throw new Error('the peer did not complete hello')
    return frame.body
  }
  const write = (body: Uint8Array): Promise<void> => writeFrame(stream, FRAME_MESSAGE, body, deadline)
  let ours: HelloInfo | null = null
  if (dialled) {
    ours = own()
    await write(encodeHello(ours))
  }
  const theirs = decodeHello(await read(), from)
  if (ours === null) {
    ours = own()
    await write(encodeHello(ours))
  }
  const given = decide(ours, theirs)
  await write(Verdict.encode(given))
  return { ours, theirs, given, received: decodeVerdict(await read()) }
}

/** @throws CodecError */
export function decodeVerdict(body: Uint8Array): HelloVerdict {
  const { accepted, code, reason } = decodeLenient(Verdict, body, 'verdict')
  return { accepted, code: text('code', code), reason: text('reason', reason) }
}
