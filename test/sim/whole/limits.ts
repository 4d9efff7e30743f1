import { LOOK } from './looks.js'
import type { WholeProfile } from './profile.js'
import type { WholeNode } from './whole-node.js'

/** How many things a collection holds, by the class and the field that it is in. */
export type Sizes = Map<string, number>

/** Things in a collection that are looked into. */
const LOOKED_AT_MAX = 20

/** What all collections hold that can be reached from `root` through the fields of its classes. */
export function measure(root: object): Sizes {
  const sizes: Sizes = new Map()
  const seen = new Set<object>([root])
  const left: object[] = [root]
  const follow = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    if (typeof (value as Record<string, unknown>)[LOOK] !== 'function' && !isCollection(value)) return
    seen.add(value)
    left.push(value)
  }
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (isCollection(at)) {
      let count = 0
      for (const value of at instanceof Map ? at.values() : at) {
        if (count++ >= LOOKED_AT_MAX) break
        follow(value)
      }
      continue
    }
    const shown = { ...at, ...(at as Record<string, () => object>)[LOOK]?.() }
    for (const [field, value] of Object.entries(shown)) {
      if (isCollection(value)) {
        const name = `${at.constructor.name}.${field}`
        const size = Array.isArray(value) ? value.length : value.size
        sizes.set(name, Math.max(size, sizes.get(name) ?? 0))
      }
      follow(value)
    }
  }
  return sizes
}

function isCollection(value: unknown): value is Map<unknown, unknown> | Set<unknown> | unknown[] {
  return value instanceof Map || value instanceof Set || Array.isArray(value)
}

/** What the bounds of a run depend on. */
interface Scale {
  /** Nodes that may ever be in the UNL. */
  members: number
  /** Byzantine ones of them. */
  liars: number
  users: number
  /** Of the ledger that is being decided. */
  attempt: number
}

/** Proposals of one validator for one seq that are looked at, and those that votes name. */
const looked = ({ members, liars }: Scale): number => 3 * members + liars * (3 + 2 * members)
const perMember = ({ members }: Scale): number => members

/** What may be in each collection that can hold more than a few things, from the limits that the sources promise. */
const MOST: Record<string, number | ((scale: Scale) => number)> = {
  'AttemptVotes.precommit': perMember,
  'AttemptVotes.prevote': perMember,
  'BatchBook.known': 2048,
  'CandidateBook.byAttempt': 41,
  'CatchUp.claims': perMember,
  'CatchUp.failures': perMember,
  'ConsensusDriver.inJournal': looked,
  'ConsensusDriver.queue': 20_000,
  'ConsensusDriver.votes': ({ attempt }) => 2 * attempt + 64,
  'ContentFinder.asked': (scale) => 32 * looked(scale),
  'ContentFinder.hints': ({ members }) => 32 * members,
  'Decision.voted': ({ attempt }) => 2 * attempt + 64,
  'EarlyMessages.candidates': perMember,
  'EarlyMessages.proposals': perMember,
  'EarlyMessages.votes': ({ members }) => 8 * members,
  'ForwardInbox.missing': ({ users }) => 1024 * users,
  'ForwardInbox.observers': perMember,
  'GossipIntake.equivocators': perMember,
  'HeardMessages.names': 2,
  // Ledgers of the last minute.
  'HotPocketNode.closes': 6000,
  'PassedOver.late': 1024,
  'PendingInputs.held': ({ users }) => 1024 * users,
  'PendingInputs.queues': ({ users }) => users,
  'PendingInputs.speakers': 64,
  'PendingInputs.userOf': ({ users }) => 1024 * users,
  'ProposalBook.byHash': looked,
  'ProposalBook.built': 64,
  'ProposalBook.contents': 64,
  'ProposalBook.wanted': (scale) => 32 * looked(scale),
  'ProposalPool.batchesSent': 1024,
  'ProposalPool.done': (scale) => 2 * looked(scale),
  'ProposalPool.seen': ({ members }) => 3 * members,
  'ProposalPool.seqOf': (scale) => 2 * looked(scale),
  'ProposalPool.wanted': ({ members }) => 3 * members,
  'ProposalPool.whole': (scale) => 2 * looked(scale),
  // Blocks of 64 KiB, 256 MiB at most.
  'SnapshotReader.heldBlocks': 4096,
  'UserProofs.known': 8192,
  'VoteBook.attempts': 41,
  'VoteBook.latest': perMember,
  'WatchedExecutor.recent': 17,
  'Wishes.heard': perMember,
  'Wishes.own': 64
}
/** All others. */
const MOST_OF_OTHERS = 32

/** Says which collection of a node holds more than it may; null when none does. */
export function findOverflow({ node }: WholeNode, { byzantine, users }: WholeProfile, members: number): string | null {
  if (node === null) return null
  const scale: Scale = { members, liars: byzantine, users: users + byzantine, attempt: node.driver.attempt }
  for (const [name, size] of measure(node)) {
    const most = MOST[name.replace('#', '')] ?? MOST_OF_OTHERS
    const max = typeof most === 'number' ? most : most(scale)
    if (size > max) return `${size} things in ${name}, at most ${max}`
  }
  return null
}
