import type { Command } from 'commander'
import { adminRequest, type UnlRow, type UnlView } from '../../admin/index.js'
import { usageError } from '../errors.js'
import { requireContractDir } from '../options.js'
import { formatTable, printLine, printValue } from '../output.js'
import { addWishOptions, describeSupport, describeWish, type WishOptions, wishOn } from '../wishes.js'

const yesNo = (value: boolean | null): string => (value === null ? '-' : value ? 'yes' : 'no')

function formatUnl(unl: UnlView): string {
  const { needed, present, validators } = unl.quorum
  const rows = [...unl.validators, ...unl.observers]
  const table = formatTable<UnlRow>(rows, [
    { title: 'key', value: (row) => row.publicKey },
    { title: 'role', value: (row) => row.role },
    { title: 'connected', value: (row) => (row.self ? 'this node' : yesNo(row.connected)) },
    { title: 'in sync', value: (row) => yesNo(row.synced) },
    { title: 'ledger', value: (row) => (row.seq === null ? '-' : String(row.seq)), right: true },
    { title: 'change', value: (row) => (row.change === null ? '-' : row.change) }
  ])
  const quorum = `${validators} validators, ${present} in touch, ${needed} close a ledger (threshold ${unl.threshold} %)`
  const pending = unl.pending.map((change) => `pending: ${describeWish(change.wish)}: ${describeSupport(change)}`)
  return [table, quorum, ...pending].join('\n')
}

async function runList(dir: string, options: { json?: boolean }): Promise<void> {
  await requireContractDir(dir)
  const unl = await adminRequest(dir, '/v1/unl')
  if (options.json) return printValue(unl)
  printLine(formatUnl(unl))
}

/** The last argument is the key; nothing that comes before can be mistaken for it. */
function splitKey(words: string[]): { dirs: string[]; key: string } {
  const key = words.at(-1)?.toLowerCase() ?? ''
  const dirs = words.slice(0, -1)
  if (!/^[0-9a-f]{64}$/.test(key)) {
    throw usageError(
      `"${words.at(-1)}" is no public key (64 hex digits): \`hp-p2p id\` and \`hp-p2p unl ls\` show them`
    )
  }
  if (dirs.length === 0) throw usageError('the contract directory is missing: it comes before the key')
  return { dirs, key }
}

async function runChange(kind: 'add-validator' | 'remove-validator', words: string[], options: WishOptions) {
  const { dirs, key } = splitKey(words)
  await wishOn(dirs, { kind, key }, options)
}

const ABOUT = `
Each <dir> is the directory of a running validator on this machine. A validator speaks for its own operator: a change
is made once a quorum of validators wishes for the same. Wishing for what is in force takes a wish back.
`

export function addUnlCommands(program: Command): void {
  const unl = program
    .command('unl')
    .description('The validators of the running network, and changing them.')
    .addHelpText('after', '\nExample:\n  hp-p2p unl ls ./node1')
  unl
    .command('ls <dir>')
    .description('Validators and observers, and what is wished to be changed.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p unl ls ./node1')
    .action(runList)
  addWishOptions(unl.command('add'))
    .argument('<dir...>', 'contract directories, then the public key')
    .usage('[options] <dir...> <key>')
    .description('Wish for an observer, connected and in sync, to become a validator.')
    .addHelpText('after', `${ABOUT}\nExample:\n  hp-p2p unl add ./node1 KEY --wait\n  hp-p2p unl add net/node* KEY`)
    .action((words: string[], options: WishOptions) => runChange('add-validator', words, options))
  addWishOptions(unl.command('remove'))
    .argument('<dir...>', 'contract directories, then the public key')
    .usage('[options] <dir...> <key>')
    .description('Wish for a validator to go on as an observer.')
    .addHelpText('after', `${ABOUT}\nExample:\n  hp-p2p unl remove ./node1 KEY --wait`)
    .action((words: string[], options: WishOptions) => runChange('remove-validator', words, options))
}
