import type { ConfigNumber, ConfigWish } from '../consensus/types.js'
import { bytesToHex, CodecError, checkInteger, hexToBytes, KEY_BYTES } from './canonical.js'
import { CONFIG_NUMBERS, CONFIG_RANGES } from './limits.js'
import type * as pb from './pb/consensus.js'

/** Wishes of one validator at a time. */
export const WISHES_MAX = 64

const ADD = 1
const REMOVE = 2
const SET = 3

/** @throws CodecError when there are too many, two have the same target, or a value is out of its range */
export function encodeWishes(wishes: readonly ConfigWish[]): pb.ConfigWish[] {
  checkTargets(wishes)
  return wishes.map((wish) => {
    if (wish.kind === 'set') {
      checkValue(wish.name, wish.value)
      return { kind: SET, key: new Uint8Array(0), field: CONFIG_NUMBERS[wish.name], value: wish.value }
    }
    const key = hexToBytes(wish.key, KEY_BYTES, 'wish: key')
    return { kind: wish.kind === 'add-validator' ? ADD : REMOVE, key, field: 0, value: 0 }
  })
}

/** @throws CodecError */
export function decodeWishes(messages: readonly pb.ConfigWish[]): ConfigWish[] {
  const wishes = messages.map(decodeWish)
  checkTargets(wishes)
  return wishes
}

function decodeWish({ kind, key, field, value }: pb.ConfigWish): ConfigWish {
  if (kind === SET) {
    const name = (Object.keys(CONFIG_NUMBERS) as ConfigNumber[]).find((name) => CONFIG_NUMBERS[name] === field)
    if (name === undefined) throw new CodecError('out-of-range', `wish: field ${field} is not known`)
    if (key.length > 0) throw new CodecError('malformed', 'wish: a number has no key')
    checkValue(name, value)
    return { kind: 'set', name, value }
  }
  if (kind !== ADD && kind !== REMOVE) throw new CodecError('out-of-range', `wish: kind ${kind} is not known`)
  if (field !== 0 || value !== 0) throw new CodecError('malformed', 'wish: a validator has no field and no value')
  return { kind: kind === ADD ? 'add-validator' : 'remove-validator', key: bytesToHex(key, KEY_BYTES, 'wish: key') }
}

function checkValue(name: ConfigNumber, value: number): void {
  const { min, max } = CONFIG_RANGES[name]
  checkInteger(value, min, max, `wish: ${name}`)
}

function checkTargets(wishes: readonly ConfigWish[]): void {
  if (wishes.length > WISHES_MAX) {
    throw new CodecError('too-large', `${wishes.length} wishes of one validator, at most ${WISHES_MAX}`)
  }
  const targets = new Set(wishes.map((wish) => (wish.kind === 'set' ? wish.name : wish.key)))
  if (targets.size !== wishes.length) throw new CodecError('out-of-range', 'two wishes of one validator are contrary')
}
