import type { Random } from '../../../sim/random.js'
import { mutateBytes, NUMBERS, pushVarint, randomBytes } from './bytes.js'

/** A field as it stands on the wire. */
interface Field {
  number: number
  wire: number
  /** Of a varint. */
  value: number | bigint
  /** Content of a length-delimited field, bytes of a fixed one. */
  content: Uint8Array
}

const MAX_FIELDS = 2_000
const NOTHING = new Uint8Array(0)

/** Reads varints one after the other. */
class Cursor {
  at = 0
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** NaN when there is none. */
  varint(): number {
    let value = 0
    for (let index = 0; index < 10; index++) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) return Number.NaN
      value += (byte & 0x7f) * 2 ** (7 * index)
      if (byte < 0x80) return value
    }
    return Number.NaN
  }

  take(count: number): Uint8Array {
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }
}

/** The fields of a message; null when the bytes are none. Numbers above 2^53 lose their low bits. */
function parse(bytes: Uint8Array): Field[] | null {
  const fields: Field[] = []
  for (const cursor = new Cursor(bytes); cursor.at < bytes.length; ) {
    const tag = cursor.varint()
    if (!(tag >= 8 && tag < 2 ** 32) || fields.length > MAX_FIELDS) return null
    const wire = tag % 8
    const value = wire === 0 ? cursor.varint() : 0
    const size = wire === 0 ? 0 : wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? cursor.varint() : Number.NaN
    if (Number.isNaN(value) || !(cursor.at + size <= bytes.length)) return null
    fields.push({ number: Math.floor(tag / 8), wire, value: toInteger(value), content: cursor.take(size) })
  }
  return fields
}

function toInteger(value: number): number | bigint {
  return Number.isSafeInteger(value) ? value : BigInt(value)
}

/** `lie` adds to the length of one field, `long` makes one number longer than it need be. */
function write(
  fields: readonly Field[],
  lie?: { at: number; by: number },
  long?: { at: number; by: number }
): Uint8Array {
  const parts: Uint8Array[] = []
  let head: number[] = []
  for (const [index, { number, wire, value, content }] of fields.entries()) {
    const extra = long?.at === index ? long.by : 0
    pushVarint(head, number * 8 + wire)
    if (wire === 0) pushVarint(head, value, extra)
    else if (wire === 2) pushVarint(head, Math.max(0, content.length + (lie?.at === index ? lie.by : 0)), extra)
    if (content.length === 0) continue
    parts.push(Uint8Array.from(head), content)
    head = []
  }
  parts.push(Uint8Array.from(head))
  return Buffer.concat(parts)
}

function varintField(random: Random, number: number): Field {
  return { number, wire: 0, value: random.pick(NUMBERS), content: NOTHING }
}

function editNumber(value: number | bigint, random: Random): number | bigint {
  switch (random.between(0, 4)) {
    case 0:
      return BigInt(value) + 1n
    case 1:
      return BigInt.asUintN(64, BigInt(value) - 1n)
    case 2:
      return random.pick(NUMBERS)
    case 3:
      return BigInt.asUintN(64, -BigInt(random.pick(NUMBERS)) - 1n)
    default:
      return BigInt(value) ^ (1n << BigInt(random.between(0, 63)))
  }
}

function editContent(content: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.15)) return randomBytes(random, random.pick([0, 1, 16, 31, 32, 33, 63, 64, 65]))
  const inner = content.length > 1 ? parse(content) : null
  if (inner !== null && inner.length > 0 && random.chance(0.7)) return mutateProtobuf(content, other, random)
  return mutateBytes(content, other, random)
}

function editField(field: Field, other: Uint8Array, random: Random): Field {
  if (field.wire === 0) return { ...field, value: editNumber(field.value, random) }
  return { ...field, content: editContent(field.content, other, random) }
}

/** One mutation of a message as a message: the fields stay fields. Bytes that are no message are mutated as bytes. */
export function mutateProtobuf(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const fields = parse(input)
  if (fields === null || fields.length === 0) return mutateBytes(input, other, random)
  const at = random.between(0, fields.length - 1)
  const field = fields[at] as Field
  switch (random.between(0, 13)) {
    case 0:
      return write(fields.toSpliced(at, 1))
    case 1:
      return write(fields.toSpliced(random.between(0, fields.length), 0, field))
    case 2:
      return write(fields.toSpliced(at, 0, ...Array.from({ length: random.pick([2, 5, 20, 130]) }, () => field)))
    case 3:
      return write(random.shuffle(fields))
    case 4:
      return write(fields.with(at, { ...field, number: Math.max(1, field.number + random.pick([-1, 1, 15, 1000])) }))
    case 5:
      return write(fields.with(at, { ...field, wire: random.pick([0, 1, 2, 3, 4, 5, 6, 7]) }))
    case 6:
      return write(fields.toSpliced(at, 0, varintField(random, random.pick([field.number, 19, 100, 2 ** 28]))))
    case 7:
      return write(fields, { at, by: random.pick([1, -1, 5, 2 ** 20, 2 ** 31, 2 ** 32 - 1, 2 ** 35]) })
    case 8:
      return write(fields, undefined, { at, by: random.pick([1, 2, 9]) })
    case 9: {
      const others = parse(other) ?? []
      return others.length === 0 ? input : write(fields.toSpliced(at, random.between(0, 1), random.pick(others)))
    }
    case 10:
      return mutateBytes(input, other, random)
    default:
      return write(fields.with(at, editField(field, other, random)))
  }
}
