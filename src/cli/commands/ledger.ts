import { access, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import {
  AdminError,
  adminRequest,
  type ContentView,
  type LedgerRef,
  type LedgerSummary,
  type LedgerView,
  MAX_LEDGERS,
  parseLedgerRef,
  type VerifyResult
} from '../../admin/index.js'
import { contractPaths, isContractDir } from '../../config/index.js'
import { CliError, usageError } from '../errors.js'
import { loadNode, type OfflineLedgers } from '../node-api.js'
import { requireContractDir, wholeNumber } from '../options.js'
import { formatFields, formatTable, printLine, printValue } from '../output.js'
import { addLedgerFileCommands, createProgress, verifyFile } from './ledger-file.js'

/** Checking a long chain takes its time. */
const VERIFY_TIMEOUT_MS = 3_600_000

/** Asks the running node, else opens its store. */
export async function readLedgers<T>(
  dir: string,
  online: () => Promise<T>,
  offline: (ledgers: OfflineLedgers) => Promise<T>
): Promise<T> {
  await requireContractDir(dir)
  try {
    return await online()
  } catch (error) {
    if (!(error instanceof AdminError) || error.code !== 'not-reachable') throw error
  }
  const stored = await access(contractPaths(dir).ledgers).then(
    () => true,
    () => false
  )
  if (!stored) throw new CliError(`${dir} has no ledgers yet: they come with \`hp-p2p run\``)
  const node = await loadNode()
  const ledgers = await node.openOfflineLedgers(dir)
  try {
    return await offline(ledgers)
  } finally {
    await ledgers.close()
  }
}

interface ListOptions {
  from?: number
  count: number
  json?: boolean
}

async function listOffline(ledgers: OfflineLedgers, options: ListOptions): Promise<LedgerSummary[]> {
  const tip = (await ledgers.ledger('latest'))?.seq ?? 0
  return ledgers.ledgers(options.from ?? Math.max(0, tip - options.count + 1), options.count)
}

async function runList(dir: string, options: ListOptions): Promise<void> {
  const from = options.from === undefined ? '' : `&from=${options.from}`
  const rows = await readLedgers(
    dir,
    () => adminRequest(dir, `/v1/ledgers?count=${options.count}${from}`),
    (ledgers) => listOffline(ledgers, options)
  )
  if (options.json) return printValue(rows)
  printLine(
    formatTable(rows, [
      { title: 'seq', value: (row) => String(row.seq), right: true },
      { title: 'hash', value: (row) => row.hash },
      { title: 'time', value: (row) => formatIso(row.time) },
      { title: 'users', value: (row) => String(row.users), right: true },
      { title: 'inputs', value: (row) => String(row.inputs), right: true },
      { title: 'bytes', value: (row) => String(row.inputBytes), right: true },
      { title: 'result', value: (row) => row.result.status },
      { title: 'support', value: (row) => row.support, right: true },
      { title: 'signed', value: (row) => String(row.certificate?.signers ?? '-'), right: true }
    ])
  )
}

function formatIso(time: string): string {
  return time.replace('T', ' ').replace('Z', ' UTC')
}

function formatContent(content: ContentView): string {
  const cut = content.bytes > Buffer.byteLength(content.preview) / (content.encoding === 'hex' ? 2 : 1) + 2 ? '…' : ''
  const shown = content.encoding === 'hex' ? `0x${content.preview}` : JSON.stringify(content.preview)
  return `${content.bytes} bytes  ${shown}${cut}`
}

function formatUsers(ledger: LedgerView): string[] {
  const lines = ledger.userList.flatMap((user) => [
    `${user.key}  ${user.inputs} inputs, ${user.inputBytes} bytes`,
    ...user.firstInputs.map((input) => `  ${formatContent(input)}`)
  ])
  return ledger.usersNotListed === 0 ? lines : [...lines, `and ${ledger.usersNotListed} more`]
}

function formatOutputs(outputs: LedgerView['outputs']): string[] {
  if (outputs === null) return ['not stored']
  return outputs.firstOutputs.map((output) => `${output.user}  ${formatContent(output)}`)
}

function formatLedger(ledger: LedgerView): string {
  const { result, certificate } = ledger
  return formatFields([
    ['seq', String(ledger.seq)],
    ['hash', ledger.hash],
    ['previous', ledger.prevHash],
    ['network id', ledger.networkId],
    ['time', formatIso(ledger.time)],
    ['result before', `${result.status}, carried by ${ledger.support} proposals`],
    ['state root', result.stateRoot],
    ['outputs root', result.outputsRoot],
    ['config hash', result.configHash],
    ['users hash', ledger.usersHash],
    ['inputs hash', ledger.inputsHash],
    ['users', formatUsers(ledger)],
    ['outputs', formatOutputs(ledger.outputs)],
    ['proposals', ledger.proposals],
    ['attempt', certificate === null ? '-' : String(certificate.attempt)],
    ['signed by', certificate === null ? [] : certificate.signers]
  ])
}

function readRef(text: string): LedgerRef | null {
  try {
    return parseLedgerRef(text)
  } catch {
    return null
  }
}

/** Both orders of ledger and directory are taken: neither can be mistaken for the other. */
async function sortArguments(first: string, second: string): Promise<{ ref: LedgerRef; dir: string }> {
  const [firstRef, secondRef] = [readRef(first), readRef(second)]
  if (secondRef !== null && (firstRef === null || (await isContractDir(first)))) return { ref: secondRef, dir: first }
  if (firstRef !== null) return { ref: firstRef, dir: second }
  const wrong = (await isContractDir(first)) ? second : first
  throw usageError(`"${wrong}" is no ledger: name it by its number, its hash (64 hex digits) or "latest"`)
}

async function runShow(first: string, second: string, options: { json?: boolean }): Promise<void> {
  const { ref, dir } = await sortArguments(first, second)
  const ledger = await readLedgers(
    dir,
    () => adminRequest(dir, `/v1/ledgers/${ref}`),
    (ledgers) => ledgers.ledger(ref)
  )
  if (ledger === null) throw new CliError(`there is no ledger ${ref} in ${dir}`)
  if (options.json) return printValue(ledger)
  printLine(formatLedger(ledger))
}

async function verifyOnline(dir: string): Promise<VerifyResult> {
  try {
    return await adminRequest(dir, '/v1/verify', { timeoutMs: VERIFY_TIMEOUT_MS })
  } catch (error) {
    if (!(error instanceof AdminError) || error.code !== 'not-found') throw error
    throw new CliError('the running node cannot verify its ledgers: stop it and try again')
  }
}

function describeVerified(result: VerifyResult): string {
  const { checked, milestones } = result
  return `${checked} ledgers are sound: hashes, links and certificates; ${milestones} changes of the config`
}

async function runVerify(dir: string, options: { json?: boolean }): Promise<void> {
  const found = await stat(dir).catch(() => null)
  if (found?.isFile()) return await verifyFile(dir, options)
  const { onProgress, end } = createProgress(options.json ?? false)
  const result = await readLedgers(
    dir,
    () => verifyOnline(dir),
    (ledgers) => ledgers.verify(onProgress)
  )
  end()
  if (options.json) printValue(result)
  else if (result.ok) printLine(describeVerified(result))
  if (!result.ok)
    throw new CliError(
      `${result.checked} ledgers are sound, then ledger ${result.problem?.seq}: ${result.problem?.what}`
    )
}

export function addLedgerCommands(program: Command): void {
  const ledger = program
    .command('ledger')
    .description('Look at the ledgers of a node, running or not.')
    .addHelpText('after', '\nExample:\n  hp-p2p ledger ls ./node1')
  ledger
    .command('ls <dir>')
    .description('The newest ledgers, or those from a number on.')
    .option('--from <seq>', 'first ledger to show', wholeNumber(0, 2 ** 48))
    .option('--count <n>', 'how many', wholeNumber(1, MAX_LEDGERS), 20)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p ledger ls ./node1 --from 0 --count 5')
    .action(runList)
  ledger
    .command('show')
    .argument('<seq or hash>', 'the ledger: its number, its hash or "latest"')
    .argument('<dir>', 'the contract directory')
    .description('One ledger with its users, inputs and certificate.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p ledger show latest ./node1')
    .action(runShow)
  ledger
    .command('verify')
    .argument('<dir>', 'the contract directory, or a file of `ledger export`')
    .description('Check the whole chain: hashes, links and certificates.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  hp-p2p ledger verify ./node1')
    .action(runVerify)
  addLedgerFileCommands(ledger)
}
