import { mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import {
  AdminError,
  type AdminSource,
  adminRequest,
  adminSocketPath,
  parseLedgerRef
} from '../../../src/admin/index.js'
import { answerRequest } from '../../../src/admin/routes.js'
import { portNumber, portOrOff, seconds, wholeNumber } from '../../../src/cli/options.js'
import { printable, printLines } from '../../../src/cli/output.js'
import { createProgram } from '../../../src/cli/program.js'
import { claim, target } from '../engine/target.js'
import { hashHex, makeTempDir, textOf, utf8 } from './shared.js'

/** Says what it was asked for. */
const SOURCE = {
  id: () => ({}),
  status: () => ({ seq: 100 }),
  peers: () => [],
  ledger: async (ref: unknown) => (ref === 5 ? null : { ref }),
  ledgers: async (from: number, count: number) => {
    claim(Number.isSafeInteger(from) && from >= 0 && count >= 1 && count <= 1000, `ledgers ${from}, ${count}`)
    return []
  },
  verify: async () => ({})
} as unknown as AdminSource

const HASH = hashHex('a ledger')

/** The real program with nothing behind its commands. */
function makeProgram(): Command {
  const program = createProgram()
  const silence = (command: Command): void => {
    command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} })
    if (command.commands.length === 0) command.action(() => {})
    for (const each of command.commands) silence(each)
  }
  silence(program)
  return program
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve) => server.listen(path, resolve))
}

export const interfaceTargets = [
  target('admin-request', 'a request to the admin API has an answer or an error that it is told of', () => ({
    shape: 'text',
    errors: [AdminError],
    words: ['/v1/', 'ledgers', 'status', 'peers', 'id', 'verify', 'latest', '?count=', '&from=', '%2f', '//', HASH],
    seeds: [
      '/v1/id',
      '/v1/status',
      '/v1/peers',
      '/v1/ledgers?count=5&from=7',
      '/v1/ledgers/latest',
      `/v1/ledgers/${HASH}`,
      '/v1/ledgers/5',
      '/v1/verify',
      'http://node/v1/id',
      '*'
    ].map(utf8),
    run: async (input) => {
      JSON.stringify(await answerRequest(SOURCE, textOf(input)))
    }
  })),
  target(
    'admin-answer',
    'whatever answers on the admin socket, the client has a value or an error in words',
    async () => {
      const dir = makeTempDir()
      mkdirSync(join(dir.path, 'hist'))
      let answer: Uint8Array = new Uint8Array(0)
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end(answer))
      })
      await listen(server, adminSocketPath(dir.path))
      const response = (status: string, body: string): Uint8Array =>
        utf8(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      return {
        shape: 'text',
        errors: [AdminError],
        words: ['HTTP/1.1', 'content-length', 'transfer-encoding: chunked', '404', '200', 'error', 'code', 'message'],
        seeds: [
          response('200 OK', '{"seq":1}'),
          response('404 Not Found', '{"error":{"code":"not-found","message":"there is no such ledger"}}'),
          response('500 Error', 'null'),
          utf8('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n')
        ],
        run: async (input) => {
          answer = input
          await adminRequest(dir.path, '/v1/id', { timeoutMs: 5000 })
        },
        close: async () => {
          await new Promise((resolve) => server.close(resolve))
          dir.remove()
        }
      }
    },
    0.01
  ),
  target('ledger-name', 'the name of a ledger is refused, or is a number, a hash or latest', () => ({
    shape: 'text',
    errors: [AdminError],
    words: ['latest', HASH],
    seeds: ['0', '123456789012345', 'latest', HASH, HASH.toUpperCase()].map(utf8),
    run: (input) => {
      const ref = parseLedgerRef(textOf(input))
      claim(parseLedgerRef(String(ref)) === ref, 'its own name is another one')
      return typeof ref
    }
  })),
  target('cli-numbers', 'numbers, ports and times of flags are refused, or within their range', () => ({
    shape: 'text',
    errors: [InvalidArgumentError],
    words: ['.', '-', '+', 'e', '0x', '_', ' '],
    seeds: ['0', '1', '65535', '65536', '2.5', '000000', '999999.999', '0.001', '123456789012345'].map(utf8),
    run: (input) => {
      const text = textOf(input)
      const readers: [(text: string) => number, number, number][] = [
        [wholeNumber(0, 2 ** 48), 0, 2 ** 48],
        [portNumber, 1, 65535],
        [portOrOff, 0, 65535],
        [seconds, Number.MIN_VALUE, 1e6]
      ]
      const [read, min, max] = readers[text.length % readers.length]!
      const value = read(text)
      claim(value >= min && value <= max, `${value} is not within ${min} to ${max}`)
    }
  })),
  target(
    'cli-arguments',
    'a command line is taken or refused by commander, never by an error from within',
    () => ({
      shape: 'text',
      errors: [CommanderError],
      words: ['--json', '--help', '--port', '-', '--', '--count', 'ledger', 'devnet', 'new', 'run', '\0', '=', 'help'],
      // Arguments with a zero byte between them.
      seeds: [
        'devnet\0--contract\0echo',
        'new\0./node1\0--binary\0x\0--pubport\x008081',
        'ledger\0ls\0./node1\0--from\x000\0--count\x005',
        'ledger\0show\0latest\0./node1',
        'run\0./node1',
        'client\0ws://localhost:8080\0--send\0hello\0--timeout\x002.5',
        'help\0ledger',
        '--version'
      ].map(utf8),
      run: async (input) => {
        await makeProgram().parseAsync(textOf(input).split('\0'), { from: 'user' })
      }
    }),
    0.05
  ),
  target('terminal-text', 'what is printed of foreign text steers no terminal', () => ({
    shape: 'text',
    errors: [],
    words: ['\x1b[2J', '\x9b', '\u2028', '\x7f', '\r'],
    seeds: ['plain', 'two\nlines\twith a tab', '\x1b]0;title\x07', '\u{1f600}\u202e'].map(utf8),
    run: (input) => {
      const text = textOf(input)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must be gone
      claim(!/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/.test(printable(text)), 'a control character is left')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must be gone
      claim(!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(printLines(text)), 'a control character is left in a line')
    }
  }))
]
