import { setMaxListeners } from 'node:events'
import { type ChunkWant, isChunk } from './chunks.js'
import { StateError } from './errors.js'

/** What a source answered: `chunks[i]` belongs to `wants[i]`; undefined is "I do not have it". */
export interface ChunkAnswer {
  /** Who answered, for blame. */
  source: string
  chunks: (Uint8Array | undefined)[]
}

/**
 * Asks one peer of the caller's choice. `attempt` counts how often these wants went unanswered so far, so that another
 * peer can be chosen. Rejects when no peer answers; must end when `signal` is aborted.
 */
export type FetchChunks = (wants: ChunkWant[], attempt: number, signal: AbortSignal) => Promise<ChunkAnswer>

export interface FetcherOptions {
  fetchChunks: FetchChunks
  /** A source sent something that is not what was asked for: it should not be asked again. */
  onBadSource: (source: string, error: StateError) => void
  /** A source sent chunks that are what was asked for. */
  onGoodSource?: (source: string) => void
  /** Requests at the same time, at most. */
  parallel: number
  /** Longest wait for one answer, ms. */
  timeoutMs: number
  /** How often a chunk is asked for before the copy gives up. */
  attempts: number
  signal: AbortSignal
}

/**
 * Most chunks in one request, and bytes: one chunk more may be asked for. A stream of libp2p costs as much as some 100 KiB
 * of content; but the more bytes are under way, the more of them outlive the quick collection of garbage and bring on
 * the slow one. So: few requests, large ones.
 */
export const REQUEST_CHUNKS_MAX = 64
export const REQUEST_BYTES_MAX = 2 * 1024 * 1024
/** Where answers come too late, less is asked for at a time, down to this. */
const REQUEST_BYTES_MIN = 64 * 1024

export interface Fetched {
  want: ChunkWant
  bytes: Uint8Array
}

/** Fetches what `next` gives and hands it to `accept`, both as for `fetchAll`. */
export type FetchMany = (
  next: () => Promise<ChunkWant | undefined>,
  accept: (fetched: Fetched[]) => Promise<void>
) => Promise<void>

interface Job {
  wants: ChunkWant[]
  attempt: number
}

/** What the sources can take at the moment. */
interface Pace {
  requestBytes: number
  parallel: number
}

/**
 * Fetches all chunks that `next` gives (undefined: none at the moment) with several requests at once; `accept` gets
 * those of one answer, checked and in the order of `next`, and may lead to further wants. Ends when nothing is wanted
 * and nothing is under way.
 */
export async function fetchAll(
  options: FetcherOptions,
  next: () => Promise<ChunkWant | undefined>,
  accept: (fetched: Fetched[]) => Promise<void>
): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  // One listener of each request under way.
  setMaxListeners(0, signal)
  const abort = () => controller.abort(options.signal.reason)
  options.signal.addEventListener('abort', abort, { once: true })
  if (options.signal.aborted) abort()
  const again: Job[] = []
  const pace: Pace = { requestBytes: REQUEST_BYTES_MAX, parallel: options.parallel }
  const running = new Set<Promise<void>>()
  let failure: unknown
  try {
    for (;;) {
      signal.throwIfAborted()
      while (running.size < pace.parallel) {
        const job = takeJob(again, pace) ?? (await collectJob(next, pace))
        if (job === undefined) break
        const work: Promise<void> = runJob(options, job, signal, { again, pace, accept })
          .catch((error: unknown) => {
            failure ??= error
          })
          .finally(() => running.delete(work))
        running.add(work)
      }
      if (running.size === 0) return
      await Promise.race(running)
      if (failure !== undefined) throw failure
    }
  } finally {
    options.signal.removeEventListener('abort', abort)
    controller.abort()
    await Promise.all(running)
  }
}

async function collectJob(next: () => Promise<ChunkWant | undefined>, pace: Pace): Promise<Job | undefined> {
  const wants: ChunkWant[] = []
  let bytes = 0
  while (wants.length < REQUEST_CHUNKS_MAX && bytes < pace.requestBytes) {
    const want = await next()
    if (want === undefined) break
    wants.push(want)
    bytes += want.bytes
  }
  return wants.length === 0 ? undefined : { wants, attempt: 0 }
}

/** The next job that has to be asked for again: the less of it, the more often it went unanswered. */
function takeJob(again: Job[], pace: Pace): Job | undefined {
  const job = again[0]
  if (job === undefined) return undefined
  const maxBytes = Math.min(pace.requestBytes, Math.max(REQUEST_BYTES_MIN, REQUEST_BYTES_MAX / 4 ** job.attempt))
  let count = 0
  for (let bytes = 0; count < job.wants.length && bytes < maxBytes; count++) bytes += job.wants[count]!.bytes
  if (count === job.wants.length) return again.shift()
  return { wants: job.wants.splice(0, count), attempt: job.attempt }
}

interface Surroundings {
  again: Job[]
  pace: Pace
  accept: (fetched: Fetched[]) => Promise<void>
}

async function runJob(options: FetcherOptions, job: Job, signal: AbortSignal, around: Surroundings): Promise<void> {
  const startMs = performance.now()
  const answer = await ask(options, job, signal)
  signal.throwIfAborted()
  adaptPace(around.pace, options, answer instanceof Error ? undefined : performance.now() - startMs)
  const missing: ChunkWant[] = []
  const fetched: Fetched[] = []
  let error: StateError | undefined
  const chunks = answer instanceof Error ? [] : answer.chunks
  for (const [i, want] of job.wants.entries()) {
    const bytes = chunks[i]
    if (error !== undefined || !(bytes instanceof Uint8Array)) missing.push(want)
    else if (isChunk(want, bytes)) fetched.push({ want, bytes })
    else {
      missing.push(want)
      const what = `${bytes.length} bytes that are not chunk ${want.index} of level ${want.level}`
      error = new StateError('bad-chunk', `a source sent ${what} of ${JSON.stringify(want.path)}`, { path: want.path })
    }
  }
  if (!(answer instanceof Error)) {
    if (chunks.length > job.wants.length) error ??= new StateError('bad-chunk', 'a source sent more than was asked for')
    if (error !== undefined) options.onBadSource(answer.source, error)
    else if (fetched.length > 0) options.onGoodSource?.(answer.source)
  }
  if (fetched.length > 0) await around.accept(fetched)
  if (missing.length === 0) return
  const attempt = job.attempt + 1
  if (attempt >= options.attempts) {
    const cause = answer instanceof Error ? answer : error
    const why = cause === undefined ? '' : ` (${cause.message})`
    const what = JSON.stringify(missing[0]!.path)
    throw new StateError('unavailable', `no source has ${what} of the wanted state${why}`, { cause })
  }
  around.again.push({ wants: missing, attempt })
}

/** Asks for much less after a failure, for a little more after an answer that came soon. */
function adaptPace(pace: Pace, options: FetcherOptions, tookMs: number | undefined): void {
  if (tookMs === undefined) {
    pace.requestBytes = Math.max(REQUEST_BYTES_MIN, pace.requestBytes / 4)
    pace.parallel = Math.max(1, Math.floor(pace.parallel / 2))
  } else if (tookMs < options.timeoutMs / 16) {
    pace.requestBytes = Math.min(REQUEST_BYTES_MAX, pace.requestBytes + REQUEST_BYTES_MIN)
    pace.parallel = Math.min(options.parallel, pace.parallel + 1)
  }
}

/** The answer, or why there is none. A source that never answers counts as one that failed. */
async function ask(options: FetcherOptions, job: Job, signal: AbortSignal): Promise<ChunkAnswer | Error> {
  // One controller by hand: a composite signal would stay alive, with the answer, as long as `signal` does.
  const controller = new AbortController()
  const abort = () => controller.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const late = new Error(`no answer within ${options.timeoutMs} ms`)
  const timer = setTimeout(() => controller.abort(late), options.timeoutMs)
  let stop: (() => void) | undefined
  try {
    return await new Promise<ChunkAnswer>((resolve, reject) => {
      stop = () => reject(controller.signal.reason)
      controller.signal.addEventListener('abort', stop, { once: true })
      options.fetchChunks(job.wants, job.attempt, controller.signal).then(resolve, reject)
    })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    if (stop !== undefined) controller.signal.removeEventListener('abort', stop)
  }
}
