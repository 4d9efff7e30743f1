import {
  CodecError,
  decodeForwardBatch,
  decodeSignedForward,
  encodeCandidatePayload,
  encodeConsensusMessage,
  encodeInputList,
  encodeProposalPayload,
  encodeUserList,
  genesisLedger,
  LIMITS,
  type ProposalMessage,
  partHashOf,
  proposalHashOf,
  SIGNING_DOMAINS,
  signPayload,
  voteBytes
} from '../../../src/codec/index.js'
import { closeLedger, type LedgerTip, tipOf } from '../../../src/consensus/close-ledger.js'
import type {
  Candidate,
  ConsensusConfig,
  Hash,
  Proposal,
  ProposalInput,
  ProposalUser,
  PublicKey,
  Vote
} from '../../../src/consensus/types.js'
import { createKeyPair, type Signer } from '../../../src/crypto/index.js'
import { challengeOf, inputIdOf } from '../../../src/users/proof.js'
import type { Message } from '../messages.js'
import type { Scene } from '../scene.js'
import type { Stage } from './stage.js'

const NONCE = Buffer.alloc(16)
/** Ledgers for which proposals are remembered. */
const LEDGERS_KEPT = 3
const FORWARDED_MAX = 100

interface Batch {
  part: Uint8Array
  users: ProposalUser[]
  inputs: ProposalInput[]
}

/** What Byzantine nodes know of a world of whole nodes: their messages are encoded and signed as those of any node. */
export class WholeScene implements Scene {
  readonly forwarded: ProposalInput[] = []
  readonly #stage: Stage
  readonly #liars: ReadonlySet<number>
  readonly #SignerClass: typeof Signer
  readonly #signers = new Map<PublicKey, Signer>()
  /** Proposals of others that were heard, and own ones. */
  readonly #messages = new Map<Hash, { seq: number; message: ProposalMessage }>()
  readonly #ordinals = new Map<Hash, number>()
  readonly #batchOf = new Map<Hash, Batch>()

  /** @param SignerClass signs as the program that is run expects it */
  constructor(stage: Stage, liars: ReadonlySet<number>, SignerClass: typeof Signer) {
    this.#stage = stage
    this.#liars = liars
    this.#SignerClass = SignerClass
    for (const { index, keys } of stage.nodes)
      if (liars.has(index)) this.#signers.set(keys.publicKey, new SignerClass(keys))
  }

  get random() {
    return this.#stage.random
  }
  get clock() {
    return this.#stage.clock
  }
  get n() {
    return this.#stage.profile.n
  }
  get quorum() {
    return this.#stage.profile.quorum
  }
  get peers() {
    return this.#stage.nodes
  }
  get forkHunt() {
    return this.#stage.profile.usurps
  }

  get networkId(): Hash {
    return this.#stage.nodes.find(({ node }) => (node?.networkId ?? '') !== '')?.node?.networkId ?? ''
  }

  isByzantine(index: number): boolean {
    return this.#liars.has(index)
  }

  /** A proposal that a liar's software has heard and checked, with all its parts. */
  heard(proposal: Proposal, message: ProposalMessage): void {
    this.#keep(proposal, message)
    const { forwarded } = this
    const inputs = proposal.inputs.filter(({ untilSeq }) => untilSeq > 0)
    for (const part of message.parts.slice(2)) {
      const { users, inputs: list } = decodeForwardBatch(decodeSignedForward(part).payload)
      const batch = { part, users, inputs: inputs.splice(0, list.length) }
      for (const input of batch.inputs) {
        this.#batchOf.set(input.id, batch)
        if (forwarded.length < FORWARDED_MAX) forwarded.push(input)
        else forwarded[this.random.between(0, FORWARDED_MAX - 1)] = input
      }
    }
  }

  #keep({ hash, seq }: Proposal, message: ProposalMessage): void {
    this.#messages.set(hash, { seq, message })
    for (const [old, { seq: of }] of this.#messages) if (of + LEDGERS_KEPT <= seq) this.#messages.delete(old)
  }

  whole(hash: Hash): ProposalMessage | undefined {
    return this.#messages.get(hash)?.message
  }

  send(from: number, to: number, message: Message): void {
    const [sender, receiver] = [this.#stage.nodes[from], this.#stage.nodes[to]]
    if (sender?.isUp !== true || receiver === undefined) return
    const bytes = this.#encode(message)
    if (bytes !== null) this.#stage.hub.whisper(sender.publicKey, receiver.publicKey, 'consensus', bytes)
  }

  /** Null for what cannot be put into a message, or is too old to be remembered. */
  #encode(message: Message): Buffer | null {
    try {
      if (message.type === 'proposal') {
        const proposal = this.whole(message.proposal.hash)
        return proposal === undefined ? null : Buffer.from(encodeConsensusMessage({ type: 'proposal', proposal }))
      }
      if (message.type === 'vote') {
        const { vote } = message
        const signed = { payload: voteBytes(this.networkId, vote), key: vote.validator, signature: vote.signature }
        const { proposals } = vote
        return Buffer.from(encodeConsensusMessage({ type: 'vote', vote: { signed, proposals } }))
      }
      const { candidate } = message
      const payload = encodeCandidatePayload({ networkId: this.networkId, ...candidate })
      const signed = signPayload(SIGNING_DOMAINS.candidate, payload, this.#signerOf(candidate.validator))
      const { unl } = this.configAt(candidate.seq)
      const { prevotes } = candidate
      return Buffer.from(encodeConsensusMessage({ type: 'candidate', candidate: { signed, prevotes } }, unl))
    } catch (error) {
      if (error instanceof CodecError) return null
      throw error
    }
  }

  #signerOf(key: PublicKey): Signer {
    return this.#signers.get(key) as Signer
  }

  signVote(vote: Omit<Vote, 'signature'>): Vote {
    const payload = voteBytes(this.networkId, vote)
    return { ...vote, signature: signPayload(SIGNING_DOMAINS.vote, payload, this.#signerOf(vote.validator)).signature }
  }

  signCandidate(candidate: Candidate): Candidate {
    return candidate
  }

  signProposal(unsigned: Omit<Proposal, 'hash'>): Proposal {
    const own = unsigned.inputs.filter(({ untilSeq }) => untilSeq === 0)
    const batches = [...new Set(unsigned.inputs.flatMap(({ id }) => this.#batchOf.get(id) ?? []))]
    const users = encodeUserList(unsigned.users)
    const index = new Map(unsigned.users.map(({ key }, position) => [key, position]))
    const list = own.map(({ user, id, content }) => ({
      user: index.get(user) as number,
      ordinal: this.#ordinals.get(id) as number,
      content
    }))
    const inputs = encodeInputList(list)
    const { seq, lcl, timeMs, result, wishes } = unsigned
    const payload = encodeProposalPayload({
      networkId: this.networkId,
      seq,
      lcl,
      timeMs,
      result,
      wishes,
      usersHash: partHashOf(users),
      inputsHash: partHashOf(inputs),
      forwards: batches.map(({ part }) => partHashOf(part))
    })
    const signed = signPayload(SIGNING_DOMAINS.proposal, payload, this.#signerOf(unsigned.validator))
    const message = { signed, parts: [users, inputs, ...batches.map(({ part }) => part)] }
    const all = new Map([...unsigned.users, ...batches.flatMap((batch) => batch.users)].map((user) => [user.key, user]))
    const proposal = {
      ...unsigned,
      hash: proposalHashOf(signed),
      users: [...all.values()],
      inputs: [...own, ...batches.flatMap((batch) => batch.inputs)]
    }
    this.#keep(proposal, message)
    return proposal
  }

  lie(index: number, numbers: readonly number[]): { users: ProposalUser[]; inputs: ProposalInput[] } {
    const keys = createKeyPair(Buffer.alloc(32, 200 + index))
    const user = keys.publicKey
    const challenge = challengeOf(
      this.networkId,
      (this.#stage.nodes[index] as { publicKey: string }).publicKey,
      0,
      NONCE
    )
    const signature = new this.#SignerClass(keys).sign(Buffer.from(challenge))
    const inputs = numbers.map((number) => {
      const content = Buffer.from(`add by a liar ${number}`)
      const id = inputIdOf(user, challenge, number, content)
      this.#ordinals.set(id, number)
      return { user, id, content, untilSeq: 0 }
    })
    this.#stage.checks.liesBy(user)
    return { users: [{ key: user, proof: { expiryMs: 0, nonce: NONCE, signature } }], inputs }
  }

  closeLedger(tip: LedgerTip, proposals: Proposal[], config: ConsensusConfig) {
    return closeLedger(tip, proposals, config)
  }

  tipAt(seq: number): LedgerTip | null {
    const { chain } = this.#stage.checks
    if (seq === 0) {
      const genesis = this.#stage.nodes.find(({ node }) => node?.genesis !== undefined)?.node?.genesis
      return genesis === undefined ? null : tipOf(genesisLedger(genesis))
    }
    const ledger = chain.get(seq)
    if (ledger === undefined) return null
    const before = Array.from({ length: LIMITS.forwardLedgers }, (_, back) => chain.get(seq - 1 - back))
    return tipOf(
      ledger,
      before.filter((one) => one !== undefined)
    )
  }

  /** Ledgers are forged from what the software answers. */
  closedAt(): undefined {
    return undefined
  }

  configAt(seq: number): ConsensusConfig {
    return this.#stage.checks.configAt(seq)
  }
}
