import { setTimeout as delay } from 'node:timers/promises'
import { type Command, InvalidArgumentError } from 'commander'
import {
  AdminError,
  adminPost,
  adminRequest,
  type ConfigView,
  type PendingChangeView,
  type WishResult
} from '../admin/index.js'
import type { ConfigWish } from '../consensus/types.js'
import { isFulfilled } from '../consensus/wishes.js'
import { AGREED_KEYS } from './config-names.js'
import { CliError, EXIT } from './errors.js'
import { requireContractDir, seconds } from './options.js'
import { printLine, printNote, printValue } from './output.js'

const POLL_MS = 200
const DEFAULT_WAIT_S = 60

export interface WishOptions {
  force?: boolean
  /** Seconds, or true for the default. */
  wait?: number | true
  json?: boolean
}

/** What a node answered to a wish. */
interface NodeAnswer {
  dir: string
  outcome: WishResult['outcome'] | 'failed'
  change: PendingChangeView | null
  notes: string[]
  error: string | null
  /** Exit code when it failed. */
  exitCode: number
}

export function describeWish(wish: ConfigWish): string {
  if (wish.kind === 'set') return `${AGREED_KEYS[wish.name]} ${wish.value}`
  return `${wish.kind === 'add-validator' ? 'add' : 'remove'} validator ${wish.key}`
}

/** How many wish for it, of those needed. */
export function countSupport({ supporters, needed }: PendingChangeView): string {
  return `${supporters.length} of ${needed} needed wish for it`
}

/** The same, with who does not yet. */
export function describeSupport(change: PendingChangeView): string {
  const { supporters, missing, needed } = change
  const count = countSupport(change)
  return supporters.length >= needed || missing.length === 0 ? count : `${count}; not yet ${missing.join(', ')}`
}

export function addWishOptions(command: Command): Command {
  return command
    .option('--wait [seconds]', `wait until it is in force, ${DEFAULT_WAIT_S} s unless given`, readWait)
    .option('--force', 'although it may leave the network without a quorum')
    .option('--json', 'print JSON')
}

function readWait(text: string): number {
  try {
    return seconds(text)
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    throw new InvalidArgumentError(`${error.message} Put --wait at the end.`)
  }
}

async function ask(dir: string, wish: ConfigWish, force: boolean): Promise<NodeAnswer> {
  const none = { dir, change: null, notes: [], exitCode: EXIT.ok, error: null }
  try {
    return { ...none, ...(await adminPost(dir, '/v1/wishes', { wish, force })) }
  } catch (error) {
    if (!(error instanceof AdminError)) throw error
    const exitCode = error.code === 'not-reachable' ? EXIT.notReachable : EXIT.failed
    const advice = error.code === 'refused' ? ' (--force does it all the same)' : ''
    return { ...none, outcome: 'failed', error: `${error.message}${isFinal(error) ? '' : advice}`, exitCode }
  }
}

/** No force makes a config valid. */
function isFinal({ message }: AdminError): boolean {
  return /^(no validator would be left|there are \d+ validators|the shortest time)/.test(message)
}

const NOT_COUNTED = 'this node is an observer: only the wishes of validators count, give this command on their nodes'

function describeAnswer(wish: ConfigWish, answer: NodeAnswer, isOneOfMany: boolean): string {
  const what = describeWish(wish)
  switch (answer.outcome) {
    case 'in-force':
      return `${what}: in force already, nothing to change`
    case 'taken-back':
      return `${what}: in force, the wish for something else is taken back`
    case 'pending': {
      const { change } = answer
      if (change === null) return `${what}: in force`
      const soon = change.supporters.length >= change.needed ? ', in force with one of the next ledgers' : ''
      return `${what}: pending, ${isOneOfMany ? countSupport(change) : describeSupport(change)}${soon}`
    }
    case 'not-counted':
      return `${what}: ${NOT_COUNTED}`
    default:
      return `${what}: ${answer.error}`
  }
}

/** Waits until the nodes have the wish in force; what the last one said when they have not. */
async function waitInForce(dirs: string[], wish: ConfigWish, timeoutMs: number): Promise<ConfigView | null> {
  const endMs = Date.now() + timeoutMs
  let last: ConfigView | null = null
  for (const dir of dirs) {
    for (;;) {
      try {
        const view = await adminRequest(dir, '/v1/config')
        last = view
        if (isFulfilled(wish, view.agreed)) break
      } catch (error) {
        if (!(error instanceof AdminError)) throw error
        if (Date.now() > endMs) throw error
      }
      if (Date.now() > endMs) return last
      await delay(POLL_MS)
    }
  }
  return null
}

function describeLate(wish: ConfigWish, view: ConfigView, timeoutMs: number): string {
  const change = view.pending.find((pending) => JSON.stringify(pending.wish) === JSON.stringify(wish))
  const who = change === undefined ? 'nobody wishes for it' : describeSupport(change)
  const { needed, present } = view.quorum
  const stuck = present < needed ? `; no ledger closes: ${present} of ${needed} needed validators are in touch` : ''
  return `${describeWish(wish)}: not in force after ${timeoutMs / 1000} s, ${who}${stuck}`
}

/** Has the operators of the nodes in `dirs` wish for a change, and waits for it when asked to. */
export async function wishOn(dirs: string[], wish: ConfigWish, options: WishOptions): Promise<void> {
  for (const dir of dirs) await requireContractDir(dir)
  const answers: NodeAnswer[] = []
  for (const dir of dirs) {
    const answer = await ask(dir, wish, options.force ?? false)
    answers.push(answer)
    if (!options.json) printAnswer(wish, answer, dirs.length > 1)
  }
  const taken = answers.filter(({ outcome }) => outcome !== 'failed' && outcome !== 'not-counted')
  let late: string | null = null
  if (options.wait !== undefined && taken.length > 0) {
    const timeoutMs = (options.wait === true ? DEFAULT_WAIT_S : options.wait) * 1000
    const view = await waitInForce(
      taken.map(({ dir }) => dir),
      wish,
      timeoutMs
    )
    if (view !== null) late = describeLate(wish, view, timeoutMs)
    else if (!options.json) printLine(`${describeWish(wish)}: in force`)
  }
  const isWaited = options.wait !== undefined && taken.length > 0
  const inForce = isWaited ? late === null : taken.some(({ outcome }) => outcome !== 'pending')
  if (options.json) printValue({ wish, inForce, nodes: answers.map(({ exitCode: _, ...answer }) => answer) })
  finish(answers, late)
}

function printAnswer(wish: ConfigWish, answer: NodeAnswer, isOneOfMany: boolean): void {
  const prefix = isOneOfMany ? `${answer.dir}: ` : ''
  // What fails alone is told at the end.
  const isTold = answer.outcome === 'failed' || answer.outcome === 'not-counted'
  if (!isTold || isOneOfMany) printLine(`${prefix}${describeAnswer(wish, answer, isOneOfMany)}`)
  for (const note of answer.notes) printNote(`${prefix}forced, although ${note}`)
}

function finish(answers: NodeAnswer[], late: string | null): void {
  const failed = answers.filter(({ outcome }) => outcome === 'failed')
  const [first] = failed
  if (first !== undefined) {
    const more = failed.length > 1 ? ` (and ${failed.length - 1} more)` : ''
    throw new CliError(`${first.error}${more}`, first.exitCode)
  }
  if (answers.every(({ outcome }) => outcome === 'not-counted')) throw new CliError(NOT_COUNTED)
  if (late !== null) throw new CliError(late)
}
