import type { Command } from 'commander'
import { HotPocketClient, HotPocketClientError, loadOrCreateKeyFile } from '../../client/node.js'
import { CliError, EXIT, usageError } from '../errors.js'
import { openPrompt, sendLines, sendOneByOne, showPlain } from '../lines.js'
import { collect, seconds } from '../options.js'
import { printable, printLines, printNote } from '../output.js'
import { type Answer, UserSession } from '../session.js'

interface ClientOptions {
  key?: string
  send?: string[]
  lines?: boolean
  timeout: number
  json?: boolean
}

async function connect(url: string, keyFile: string | undefined, reconnect: boolean): Promise<HotPocketClient> {
  if (!/^wss?:\/\/./.test(url) || !URL.canParse(url)) throw usageError(`"${url}" is not a ws:// or wss:// URL`)
  const keyPair = keyFile === undefined ? undefined : await loadOrCreateKeyFile(keyFile)
  try {
    return await HotPocketClient.connect(url, { reconnect, ...(keyPair === undefined ? {} : { keyPair }) })
  } catch (error) {
    if (!(error instanceof HotPocketClientError)) throw error
    const isAway = error.code === 'connect_failed' || error.code === 'timeout'
    throw new CliError(error.message, isAway ? EXIT.notReachable : EXIT.failed)
  }
}

function showJson(answer: Answer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

async function runScripted(url: string, options: ClientOptions): Promise<void> {
  const client = await connect(url, options.key, false)
  const session = new UserSession(client, options.json ? showJson : showPlain)
  try {
    const timeoutMs = options.timeout * 1000
    const result =
      options.send === undefined
        ? await sendLines(session, process.stdin, timeoutMs)
        : await sendOneByOne(session, options.send, timeoutMs)
    if (result.unanswered > 0) {
      throw new CliError(
        `${result.unanswered} of ${options.send?.length ?? result.sent} inputs got no output within ${options.timeout} s`
      )
    }
    if (session.refused > 0) throw new CliError('not every input was executed')
  } finally {
    await client.close()
  }
}

async function runInteractive(url: string, options: ClientOptions): Promise<void> {
  const client = await connect(url, options.key, true)
  printNote(`connected to ${url} as ${client.publicKey}; type a line to send it, Ctrl-D ends`)
  const prompt = openPrompt((line) => {
    try {
      session.sendLine(line)
    } catch (error) {
      prompt.show((error as Error).message)
    }
  })
  const session = new UserSession(client, (answer) => {
    prompt.show(answer.kind === 'output' ? printLines(answer.text) : `(${printable(answer.text)})`)
  })
  client.on('close', ({ reason, willReconnect }) => {
    prompt.show(
      `(disconnected${reason === '' ? '' : `: ${printable(reason)}`}${willReconnect ? ', connecting again' : ''})`
    )
    if (!willReconnect) prompt.close()
  })
  client.on('open', () => prompt.show('(connected)'))
  await prompt.ended
  const failure = client.url === null ? session.failure : null
  await client.close()
  if (failure !== null) throw new CliError(failure.message)
}

async function runClient(url: string, options: ClientOptions): Promise<void> {
  if (options.send !== undefined && options.lines) throw usageError('--send and --lines exclude each other')
  const scripted = options.send !== undefined || options.lines || process.stdin.isTTY !== true
  if (scripted) await runScripted(url, options)
  else await runInteractive(url, options)
}

export function addClientCommand(program: Command): void {
  program
    .command('client <url>')
    .description('A user: sends lines to a contract and prints its outputs.')
    .option('--key <file>', 'the user\u2019s keys; made with mode 0600 when missing; a new user when not given')
    .option('--send <text>', 'send this and wait for the output; may be given again and again', collect)
    .option('--lines', 'send each line of stdin, print each output')
    .option('--timeout <seconds>', 'how long to wait for outputs', seconds, 10)
    .option('--json', 'print each output and notice as a JSON line')
    .addHelpText('after', '\nExample:\n  hp-p2p client ws://localhost:8080 --key user.key --send hello')
    .action(runClient)
}
