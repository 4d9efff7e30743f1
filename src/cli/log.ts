import { type Logger, pino } from 'pino'
import type { LogLevel } from '../config/index.js'
import { printable } from './output.js'

const NAMES: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }
const COLORS: Record<number, string> = { 10: '90', 20: '90', 30: '32', 40: '33', 50: '31', 60: '31' }
const OWN_FIELDS = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'part', 'err'])

function formatField(name: string, value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  const short = /^[0-9a-f]{64}$/.test(text) ? `${text.slice(0, 10)}…` : text
  return `${name}=${short.includes(' ') && typeof value === 'string' ? JSON.stringify(short) : short}`
}

/** One line of a JSON log for people: time, level, part, message, fields. */
export function formatLogLine(json: string, color: boolean): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(json) as Record<string, unknown>
  } catch {
    return printable(json.trimEnd())
  }
  const level = Number(entry.level)
  const clock = new Date(Number(entry.time)).toTimeString().slice(0, 8)
  const name = (NAMES[level] ?? String(level)).padEnd(5)
  const error = entry.err as { message?: unknown } | undefined
  const fields = Object.entries(entry)
    .filter(([field]) => !OWN_FIELDS.has(field))
    .map(([field, value]) => formatField(field, value))
  if (typeof error?.message === 'string') fields.push(`(${error.message.split('\n')[0]})`)
  const part = typeof entry.part === 'string' ? ` ${entry.part}:` : ''
  const rest = printable(`${part} ${String(entry.msg ?? '')}${fields.length > 0 ? `  ${fields.join(' ')}` : ''}`)
  return color ? `${clock} \x1b[${COLORS[level] ?? '0'}m${name}\x1b[0m${rest}` : `${clock} ${name}${rest}`
}

/** The node's logger on stdout: readable lines in a terminal, JSON lines otherwise. */
export function createLogger(level: LogLevel, out: NodeJS.WriteStream = process.stdout): Logger {
  const options = { level, base: undefined }
  const color = process.env.NO_COLOR === undefined
  const pretty = out.isTTY === true
  // A log that nobody reads any more must not end the node.
  out.on('error', () => {})
  return pino(options, { write: (line: string) => void out.write(pretty ? `${formatLogLine(line, color)}\n` : line) })
}
