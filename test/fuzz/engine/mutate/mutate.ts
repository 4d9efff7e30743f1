import type { Random } from '../../../sim/random.js'
import type { Target } from '../target.js'
import { mutateBytes } from './bytes.js'
import { mutateJson } from './json.js'
import { mutateProtobuf } from './protobuf.js'
import { mutateText } from './text.js'

const MAX_BYTES = 4096
/** Most mutations on top of each other. */
const STEPS = [1, 1, 1, 2, 2, 3, 5]

/** An input near `parent`; `other` is another one to take pieces from. */
export function mutate(parent: Uint8Array, other: Uint8Array, target: Target, random: Random): Uint8Array {
  const { maxBytes = MAX_BYTES } = target
  let input = parent
  for (let step = random.pick(STEPS); step > 0; step--) {
    const next = mutateOnce(input, other, target, random)
    // Cut off, a structure would be none any more.
    if (next.length <= maxBytes) input = next
  }
  return input
}

function mutateOnce(input: Uint8Array, other: Uint8Array, target: Target, random: Random): Uint8Array {
  if (target.mutate !== undefined && random.chance(0.6)) return target.mutate(input, random)
  const { shape, words = [] } = target
  if (shape === 'protobuf') return mutateProtobuf(input, other, random)
  if (shape === 'bytes' || random.chance(0.05)) return mutateBytes(input, other, random)
  const edit = shape === 'json' ? mutateJson : mutateText
  return Buffer.from(edit(Buffer.from(input).toString(), Buffer.from(other).toString(), words, random))
}
