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
  /** Requests at the same time. */
  parallel: number
  /** Longest wait for one answer, ms. */
  timeoutMs: number
  /** How often a chunk is asked for before the copy gives up. */
  attempts: number
  signal: AbortSignal
}

/** Most chunks and bytes in one request. */
export const REQUEST_CHUNKS_MAX = 64
export const REQUEST_BYTES_MAX = 1024 * 1024

interface Job {
  wants: ChunkWant[]
  attempt: number
}

/**
 * Fetches all chunks that `next` gives (undefined: none at the moment) with several requests at once; `accept` gets
 * each one checked and may lead to further wants. Ends when nothing is wanted and nothing is under way.
 */
export async function fetchAll(
  options: FetcherOptions,
  next: () => Promise<ChunkWant | undefined>,
  accept: (want: ChunkWant, bytes: Uint8Array) => Promise<void>
): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  const abort = () => controller.abort(options.signal.reason)
  options.signal.addEventListener('abort', abort, { once: true })
  if (options.signal.aborted) abort()
  const again: Job[] = []
  const running = new Set<Promise<void>>()
  let failure: unknown
  try {
    for (;;) {
      signal.throwIfAborted()
      while (running.size < options.parallel) {
        const job = again.shift() ?? (await collectJob(next))
        if (job === undefined) break
        const work: Promise<void> = runJob(options, job, signal, again, accept)
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

async function collectJob(next: () => Promise<ChunkWant | undefined>): Promise<Job | undefined> {
  const wants: ChunkWant[] = []
  let bytes = 0
  while (wants.length < REQUEST_CHUNKS_MAX && bytes < REQUEST_BYTES_MAX) {
    const want = await next()
    if (want === undefined) break
    wants.push(want)
    bytes += want.bytes
  }
  return wants.length === 0 ? undefined : { wants, attempt: 0 }
}

async function runJob(
  options: FetcherOptions,
  job: Job,
  signal: AbortSignal,
  again: Job[],
  accept: (want: ChunkWant, bytes: Uint8Array) => Promise<void>
): Promise<void> {
  const answer = await ask(options, job, signal)
  signal.throwIfAborted()
  const missing: ChunkWant[] = []
  let error: StateError | undefined
  const chunks = answer instanceof Error ? [] : answer.chunks
  for (const [i, want] of job.wants.entries()) {
    const bytes = chunks[i]
    if (error !== undefined || !(bytes instanceof Uint8Array)) missing.push(want)
    else if (isChunk(want, bytes)) await accept(want, bytes)
    else {
      missing.push(want)
      const what = `${bytes.length} bytes that are not chunk ${want.index} of level ${want.level}`
      error = new StateError('bad-chunk', `a source sent ${what} of ${JSON.stringify(want.path)}`, { path: want.path })
    }
  }
  if (!(answer instanceof Error)) {
    if (chunks.length > job.wants.length) error ??= new StateError('bad-chunk', 'a source sent more than was asked for')
    if (error !== undefined) options.onBadSource(answer.source, error)
  }
  if (missing.length === 0) return
  const attempt = job.attempt + 1
  if (attempt >= options.attempts) {
    const cause = answer instanceof Error ? answer : error
    throw new StateError('unavailable', `no source has ${JSON.stringify(missing[0]!.path)} of the wanted state`, {
      cause
    })
  }
  again.push({ wants: missing, attempt })
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
