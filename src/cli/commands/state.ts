import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import {
  AdminError,
  adminPost,
  adminRequest,
  type StateDifferenceView,
  type StateDiffView,
  type StateEntryView,
  type StateRootView
} from '../../admin/index.js'
import { contractPaths, isContractDir } from '../../config/index.js'
import type { DirNode } from '../../state/index.js'
import { CliError } from '../errors.js'
import { loadNode } from '../node-api.js'
import { requireContractDir, wholeNumber } from '../options.js'
import { formatFields, formatTable, printable, printLine, printNote, printValue } from '../output.js'

/** The node reads a whole state for `--files`. */
const DIFF_TIMEOUT_MS = 1_800_000
const SHOWN_DEFAULT = 50
const SHOWN_MAX = 1000

interface StateHash {
  /** agreed: what a running node has committed. files: what lies in the directory. */
  of: 'agreed' | 'files'
  root: string
  files: number | null
  bytes: number | null
  /** Null for files that do not belong to a node. */
  ledger: StateRootView | null
  /** False when a running node's own copy of the agreed state is damaged. */
  isIntact: boolean
}

/** Null when no node runs there. */
async function askNode(dir: string): Promise<StateHash | null> {
  try {
    const { root, files, bytes, isIntact } = await adminRequest(dir, '/v1/state')
    return { of: 'agreed', root, files, bytes, isIntact, ledger: await adminRequest(dir, `/v1/state/roots/${root}`) }
  } catch (error) {
    if (error instanceof AdminError && error.code === 'not-reachable') return null
    throw error
  }
}

/** Files and symlinks, as a running node counts them. */
function countFiles({ children }: DirNode): number {
  let files = 0
  for (const node of children.values()) files += node.kind === 'dir' ? countFiles(node) : 1
  return files
}

async function hashFiles(stateDir: string, findLedger: (root: string) => Promise<StateRootView | null>) {
  const { hashState } = await import('../../state/index.js')
  const { root, tree, bytes } = await hashState(stateDir)
  const files = countFiles(tree)
  const found: StateHash = { of: 'files', root, files, bytes, isIntact: true, ledger: await findLedger(root) }
  return found
}

/** Null when it has no ledgers yet. */
async function findLedger(dir: string, root: string): Promise<StateRootView | null> {
  try {
    await access(contractPaths(dir).ledgers)
  } catch {
    return null
  }
  const { openOfflineLedgers } = await loadNode()
  const ledgers = await openOfflineLedgers(dir)
  try {
    return await ledgers.stateRoot(root)
  } finally {
    await ledgers.close()
  }
}

async function readHash(dir: string, options: { files?: boolean }): Promise<StateHash> {
  if (!(await isContractDir(dir))) {
    if (await isContractDir(join(dir, '..')))
      throw new CliError(`${dir} is part of a contract directory: name that one`)
    return await hashFiles(dir, async () => null)
  }
  const running = await askNode(dir)
  const { state } = contractPaths(dir)
  if (running === null) return await hashFiles(state, (root) => findLedger(dir, root))
  if (!options.files) return running
  return await hashFiles(state, (root) => adminRequest(dir, `/v1/state/roots/${root}`))
}

/** What a root is, in words. */
function describeRoot({ ledger, from, to }: StateRootView): string {
  if (ledger === null) return `no root that ledgers ${from} to ${to} agree on`
  return ledger === to ? `agreed on by ledger ${ledger}, the last one here` : `agreed on by ledger ${ledger} of ${to}`
}

async function runHash(dir: string, options: { files?: boolean; json?: boolean }): Promise<void> {
  const found = await readHash(dir, options)
  if (options.json) return printValue(found)
  const count = (value: number | null): string => (value === null ? 'not known yet' : String(value))
  printLine(
    formatFields([
      ['root', found.root],
      ['of', found.of === 'agreed' ? 'the last agreed state of the running node' : 'the files as they are now'],
      ['files', count(found.files)],
      ['bytes', count(found.bytes)],
      ['ledger', found.ledger === null ? '-' : describeRoot(found.ledger)]
    ])
  )
  if (!found.isIntact) printNote('The node\u2019s copy of the agreed state is damaged: it copies it from its peers.')
}

const WORDS: Record<StateDifferenceView['kind'], string> = {
  added: 'only there',
  removed: 'only here',
  changed: 'differs',
  mode: 'executable or not',
  kind: 'of another kind'
}

function describeEntry(entry: StateEntryView | null): string {
  if (entry === null) return '-'
  const unit = entry.kind === 'dir' ? 'entries' : 'bytes'
  return `${entry.kind}, ${entry.size} ${unit}`
}

function adviceOf({ isEqual, local, remote }: StateDiffView): string {
  if (isEqual) return 'The states are the same.'
  if (local.ledger === null) return 'What is here is no state that the network agreed on.'
  if (remote.ledger === null) {
    return 'The peer\u2019s state is one that no ledger here agrees on: it is newer than the last ledger here, or the peer has diverged. Try again.'
  }
  return `Both are agreed states: the peer\u2019s is that of ledger ${remote.ledger}, ours that of ledger ${local.ledger}.`
}

async function runDiff(
  dir: string,
  peer: string,
  options: { files?: boolean; max: number; json?: boolean }
): Promise<void> {
  await requireContractDir(dir)
  const body = { peer, files: options.files ?? false }
  const diff = await adminPost(dir, '/v1/state/diff', body, { timeoutMs: DIFF_TIMEOUT_MS })
  const shown = diff.differences.slice(0, options.max)
  if (options.json) return printValue({ ...diff, differences: shown })
  printLine(
    formatFields([
      ['here', `${diff.local.root}  ${diff.compared === 'files' ? 'the files as they are now' : 'agreed'}`],
      ['', describeRoot(diff.local)],
      ['peer', `${diff.remote.root}  ${diff.peer}`],
      ['', describeRoot(diff.remote)],
      ['differences', String(diff.total)],
      ['fetched', `${diff.fetchedBytes} bytes`]
    ])
  )
  if (shown.length > 0) {
    printLine()
    printLine(
      formatTable(shown, [
        { title: 'what', value: ({ kind }) => WORDS[kind] },
        { title: 'here', value: ({ local }) => describeEntry(local) },
        { title: 'peer', value: ({ remote }) => describeEntry(remote) },
        { title: 'path', value: ({ path }) => printable(path) }
      ])
    )
  }
  if (diff.total > shown.length) printLine(`and ${diff.total - shown.length} more`)
  printNote(adviceOf(diff))
}

export function addStateCommands(program: Command): void {
  const state = program
    .command('state')
    .description('Name the contract\u2019s state by its root, and compare it with that of a peer.')
    .addHelpText('after', '\nExample:\n  hp-p2p state hash ./node1')
  state
    .command('hash <dir>')
    .description(
      'The root of a node\u2019s state and the ledger that agrees on it; of any other directory, its root as a state.'
    )
    .option('--files', 'of a running node: read its files as they are now, not the last agreed state')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p state hash ./node1')
    .action(runHash)
  state
    .command('diff <dir> <peer>')
    .description(
      'What the state of a running node and the one that a peer (its key, or first digits of it) has now differ in.'
    )
    .option('--files', 'compare the files as they are now, not the last agreed state')
    .option('--max <n>', 'how many differences to show', wholeNumber(1, SHOWN_MAX), SHOWN_DEFAULT)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p state diff ./node1 3f9a2c')
    .action(runDiff)
}
