import { CodecError } from '../codec/canonical.js'
import { checkConsensusConfig } from '../codec/genesis.js'
import { CONFIG_NUMBERS } from '../codec/limits.js'
import type { ConfigWish, ConsensusConfig, Proposal } from './types.js'

const KINDS: Record<ConfigWish['kind'], number> = { 'add-validator': 1, 'remove-validator': 2, set: 3 }

/** What a wish is about: of two wishes with the same target a validator can have one only. */
export function targetOfWish(wish: ConfigWish): string {
  return wish.kind === 'set' ? wish.name : wish.key
}

/** The order in which wishes stand in a proposal and are applied: by kind, then by key or by number of the field. */
export function compareWishes(a: ConfigWish, b: ConfigWish): number {
  if (a.kind !== b.kind) return KINDS[a.kind] - KINDS[b.kind]
  if (a.kind === 'set' && b.kind === 'set') return CONFIG_NUMBERS[a.name] - CONFIG_NUMBERS[b.name] || a.value - b.value
  const [first, second] = [targetOfWish(a), targetOfWish(b)]
  return first < second ? -1 : first > second ? 1 : 0
}

/** True when `config` is already as the wish would have it. */
export function isFulfilled(wish: ConfigWish, config: ConsensusConfig): boolean {
  if (wish.kind === 'set') return config[wish.name] === wish.value
  return config.unl.includes(wish.key) === (wish.kind === 'add-validator')
}

/**
 * The config after the wishes that at least `quorum` of the proposals carry, or null when it stays as it is. With fewer
 * a change could be made by validators that are faulty; and since two quorums share an honest validator, which wishes
 * for one thing at a time, two contrary wishes never both have one.
 */
export function changeConfig(config: ConsensusConfig, proposals: Proposal[], quorum: number): ConsensusConfig | null {
  const carried = new Map<string, { wish: ConfigWish; count: number }>()
  for (const { wishes } of proposals) {
    for (const wish of wishes) {
      const name = JSON.stringify(wish.kind === 'set' ? [wish.name, wish.value] : [wish.kind, wish.key])
      const entry = carried.get(name)
      if (entry === undefined) carried.set(name, { wish, count: 1 })
      else entry.count += 1
    }
  }
  const agreed = [...carried.values()].filter(({ count }) => count >= quorum).map(({ wish }) => wish)
  const changed = applyWishes(config, agreed)
  return changed === config ? null : changed
}

/**
 * `config` with the wishes that keep it valid. One that is not possible yet is tried again after the others: both of a
 * pair like roundtime and minroundtime may be possible only in one order.
 */
export function applyWishes(config: ConsensusConfig, wishes: ConfigWish[]): ConsensusConfig {
  let current = config
  let left = wishes.filter((wish) => !isFulfilled(wish, config)).sort(compareWishes)
  for (;;) {
    const refused: ConfigWish[] = []
    for (const wish of left) {
      const next = applyWish(current, wish)
      if (isValid(next)) current = next
      else refused.push(wish)
    }
    if (refused.length === 0 || refused.length === left.length) return current
    left = refused
  }
}

function applyWish(config: ConsensusConfig, wish: ConfigWish): ConsensusConfig {
  if (wish.kind === 'set') return { ...config, [wish.name]: wish.value }
  const others = config.unl.filter((key) => key !== wish.key)
  return { ...config, unl: wish.kind === 'remove-validator' ? others : [...others, wish.key].sort() }
}

function isValid(config: ConsensusConfig): boolean {
  try {
    checkConsensusConfig(config)
    return true
  } catch (error) {
    if (error instanceof CodecError) return false
    throw error
  }
}
