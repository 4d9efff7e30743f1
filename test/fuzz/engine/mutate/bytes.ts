import type { Random } from '../../../sim/random.js'

/** Values at which lengths and counts break. */
export const NUMBERS: readonly number[] = [
  0,
  1,
  2,
  7,
  16,
  31,
  32,
  33,
  63,
  64,
  65,
  127,
  128,
  255,
  256,
  1023,
  1024,
  4096,
  32_767,
  65_535,
  65_536,
  65_537,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 48,
  2 ** 53 - 1,
  2 ** 53
]

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.between(0, 255))
}

/** A place in the input, its end included. */
function place(input: Uint8Array, random: Random): number {
  return random.between(0, input.length)
}

function replace(input: Uint8Array, at: number, count: number, by: Uint8Array): Uint8Array {
  return Buffer.concat([input.subarray(0, at), by, input.subarray(at + count)])
}

function overwrite(input: Uint8Array, at: number, by: Uint8Array): Uint8Array {
  return replace(input, at, by.length, by)
}

/** A number of 1, 2, 4 or 8 bytes in either order. */
function encodeInteger(random: Random): Buffer {
  const value = BigInt(random.pick(NUMBERS)) - (random.chance(0.2) ? 1n : 0n)
  const bytes = Buffer.alloc(8)
  const isLittle = random.chance(0.3)
  if (isLittle) bytes.writeBigInt64LE(value)
  else bytes.writeBigInt64BE(value)
  const size = random.pick([1, 2, 4, 8])
  return isLittle ? bytes.subarray(0, size) : bytes.subarray(8 - size)
}

/** Appends a number as LEB128; `extra` bytes longer than it need be. */
export function pushVarint(bytes: number[], value: number | bigint, extra = 0): void {
  let rest = value
  // Numbers up to 2^53 are the rule, and ten times as quick.
  if (typeof rest === 'bigint') {
    rest = BigInt.asUintN(64, rest)
    for (; rest > Number.MAX_SAFE_INTEGER; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    rest = Number(rest)
  }
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  if (extra === 0) bytes.push(rest)
  else {
    bytes.push(rest | 0x80)
    for (let index = 1; index < extra; index++) bytes.push(0x80)
    bytes.push(0)
  }
}

function encodeVarint(value: number, extra: number): Uint8Array {
  const bytes: number[] = []
  pushVarint(bytes, value, extra)
  return Uint8Array.from(bytes)
}

type Edit = (input: Uint8Array, other: Uint8Array, random: Random) => Uint8Array

const EDITS: readonly Edit[] = [
  function flipBit(input, _other, random) {
    if (input.length === 0) return randomBytes(random, 1)
    const bytes = new Uint8Array(input)
    const at = random.between(0, bytes.length - 1)
    bytes[at] = (bytes[at] as number) ^ (1 << random.between(0, 7))
    return bytes
  },
  function setByte(input, _other, random) {
    return overwrite(input, place(input, random), Uint8Array.of(random.pick([0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x22])))
  },
  function addBytes(input, _other, random) {
    return replace(input, place(input, random), 0, randomBytes(random, random.between(1, 16)))
  },
  function removeBytes(input, _other, random) {
    return replace(input, place(input, random), random.pick([1, 1, 2, 4, 8, 32, 64]), new Uint8Array(0))
  },
  function repeatBytes(input, _other, random) {
    const at = place(input, random)
    const piece = input.subarray(at, at + random.pick([1, 2, 4, 34, 66, 100]))
    return replace(input, at, 0, Buffer.concat(Array.from({ length: random.pick([1, 1, 2, 10, 100]) }, () => piece)))
  },
  function cut(input, _other, random) {
    return input.subarray(0, place(input, random))
  },
  function cutStart(input, _other, random) {
    return input.subarray(place(input, random))
  },
  function writeInteger(input, _other, random) {
    return overwrite(input, place(input, random), encodeInteger(random))
  },
  function writeVarint(input, _other, random) {
    const varint = encodeVarint(random.pick(NUMBERS), random.pick([0, 0, 0, 1, 9]))
    return replace(input, place(input, random), random.pick([0, 1, varint.length]), varint)
  },
  function crossOver(input, other, random) {
    return Buffer.concat([input.subarray(0, place(input, random)), other.subarray(place(other, random))])
  },
  function takePiece(input, other, random) {
    const from = place(other, random)
    const piece = other.subarray(from, from + random.between(1, 64))
    return replace(input, place(input, random), random.pick([0, piece.length]), piece)
  }
]

export function mutateBytes(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  return random.pick(EDITS)(input, other, random)
}
