import type { Random } from '../../sim/random.js'

/** A class whose errors a target may throw. */
export type ErrorClass = abstract new (...args: never[]) => Error

/** What an input is made of: which mutations keep it interesting. */
export type Shape = 'protobuf' | 'json' | 'text' | 'bytes'

/** A decoder or parser under test. */
export interface Target {
  shape: Shape
  /** Valid and notable inputs, made by the real encoders. */
  seeds: readonly Uint8Array[]
  /**
   * Feeds one input. Returns a short word that tells outcomes apart, or nothing. Throws one of `errors` for an input
   * that is refused, and a Finding when a property does not hold; any other error is a finding as well.
   */
  run(input: Uint8Array): unknown
  errors: readonly ErrorClass[]
  /** Longest input that is made; default 4096. */
  maxBytes?: number
  /** Texts that the parser knows. */
  words?: readonly string[]
  /** Mutations that know the format, mixed with those of the shape: mends checksums, signs anew. */
  mutate?(input: Uint8Array, random: Random): Uint8Array
  /** Bytes that one input may make the parser hold, whatever it declares; default 8 MiB. */
  memoryBytes?: number
  close?(): void | Promise<void>
}

/** A target before anything of it is made. */
export interface TargetEntry {
  name: string
  /** What it feeds and what must hold, one line. */
  about: string
  /** Part of the executions that it gets when all run; below 1 for those that touch files or sockets. */
  share: number
  open(): Target | Promise<Target>
}

export function target(name: string, about: string, open: TargetEntry['open'], share = 1): TargetEntry {
  return { name, about, share, open }
}

export type FindingKind =
  | 'wrong-error'
  | 'property'
  | 'slow'
  | 'memory'
  | 'input-changed'
  | 'hang'
  | 'uncaught'
  | 'leak'

/** A property that does not hold. */
export class Finding extends Error {
  override readonly name = 'Finding'
  readonly kind: FindingKind

  constructor(kind: FindingKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** @throws Finding when `holds` is false */
export function claim(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Finding('property', what)
}
