import { AdminError } from './errors.js'
import { isOperation, MAX_SEQ } from './requests.js'
import { type AdminSource, type LedgerRef, MAX_LEDGERS } from './types.js'

function readCount(text: string | null, name: string, min: number, max: number, fallback: number): number {
  if (text === null) return fallback
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(value) || value < min || value > max) {
    throw new AdminError('bad-request', `${name} must be a whole number from ${min} to ${max}`)
  }
  return value
}

/** A ledger's number, its hash, or 'latest'. */
export function parseLedgerRef(text: string): LedgerRef {
  if (text === 'latest') return text
  if (/^\d{1,15}$/.test(text)) return Number(text)
  if (/^[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase()
  throw new AdminError('bad-request', 'a ledger is named by its number, its hash (64 hex digits) or "latest"')
}

async function getLedgers(source: AdminSource, query: URLSearchParams): Promise<unknown> {
  const count = readCount(query.get('count'), 'count', 1, MAX_LEDGERS, 20)
  const newestFirst = Math.max(0, source.status().seq - count + 1)
  return source.ledgers(readCount(query.get('from'), 'from', 0, MAX_SEQ, newestFirst), count)
}

async function getLedger(source: AdminSource, name: string): Promise<unknown> {
  const ref = parseLedgerRef(name)
  const ledger = await source.ledger(ref)
  if (ledger === null) throw new AdminError('not-found', `there is no ledger ${ref} here`)
  return ledger
}

type Running = WeakMap<AdminSource, Promise<unknown>>
const verifying: Running = new WeakMap()
const examining: Running = new WeakMap()

/** One long answer at a time; who asks meanwhile gets the same. */
function once(running: Running, source: AdminSource, work: () => Promise<unknown>): Promise<unknown> {
  const found = running.get(source)
  if (found !== undefined) return found
  const next = work().finally(() => running.delete(source))
  running.set(source, next)
  return next
}

function getVerify(source: AdminSource): Promise<unknown> {
  if (source.verify === undefined) throw new AdminError('not-found', 'this node does not verify its ledgers')
  const { verify } = source
  return once(verifying, source, () => verify.call(source))
}

function getDoctor(source: AdminSource): Promise<unknown> {
  return once(examining, source, () => source.doctor())
}

/** The answer of one GET request; `AdminError` 'not-found' or 'bad-request' when there is none. */
export async function answerRequest(source: AdminSource, target: string): Promise<unknown> {
  if (!URL.canParse(target, 'http://node')) throw new AdminError('bad-request', 'the path of the request is malformed')
  const { pathname, searchParams } = new URL(target, 'http://node')
  if (pathname === '/v1/id') return source.id()
  if (pathname === '/v1/status') return source.status()
  if (pathname === '/v1/peers') return source.peers()
  if (pathname === '/v1/ledgers') return getLedgers(source, searchParams)
  if (pathname === '/v1/verify') return getVerify(source)
  if (pathname === '/v1/unl') return source.unl()
  if (pathname === '/v1/config') return source.config()
  if (pathname === '/v1/state') return source.state()
  if (pathname === '/v1/doctor') return getDoctor(source)
  const root = /^\/v1\/state\/roots\/([0-9a-f]{64})$/.exec(pathname)
  if (root !== null) return source.stateRoot(root[1] as string)
  const ledger = /^\/v1\/ledgers\/([^/]{1,80})$/.exec(pathname)
  if (ledger !== null) return getLedger(source, ledger[1] as string)
  if (isOperation(pathname)) throw new AdminError('bad-request', 'this path takes a POST request with a JSON body')
  throw new AdminError('not-found', 'there is no such path')
}
