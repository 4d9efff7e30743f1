import { decodeWishes, encodeWishes } from '../codec/index.js'
import * as pb from '../codec/pb/consensus.js'
import type { ConfigWish, ConsensusConfig, PublicKey } from '../consensus/types.js'
import { applyWishes, compareWishes, isFulfilled, targetOfWish } from '../consensus/wishes.js'

/** Where wishes are kept over a restart. */
export interface WishStore {
  getMeta(name: string): Promise<Uint8Array | null>
  putMeta(name: string, value: Uint8Array): Promise<void>
}

/** A change that somebody wishes for. */
export interface PendingChange {
  wish: ConfigWish
  /** Validators of the UNL in force whose last proposal carried it, ascending. */
  supporters: PublicKey[]
  /** This node's operator wishes for it. */
  own: boolean
}

const META = 'wishes'

/** What this node's operator wishes to be changed in the config, and what those of other validators do. */
export class Wishes {
  readonly #store: WishStore
  readonly #heard = new Map<PublicKey, { seq: number; wishes: ConfigWish[] }>()
  #own: ConfigWish[]
  /** The last change of the own wishes: one after another, so that none is lost. */
  #changing: Promise<unknown> = Promise.resolve()

  private constructor(store: WishStore, own: ConfigWish[]) {
    this.#store = store
    this.#own = own
  }

  /** @param config in force: what it fulfils is forgotten */
  static async load(store: WishStore, config: ConsensusConfig): Promise<Wishes> {
    const bytes = await store.getMeta(META)
    const own = bytes === null ? [] : decodeWishes(pb.Proposal.decode(bytes).wishes)
    return new Wishes(
      store,
      own.filter((wish) => !isFulfilled(wish, config))
    )
  }

  /** Those of this node's operator, in the order of `compareWishes`. */
  get own(): ConfigWish[] {
    return this.#own
  }

  /**
   * The operator wishes for this, and no longer for the contrary; wishing for what is in force takes a wish back.
   *
   * @returns 'pending'; 'in-force' when there is nothing to be changed; 'taken-back' when there is nothing to be
   *   changed any more
   * @throws CodecError when the wish is out of range or there are too many
   */
  add(wish: ConfigWish, config: ConsensusConfig): Promise<'pending' | 'in-force' | 'taken-back'> {
    return this.#change(async () => {
      const others = this.#without(wish)
      const inForce = isFulfilled(wish, config)
      const isKnown = others.length < this.#own.length
      if (!inForce || isKnown) await this.#set(inForce ? others : [...others, wish])
      return inForce ? (isKnown ? 'taken-back' : 'in-force') : 'pending'
    })
  }

  /** The config as it would be with this wish and the others of the operator, those that are possible. */
  preview(wish: ConfigWish, config: ConsensusConfig): ConsensusConfig {
    return applyWishes(config, [...this.#without(wish), wish])
  }

  /** True when the config would be valid with this wish and the others of the operator. */
  isPossible(wish: ConfigWish, config: ConsensusConfig): boolean {
    return isFulfilled(wish, this.preview(wish, config))
  }

  /** A config has come into force. */
  async forgetFulfilled(config: ConsensusConfig): Promise<void> {
    for (const validator of this.#heard.keys()) if (!config.unl.includes(validator)) this.#heard.delete(validator)
    await this.#change(async () => {
      const left = this.#own.filter((wish) => !isFulfilled(wish, config))
      if (left.length < this.#own.length) await this.#set(left)
    })
  }

  /** A validator's proposal for `seq` carries these. */
  hear(validator: PublicKey, seq: number, wishes: ConfigWish[]): void {
    const known = this.#heard.get(validator)
    if (known !== undefined && known.seq > seq) return
    if (wishes.length === 0) this.#heard.delete(validator)
    else this.#heard.set(validator, { seq, wishes })
  }

  /** What is wished for and not in force. */
  pending(config: ConsensusConfig, self: PublicKey): PendingChange[] {
    const changes = new Map<string, PendingChange>()
    const note = (wish: ConfigWish, by: PublicKey): void => {
      if (isFulfilled(wish, config)) return
      const name = JSON.stringify(wish)
      const change = changes.get(name) ?? { wish, supporters: [], own: false }
      if (by === self) change.own = true
      if (config.unl.includes(by) && !change.supporters.includes(by)) change.supporters.push(by)
      change.supporters.sort()
      changes.set(name, change)
    }
    for (const wish of this.#own) note(wish, self)
    for (const [validator, { wishes }] of this.#heard) {
      if (validator !== self) for (const wish of wishes) note(wish, validator)
    }
    return [...changes.values()].sort((a, b) => compareWishes(a.wish, b.wish))
  }

  /** The own wishes but for the one that is about the same. */
  #without(wish: ConfigWish): ConfigWish[] {
    return this.#own.filter((known) => targetOfWish(known) !== targetOfWish(wish))
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#changing.then(work, work)
    this.#changing = next.catch(() => {})
    return next
  }

  async #set(wishes: ConfigWish[]): Promise<void> {
    const own = [...wishes].sort(compareWishes)
    // As in a proposal: the one field of it that is used.
    await this.#store.putMeta(META, pb.Proposal.encode({ wishes: encodeWishes(own) }))
    this.#own = own
  }
}
