import type { Random } from '../../../sim/random.js'
import { NUMBERS } from './bytes.js'

/** Texts that parsers trip over. */
export const ODD_TEXTS: readonly string[] = [
  '',
  ' ',
  '\0',
  '\n',
  '\r\n',
  '\t',
  '\u00a0',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\ud800',
  '\udc00',
  '\u{1f600}',
  'e\u0301',
  '\u202e',
  '%00',
  '%',
  '..',
  '../',
  '/',
  '//',
  '\\',
  '"',
  "'",
  '\u007f',
  '\x1b[2J',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'NaN',
  'Infinity',
  '-0',
  '1e999',
  '0x10',
  '٣',
  '１',
  'ſ',
  'İ'
]

export function oddText(random: Random, words: readonly string[]): string {
  switch (random.between(0, 4)) {
    case 0:
      return words.length > 0 ? random.pick(words) : random.pick(ODD_TEXTS)
    case 1:
      return String(random.pick(NUMBERS))
    case 2:
      return random.pick(ODD_TEXTS).repeat(random.pick([1, 2, 100]))
    case 3:
      return String.fromCharCode(random.between(0, 0xffff))
    default:
      return random.pick(ODD_TEXTS)
  }
}

/** One mutation of a text. */
export function mutateText(input: string, other: string, words: readonly string[], random: Random): string {
  const at = random.between(0, input.length)
  const before = input.slice(0, at)
  const after = input.slice(at)
  switch (random.between(0, 7)) {
    case 0:
      return before + oddText(random, words) + after
    case 1:
      return before + after.slice(random.pick([1, 1, 2, 8]))
    case 2:
      return before + oddText(random, words) + after.slice(random.pick([1, 2, 4, 16]))
    case 3:
      return before + after.slice(0, random.pick([1, 4, 16])).repeat(random.pick([2, 3, 50, 300])) + after
    case 4:
      return before
    case 5:
      return before + other.slice(random.between(0, other.length))
    case 6: {
      // A number becomes another one.
      const numbers = [...input.matchAll(/\d+/g)]
      if (numbers.length === 0) return before + oddText(random, words) + after
      const { index, 0: digits } = random.pick(numbers)
      return input.slice(0, index) + String(random.pick(NUMBERS)) + input.slice(index + digits.length)
    }
    default:
      return before + (random.chance(0.5) ? after.toUpperCase() : after.toLowerCase())
  }
}
