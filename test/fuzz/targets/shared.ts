import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Logger, pino } from 'pino'
import { blake3, createKeyPair, Signer } from '../../../src/crypto/index.js'
import { claim, Finding } from '../engine/target.js'

export const silent: Logger = pino({ level: 'silent' })

/** The same validators in every run; their keys are ascending. */
export const SIGNERS: readonly Signer[] = [1, 2, 3, 4]
  .map((seed) => new Signer(createKeyPair(Buffer.alloc(32, seed))))
  .sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1))
export const UNL: readonly string[] = SIGNERS.map(({ publicKey }) => publicKey)
export const USERS: readonly string[] = [11, 12, 13]
  .map((seed) => createKeyPair(Buffer.alloc(32, seed)).publicKey)
  .sort()

/** 32 bytes that are the same in every run. */
export function hashBytes(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(blake3(Buffer.from(name)))
}

export function hashHex(name: string): string {
  return Buffer.from(hashBytes(name)).toString('hex')
}

export function utf8(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

/** As a program reads a file: what is not UTF-8 becomes the replacement character. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

/** @throws Finding when `work` throws, whatever it throws: what was accepted must be usable */
export function mustWork<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new Finding('property', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** One value has one encoding: whatever was decoded encodes to the same bytes again. */
export function canonical<T>(
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array
): (input: Uint8Array) => void {
  return (input) => {
    const value = decode(input)
    const again = mustWork('encoding what was decoded', () => encode(value))
    claim(Buffer.compare(again, input) === 0, 'what was decoded encodes to other bytes')
  }
}

/** What was decoded survives being encoded and decoded again, and its encoding is stable. */
export function lasting<T>(
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array
): (input: Uint8Array) => void {
  return (input) => {
    const value = decode(input)
    const bytes = mustWork('encoding what was decoded', () => encode(value))
    const again = mustWork('decoding it again', () => decode(bytes))
    claim(isDeepStrictEqual(again, value), 'the value changes when it is encoded and decoded')
    claim(Buffer.compare(encode(again), bytes) === 0, 'the second encoding differs from the first')
  }
}

/** A directory in memory where there is one, since thousands of files a second are written. */
export function makeTempDir(): { path: string; remove: () => void } {
  let path: string
  try {
    path = mkdtempSync('/dev/shm/hp-fuzz-')
  } catch {
    path = mkdtempSync(join(tmpdir(), 'hp-fuzz-'))
  }
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
