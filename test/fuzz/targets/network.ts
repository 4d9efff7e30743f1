import type { Connection, Stream } from '@libp2p/interface'
import { CodecError } from '../../../src/codec/index.js'
import { Failure, Goodbye, PeerList, Status, Verdict } from '../../../src/codec/pb/network.js'
import { checkToldAddresses, isLoopback, parseAddress } from '../../../src/network/addresses.js'
import { Deadline } from '../../../src/network/deadline.js'
import { NetworkError, RequestError } from '../../../src/network/errors.js'
import { Exchanges, type ExchangesHost } from '../../../src/network/exchanges.js'
import { FRAME_END, FRAME_ERROR, FRAME_MESSAGE, FrameReader } from '../../../src/network/frames.js'
import { readGoodbye } from '../../../src/network/goodbye.js'
import { decodeHello, decodeVerdict, encodeHello, judgeHello } from '../../../src/network/hello.js'
import { DEFAULT_LIMITS } from '../../../src/network/limits.js'
import { type RequestHandler, type RequestHost, RequestResponse } from '../../../src/network/request-response.js'
import type { HelloInfo } from '../../../src/network/types.js'
import { pushVarint } from '../engine/mutate/bytes.js'
import { claim, target } from '../engine/target.js'
import { NETWORK_ID } from './codec.js'
import { MemoryStream } from './memory-stream.js'
import { hashBytes, hashHex, lasting, mustWork, silent, textOf, UNL, USERS, utf8 } from './shared.js'

const SELF = UNL[0]!
const PEER = UNL[1]!

const HELLO = {
  protocolVersion: 1,
  agent: 'hp-p2p/0.1.0',
  networkId: NETWORK_ID,
  contractId: 'a contract',
  unlHash: hashHex('unl'),
  configHash: hashHex('config'),
  genesisStateRoot: hashHex('state'),
  threshold: 67,
  roundtimeMs: 1000,
  minRoundtimeMs: 0,
  limitsHash: hashHex('limits'),
  role: 'validator',
  publicKey: PEER,
  addresses: ['/ip4/10.0.0.2/tcp/22860/ws', '/dns4/node.example.org/tcp/443/wss'],
  seq: 12,
  lcl: hashHex('ledger 12'),
  timeMs: 1_700_000_000_000,
  instance: '00112233445566778899aabbccddeeff',
  alone: true,
  relay: false,
  observed: '/ip4/10.0.0.1/tcp/22860/ws'
} as HelloInfo

const OWN_STATUS = {
  seq: 1,
  lcl: hashHex('ledger 1'),
  role: 'validator',
  agent: 'hp',
  addresses: [],
  relay: false,
  unreached: []
}

const ADDRESSES = [
  '/ip4/10.0.0.2/tcp/22860/ws',
  '/ip6/2001:db8::1/tcp/22860',
  '/dns4/node.example.org/tcp/443/wss',
  '/dns/node.example.org/tcp/443/tls/ws',
  '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWPA6ax6t3jqTyGq73Zm1RmwppYqxaXzrtarfcTWGp5Wzx'
]
const ADDRESS_WORDS = ['/ip4/', '/ip6/', '/dns4/', '/tcp/', '/ws', '/wss', '/tls', '/p2p/', '/quic-v1', '/p2p-circuit']

/** The two protocols of the network layer, with what they were registered with. */
function makeExchanges(onTold: ExchangesHost['onTold']) {
  const handlers = new Map<string, RequestHandler>()
  const state: { answer: Uint8Array; reports: number } = { answer: new Uint8Array(0), reports: 0 }
  const host = {
    limits: DEFAULT_LIMITS,
    log: silent,
    requests: {
      handle: async (name: string, _version: number, _options: unknown, handler: RequestHandler) => {
        handlers.set(name, handler)
      },
      request: async () => state.answer
    },
    peers: () => [{ publicKey: PEER }],
    status: () => OWN_STATUS,
    addressesOf: () => ADDRESSES.slice(0, 2),
    onStatus: () => {},
    onTold,
    report: () => {
      state.reports += 1
    }
  }
  return { exchanges: new Exchanges(host as unknown as ExchangesHost), handlers, state }
}

function frame(kind: number, body: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(body as string)
  const head: number[] = []
  pushVarint(head, bytes.length + 1)
  return Buffer.concat([Uint8Array.from([...head, kind]), bytes])
}

/** Requests over one stream, with everybody known and welcome. */
function makeRequestHost() {
  const state: { stream: MemoryStream | null; reports: number; accept: ((s: Stream, c: Connection) => void) | null } = {
    stream: null,
    reports: 0,
    accept: null
  }
  const host = {
    networkId: NETWORK_ID,
    limits: {
      ...DEFAULT_LIMITS,
      requestsPerSecond: Number.MAX_SAFE_INTEGER,
      requestsBurst: Number.MAX_SAFE_INTEGER
    },
    log: silent,
    handle: async (_protocol: string, onStream: (stream: Stream, connection: Connection) => void) => {
      state.accept = onStream
    },
    unhandle: async () => {},
    connectionOf: () => ({ newStream: async () => state.stream }),
    admit: async () => PEER,
    isValidator: () => true,
    report: () => {
      state.reports += 1
    },
    count: () => {}
  }
  return { host: host as unknown as RequestHost, state }
}

/** The frames in `bytes` by the text of network.md: a varint of at most 5 bytes, a kind, a body. */
function readFrames(bytes: Uint8Array, maxBytes: number): { kind: number; size: number }[] {
  const frames: { kind: number; size: number }[] = []
  for (let at = 0; at < bytes.length; ) {
    let length = 0
    let read = 0
    for (let more = true; more; read++) {
      const byte = bytes[at + read]
      if (byte === undefined || read >= 5) return frames
      length += (byte & 0x7f) * 2 ** (7 * read)
      more = byte >= 0x80
    }
    if (length === 0 || length - 1 > maxBytes || at + read + length > bytes.length) return frames
    frames.push({ kind: bytes[at + read] as number, size: length - 1 })
    at += read + length
  }
  return frames
}

const MAX_FRAME_BYTES = 1000

export const networkTargets = [
  target('hello', 'what a peer says of itself is refused, or judged and lasting', () => ({
    shape: 'protobuf',
    errors: [CodecError],
    seeds: [encodeHello(HELLO), encodeHello({ ...HELLO, addresses: [], alone: false, role: 'observer' })],
    run: (input) => {
      const hello = decodeHello(input, PEER)
      mustWork('judging the hello', () => judgeHello({ ...HELLO, publicKey: SELF }, hello))
      claim(!/\p{Cc}/u.test(hello.agent + hello.contractId), 'control characters are left in a text')
      lasting((bytes) => decodeHello(bytes, PEER), encodeHello)(input)
      return 'lasting'
    }
  })),
  target('verdict', 'the answer to a hello is refused, or texts without control characters', () => ({
    shape: 'protobuf',
    errors: [CodecError],
    seeds: [
      Verdict.encode({ accepted: true, code: 'ok', reason: '' }),
      Verdict.encode({ accepted: false, code: 'other-network', reason: 'your UNL differs' })
    ],
    run: (input) => {
      const { accepted, code, reason } = decodeVerdict(input)
      claim(!/\p{Cc}/u.test(code + reason), 'control characters are left in a text')
      claim(Buffer.from(code + reason).toString() === code + reason, 'half a surrogate pair is left in a text')
      return accepted
    }
  })),
  target(
    'goodbye',
    'last words are none, refused, or short and printable',
    () => ({
      shape: 'bytes',
      errors: [CodecError, RequestError],
      seeds: [
        new Uint8Array(),
        frame(FRAME_MESSAGE, Goodbye.encode({ code: 'banned', reason: 'banned: garbage (a frame)' })),
        frame(FRAME_MESSAGE, Goodbye.encode({ code: 'x'.repeat(100), reason: '\x1b[2J'.repeat(60) })),
        frame(FRAME_END, ''),
        frame(FRAME_MESSAGE, '')
      ],
      run: async (input) => {
        const stream = new MemoryStream()
        stream.feed(input)
        stream.end()
        const words = await readGoodbye(stream)
        if (words === null) return 'none'
        claim(words.code.length <= 32 && words.reason.length <= 256, 'the last words are long')
        claim(/^[\x20-\x7e]*$/.test(words.code + words.reason), 'the last words could steer a terminal')
        return 'words'
      }
    }),
    0.3
  ),
  target('status', 'a status request is answered, or refused and reported', async () => {
    const { exchanges, handlers, state } = makeExchanges(() => {})
    await exchanges.start()
    const handler = handlers.get('status')!
    return {
      shape: 'protobuf',
      errors: [],
      seeds: [Status.encode({ seq: 9, lcl: hashBytes('ledger 9'), role: 1, agent: 'hp-p2p/0.1.0' })],
      run: async (input) => {
        const reports = state.reports
        try {
          await handler(input, PEER, new AbortController().signal)
        } catch (error) {
          claim(error instanceof CodecError, `a status was refused with ${String(error)}`)
          claim(state.reports === reports + 1, `a status was refused without a report: ${error.message}`)
          return 'refused'
        }
        claim(state.reports === reports, 'a status was answered and reported')
        return 'answered'
      }
    }
  }),
  target('peers', 'a list of peers is taken in part, or reported', async () => {
    const told: string[][] = []
    const { exchanges, state } = makeExchanges((_teller, about, addresses) => {
      claim(/^[0-9a-f]{64}$/.test(about), 'a peer of no key was told of')
      told.push(checkToldAddresses(addresses, about, '/ip4/10.0.0.9/tcp/1', 8, 256))
    })
    return {
      shape: 'protobuf',
      errors: [],
      words: ADDRESS_WORDS,
      seeds: [
        PeerList.encode({
          peers: [SELF, ...USERS].map((key, index) => ({
            publicKey: new Uint8Array(Buffer.from(key, 'hex')),
            addresses: ADDRESSES.slice(0, index + 1)
          }))
        })
      ],
      run: async (input) => {
        state.answer = input
        const reports = state.reports
        told.length = 0
        await exchanges.askForPeers(PEER)
        for (const addresses of told) {
          claim(addresses.length <= 8, 'more addresses of one peer than allowed were taken')
          for (const each of addresses) claim(!isLoopback(each), `the loopback address ${each} was taken from afar`)
        }
        return state.reports === reports ? `told ${told.length > 0}` : 'reported'
      }
    }
  }),
  target('address', 'a multiaddr is refused, or its normal form stays the same', () => ({
    shape: 'text',
    errors: [],
    words: ADDRESS_WORDS,
    seeds: ADDRESSES.map(utf8),
    run: (input) => {
      let transport: string
      try {
        transport = parseAddress(textOf(input)).transport
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error
        // The words of the library hold parts of the input.
        return `${error.code} ${/peer address: (\w+ \w+)/.exec(error.message)?.[1]}`
      }
      const again = mustWork('parsing its normal form', () => parseAddress(transport))
      claim(again.transport === transport, `the normal form ${transport} becomes ${again.transport}`)
      claim(again.peerId === null, 'a peer id is left in the transport')
    }
  })),
  target(
    'frames',
    'a stream in any pieces gives the frames that it holds, then an error in words',
    () => ({
      shape: 'bytes',
      errors: [],
      // The first byte cuts the rest into pieces.
      seeds: [
        Uint8Array.of(0, 1, 1),
        Uint8Array.of(3, 6, 0, 104, 101, 108, 108, 111, 1, 1),
        Uint8Array.of(9, 0x85, 0x80, 0x80, 0, 2, 1, 2, 3, 4),
        Uint8Array.from([5, 0xe9, 0x07, 0, ...new Uint8Array(1000), 1, 1]),
        Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0)
      ],
      run: async (input) => {
        const piece = (input[0] ?? 0) + 1
        const bytes = input.subarray(1)
        const stream = new MemoryStream()
        const reader = new FrameReader(stream)
        const deadline = new Deadline(10_000)
        for (let at = 0; at < bytes.length; at += piece) stream.feed(bytes.slice(at, at + piece))
        stream.end()
        const expected = readFrames(bytes, MAX_FRAME_BYTES)
        let count = 0
        try {
          for (;;) {
            const frame = await reader.read(MAX_FRAME_BYTES, deadline)
            if (frame === null) break
            const { kind, size } = expected[count++] ?? { kind: -1, size: -1 }
            claim(frame.kind === kind && frame.body.length === size, `frame ${count} is not the one in the bytes`)
          }
          return `${Math.min(count, 4)} frames`
        } catch (error) {
          if (!(error instanceof RequestError)) throw error
          return error.code
        } finally {
          claim(count === expected.length, `${count} of ${expected.length} frames came`)
          deadline.clear()
          reader.detach()
        }
      }
    }),
    0.3
  ),
  target(
    'peer-answer',
    'an answer in frames gives the messages that it holds, or an error with a code; a bad one is reported',
    () => {
      const { host, state } = makeRequestHost()
      const requests = new RequestResponse(host)
      return {
        shape: 'bytes',
        errors: [],
        seeds: [
          Buffer.concat([frame(FRAME_MESSAGE, 'one'), frame(FRAME_MESSAGE, 'two'), frame(FRAME_END, '')]),
          Buffer.concat([frame(FRAME_MESSAGE, 'x'.repeat(300)), frame(9, 'unknown')]),
          frame(FRAME_ERROR, Failure.encode({ code: 'refused', message: 'that ledger is pruned' })),
          frame(FRAME_ERROR, Failure.encode({ code: '__proto__', message: '\x1b[2J' }))
        ],
        run: async (input) => {
          const stream = new MemoryStream()
          state.stream = stream
          state.reports = 0
          stream.feed(input)
          stream.end()
          let count = 0
          try {
            for await (const message of requests.requestStream(PEER, 'echo', utf8('ask'), { maxResponseBytes: 500 })) {
              claim(message.length <= 500, 'a message above the limit came through')
              count += 1
            }
            return `${Math.min(count, 3)} messages`
          } catch (error) {
            claim(error instanceof RequestError, `the asker gets ${String(error)}`)
            claim(/^[\x20-\x7e\u2018\u2019]*$/.test(error.message), 'words of the peer that steer a terminal')
            return `${error.code} ${state.reports}`
          }
        },
        close: () => requests.stop()
      }
    },
    0.1
  ),
  target(
    'peer-request',
    'a stream of a request reaches the handler with the request that it holds, or is refused and closed',
    async () => {
      const { host, state } = makeRequestHost()
      const requests = new RequestResponse(host)
      let handled: Uint8Array | null = null
      await requests.handle('echo', 1, { maxRequestBytes: 100 }, async (request) => {
        handled = request
        return request
      })
      return {
        shape: 'bytes',
        errors: [],
        seeds: [
          frame(FRAME_MESSAGE, 'ask'),
          frame(FRAME_MESSAGE, 'x'.repeat(101)),
          frame(FRAME_END, ''),
          Buffer.concat([frame(FRAME_MESSAGE, ''), frame(FRAME_MESSAGE, 'more')])
        ],
        run: async (input) => {
          handled = null
          const stream = new MemoryStream()
          const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
          state.accept?.(stream, {} as Connection)
          stream.feed(input)
          stream.end()
          await closed
          const [first] = readFrames(input, 100)
          const expected = first?.kind === FRAME_MESSAGE ? first.size : null
          claim((handled as Uint8Array | null)?.length === (expected ?? undefined), 'another request was handled')
          return expected === null ? 'refused' : 'handled'
        },
        close: () => requests.stop()
      }
    },
    0.1
  )
]
