import { isIP } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import * as v from 'valibot'

/** A JSON schema fragment. */
export type JsonFragment = { [name: string]: unknown }

/** One key of hp.cfg: how it is read, how the schema file and the table of the documentation describe it. */
export interface KeySpec<T> {
  schema: v.GenericSchema<unknown, T>
  json: JsonFragment
  /** The value when the key is absent; undefined when it must be there. */
  fallback: T | undefined
  /** One sentence for the documentation and for editors. */
  doc: string
  /** Agreed keys are part of the network id and equal on every member. */
  scope: 'node' | 'network'
}

/** Throws a string that finishes the sentence "<key> ..." when the value is wrong. */
type Read<T> = (value: unknown) => T

class WrongValue extends Error {}

/** A short rendering of a bad value, so that a message stays one line. */
export function showValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function wrong(wanted: string, value: unknown): WrongValue {
  return new WrongValue(`must be ${wanted}; it is ${showValue(value)}`)
}

function schemaOf<T>(read: Read<T>): v.GenericSchema<unknown, T> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      try {
        return read(dataset.value)
      } catch (error) {
        if (!(error instanceof WrongValue)) throw error
        addIssue({ message: error.message })
        return NEVER
      }
    })
  )
}

interface Wording {
  doc: string
  scope?: 'node' | 'network'
}

function spec<T>(wording: Wording, json: JsonFragment, fallback: T | undefined, read: Read<T>): KeySpec<T> {
  return { schema: schemaOf(read), json, fallback, doc: wording.doc, scope: wording.scope ?? 'node' }
}

function readInteger(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : null
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) return null
  return Number(value)
}

function integerFragment(min: number, max: number): JsonFragment {
  return {
    anyOf: [
      { type: 'integer', minimum: min, maximum: max },
      { type: 'string', pattern: '^\\d{1,15}$' }
    ]
  }
}

export interface IntegerWording extends Wording {
  min: number
  max: number
  fallback: number
  unit: string
}

/** A whole number, as a JSON number or as the prototype's string of digits. */
export function integerKey(wording: IntegerWording): KeySpec<number> {
  const { min, max, unit, fallback } = wording
  return spec(wording, integerFragment(min, max), fallback, (value) => {
    const number = readInteger(value)
    if (number === null || number < min || number > max) throw wrong(`${unit} from ${min} to ${max}`, value)
    return number
  })
}

/** A TCP port; null or 0 is off. */
export function portKey(wording: Wording & { fallback: number | null }): KeySpec<number | null> {
  const json = { anyOf: [...(integerFragment(0, 65535).anyOf as JsonFragment[]), { type: 'null' }] }
  return spec<number | null>(wording, json, wording.fallback, (value) => {
    if (value === null) return null
    const number = readInteger(value)
    if (number === null || number > 65535 || number < 0) throw wrong('a port from 1 to 65535, or 0 for off', value)
    return number === 0 ? null : number
  })
}

/** Lower-case hex digits of `bytes` bytes. The value of a secret is never shown. */
export function hexKey(wording: Wording & { bytes: number; secret?: boolean }): KeySpec<string> {
  const digits = wording.bytes * 2
  const json = { type: 'string', pattern: `^[0-9a-fA-F]{${digits}}$` }
  return spec(wording, json, undefined, (value) => readHex(value, digits, wording.secret ?? false))
}

function readHex(value: unknown, digits: number, secret: boolean): string {
  if (typeof value === 'string' && new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(value)) return value.toLowerCase()
  if (!secret) throw wrong(`${digits} hex digits`, value)
  const found = typeof value === 'string' ? `${value.length} characters` : `a ${typeof value}`
  throw new WrongValue(`must be ${digits} hex digits; it has ${found}`)
}

/** One of a few words. */
export function wordKey<T extends string>(
  wording: Wording & { words: readonly T[]; fallback: T | undefined }
): KeySpec<T> {
  const { words, fallback } = wording
  const wanted = words.length === 1 ? showValue(words[0]) : `one of ${words.join(', ')}`
  return spec(wording, { enum: words }, fallback, (value) => {
    if (!words.includes(value as T)) throw wrong(wanted, value)
    return value as T
  })
}

/** true or false, as such or as a text. */
export function switchKey(wording: Wording & { fallback: boolean }): KeySpec<boolean> {
  return spec<boolean>(wording, { enum: [true, false, 'true', 'false'] }, wording.fallback, (value) => {
    if (value === true || value === 'true') return true
    if (value === false || value === 'false') return false
    throw wrong('true or false', value)
  })
}

/** Public keys of nodes; sorted and distinct in the result. */
export function publicKeysKey(wording: Wording & { max: number }): KeySpec<string[]> {
  const items = { type: 'string', pattern: '^[0-9a-fA-F]{64}$' }
  return spec<string[]>(wording, { type: 'array', maxItems: wording.max, items }, [], (value) =>
    [...new Set(readList(value, wording.max, 'public keys', (item) => readHex(item, 64, false)))].sort()
  )
}

/** STUN servers: `host:port`, with or without the `stun:` before it. */
export function stunKey(wording: Wording & { max: number }): KeySpec<string[]> {
  const json = { type: 'array', maxItems: wording.max, items: { type: 'string', minLength: 3, maxLength: 260 } }
  return spec<string[]>(wording, json, [], (value) => [
    ...new Set(
      readList(value, wording.max, 'STUN servers', (item) => {
        const text = typeof item === 'string' ? item.replace(/^stun:/, '') : ''
        if (peerToMultiaddr(text) === null) throw wrong('a STUN server such as "stun.example.org:3478"', item)
        return text
      })
    )
  ])
}

/** The version of the file format: "0.1", or the number 0.1. */
export function versionKey(wording: Wording): KeySpec<'0.1'> {
  return spec<'0.1'>(wording, { enum: ['0.1', 0.1] }, '0.1', (value) => {
    if (value !== '0.1' && value !== 0.1) throw wrong('"0.1", the version that this node reads', value)
    return '0.1'
  })
}

export interface TextWording extends Wording {
  /** What the text is, for the message. */
  what: string
  max: number
  fallback: string | null | undefined
}

/** A text without control characters; an absent one with the fallback null stays null. */
export function textKey(wording: TextWording): KeySpec<string | null> {
  const { what, max, fallback } = wording
  const text = { type: 'string', minLength: 1, maxLength: max }
  const json = fallback === null ? { anyOf: [text, { type: 'null' }] } : text
  return spec<string | null>(wording, json, fallback, (value) => {
    if (value === null && fallback === null) return null
    const sound =
      typeof value === 'string' &&
      value.length > 0 &&
      Buffer.byteLength(value) <= max &&
      isUnicode(value) &&
      !hasControl(value)
    if (!sound) throw wrong(`${what} of 1 to ${max} bytes`, value)
    return value
  })
}

/** False for a text with half a surrogate pair, which has no UTF-8 form. */
function isUnicode(text: string): boolean {
  return Buffer.from(text).toString() === text
}

function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) < 32) return true
  }
  return false
}

export function addressKey(wording: Wording & { fallback: string }): KeySpec<string> {
  return spec(wording, { type: 'string', minLength: 2, maxLength: 45 }, wording.fallback, (value) => {
    if (typeof value !== 'string' || isIP(value) === 0)
      throw wrong('an IP address of this machine, 0.0.0.0 for all', value)
    return value
  })
}

/** The contract's arguments: an array, or the prototype's string that is split on spaces. */
export function argumentsKey(wording: Wording): KeySpec<string[]> {
  const json = { anyOf: [{ type: 'string' }, { type: 'array', maxItems: 256, items: { type: 'string' } }] }
  return spec<string[]>(wording, json, [], (value) => {
    const list = typeof value === 'string' ? value.split(/\s+/).filter((part) => part !== '') : value
    const sound =
      Array.isArray(list) &&
      list.length <= 256 &&
      list.every((part) => typeof part === 'string' && part.length <= 65536 && !part.includes('\0'))
    if (!sound) throw wrong('a text or an array of at most 256 texts', value)
    return list
  })
}

export function historyKey(wording: Wording): KeySpec<'full' | number> {
  const json = { anyOf: [{ const: 'full' }, ...(integerFragment(16, 1e9).anyOf as JsonFragment[])] }
  return spec<'full' | number>(wording, json, 'full', (value) => {
    if (value === 'full') return 'full'
    const number = readInteger(value)
    if (number === null || number < 16 || number > 1e9) throw wrong('"full" or a number of ledgers, 16 or more', value)
    return number
  })
}

function readList<T>(value: unknown, max: number, what: string, readItem: Read<T>): T[] {
  if (!Array.isArray(value)) throw wrong(`an array of ${what}`, value)
  if (value.length > max) throw new WrongValue(`must have at most ${max} entries; it has ${value.length}`)
  return value.map((item, index) => {
    try {
      return readItem(item)
    } catch (error) {
      if (error instanceof WrongValue) throw new WrongValue(`entry ${index + 1} ${error.message}`)
      throw error
    }
  })
}

/** The validators; sorted and distinct in the result. */
export function unlKey(wording: Wording & { max: number }): KeySpec<string[]> {
  const items = { type: 'string', pattern: '^[0-9a-fA-F]{64}$' }
  const json = { type: 'array', minItems: 1, maxItems: wording.max, uniqueItems: true, items }
  return spec<string[]>(wording, json, undefined, (value) => {
    const keys = readList(value, wording.max, 'public keys', (item) => {
      if (typeof item === 'string' && /^ed[0-9a-fA-F]{64}$/i.test(item)) {
        throw new WrongValue(`has the prefix "ed": leave it out (${showValue(item.slice(2))})`)
      }
      return readHex(item, 64, false)
    })
    if (keys.length === 0) throw new WrongValue('is empty: put in the public key of every validator, at least your own')
    for (const [index, key] of keys.entries()) {
      const first = keys.indexOf(key)
      if (first !== index)
        throw new WrongValue(`has entry ${first + 1} again as entry ${index + 1}: remove one (${key})`)
    }
    return keys.sort()
  })
}

/** `host:port` of the prototype as a multiaddr, or null when the text has another form. */
export function peerToMultiaddr(text: string): string | null {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text)
  if (parts === null) return null
  const host = (parts[1] ?? parts[2]) as string
  const port = Number(parts[3])
  if (port < 1 || port > 65535) return null
  const version = isIP(host)
  if (parts[1] !== undefined && version !== 6) return null
  if (version === 0 && !/^(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(host)) return null
  return `/${version === 0 ? 'dns4' : `ip${version}`}/${host}/tcp/${port}/ws`
}

/** The protocols of an address that a node can dial (protocols/network.md). */
const DIALLED = /^((ip4|ip6|dns|dns4|dns6)\/tcp(\/(ws|wss|tls\/ws))?|dnsaddr)(\/p2p|\/p2p\/p2p-circuit(\/p2p)?)?$/

const ADDRESS_EXAMPLE = '"/ip4/10.0.0.2/tcp/22860/ws" or "10.0.0.2:22860"'

function readPeerAddress(value: unknown): string {
  if (typeof value !== 'string' || value.length > 1024) throw wrong(`an address such as ${ADDRESS_EXAMPLE}`, value)
  const text = value.startsWith('/') ? value : peerToMultiaddr(value)
  if (text === null) throw wrong(`an address such as ${ADDRESS_EXAMPLE}`, value)
  let address: Multiaddr
  try {
    address = multiaddr(text)
  } catch (error) {
    throw new WrongValue(`is not a multiaddr: ${showValue(value)} (${(error as Error).message.split('\n')[0]})`)
  }
  const names = address.getComponents().map((part) => part.name)
  if (!DIALLED.test(names.join('/'))) {
    throw new WrongValue(
      `must be /ip4, /ip6 or /dns with a host, /tcp with a port, then /ws, /wss or nothing, or /dnsaddr with a name; it is ${showValue(value)}`
    )
  }
  return address.toString()
}

function readAbsolutePath(value: unknown): string {
  const sound = typeof value === 'string' && value.startsWith('/') && value.length <= 4096 && !hasControl(value)
  if (!sound) throw wrong('an absolute path', value)
  return value
}

/** Absolute paths; distinct in the result. */
export function pathsKey(wording: Wording & { max: number }): KeySpec<string[]> {
  const json = {
    type: 'array',
    maxItems: wording.max,
    items: { type: 'string', pattern: '^/', minLength: 1, maxLength: 4096 }
  }
  return spec<string[]>(wording, json, [], (value) => [
    ...new Set(readList(value, wording.max, 'absolute paths', readAbsolutePath))
  ])
}

/** Multiaddrs, or the prototype's `host:port`; distinct in the result. */
export function peersKey(wording: Wording & { max: number }): KeySpec<string[]> {
  const json = { type: 'array', maxItems: wording.max, items: { type: 'string', minLength: 3, maxLength: 1024 } }
  return spec<string[]>(wording, json, [], (value) => [
    ...new Set(readList(value, wording.max, 'addresses', readPeerAddress))
  ])
}
