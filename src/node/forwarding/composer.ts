import { PROPOSAL_LIMITS } from '../../codec/index.js'
import type { ProposalUser } from '../../consensus/types.js'
import type { PendingInputs, Selection } from '../../users/index.js'
import type { ForwardedBatch } from './batches.js'
import { type ForwardInbox, sizeOf } from './inbox.js'

/** What a proposal contains: own users with their inputs, and what observers have forwarded. */
export interface ProposalContent extends Selection {
  forwards?: readonly ForwardedBatch[]
}

export interface ComposerOptions {
  pending: PendingInputs
  inbox: ForwardInbox
  /** The connected users of this node. */
  users: () => ProposalUser[]
  /** Input bytes of a ledger. */
  inputBytes: () => number
}

/**
 * Fills proposals. Own and forwarded inputs share what one ledger may hold: where there is not room for both, they take
 * turns in being served first, so that neither keeps the other out for ever.
 */
export class Composer {
  readonly #options: ComposerOptions
  #ownFirst = true

  constructor(options: ComposerOptions) {
    this.#options = options
  }

  compose(seq: number): ProposalContent {
    const { inbox, inputBytes } = this.#options
    const room = { bytes: inputBytes(), inputs: PROPOSAL_LIMITS.inputs }
    const ownFirst = this.#ownFirst
    this.#ownFirst = !ownFirst
    if (ownFirst) {
      const own = this.#selectOwn(room.bytes, room.inputs)
      const bytes = own.inputs.reduce((sum, { content }) => sum + content.length, 0)
      const left = { bytes: room.bytes - bytes, inputs: room.inputs - own.inputs.length }
      return { ...own, forwards: inbox.select(seq, left) }
    }
    const forwards = inbox.select(seq, room)
    const used = sizeOf(forwards)
    return { ...this.#selectOwn(room.bytes - used.bytes, room.inputs - used.inputs), forwards }
  }

  #selectOwn(bytes: number, inputs: number): Selection {
    const { pending, users } = this.#options
    return pending.select(bytes, users(), inputs, PROPOSAL_LIMITS.users)
  }
}
