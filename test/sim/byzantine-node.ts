import type {
  Candidate,
  ConfigWish,
  Hash,
  Ledger,
  Proposal,
  PublicKey,
  Vote,
  VoteSet
} from '../../src/consensus/types.js'
import { blake3Hex } from '../../src/crypto/index.js'
import type { ClosedLedger, Message, Peer } from './messages.js'
import type { Random } from './random.js'
import type { Scene } from './scene.js'

/** How one Byzantine node lies; each is a probability for each occasion. */
interface Habits {
  /** Tells a voter that its vote is ours too: everyone is confirmed in what it believes. */
  echo: number
  voteForAll: number
  voteNil: number
  voteRandom: number
  propose: number
  equivocate: number
  falseResult: number
  coordinate: number
  replay: number
  serve: number
  wish: number
  /** Shows a proposal to one node alone, and gives it to nobody who asks. */
  withhold: number
  /** Votes for ledgers that nobody can build. */
  voteUnknown: number
  /** Proposes times far off. */
  falseTime: number
}

const RECENT_MAX = 300

/**
 * A node that does what it likes with its own key: contradicts itself in proposals, votes and candidates, tells each
 * node another thing, says nothing, repeats old messages. It cannot sign for others. Outside the UNL: a stranger.
 */
export class ByzantineNode implements Peer {
  readonly index: number
  readonly key: PublicKey
  readonly up = true
  readonly #scene: Scene
  readonly #habits: Habits
  /** Works with a plan: keeps an attempt from closing, then puts a ledger of its own in the place of the locked one. */
  readonly #usurps: boolean
  readonly #ownCandidates = new Set<Hash>()
  readonly #recent: Message[] = []
  #seq = 0
  #proposals = new Map<Hash, Proposal>()
  readonly #withheld = new Set<Hash>()
  #prevotes: Vote[] = []
  readonly #done = new Set<string>()

  constructor(scene: Scene, index: number, key: PublicKey) {
    this.#scene = scene
    this.index = index
    this.key = key
    const draw = () => scene.random.pick([0, 0.1, 0.5, 1])
    this.#usurps = scene.forkHunt && scene.random.chance(0.4)
    this.#habits = {
      echo: draw(),
      voteForAll: draw(),
      voteNil: draw() / 4,
      voteRandom: draw() / 4,
      propose: draw(),
      equivocate: draw(),
      falseResult: draw(),
      coordinate: draw(),
      replay: draw() / 10,
      serve: draw(),
      wish: draw() / 2,
      withhold: draw() / 2,
      voteUnknown: draw() / 10,
      falseTime: draw()
    }
  }

  start(): void {}

  #usurp(heard: Vote, from: number): void {
    const own = heard.hash !== null && this.#ownCandidates.has(heard.hash)
    this.#tell(from, this.#makeVote(heard, own || heard.kind === 'prevote' ? heard.hash : null))
    const attempt = heard.attempt + 1
    if (heard.kind === 'precommit' && !own && this.#once(`usurp ${attempt}`)) this.#coordinate(attempt)
  }

  receive(message: Message, from: number): void {
    if (this.#scene.isByzantine(from)) return
    const { random } = this.#scene
    if (this.#recent.length < RECENT_MAX) this.#recent.push(message)
    else this.#recent[random.between(0, RECENT_MAX - 1)] = message
    if (random.chance(this.#habits.replay))
      this.#tell(random.between(0, this.#scene.peers.length - 1), random.pick(this.#recent))
    if (message.type === 'proposal') this.#onProposal(message.proposal)
    else if (message.type === 'vote') this.#onVote(message.vote, from)
  }

  serveProposal(hash: Hash): Proposal | null {
    if (!this.#scene.random.chance(this.#habits.serve)) return null
    return this.#withheld.has(hash) ? null : (this.#proposals.get(hash) ?? null)
  }

  serveLedgers(afterSeq: number): ClosedLedger[] {
    const { random } = this.#scene
    const next = this.#scene.closedAt(afterSeq + 1)
    if (next === undefined || !random.chance(this.#habits.serve)) return []
    const others = [this.#scene.closedAt(afterSeq + 2), this.#scene.closedAt(afterSeq)].flatMap((one) => one ?? [])
    const hash = blake3Hex(Buffer.from(`forged ${random.fraction()}`))
    return forgeLedgers(random, next, { ...next.ledger, hash }, others)
  }

  #tell(to: number, message: Message): void {
    if (to !== this.index && !this.#scene.isByzantine(to)) this.#scene.send(this.index, to, message)
  }

  #tellSome(message: Message, share: number): void {
    for (const { index } of this.#scene.peers) if (this.#scene.random.chance(share)) this.#tell(index, message)
  }

  #once(key: string): boolean {
    if (this.#done.has(key)) return false
    this.#done.add(key)
    return true
  }

  #enterSeq(seq: number): void {
    if (seq <= this.#seq) return
    this.#seq = seq
    this.#proposals = new Map()
    this.#withheld.clear()
    this.#prevotes = []
    this.#done.clear()
  }

  #onProposal(heard: Proposal): void {
    this.#enterSeq(heard.seq)
    if (heard.seq !== this.#seq) return
    this.#proposals.set(heard.hash, heard)
    const { random } = this.#scene
    if (!this.#once('propose') || !random.chance(this.#habits.propose)) return
    const variants = random.chance(this.#habits.equivocate) ? random.between(2, 3) : 1
    for (let variant = 0; variant < variants; variant++) {
      const proposal = this.#makeProposal(heard)
      this.#proposals.set(proposal.hash, proposal)
      if (random.chance(this.#habits.withhold)) {
        this.#withheld.add(proposal.hash)
        this.#tell(random.between(0, this.#scene.peers.length - 1), { type: 'proposal', proposal })
        continue
      }
      const later = random.chance(0.3) ? random.fraction() * 2000 : 0
      const share = variants === 1 ? random.pick([0.5, 1]) : 0.5
      this.#scene.clock.schedule(later, () => this.#tellSome({ type: 'proposal', proposal }, share))
    }
  }

  #makeProposal(heard: Proposal): Proposal {
    const { random } = this.#scene
    const numbers = Array.from({ length: random.between(0, 3) }, () => random.between(0, 20))
    const { users, inputs } = this.#scene.lie(this.index, numbers)
    const { forwarded } = this.#scene
    while (forwarded.length > 0 && random.chance(this.#habits.replay * 5)) inputs.push(random.pick(forwarded))
    const wishes: ConfigWish[] = random.chance(this.#habits.wish)
      ? [
          { kind: 'add-validator', key: this.key },
          { kind: 'set', name: 'threshold', value: random.pick([67, 100]) }
        ]
      : []
    const falsely = random.chance(this.#habits.falseResult)
    const unsigned = {
      validator: this.key,
      seq: heard.seq,
      lcl: heard.lcl,
      timeMs: random.chance(this.#habits.falseTime)
        ? random.pick([0, heard.timeMs * 10, heard.timeMs * 1000])
        : heard.timeMs + random.between(0, 1),
      result: falsely ? { ...heard.result, stateRoot: blake3Hex(Buffer.from('false')) } : heard.result,
      users,
      inputs,
      wishes
    }
    return this.#scene.signProposal(unsigned)
  }

  #onVote(heard: Vote, from: number): void {
    this.#enterSeq(heard.seq)
    if (heard.seq !== this.#seq) return
    const { random } = this.#scene
    if (this.#usurps) {
      this.#usurp(heard, from)
      return
    }
    if (heard.kind === 'prevote' && heard.hash !== null && this.#prevotes.length < RECENT_MAX)
      this.#prevotes.push(heard)
    if (random.chance(this.#habits.echo)) this.#tell(from, this.#makeVote(heard, heard.hash))
    const key = `${heard.attempt} ${heard.kind}`
    if (random.chance(this.#habits.voteForAll) && this.#once(`${key} ${heard.hash}`)) {
      this.#tellSome(this.#makeVote(heard, heard.hash), random.pick([0.3, 0.7, 1]))
    }
    if (random.chance(this.#habits.voteNil) && this.#once(`${key} nil`))
      this.#tellSome(this.#makeVote(heard, null), 0.5)
    if (random.chance(this.#habits.voteRandom)) {
      const about = random.pick([...this.#prevotes, heard])
      const attempt = Math.max(0, heard.attempt + random.pick([-1, 0, 0, 1, 2, 50]))
      this.#tellSome(this.#makeVote({ ...heard, attempt, proposals: about.proposals }, about.hash), 0.5)
    }
    if (random.chance(this.#habits.voteUnknown)) {
      const unknown = Array.from({ length: this.#scene.quorum }, () =>
        blake3Hex(Buffer.from(`unknown ${random.fraction()}`))
      )
      this.#tellSome(this.#makeVote({ ...heard, proposals: unknown }, unknown[0] as Hash), 0.5)
    }
    for (const attempt of [heard.attempt, heard.attempt + 1]) {
      if (attempt > 0 && random.chance(this.#habits.coordinate) && this.#once(`coordinate ${attempt}`))
        this.#coordinate(attempt)
    }
  }

  #makeVote({ seq, attempt, kind, proposals }: Vote, hash: Hash | null): Message {
    const vote = { validator: this.key, seq, attempt, kind, hash, proposals: hash === null ? [] : proposals }
    return { type: 'vote', vote: this.#scene.signVote(vote) }
  }

  /** Other candidates for others: true ones, wrong hashes, prevotes that do not belong to them or are too few. */
  #coordinate(attempt: number): void {
    const { random, peers } = this.#scene
    const first = this.#makeCandidate(attempt)
    if (first !== null) this.#ownCandidates.add(first.hash)
    const candidates = this.#usurps || random.chance(0.5) ? [first] : [first, this.#makeCandidate(attempt), null]
    for (const { index } of peers) {
      const candidate = random.pick(candidates)
      if (candidate !== null) this.#tell(index, { type: 'candidate', candidate })
    }
  }

  #makeCandidate(attempt: number): Candidate | null {
    const { random, quorum } = this.#scene
    const held = random.shuffle([...this.#proposals.values()])
    const size = random.between(Math.min(held.length, quorum), held.length)
    const chosen = held.slice(0, size)
    const distinct = chosen.filter((one, at) => chosen.findIndex(({ validator }) => validator === one.validator) === at)
    const tip = this.#scene.tipAt(this.#seq - 1)
    if (distinct.length === 0 || tip === null) return null
    const proposals = random.chance(0.2) ? chosen : distinct
    const ledger = this.#scene.closeLedger(tip, distinct, this.#scene.configAt(this.#seq))
    const hash = random.chance(0.2) ? blake3Hex(Buffer.from(`wrong ${random.fraction()}`)) : ledger.hash
    const prevotes = this.#usurps || random.chance(0.5) ? this.#makePrevotes(hash, attempt) : null
    const about =
      prevotes !== null && random.chance(0.7) ? this.#prevotes.find((vote) => vote.hash === prevotes.hash) : undefined
    return this.#scene.signCandidate({
      validator: this.key,
      seq: this.#seq,
      attempt,
      hash: about?.hash ?? hash,
      proposals: about?.proposals ?? proposals.map((proposal) => proposal.hash),
      prevotes
    })
  }

  #makeOwnPrevotes(hash: Hash, attempt: number): VoteSet {
    const { random, quorum } = this.#scene
    const vote = { validator: this.key, seq: this.#seq, attempt, kind: 'prevote' as const, hash, proposals: [] }
    const { signature } = this.#scene.signVote(vote)
    const count = random.pick([1, quorum])
    const own = Array.from({ length: count }, () => ({ validator: this.key, signature }))
    return { seq: this.#seq, attempt, hash, signatures: own }
  }

  /** Prevotes of others as they are, with our own, but short of a quorum, repeated, or for another ledger. */
  #makePrevotes(hash: Hash, attempt: number): VoteSet | null {
    const { random, quorum } = this.#scene
    if (this.#usurps || random.chance(0.5)) return this.#makeOwnPrevotes(hash, random.between(0, attempt - 1))
    const basis = this.#prevotes.length > 0 ? random.pick(this.#prevotes) : null
    if (basis === null || basis.hash === null) return null
    const same = this.#prevotes.filter((vote) => vote.attempt === basis.attempt && vote.hash === basis.hash)
    const own = this.#scene.signVote({ ...basis, validator: this.key })
    const signers = [...new Map([...same, own].map((vote) => [vote.validator, vote.signature]))]
    if (random.chance(0.5)) while (signers.length < quorum) signers.push([this.key, own.signature])
    const claimed = random.chance(0.2) ? attempt - 1 : basis.attempt
    return {
      seq: this.#seq,
      attempt: claimed,
      hash: random.chance(0.2) ? hash : basis.hash,
      signatures: signers.map(([validator, signature]) => ({ validator, signature }))
    }
  }
}

/** True ledgers under certificates that prove nothing, others under true certificates, true ones out of turn. */
export function forgeLedgers(
  random: Random,
  { ledger, certificate }: ClosedLedger,
  forged: Ledger,
  outOfTurn: ClosedLedger[]
): ClosedLedger[] {
  const first = certificate.signatures[0]!
  const kind = random.between(0, 4)
  if (kind === 0) return outOfTurn
  if (kind === 1) return [{ ledger: forged, certificate }]
  if (kind === 2) return [{ ledger, certificate: { ...certificate, attempt: certificate.attempt + 1 } }]
  return kind === 3
    ? [{ ledger: forged, certificate: { ...certificate, hash: forged.hash } }]
    : [{ ledger, certificate: { ...certificate, signatures: certificate.signatures.map(() => first) } }]
}
