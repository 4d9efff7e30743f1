import { Command, CommanderError } from 'commander'
import { AdminError } from '../admin/index.js'
import { ConfigError } from '../config/index.js'
import { VERSION } from '../version.js'
import { addBackupCommands } from './commands/backup.js'
import { addClientCommand } from './commands/client.js'
import { addConfigCommands } from './commands/config.js'
import { addDevnetCommand } from './commands/devnet.js'
import { addDirectoryCommands } from './commands/directory.js'
import { addDoctorCommand } from './commands/doctor.js'
import { addJoinCommand } from './commands/join.js'
import { addLedgerCommands } from './commands/ledger.js'
import { addPeersCommands } from './commands/peers.js'
import { addRunCommand } from './commands/run.js'
import { addShowCommands } from './commands/show.js'
import { addStateCommands } from './commands/state.js'
import { addUnlCommands } from './commands/unl.js'
import { CliError, EXIT } from './errors.js'
import { printable } from './output.js'

export function createProgram(): Command {
  const program = new Command('hp-p2p')
  program
    .description('A Hot Pocket node on libp2p: any program as a replicated smart contract.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    // An option belongs to the command that it stands behind: `peers` has commands and options of its own.
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(`hp-p2p: ${oneLine(withRemedy(text))}\n`) })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 node not reachable.\n\nExample:\n  hp-p2p devnet --contract echo'
    )
  addDirectoryCommands(program)
  addRunCommand(program)
  addJoinCommand(program)
  addShowCommands(program)
  addPeersCommands(program)
  addUnlCommands(program)
  addConfigCommands(program)
  addDoctorCommand(program)
  addLedgerCommands(program)
  addBackupCommands(program)
  addStateCommands(program)
  addClientCommand(program)
  addDevnetCommand(program)
  return program
}

/** What commander says, with where to look when it does not say it. */
function withRemedy(text: string): string {
  const said = text.replace(/^error: /, '').trim()
  return /^(unknown|missing|too many)/.test(said) && !said.endsWith('?)')
    ? `${said.replace(/\.$/, '')}: see --help`
    : said
}

function oneLine(text: string): string {
  return printable(text.trim().replace(/\s*\n\s*/g, ' '))
}

/** Tells a failure on stderr, a line for each mistake and no stack trace, and gives the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    const shown = error.code === 'commander.helpDisplayed' || error.code === 'commander.version'
    return shown || (error.code === 'commander.help' && error.exitCode === 0) ? EXIT.ok : EXIT.usage
  }
  const lines = error instanceof ConfigError ? error.problems.map((problem) => problem.message) : [messageOf(error)]
  for (const line of lines) process.stderr.write(`hp-p2p: ${oneLine(line)}\n`)
  if (process.env.HP_DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  if (error instanceof CliError) return error.exitCode
  return error instanceof AdminError && error.code === 'not-reachable' ? EXIT.notReachable : EXIT.failed
}

/** Errors that no module of ours throws on purpose. */
const UNPLANNED = new Set(['Error', 'TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'AssertionError'])

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `unexpected: ${String(error)}`
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return `the disk is full (${error.message}): make room and start again`
  const isPlanned = !UNPLANNED.has(error.name) || 'code' in error
  return isPlanned ? error.message : `unexpected: ${error.message} (HP_DEBUG=1 shows where)`
}

/** Runs one command line and gives its exit code; never throws. */
export async function runProgram(argv: string[]): Promise<number> {
  try {
    await createProgram().parseAsync(argv, { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.ok
  } catch (error) {
    return report(error)
  }
}
