import { connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { HotPocketClientError } from '../../../src/client/errors.js'
import { encodeHelo, readChallenge, readNotice } from '../../../src/client/messages.js'
import { addressGroupOf } from '../../../src/users/address.js'
import { DEFAULT_USER_LIMITS, prototypeProtocol, UserServer } from '../../../src/users/index.js'
import { encodeChallenge, encodeNotice, parseHelo } from '../../../src/users/prototype-protocol.js'
import type { ProtocolLink } from '../../../src/users/user-protocol.js'
import { claim, target } from '../engine/target.js'
import { NETWORK_ID } from './codec.js'
import { hashHex, mustWork, SIGNERS, silent, textOf, UNL, utf8 } from './shared.js'

const CHALLENGE = hashHex('challenge')
const HELO = encodeHelo(CHALLENGE, UNL[0]!, 1_700_000_000, 'ab'.repeat(64))
const HELO_WORDS = ['helo', 'challenge', 'pubkey', 'timestamp', 'sig', 'type', CHALLENGE, UNL[0]!]

/** WebSocket frames as a client sends them, with the mask 0. */
function frame(opcode: number, content: Uint8Array | string, fin = true): Buffer {
  const body = Buffer.from(content as string)
  const head = body.length < 126 ? [0x80 | body.length] : [0x80 | 126, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Uint8Array.of((fin ? 0x80 : 0) | opcode, ...head, 0, 0, 0, 0), body])
}

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '',
  ''
].join('\r\n')

const LIMITS = {
  ...DEFAULT_USER_LIMITS,
  handshakeMs: 2000,
  messageBytes: 4096,
  // Each execution takes some.
  connectionsPerSecond: 1e6,
  addressConnectionsPerSecond: 1e6
}

async function openServer(): Promise<{ server: UserServer; port: number; taken: () => number }> {
  let taken = 0
  const server = new UserServer({
    host: '127.0.0.1',
    port: 0,
    networkId: NETWORK_ID,
    nodeKey: UNL[0]!,
    limits: LIMITS,
    log: silent,
    onInput: () => {
      taken += 1
      return { taken: true }
    }
  })
  await server.start()
  return { server, port: server.address()!.port, taken: () => taken }
}

/** Sends the bytes as they are, ends, and resolves with what came back once the server has closed. */
function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer: Buffer[] = []
    socket.on('data', (chunk) => answer.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(answer)))
    socket.end(bytes)
  })
}

export const userTargets = [
  target('helo', "a user's answer to the challenge is refused in words, or taken as it stands", () => ({
    shape: 'json',
    errors: [],
    words: HELO_WORDS,
    seeds: [
      HELO,
      HELO.toUpperCase().toLowerCase(),
      JSON.stringify({ ...JSON.parse(HELO), more: [1, { a: null }] })
    ].map(utf8),
    run: (input) => {
      const helo = parseHelo(input)
      if (typeof helo === 'string') {
        claim(helo.length > 0 && helo.length <= 123, 'a reason does not fit into a close frame')
        return helo
      }
      claim(helo.signature.length === 64 && /^[0-9a-f]{64}$/.test(helo.pubkey), 'a key or signature of another length')
      const again = parseHelo(
        utf8(encodeHelo(helo.challenge, helo.pubkey, 1, Buffer.from(helo.signature).toString('hex')))
      )
      claim(typeof again !== 'string' && isDeepStrictEqual({ ...again }, { ...helo }), 'it changes when encoded again')
      return 'taken'
    }
  })),
  target('user-session', 'messages of a connection lead to inputs only after the right answer', () => ({
    shape: 'bytes',
    errors: [],
    words: HELO_WORDS,
    // Messages with a line end between them; a message that starts with ! is binary.
    seeds: [`${HELO}\nadd 5\nget`, `${HELO}\n!\n`, `hello\n${HELO}\nget`, `!${HELO}\n${HELO}`].map(utf8),
    run: (input) => {
      const sent: Uint8Array[] = []
      let user: string | null = null
      let isClosed = false
      let inputs = 0
      const link: ProtocolLink = {
        challenge: CHALLENGE,
        authenticate: (key) => {
          user = key
          return true
        },
        takeInput: () => {
          claim(user !== null && !isClosed, 'an input was taken of nobody')
          inputs += 1
        },
        send: (data) => {
          sent.push(data)
          return true
        },
        close: (code, reason) => {
          claim(code >= 1000 && code < 5000 && Buffer.byteLength(reason) <= 123, `close with ${code} "${reason}"`)
          isClosed = true
        }
      }
      const session = prototypeProtocol.open(link)
      session.start()
      for (const message of Buffer.from(input).toString('latin1').split('\n')) {
        if (isClosed) break
        const isBinary = message.startsWith('!')
        const data = Buffer.from(isBinary ? message.slice(1) : message, 'latin1')
        if (user === null) session.receiveHandshake(data, isBinary)
        else session.receive(data, isBinary)
        session.sendOutput(data, !isBinary)
        session.sendNotice({ notice: 'input_refused', input: inputs, reason: message.slice(0, 100) })
      }
      for (const notice of sent.slice(1)) textOf(notice)
      claim(sent.length > 0, 'there was no challenge')
      return `${user === null ? 'nobody' : 'known'} ${Math.min(inputs, 2)} ${isClosed}`
    }
  })),
  target('client-messages', 'a client takes a challenge, a notice or an output, whatever a node sends', () => ({
    shape: 'json',
    errors: [HotPocketClientError],
    words: ['public_challenge', 'notice', 'hotpocket', '0.1', 'input_refused', 'ledger_void'],
    seeds: [
      encodeChallenge(CHALLENGE),
      encodeNotice({ notice: 'input_refused', input: 3, reason: 'too many inputs wait' }),
      encodeNotice({ notice: 'ledger_void', seq: 9 }),
      utf8('{"hotpocket":0.1}')
    ],
    run: (input) => {
      const text = textOf(input)
      const notice = readNotice(text)
      if (notice !== null) {
        claim(typeof notice.notice === 'string', 'a notice without a name')
        claim(Object.getPrototypeOf(notice) === Object.prototype, 'a notice with another prototype')
        return 'notice'
      }
      const challenge = readChallenge(text, 'ws://node')
      claim(/^[0-9a-f]+$/i.test(challenge), 'something else than hex digits would be signed')
      return 'challenge'
    }
  })),
  target('user-address', 'an address falls into a group, and the group into itself', () => ({
    shape: 'text',
    errors: [],
    words: ['::', '::ffff:', 'fe80', '%eth0', '127.0.0.1', ':', 'ffff:ffff'],
    seeds: ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8:0:1:2:3:4:5', 'fe80::1%eth0', '::1', '1::'].map(utf8),
    run: (input) => {
      const group = addressGroupOf(textOf(input))
      if (!group.endsWith('::/64')) return 'as it is'
      const [a, b, c, d, ...more] = group.slice(0, -5).split(':')
      claim(more.length === 0 && [a, b, c, d].every((part) => part !== undefined && part !== ''), `${group} is no /64`)
      const again = mustWork('its own group', () => addressGroupOf(`${group.slice(0, -5)}::1`))
      claim(again === group, `${group} falls into ${again}`)
      return 'network'
    }
  })),
  target(
    'user-socket',
    'bytes on the user port of a real server are answered or closed, and the next user is served',
    async () => {
      const { server, port, taken } = await openServer()
      const signature = Buffer.from(SIGNERS[0]!.sign(Buffer.from(CHALLENGE))).toString('hex')
      const helo = encodeHelo(CHALLENGE, UNL[0]!, 1, signature)
      return {
        shape: 'bytes',
        errors: [],
        seeds: [
          utf8(UPGRADE),
          utf8('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
          Buffer.concat([utf8(UPGRADE), frame(1, helo), frame(8, Uint8Array.of(3, 232))]),
          Buffer.concat([utf8(UPGRADE), frame(9, 'ping'), frame(1, 'he', false), frame(0, 'lo'), frame(2, 'x')]),
          Buffer.concat([utf8(UPGRADE), frame(1, Uint8Array.of(0xff, 0xfe))]),
          Buffer.concat([utf8(UPGRADE), frame(1, 'x'.repeat(300)), frame(3, ''), frame(10, 'pong')])
        ],
        run: async (input) => {
          const answer = await exchange(port, input)
          claim(taken() === 0, 'an input was taken without an answer to the challenge')
          return answer.toString('latin1', 0, 12)
        },
        close: () => server.stop()
      }
    },
    0.01
  )
]
