import type { ExecutionResult, Hash, Proposal, PublicKey, Vote } from '../../src/consensus/types.js'
import { blake3Hex } from '../../src/crypto/index.js'
import type { ClosedLedger, Message, Peer } from './messages.js'
import { expectedQuorum } from './profile.js'
import type { Scene } from './scene.js'

const FALSE_ROOT = blake3Hex(Buffer.from('false state'))
const FALSE_OUTPUTS = blake3Hex(Buffer.from('false outputs'))

/** What all colluding nodes of a run know: they act as one. */
export class Plot {
  seq = 0
  readonly proposals = new Map<Hash, Proposal>()
  /** Ledgers made of as few true results as a candidate must have. */
  readonly ledgers = new Set<Hash>()
  readonly #done = new Set<string>()

  enterSeq(seq: number): void {
    if (seq <= this.seq) return
    this.seq = seq
    this.proposals.clear()
    this.ledgers.clear()
    this.#done.clear()
  }

  once(key: string): boolean {
    if (this.#done.has(key)) return false
    this.#done.add(key)
    return true
  }
}

/**
 * One of the validators, as many as fork safety bears, that want one false result to be agreed. They all propose it, let
 * attempts pass until one of them coordinates, and help to close what that one puts to the vote.
 */
export class ColludingNode implements Peer {
  readonly index: number
  readonly key: PublicKey
  readonly up = true
  readonly #scene: Scene
  readonly #plot: Plot

  constructor(scene: Scene, index: number, key: PublicKey, plot: Plot) {
    this.#scene = scene
    this.index = index
    this.key = key
    this.#plot = plot
  }

  start(): void {}

  receive(message: Message, from: number): void {
    if (this.#scene.isByzantine(from)) return
    if (message.type === 'proposal') this.#onProposal(message.proposal)
    else if (message.type === 'vote') this.#onVote(message.vote, from)
  }

  serveProposal(hash: Hash): Proposal | null {
    return this.#plot.proposals.get(hash) ?? null
  }

  serveLedgers(): ClosedLedger[] {
    return []
  }

  #tell(to: number, message: Message): void {
    if (!this.#scene.isByzantine(to)) this.#scene.send(this.index, to, message)
  }

  #tellAll(message: Message): void {
    for (const { index } of this.#scene.peers) this.#tell(index, message)
  }

  #onProposal(heard: Proposal): void {
    this.#plot.enterSeq(heard.seq)
    if (heard.seq !== this.#plot.seq) return
    this.#plot.proposals.set(heard.hash, heard)
    if (!this.#plot.once(`${this.index} proposes`)) return
    const result: ExecutionResult = {
      status: 'ok',
      stateRoot: FALSE_ROOT,
      outputsRoot: FALSE_OUTPUTS,
      configHash: heard.result.configHash
    }
    const { seq, lcl, timeMs } = heard
    const unsigned = { validator: this.key, seq, lcl, timeMs, result, users: [], inputs: [], wishes: [] }
    const proposal = this.#scene.signProposal(unsigned)
    this.#plot.proposals.set(proposal.hash, proposal)
    this.#tellAll({ type: 'proposal', proposal })
  }

  #onVote(heard: Vote, from: number): void {
    this.#plot.enterSeq(heard.seq)
    const { seq, attempt, kind, hash } = heard
    if (seq !== this.#plot.seq) return
    for (const at of [attempt, attempt + 1]) this.#coordinate(at, from)
    const value = this.#helpsIn(heard) ? hash : null
    const proposals = value === null ? [] : heard.proposals
    const vote = this.#scene.signVote({ validator: this.key, seq, attempt, kind, hash: value, proposals })
    if (this.#plot.once(`${this.index} ${attempt} ${kind} ${value}`)) this.#tellAll({ type: 'vote', vote })
    else this.#tell(from, { type: 'vote', vote })
  }

  /** Others' ledgers are helped along too now and then, for there to be a next one. */
  #helpsIn({ seq, attempt, hash }: Vote): boolean {
    const { n, quorum } = this.#scene
    if (hash !== null && this.#plot.ledgers.has(hash)) return true
    return attempt === 0 ? quorum === n || seq % 3 === 0 : attempt > n
  }

  #coordinate(attempt: number, from: number): void {
    const { seq } = this.#plot
    const tip = this.#scene.tipAt(seq - 1)
    if (tip === null) return
    const config = this.#scene.configAt(seq)
    const { unl } = config
    const quorum = expectedQuorum(unl.length, config.threshold)
    if (attempt === 0 || unl[(seq + attempt) % unl.length] !== this.key) return
    const held = [...this.#plot.proposals.values()].sort((a, b) => Number(isFalse(b)) - Number(isFalse(a)))
    const chosen = held.slice(0, quorum)
    if (chosen.length < quorum) return
    const { hash } = this.#scene.closeLedger(tip, chosen, config)
    this.#plot.ledgers.add(hash)
    const proposals = chosen.map((proposal) => proposal.hash)
    const unsigned = { validator: this.key, seq, attempt, hash, proposals, prevotes: null }
    const message: Message = { type: 'candidate', candidate: this.#scene.signCandidate(unsigned) }
    if (this.#plot.once(`candidate ${attempt}`)) this.#tellAll(message)
    else this.#tell(from, message)
  }
}

function isFalse({ result }: Proposal): boolean {
  return result.stateRoot === FALSE_ROOT
}
