import type { Random } from '../../../sim/random.js'
import { NUMBERS } from './bytes.js'
import { mutateText, ODD_TEXTS, oddText } from './text.js'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

function oddValue(random: Random, words: readonly string[]): Json {
  switch (random.between(0, 9)) {
    case 0:
      return null
    case 1:
      return random.chance(0.5)
    case 2:
      return random.pick(NUMBERS)
    case 3:
      return random.pick([-1, 0.5, -0.0, 1e300, 1e-7])
    case 4:
      return []
    case 5:
      return {}
    case 6:
      return Array.from({ length: random.pick([1, 3, 200]) }, () => random.pick(ODD_TEXTS))
    case 7:
      return random.pick(ODD_TEXTS).repeat(random.pick([1, 300]))
    default:
      return oddText(random, words)
  }
}

function editLeaf(value: Json, random: Random, words: readonly string[]): Json {
  if (typeof value === 'number' && random.chance(0.6)) {
    return random.pick([value + 1, value - 1, -value, value * 2, value / 3, String(value), random.pick(NUMBERS)])
  }
  if (typeof value === 'string' && random.chance(0.7)) return mutateText(value, value, words, random)
  return oddValue(random, words)
}

/** One change somewhere in the value; goes down at random. */
function editValue(value: Json, random: Random, words: readonly string[]): Json {
  if (typeof value !== 'object' || value === null || random.chance(0.05)) {
    return random.chance(0.1) ? [value] : editLeaf(value, random, words)
  }
  return Array.isArray(value) ? editArray(value, random, words) : editObject(value, random, words)
}

function editArray(value: Json[], random: Random, words: readonly string[]): Json[] {
  if (value.length === 0) return [oddValue(random, words)]
  const at = random.between(0, value.length - 1)
  const item = value[at] as Json
  switch (random.between(0, 5)) {
    case 0:
      return value.toSpliced(at, 1)
    case 1:
      return value.toSpliced(at, 0, ...Array.from({ length: random.pick([1, 2, 130]) }, () => item))
    case 2:
      return random.shuffle(value)
    default:
      return value.with(at, editValue(item, random, words))
  }
}

function editObject(value: { [key: string]: Json }, random: Random, words: readonly string[]): Json {
  const entries = Object.entries(value)
  if (entries.length === 0) return Object.fromEntries([[oddText(random, words), oddValue(random, words)]])
  const at = random.between(0, entries.length - 1)
  const [key, item] = entries[at] as [string, Json]
  switch (random.between(0, 7)) {
    case 0:
      return Object.fromEntries(entries.toSpliced(at, 1))
    case 1:
      return Object.fromEntries([...entries, [oddText(random, words), oddValue(random, words)]])
    case 2:
      return Object.fromEntries(entries.with(at, [mutateText(key, key, words, random), item]))
    case 3:
      return Object.fromEntries(entries.with(at, [key, random.pick(entries)[1]]))
    default:
      return Object.fromEntries(entries.with(at, [key, editValue(item, random, words)]))
  }
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Changes that no value can show: repeated keys, deep nesting, numbers and escapes in odd forms. */
function editNotation(text: string, random: Random): string {
  switch (random.between(0, 5)) {
    case 0:
      return text.replace(/"(\w+)":/, (match) => `${match}0,${match}`)
    case 1: {
      const depth = random.pick([10, 33, 2000])
      return `${'['.repeat(depth)}${text}${']'.repeat(depth)}`
    }
    case 2:
      return text.replace(/\d+/, () => random.pick(['01', '1.', '.5', '1e5', '-', '1E+2', '0x1', '9'.repeat(400)]))
    case 3:
      return text.replace(/[a-z]/, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
    case 4:
      return random.pick([`\ufeff${text}`, ` \n\t${text}\r\n `, `${text},`, `${text}{}`, `/**/${text}`])
    default:
      return text.replace(/[,:{}[\]]/, () => random.pick([',', ':', '{', '}', '[', ']', ',,']))
  }
}

/** One mutation of a JSON text; a text that is no JSON is mutated as text. */
export function mutateJson(input: string, other: string, words: readonly string[], random: Random): string {
  const value = parse(input)
  if (value === undefined || random.chance(0.1)) return mutateText(input, other, words, random)
  if (random.chance(0.1)) return editNotation(input, random)
  return JSON.stringify(editValue(value, random, words))
}
