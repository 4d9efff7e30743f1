import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { type RawData, WebSocket } from 'ws'
import { encodeHelo, readChallenge } from '../../src/client/messages.js'
import { createKeyPair, type KeyPair, Signer } from '../../src/crypto/index.js'
import type { User } from './user.js'

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

/** A WebSocket to a user port that says what it is told to. */
export class RawUser {
  readonly socket: WebSocket
  readonly closed: Promise<number>
  messages = 0
  isClosed = false
  #code = 0

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('message', () => {
      this.messages++
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', (code) => {
        this.isClosed = true
        this.#code = code
        resolve(code)
      })
    })
  }

  /** Connects and takes the challenge. */
  static async meet(url: string, localAddress?: string): Promise<{ raw: RawUser; challenge: string }> {
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      ...(localAddress === undefined ? {} : { localAddress })
    })
    const raw = new RawUser(socket)
    const challenge = await new Promise<string>((resolve, reject) => {
      socket.once('message', (data: RawData) => resolve(readChallenge(data.toString(), url)))
      socket.once('close', (code) => reject(new Error(`closed with ${code} before the challenge`)))
    })
    return { raw, challenge }
  }

  /** Connects as an accepted user. */
  static async join(url: string, keys: KeyPair = createKeyPair(), localAddress?: string): Promise<RawUser> {
    const { raw, challenge } = await RawUser.meet(url, localAddress)
    raw.answer(challenge, keys.publicKey, signChallenge(challenge, keys))
    return raw
  }

  get code(): number {
    return this.#code
  }

  answer(challenge: string, publicKey: string, signature: string): void {
    this.socket.send(encodeHelo(challenge, publicKey, 1, signature))
  }

  /** Drops what cannot be sent. */
  send(data: string | Uint8Array): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data, () => {})
  }

  end(): void {
    this.socket.terminate()
  }
}

export function signChallenge(challenge: string, keys: KeyPair): string {
  return Buffer.from(new Signer(keys).sign(Buffer.from(challenge))).toString('hex')
}

/** Speaks TCP to a port: sends the bytes and keeps the connection; resolves when it is open. */
export async function openRaw(
  host: string,
  port: number,
  bytes: string | Uint8Array = '',
  localAddress?: string
): Promise<Socket> {
  const socket = connect({ port, host, ...(localAddress === undefined ? {} : { localAddress }) })
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  if (bytes.length > 0) socket.write(bytes)
  return socket
}

/** Upgrades by hand with further header lines; resolves with the answer's head. The socket is open behind it. */
export async function upgradeRaw(
  host: string,
  port: number,
  headers = '',
  localAddress?: string
): Promise<{ socket: Socket; head: string }> {
  const socket = await openRaw(host, port, `${UPGRADE}${headers}\r\n`, localAddress)
  const head = await new Promise<string>((resolve) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (text.includes('\r\n\r\n')) resolve(text.slice(0, text.indexOf('\r\n\r\n')))
    })
    socket.once('close', () => resolve(text))
  })
  return { socket, head }
}

/** An unfinished WebSocket frame: says that `size` bytes come and has ten of them. */
export function halfFrame(size: number): Uint8Array {
  const head = Buffer.alloc(14)
  head[0] = 0x82
  head[1] = 0x80 | 127
  head.writeBigUInt64BE(BigInt(size), 2)
  return Buffer.concat([head, Buffer.alloc(10)])
}

/** The upgrade without its end, as a slow writer leaves it. */
export const HALF_UPGRADE = UPGRADE

export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}

export interface Pace {
  /** Answers a second. */
  perS: number
  p50Ms: number
  p99Ms: number
  maxMs: number
}

/** @param times ms that each answer took; at least one, in any order */
export function paceOf(times: readonly number[], durationMs: number): Pace {
  const sorted = [...times].sort((a, b) => a - b)
  return {
    perS: (sorted.length * 1000) / durationMs,
    p50Ms: sorted[sorted.length >> 1] as number,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] as number,
    maxMs: sorted.at(-1) as number
  }
}

/**
 * How soon and how often an honest user is answered who asks again when the last question is answered.
 *
 * @param isOver looked at after `durationMs`, which is then the least time
 */
export async function measurePace(
  user: Pick<User, 'ask'>,
  durationMs: number,
  isOver: () => boolean = () => true
): Promise<Pace> {
  const startMs = performance.now()
  const times: number[] = []
  let lastMs = startMs
  do {
    await user.ask(`honest ${times.length}\n`)
    const nowMs = performance.now()
    times.push(nowMs - lastMs)
    lastMs = nowMs
  } while (lastMs - startMs < durationMs || !isOver())
  return paceOf(times, lastMs - startMs)
}
