import { request } from 'node:http'
import { resolve } from 'node:path'
import type { PublicKey } from '../consensus/types.js'
import { AdminError, type AdminErrorCode, systemCode } from './errors.js'
import type { ConfigView, UnlView } from './membership.js'
import type {
  BackupRequest,
  BackupResult,
  BanRequest,
  ExportRequest,
  ExportView,
  PingResult,
  StateDiffRequest,
  StateDiffView,
  StateRootView,
  WishRequest,
  WishResult
} from './operations.js'
import { adminSocketPath, shortSocketPath } from './socket-path.js'
import type {
  DoctorReport,
  LedgerSummary,
  LedgerView,
  NodeId,
  NodeStatus,
  PeerRow,
  StateView,
  VerifyResult
} from './types.js'

/** Far above any honest answer. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const DEFAULT_TIMEOUT_MS = 10_000
const GONE = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ENOTSOCK'])

/** What each path answers with. */
export interface AdminAnswers {
  '/v1/id': NodeId
  '/v1/status': NodeStatus
  '/v1/peers': PeerRow[]
  '/v1/verify': VerifyResult
  '/v1/unl': UnlView
  '/v1/config': ConfigView
  '/v1/state': StateView
  '/v1/doctor': DoctorReport
  [root: `/v1/state/roots/${string}`]: StateRootView
  [ledger: `/v1/ledgers/${string}`]: LedgerView
  [list: `/v1/ledgers?${string}`]: LedgerSummary[]
}

/** What is posted to each path of an operation, and what it answers with. */
export interface AdminPosts {
  '/v1/wishes': { body: WishRequest; answer: WishResult }
  '/v1/peers/connect': { body: { address: string }; answer: { publicKey: PublicKey } }
  '/v1/peers/ban': { body: BanRequest; answer: { publicKey: PublicKey; untilMs: number } }
  '/v1/peers/unban': { body: { peer: string }; answer: { publicKey: PublicKey; wasBanned: boolean } }
  '/v1/ping': { body: { peer: string; count?: number }; answer: PingResult }
  '/v1/backup': { body: BackupRequest; answer: BackupResult }
  '/v1/export': { body: ExportRequest; answer: ExportView }
  '/v1/state/diff': { body: StateDiffRequest; answer: StateDiffView }
}

interface Answer {
  status: number
  text: string
}

function connectError(dir: string, error: unknown): AdminError {
  if (error instanceof AdminError) return error
  const code = systemCode(error)
  const where = resolve(dir)
  if (GONE.has(code)) return new AdminError('not-reachable', `no node runs on ${where}: start it with \`hp-p2p run\``)
  if (code === 'EACCES' || code === 'EPERM') {
    return new AdminError('not-reachable', `the node on ${where} belongs to another user`)
  }
  return new AdminError('not-reachable', `the node on ${where} cannot be reached (${(error as Error).message})`)
}

function fetchAnswer(socketPath: string, path: string, body: string | null, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      call.destroy(new AdminError('timeout', `the node did not answer within ${timeoutMs} ms`))
    }, timeoutMs)
    const posted = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body ?? '') }
    const how = body === null ? { method: 'GET' } : { method: 'POST', headers: posted }
    const call = request({ socketPath, path, agent: false, ...how }, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) call.destroy(new AdminError('bad-answer', 'the node\u2019s answer is too long'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    call.on('error', reject)
    call.on('close', () => clearTimeout(timer))
    call.end(body ?? undefined)
  })
}

function readAnswer(answer: Answer): unknown {
  let body: unknown
  try {
    body = JSON.parse(answer.text)
  } catch {
    throw new AdminError('bad-answer', 'the node\u2019s answer is no JSON')
  }
  if (answer.status === 200) return body
  const error = (body as { error?: { code?: unknown; message?: unknown } } | null)?.error
  const known: AdminErrorCode[] = ['not-found', 'bad-request', 'refused', 'failed']
  const code = known.find((name) => name === error?.code) ?? 'bad-answer'
  throw new AdminError(code, typeof error?.message === 'string' ? error.message : `the node answered ${answer.status}`)
}

async function ask(dir: string, path: string, body: string | null, timeoutMs: number): Promise<unknown> {
  try {
    const short = await shortSocketPath(adminSocketPath(dir))
    try {
      return readAnswer(await fetchAnswer(short.path, path, body, timeoutMs))
    } finally {
      await short.release()
    }
  } catch (error) {
    throw connectError(dir, error)
  }
}

/**
 * Asks the node that runs on a contract directory. Throws `AdminError`: 'not-reachable' when none runs, 'timeout',
 * 'not-found', 'bad-request'.
 */
export async function adminRequest<P extends keyof AdminAnswers>(
  dir: string,
  path: P,
  options: { timeoutMs?: number } = {}
): Promise<AdminAnswers[P]> {
  return (await ask(dir, path, null, options.timeoutMs ?? DEFAULT_TIMEOUT_MS)) as AdminAnswers[P]
}

/** Has the node that runs on a contract directory do something. Throws as `adminRequest` does, and 'refused'. */
export async function adminPost<P extends keyof AdminPosts>(
  dir: string,
  path: P,
  body: AdminPosts[P]['body'],
  options: { timeoutMs?: number } = {}
): Promise<AdminPosts[P]['answer']> {
  const text = JSON.stringify(body)
  return (await ask(dir, path, text, options.timeoutMs ?? DEFAULT_TIMEOUT_MS)) as AdminPosts[P]['answer']
}
