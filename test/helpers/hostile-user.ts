import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
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
  static async meet(url: string): Promise<{ raw: RawUser; challenge: string }> {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    const raw = new RawUser(socket)
    const challenge = await new Promise<string>((resolve, reject) => {
      socket.once('message', (data: RawData) => resolve(readChallenge(data.toString(), url)))
      socket.once('close', (code) => reject(new Error(`closed with ${code} before the challenge`)))
    })
    return { raw, challenge }
  }

  /** Connects as an accepted user. */
  static async join(url: string, keys: KeyPair = createKeyPair()): Promise<RawUser> {
    const { raw, challenge } = await RawUser.meet(url)
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
export async function openRaw(host: string, port: number, bytes: string | Uint8Array = ''): Promise<Socket> {
  const socket = connect(port, host).on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  if (bytes.length > 0) socket.write(bytes)
  return socket
}

/** Upgrades by hand with further header lines; resolves with the answer's head. The socket is open behind it. */
export async function upgradeRaw(host: string, port: number, headers = ''): Promise<{ socket: Socket; head: string }> {
  const socket = await openRaw(host, port, `${UPGRADE}${headers}\r\n`)
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

/** How many answers in a second an honest user gets who asks again when the last one is answered. */
export async function measurePace(user: Pick<User, 'ask'>, durationMs: number): Promise<number> {
  const startMs = performance.now()
  let answers = 0
  do {
    await user.ask(`honest ${answers}\n`)
    answers++
  } while (performance.now() - startMs < durationMs)
  return (answers * 1000) / (performance.now() - startMs)
}

/** Does it again and again until the returned function is called. */
export function keepOn(attack: () => Promise<void> | void, pauseMs: number): () => Promise<void> {
  let isOver = false
  const done = (async () => {
    while (!isOver) {
      await attack()
      await delay(pauseMs)
    }
  })()
  return async () => {
    isOver = true
    await done
  }
}

export interface Attack {
  name: string
  /** Begins; resolves with what ends it. */
  start: (host: string, port: number) => Promise<() => Promise<void>>
}

/** Attacks of users on one node; `connections` is how many the attacks with many connections hold. */
export function userAttacks(connections: number): Attack[] {
  const url = (host: string, port: number): string => `ws://${host}:${port}`
  const hold = async (open: () => Promise<{ destroy(): void }>): Promise<() => Promise<void>> => {
    const held: { destroy(): void }[] = []
    for (let count = 0; count < connections; count += 50) {
      const batch = Array.from({ length: Math.min(50, connections - count) }, open)
      held.push(...(await Promise.all(batch)))
    }
    return async () => {
      for (const socket of held) socket.destroy()
    }
  }
  const join = async (host: string, port: number, count: number): Promise<RawUser[]> =>
    Promise.all(Array.from({ length: count }, () => RawUser.join(url(host, port))))
  return [
    { name: 'silent connections', start: (host, port) => hold(() => openRaw(host, port)) },
    { name: 'half-sent upgrades', start: (host, port) => hold(() => openRaw(host, port, HALF_UPGRADE)) },
    {
      name: 'unanswered challenges',
      start: (host, port) => hold(async () => (await upgradeRaw(host, port)).socket)
    },
    {
      name: 'half-sent messages',
      start: async (host, port) => {
        const users = await join(host, port, 50)
        // Behind the library's back: its socket is the transport.
        for (const { socket } of users) (socket as unknown as { _socket: Socket })._socket.write(halfFrame(50_000))
        return async () => users.forEach((user) => void user.end())
      }
    },
    {
      name: 'readers that do not read',
      start: async (host, port) => {
        const users = await join(host, port, 4)
        for (const { socket } of users) socket.pause()
        const input = Buffer.alloc(32_768, 'x')
        const stop = keepOn(() => users.forEach((user) => void user.send(input)), 50)
        return async () => {
          await stop()
          users.forEach((user) => void user.end())
        }
      }
    },
    {
      name: 'a flood of one user',
      start: async (host, port) => {
        const keys = createKeyPair()
        const users = await Promise.all(Array.from({ length: 4 }, () => RawUser.join(url(host, port), keys)))
        const input = Buffer.alloc(200, 'x')
        const stop = keepOn(() => {
          for (const user of users) for (let count = 0; count < 100; count++) user.send(input)
        }, 20)
        return async () => {
          await stop()
          users.forEach((user) => void user.end())
        }
      }
    },
    {
      name: 'users that come and go',
      start: async (host, port) => {
        return keepOn(async () => (await join(host, port, 5)).forEach((user) => void user.end()), 20)
      }
    }
  ]
}
