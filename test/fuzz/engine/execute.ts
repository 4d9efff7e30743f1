import { Finding, type Target } from './target.js'

/** What an input led to: `kind` tells outcomes apart, without the numbers and names in a message. */
export interface Outcome {
  kind: string
  finding: Finding | null
}

/** CPU time of one execution above which an input counts as too expensive. */
const SLOW_MS = 50
/** Runs of a slow input, of which the quickest counts: the machine is shared. */
const SLOW_RUNS = 4
const MIB = 1024 * 1024
const MEMORY_BYTES = 8 * MIB
/** Decoded values weigh a multiple of their bytes. */
const MEMORY_FACTOR = 64
const HEAP_BYTES = 64 * MIB
const MEMORY_RUNS = 4

/** Feeds one input and judges what came of it, the memory apart. */
export async function execute(target: Target, input: Uint8Array): Promise<Outcome> {
  const startMs = performance.now()
  const outcome = await attempt(target, input)
  const wallMs = performance.now() - startMs
  if (outcome.finding !== null) return outcome
  if (wallMs > SLOW_MS) {
    const cpuMs = await measureCpu(target, input)
    if (cpuMs > SLOW_MS) return found('slow', `${cpuMs.toFixed(0)} ms of CPU for ${input.length} bytes`)
  }
  return outcome
}

/**
 * True when what was executed since `before` may have taken too much memory: then each input is looked at by itself.
 * Asking costs as much as decoding a small message, so that it is not done for each.
 */
export function isSuspicious(target: Target, before: NodeJS.MemoryUsage): boolean {
  return isTooMuch(heldSince(before), target, 0)
}

/** Feeds one input again and judges the memory that it took. */
export async function executeForMemory(target: Target, input: Uint8Array): Promise<Outcome | null> {
  let held: Held = { arrayBytes: 0, heapBytes: 0 }
  // Garbage of others may have been counted: it has to come about each time.
  for (let run = 0; run < MEMORY_RUNS; run++) {
    const before = process.memoryUsage()
    await attempt(target, input)
    held = heldSince(before)
    if (!isTooMuch(held, target, input.length)) return null
  }
  const { arrayBytes, heapBytes } = held
  return found('memory', `${arrayBytes} bytes in buffers, ${heapBytes} in the heap for ${input.length} bytes`)
}

async function attempt(target: Target, input: Uint8Array): Promise<Outcome> {
  // A copy of its own: a buffer that lies alone in its memory, and that may be compared afterwards.
  const given = new Uint8Array(input)
  let outcome: Outcome
  try {
    const pending = target.run(given)
    const word = pending instanceof Promise ? await pending : pending
    outcome = { kind: `ok ${typeof word === 'string' ? word : ''}`, finding: null }
  } catch (error) {
    outcome = judgeError(target, error)
  }
  if (outcome.finding === null && Buffer.compare(given, input) !== 0) {
    return found('input-changed', 'the bytes of the input were written to')
  }
  return outcome
}

function judgeError(target: Target, error: unknown): Outcome {
  if (error instanceof Finding) return { kind: `finding ${error.kind}: ${normalise(error.message)}`, finding: error }
  if (target.errors.some((known) => error instanceof known)) {
    const { name, code, message } = error as Error & { code?: unknown }
    return { kind: `${name} ${typeof code === 'string' ? code : ''}: ${normalise(message)}`, finding: null }
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return found('wrong-error', text, error)
}

function found(kind: Finding['kind'], message: string, cause?: unknown): Outcome {
  return { kind: `finding ${kind}: ${normalise(message)}`, finding: new Finding(kind, message, { cause }) }
}

/** Messages that differ in numbers, hashes and quoted texts alone are of one kind. */
function normalise(message: string): string {
  return message
    .slice(0, 300)
    .replace(/"(?:[^"\\]|\\.)*"?/g, '"…"')
    .replace(/[0-9a-f]{16,}/gi, '#')
    .replace(/-?\d+(\.\d+)?/g, '0')
    .slice(0, 120)
}

async function measureCpu(target: Target, input: Uint8Array): Promise<number> {
  let leastMs = Number.POSITIVE_INFINITY
  for (let run = 0; run < SLOW_RUNS; run++) {
    const before = process.cpuUsage()
    await attempt(target, input)
    const { user, system } = process.cpuUsage(before)
    leastMs = Math.min(leastMs, (user + system) / 1000)
  }
  return leastMs
}

interface Held {
  arrayBytes: number
  heapBytes: number
}

function heldSince(before: NodeJS.MemoryUsage): Held {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return { arrayBytes: arrayBuffers - before.arrayBuffers, heapBytes: heapUsed - before.heapUsed }
}

function isTooMuch({ arrayBytes, heapBytes }: Held, { memoryBytes = MEMORY_BYTES }: Target, length: number): boolean {
  const allowed = memoryBytes + MEMORY_FACTOR * length
  return arrayBytes > allowed || heapBytes > allowed + HEAP_BYTES
}
