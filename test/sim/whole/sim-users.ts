import type { Hash, ProposalUser, PublicKey, UserProof } from '../../../src/consensus/types.js'
import type { Signer } from '../../../src/crypto/index.js'
import type { UserNotice, UserServer, UserServerOptions, UserServerStatus } from '../../../src/users/index.js'
import { challengeOf, inputIdOf } from '../../../src/users/proof.js'
import type { SimProcess } from './sim-process.js'

export interface SimUser {
  readonly name: string
  readonly signer: Signer
  /** Index of the node that the user connects to. */
  readonly home: number
  sent: number
}

export interface UserEvents {
  onSent: (user: SimUser, id: Hash, content: Buffer) => void
  onOutput: (user: PublicKey, content: Uint8Array) => void
  onNotice: (user: PublicKey, notice: UserNotice) => void
  onListening: (server: SimUserServer) => void
}

interface Session {
  proof: UserProof
  challenge: string
  ordinal: number
}

/** What stands for the server of users in one process: connections without sockets, with real challenges and proofs. */
export class SimUserServer implements Pick<UserServer, keyof UserServer> {
  readonly #options: UserServerOptions
  readonly #process: SimProcess
  readonly #events: UserEvents
  readonly #sessions = new Map<PublicKey, Session>()
  /** Users of whom nothing is read for now. */
  readonly #held = new Set<PublicKey>()
  #list: ProposalUser[] | null = []
  #isOpen = false
  version = 0

  constructor(options: UserServerOptions, process: SimProcess, events: UserEvents) {
    this.#options = options
    this.#process = process
    this.#events = events
  }

  async start(): Promise<void> {
    this.#isOpen = true
    this.#events.onListening(this)
  }

  async stop(): Promise<void> {
    this.#isOpen = false
    this.#sessions.clear()
  }

  status(): UserServerStatus {
    return { address: null, connections: this.#sessions.size } as UserServerStatus
  }

  address(): null {
    return null
  }

  readOn(isRelieved: (user: PublicKey) => boolean): void {
    for (const user of this.#held) if (isRelieved(user)) this.#held.delete(user)
  }

  /** One entry for each user, ascending by key; the same array until a change. */
  users(): ProposalUser[] {
    this.#list ??= [...this.#sessions]
      .map(([key, { proof }]) => ({ key, proof }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    return this.#list
  }

  connect({ signer }: SimUser): void {
    if (!this.#isOpen || !this.#process.isAlive) return
    const { random } = this.#process.machine
    const nonce = Buffer.from(Array.from({ length: 16 }, () => random.between(0, 255)))
    const expiryMs = Math.floor(this.#process.machine.wallMs) + 60_000
    const challenge = challengeOf(this.#options.networkId, this.#options.nodeKey, expiryMs, nonce)
    const signature = signer.sign(Buffer.from(challenge))
    this.#sessions.set(signer.publicKey, { proof: { expiryMs, nonce, signature }, challenge, ordinal: 0 })
    this.#changed()
  }

  disconnect({ signer }: SimUser): void {
    if (this.#sessions.delete(signer.publicKey)) this.#changed()
  }

  isConnected({ signer }: SimUser): boolean {
    return this.#isOpen && this.#process.isAlive && this.#sessions.has(signer.publicKey)
  }

  /** @returns false when the user is not connected, is not read for now, or the input was refused */
  send(user: SimUser, content: Buffer): boolean {
    const session = this.#sessions.get(user.signer.publicKey)
    if (!this.isConnected(user) || session === undefined || this.#held.has(user.signer.publicKey)) return false
    const { proof, challenge, ordinal } = session
    const key = user.signer.publicKey
    this.#events.onSent(user, inputIdOf(key, challenge, ordinal, content), content)
    session.ordinal += 1
    const { taken } = this.#options.onInput({ user: key, proof, sessionId: challenge, ordinal }, content)
    if (this.#options.isCrowded?.(key) === true) this.#held.add(key)
    return taken
  }

  deliver(user: PublicKey, content: Uint8Array): number {
    if (!this.#sessions.has(user)) return 0
    this.#events.onOutput(user, content)
    return 1
  }

  notify(user: PublicKey, notice: UserNotice): number {
    if (!this.#sessions.has(user)) return 0
    this.#events.onNotice(user, notice)
    return 1
  }

  #changed(): void {
    this.#list = null
    this.version += 1
    this.#options.onUsersChanged?.()
  }
}
