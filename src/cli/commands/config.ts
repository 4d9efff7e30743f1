import type { Command } from 'commander'
import { adminRequest, type ConfigView } from '../../admin/index.js'
import { CONFIG_KEY_NAMES, CONFIG_KEYS, type ConfigKey, parseConfigText, readConfigText } from '../../config/index.js'
import type { ConfigNumber } from '../../consensus/types.js'
import { AGREED_KEYS, AGREED_NUMBERS, readSetWish } from '../config-names.js'
import { usageError } from '../errors.js'
import { requireContractDir } from '../options.js'
import { formatTable, printLine, printValue } from '../output.js'
import { addWishOptions, describeSupport, describeWish, type WishOptions, wishOn } from '../wishes.js'

/** A setting of this node alone. */
interface LocalSetting {
  name: ConfigKey
  value: unknown
  /** hp.cfg does not name it. */
  isDefault: boolean
}

/** What hp.cfg says that is of this node alone, without the secret. */
async function readLocal(dir: string): Promise<LocalSetting[]> {
  const written = parseConfigText((await readConfigText(dir)).text) as Record<string, unknown>
  const names = CONFIG_KEY_NAMES.filter((name) => CONFIG_KEYS[name].scope === 'node' && name !== 'seckey')
  return names.map((name) => ({
    name,
    value: written[name] ?? CONFIG_KEYS[name].fallback ?? null,
    isDefault: written[name] === undefined
  }))
}

interface AgreedRow {
  name: ConfigKey
  value: number
  pending: string[]
  doc: string
}

function rowOf(config: ConfigView, number: ConfigNumber): AgreedRow {
  const name = AGREED_KEYS[number]
  const pending = config.pending.flatMap((change) =>
    change.wish.kind === 'set' && change.wish.name === number
      ? [`${change.wish.value} (${change.supporters.length} of ${change.needed})`]
      : []
  )
  return { name, value: config.agreed[number], pending, doc: CONFIG_KEYS[name].doc }
}

function formatValue(value: unknown): string {
  if (value === null) return 'off'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(String).join(' ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function formatDefault(name: ConfigKey): string {
  const { fallback } = CONFIG_KEYS[name]
  return fallback === undefined ? '-' : formatValue(fallback)
}

function formatConfig(config: ConfigView, local: LocalSetting[]): string {
  const agreed = formatTable(
    AGREED_NUMBERS.map((number) => rowOf(config, number)),
    [
      { title: 'agreed', value: (row) => row.name },
      { title: 'in force', value: (row) => String(row.value), right: true },
      { title: 'pending', value: (row) => (row.pending.length === 0 ? '-' : row.pending.join('; ')) },
      { title: 'meaning', value: (row) => row.doc }
    ]
  )
  const { length } = config.agreed.unl
  const unl = `unl: ${length} validators (\`hp-p2p unl ls\`)`
  const pending = config.pending.map((change) => `pending: ${describeWish(change.wish)}: ${describeSupport(change)}`)
  const own = formatTable(local, [
    { title: 'of this node', value: (row) => row.name },
    { title: 'in hp.cfg', value: (row) => (row.isDefault ? '-' : formatValue(row.value)) },
    { title: 'default', value: (row) => formatDefault(row.name) }
  ])
  return [agreed, unl, ...pending, '', own].join('\n')
}

async function runList(dir: string, options: { json?: boolean }): Promise<void> {
  await requireContractDir(dir)
  const config = await adminRequest(dir, '/v1/config')
  const local = await readLocal(dir)
  if (options.json) {
    const agreed = Object.fromEntries(AGREED_NUMBERS.map((number) => [AGREED_KEYS[number], config.agreed[number]]))
    const { hash, pending, role, quorum } = config
    const own = Object.fromEntries(local.map(({ name, value }) => [name, value]))
    return printValue({ role, quorum, hash, agreed: { unl: config.agreed.unl, ...agreed }, pending, local: own })
  }
  printLine(formatConfig(config, local))
}

async function runSet(words: string[], options: WishOptions): Promise<void> {
  if (words.length < 3) throw usageError('missing argument: directory, name and value are needed: see --help')
  const [name, value] = words.slice(-2) as [string, string]
  await wishOn(words.slice(0, -2), readSetWish(name, value), options)
}

export function addConfigCommands(program: Command): void {
  const config = program
    .command('config')
    .description('What the network has agreed on, what is of this node alone, and changing the former.')
    .addHelpText('after', '\nExample:\n  hp-p2p config ls ./node1')
  config
    .command('ls <dir>')
    .description('Agreed values in force, changes that are wished for, and the settings of this node.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p config ls ./node1')
    .action(runList)
  addWishOptions(config.command('set'))
    .argument('<dir...>', 'contract directories, then the name as in hp.cfg, then the number')
    .usage('[options] <dir...> <name> <value>')
    .description('Wish for another value of a number that the network agrees on.')
    .addHelpText(
      'after',
      `\nNames: ${Object.values(AGREED_KEYS).join(', ')}.\nIt is changed once a quorum of validators wishes for the same; wishing for what is in force takes a wish back.\n\nExample:\n  hp-p2p config set ./node1 roundtime 500 --wait\n  hp-p2p config set net/node* threshold 80`
    )
    .action(runSet)
}
