import type { Logger } from 'pino'
import { CodecError, PROPOSAL_LIMITS } from '../../codec/index.js'
import type { LedgerTip } from '../../consensus/close-ledger.js'
import type { ConsensusConfig, Hash, Ledger, ProposalUser, PublicKey } from '../../consensus/types.js'
import type { Signer } from '../../crypto/index.js'
import { type Network, type PeerInfo, RequestError } from '../../network/index.js'
import type { PendingInputs } from '../../users/index.js'
import type { BatchBook } from './batches.js'
import { Composer, type ProposalContent } from './composer.js'
import type { OutgoingBatch } from './delivery.js'
import { Forwarder } from './forwarder.js'
import { ForwardInbox } from './inbox.js'
import * as wire from './wire.js'

/** Names of the request protocols; consensus.md specifies them, "Forwarded inputs". */
export const FORWARD_SERVICES = { forward: 'forward', batch: 'forward-batch' } as const

/** Of one observer: it makes no more than 50 batches in a second, and offers some of them again. */
const RATE = { perSecond: 150, burst: 300 }
const ANSWER_MS = 3000
/** For a validator to fetch a large batch and to check it. */
const FETCH_MS = 50_000
const LARGE_ANSWER_MS = 55_000
/** Ledgers that most validators must be ahead for this node to wait until it has caught up. */
const BEHIND_LEDGERS = 16

export interface ForwardingOptions {
  networkId: Hash
  signer: Signer
  network: Network
  log: Logger
  batches: BatchBook
  pending: PendingInputs
  /** The connected users of this node. */
  users: () => ProposalUser[]
  /** This validator does not vote: what it has said may be forgotten. */
  isSilent: () => boolean
  /** In force for the next ledger. */
  agreed: () => ConsensusConfig
  tip: () => LedgerTip
  /** What a validator must have told to have closed, to count as one that follows. */
  oldestSynced: () => number
  /** Somebody's inputs can be proposed. */
  onInputs: () => void
}

/**
 * Inputs of users whose node is no validator. On an observer they go out to a validator; a validator takes those of
 * observers in, and puts them into its proposals beside its own. A node changes from one to the other as the UNL does.
 */
export class Forwarding {
  readonly #options: ForwardingOptions
  readonly #inbox: ForwardInbox
  readonly #composer: Composer
  readonly #forwarder: Forwarder
  readonly #ends: (() => unknown)[] = []

  constructor(options: ForwardingOptions) {
    const { networkId, signer, log, batches, pending, users, agreed, tip, network, onInputs } = options
    this.#options = options
    const inputBytes = (): number => agreed().ledgerInputBytes
    this.#inbox = new ForwardInbox({
      book: batches,
      log,
      tip,
      inputBytes,
      proposes: () => this.#proposes,
      fetch: (observer, hash, bytes) => this.#fetch(observer, hash, bytes),
      onInputs,
      onBadBatch: (observer, detail) => network.report(observer, 'rejected-message', detail)
    })
    this.#composer = new Composer({ pending, inbox: this.#inbox, users, inputBytes })
    this.#forwarder = new Forwarder(tip().seq, agreed().unl, {
      networkId,
      signer,
      log,
      pending,
      users,
      inputBytes,
      isSilent: options.isSilent,
      validators: () => this.#validators(),
      isBehind: () => this.#isBehind(),
      send: (validator, batch, signal) => this.#send(validator, batch, signal)
    })
  }

  /** Inputs of observers wait for a ledger. */
  get hasInputs(): boolean {
    return this.#inbox.hasInputs
  }

  /** Serves observers and validators. */
  async start(): Promise<void> {
    const { network } = this.#options
    const forward = { maxRequestBytes: wire.FORWARD_REQUEST_BYTES, maxResponseBytes: wire.FORWARD_ANSWER_BYTES }
    this.#ends.push(
      await network.handle(FORWARD_SERVICES.forward, 1, { ...forward, rateLimit: RATE }, (request, from) =>
        this.#onForward(request, from)
      ),
      await network.handle(
        FORWARD_SERVICES.batch,
        1,
        {
          maxRequestBytes: wire.BATCH_REQUEST_BYTES,
          maxResponseBytes: PROPOSAL_LIMITS.forwardBytes,
          parallel: { perPeer: 2, observers: 1 }
        },
        (request) => this.#onBatchRequest(request)
      ),
      network.on('peer:connect', ({ publicKey }) => this.#forwarder.validatorFound(publicKey)),
      network.on('peer:disconnect', ({ publicKey }) => this.#forwarder.validatorLost(publicKey))
    )
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end()
    await this.#forwarder.stop()
  }

  /** What the own proposal for ledger `seq` contains. */
  compose(seq: number): ProposalContent {
    return this.#composer.compose(seq)
  }

  /** Own users' inputs were added to those that wait. */
  inputsWaiting(): void {
    this.#forwarder.inputsWaiting()
  }

  usersChanged(): void {
    this.#forwarder.usersChanged()
  }

  /** A ledger is on disk, what it holds no longer waits, and the config it agrees on is in force. */
  ledgerClosed(ledger: Ledger): void {
    this.#inbox.ledgerClosed(ledger)
    this.#forwarder.ledgerClosed(ledger, this.#options.agreed().unl)
  }

  get #proposes(): boolean {
    const { agreed, signer, isSilent } = this.#options
    return agreed().unl.includes(signer.publicKey) && !isSilent()
  }

  #connectedValidators(): PeerInfo[] {
    const { agreed, network } = this.#options
    const unl = new Set(agreed().unl)
    return network.peers().filter(({ connected, publicKey }) => connected && unl.has(publicKey))
  }

  /** Those that follow the network first, then those with a direct connection, then the quickest. */
  #validators(): PublicKey[] {
    const oldest = this.#options.oldestSynced()
    const rank = ({ seq, address }: PeerInfo): number =>
      ((seq ?? 0) < oldest ? 2 : 0) + (address?.includes('/p2p-circuit') === true ? 1 : 0)
    const validators = this.#connectedValidators().sort(
      (a, b) => rank(a) - rank(b) || (a.latencyMs ?? 1000) - (b.latencyMs ?? 1000)
    )
    const own = this.#proposes ? [this.#options.signer.publicKey] : []
    return [...own, ...validators.map(({ publicKey }) => publicKey)]
  }

  #isBehind(): boolean {
    const seqs = this.#connectedValidators()
      .map(({ seq }) => seq ?? 0)
      .sort((a, b) => a - b)
    const median = seqs[Math.floor((seqs.length - 1) / 2)] ?? 0
    return median > this.#options.tip().seq + BEHIND_LEDGERS
  }

  async #send(validator: PublicKey, batch: OutgoingBatch, signal: AbortSignal): Promise<wire.ForwardAnswer> {
    const { network, signer } = this.#options
    const { hash, part } = batch
    if (validator === signer.publicKey) return this.#inbox.receive(validator, { batch: part })
    const isLarge = part.length > wire.INLINE_BATCH_BYTES
    const request = wire.encodeForwardRequest(isLarge ? { hash, bytes: part.length } : { batch: part })
    const waitMs = isLarge ? LARGE_ANSWER_MS : ANSWER_MS
    const answer = await network.request(validator, FORWARD_SERVICES.forward, request, {
      signal,
      maxResponseBytes: wire.FORWARD_ANSWER_BYTES,
      timeouts: { firstByteMs: waitMs, totalMs: waitMs }
    })
    try {
      return wire.decodeForwardAnswer(answer)
    } catch (error) {
      if (error instanceof CodecError) network.report(validator, 'wrong-answer', error.message)
      throw error
    }
  }

  async #onForward(request: Uint8Array, from: PublicKey): Promise<Uint8Array> {
    const asked = readRequest(() => wire.decodeForwardRequest(request))
    return wire.encodeForwardAnswer(await this.#inbox.receive(from, asked))
  }

  async #onBatchRequest(request: Uint8Array): Promise<Uint8Array> {
    const hash = readRequest(() => wire.decodeBatchRequest(request))
    const part = this.#forwarder.batch(hash)
    if (part === undefined) throw new RequestError('refused', 'this batch is not waiting any more')
    return part
  }

  async #fetch(observer: PublicKey, hash: Hash, bytes: number): Promise<Uint8Array> {
    try {
      return await this.#options.network.request(observer, FORWARD_SERVICES.batch, wire.encodeBatchRequest(hash), {
        maxResponseBytes: bytes,
        timeouts: { totalMs: FETCH_MS }
      })
    } catch (error) {
      if (!(error instanceof RequestError)) throw error
      throw new RequestError('refused', `the batch could not be fetched: ${error.message}`, error)
    }
  }
}

function readRequest<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof CodecError) throw new RequestError('refused', error.message)
    throw error
  }
}
