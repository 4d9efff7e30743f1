import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { vi } from 'vitest'
import { WebSocket } from 'ws'
import { createKeyPair, type KeyPair, Signer } from '../../../src/crypto/index.js'
import {
  DEFAULT_USER_LIMITS,
  type InputSource,
  type UserLimits,
  UserServer,
  type UserServerOptions
} from '../../../src/users/index.js'

// For slow machines; every test waits for events.
vi.setConfig({ testTimeout: 30_000 })

export const NETWORK_ID = '0f'.repeat(32)

export interface TakenInput extends InputSource {
  content: Buffer
}

export interface TestServer {
  server: UserServer
  url: string
  taken: TakenInput[]
  nodeKey: string
}

type Overrides = Partial<Omit<UserServerOptions, 'limits'>> & { limits?: Partial<UserLimits> }

/** A real server on a free port that takes every input, unless told otherwise. */
export async function startServer(overrides: Overrides = {}): Promise<TestServer> {
  const taken: TakenInput[] = []
  const nodeKey = overrides.nodeKey ?? createKeyPair().publicKey
  const server = new UserServer({
    host: '127.0.0.1',
    port: 0,
    networkId: NETWORK_ID,
    nodeKey,
    log: pino({ level: 'silent' }),
    onInput: (source, content) => {
      taken.push({ ...source, content: Buffer.from(content) })
      return { taken: true }
    },
    ...overrides,
    limits: { ...DEFAULT_USER_LIMITS, handshakeMs: 60_000, ...overrides.limits }
  })
  await server.start()
  const scheme = overrides.tls === undefined ? 'ws' : 'wss'
  return { server, url: `${scheme}://127.0.0.1:${server.address()?.port}`, taken, nodeKey }
}

export const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0
  } catch {
    return false
  }
})()

/** For 127.0.0.1, signed by itself; made by the program openssl. */
export function createCertificate(): { key: Buffer; cert: Buffer } {
  const dir = mkdtempSync(join(tmpdir(), 'hp-users-'))
  try {
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', [...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

export interface Message {
  data: Buffer
  binary: boolean
}

/** A user at the level of WebSocket messages: what arrives is queued until it is asked for. */
export class RawUser {
  readonly ws: WebSocket
  readonly keyPair: KeyPair
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #messages: Message[] = []
  readonly #waiting: ((message: Message) => void)[] = []

  constructor(url: string, keyPair: KeyPair = createKeyPair(), options: object = {}) {
    this.keyPair = keyPair
    this.ws = new WebSocket(url, { perMessageDeflate: false, ...options })
    this.ws.on('error', () => {})
    this.ws.on('message', (data, binary) => {
      const message = { data: data as Buffer, binary }
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#messages.push(message)
      else waiting(message)
    })
    this.closed = new Promise((resolve) =>
      this.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    )
  }

  /** Connects and answers the challenge. */
  static async join(url: string, keyPair?: KeyPair, options?: object): Promise<RawUser> {
    const user = new RawUser(url, keyPair, options)
    await user.answer()
    return user
  }

  /** The next message; rejects when the connection closes before it. */
  next(): Promise<Message> {
    const message = this.#messages.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve)
      void this.closed.then(({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`)))
    })
  }

  async challenge(): Promise<string> {
    return JSON.parse((await this.next()).data.toString()).challenge
  }

  helo(challenge: string, changes: Record<string, unknown> = {}): string {
    const sig = Buffer.from(new Signer(this.keyPair).sign(Buffer.from(challenge))).toString('hex')
    const pubkey = this.keyPair.publicKey
    return JSON.stringify({ sig, pubkey, timestamp: 1_700_000_000, challenge, type: 'helo', ...changes })
  }

  async answer(): Promise<string> {
    const challenge = await this.challenge()
    this.ws.send(this.helo(challenge))
    return challenge
  }

  send(data: string | Uint8Array): void {
    this.ws.send(data)
  }

  async leave(): Promise<void> {
    this.ws.close()
    await this.closed
  }
}

/** Resolves when `isTrue` is; looks after every turn of the event loop. The test's own time limit ends it. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Resolves when the socket's handshake is done on its side. */
export async function opened(ws: WebSocket): Promise<void> {
  if (ws.readyState === WebSocket.CONNECTING) await once(ws, 'open')
}
