import * as v from 'valibot'
import { CONFIG_NUMBERS } from '../codec/limits.js'
import type { ConfigNumber } from '../consensus/types.js'
import { AdminError } from './errors.js'
import type { AdminSource } from './types.js'

/** Most pings of one request. */
export const MAX_PINGS = 100
/** Largest number of a ledger that may be named. */
export const MAX_SEQ = 2 ** 48
const MAX_BAN_S = 10 * 365 * 24 * 3600

const key = v.pipe(
  v.string(),
  v.regex(/^[0-9a-fA-F]{64}$/, 'must be a public key (64 hex digits)'),
  v.transform((text) => text.toLowerCase())
)
const peer = v.pipe(v.string(), v.minLength(1), v.maxLength(128))
const numberName = v.picklist(Object.keys(CONFIG_NUMBERS) as ConfigNumber[])

const WISH = v.strictObject({
  wish: v.variant('kind', [
    v.strictObject({ kind: v.literal('add-validator'), key }),
    v.strictObject({ kind: v.literal('remove-validator'), key }),
    v.strictObject({ kind: v.literal('set'), name: numberName, value: v.pipe(v.number(), v.safeInteger()) })
  ]),
  force: v.optional(v.boolean())
})
const CONNECT = v.strictObject({ address: v.pipe(v.string(), v.minLength(1), v.maxLength(1024)) })
const BAN = v.strictObject({
  peer,
  reason: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(200))),
  seconds: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(MAX_BAN_S)))
})
const UNBAN = v.strictObject({ peer })
const PING = v.strictObject({
  peer,
  count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_PINGS)), 1)
})
const path = v.pipe(v.string(), v.maxLength(4096), v.regex(/^\/[^\0]+$/, 'must be an absolute path'))
const seq = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_SEQ))
const BACKUP = v.strictObject({ path, keys: v.optional(v.boolean()) })
const EXPORT = v.strictObject({ path, from: v.optional(seq), to: v.optional(seq) })
const STATE_DIFF = v.strictObject({ peer, files: v.optional(v.boolean()) })

type Operation = (source: AdminSource, body: unknown) => unknown

function operation<S extends v.GenericSchema>(
  schema: S,
  run: (source: AdminSource, body: v.InferOutput<S>) => unknown
): Operation {
  return (source, body) => {
    const parsed = v.safeParse(schema, body)
    if (parsed.success) return run(source, parsed.output)
    const [issue] = parsed.issues
    const where = v.getDotPath(issue)
    throw new AdminError('bad-request', `${where === null ? 'the request' : where}: ${issue.message}`)
  }
}

const OPERATIONS = new Map<string, Operation>([
  ['/v1/wishes', operation(WISH, (source, request) => source.wish(request))],
  ['/v1/peers/connect', operation(CONNECT, (source, { address }) => source.connectPeer(address))],
  ['/v1/peers/ban', operation(BAN, (source, request) => source.banPeer(request))],
  ['/v1/peers/unban', operation(UNBAN, (source, request) => source.unbanPeer(request.peer))],
  ['/v1/ping', operation(PING, (source, request) => source.ping(request.peer, request.count))],
  ['/v1/backup', operation(BACKUP, (source, request) => source.backup(request))],
  ['/v1/export', operation(EXPORT, (source, request) => source.exportLedgers(request))],
  ['/v1/state/diff', operation(STATE_DIFF, (source, request) => source.stateDiff(request))]
])

export function isOperation(path: string): boolean {
  return OPERATIONS.has(path)
}

/** The answer of one POST request; `AdminError` 'not-found', 'bad-request' or 'refused' when there is none. */
export async function answerOperation(source: AdminSource, path: string, body: unknown): Promise<unknown> {
  const found = OPERATIONS.get(path)
  if (found === undefined) throw new AdminError('not-found', 'there is nothing to be done at this path')
  return found(source, body)
}
