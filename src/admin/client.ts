import { request } from 'node:http'
import { resolve } from 'node:path'
import { AdminError, type AdminErrorCode, systemCode } from './errors.js'
import { adminSocketPath, shortSocketPath } from './socket-path.js'
import type { LedgerSummary, LedgerView, NodeId, NodeStatus, PeerRow, VerifyResult } from './types.js'

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
  [ledger: `/v1/ledgers/${string}`]: LedgerView
  [list: `/v1/ledgers?${string}`]: LedgerSummary[]
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

function fetchAnswer(socketPath: string, path: string, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      call.destroy(new AdminError('timeout', `the node did not answer within ${timeoutMs} ms`))
    }, timeoutMs)
    const call = request({ socketPath, path, method: 'GET', agent: false }, (response) => {
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
    call.end()
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
  const known: AdminErrorCode[] = ['not-found', 'bad-request', 'failed']
  const code = known.find((name) => name === error?.code) ?? 'bad-answer'
  throw new AdminError(code, typeof error?.message === 'string' ? error.message : `the node answered ${answer.status}`)
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
  try {
    const short = await shortSocketPath(adminSocketPath(dir))
    try {
      const answer = await fetchAnswer(short.path, path, options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
      return readAnswer(answer) as AdminAnswers[P]
    } finally {
      await short.release()
    }
  } catch (error) {
    throw connectError(dir, error)
  }
}
