import Table from 'cli-table3'

/** Writes one line, or the value as JSON when `json` is on. */
export function printValue(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

export function printLine(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** A note beside the output: it never mixes with what a script reads. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Control characters of foreign text would steer the terminal. */
export function printable(text: string): string {
  let result = ''
  for (const character of text) {
    const code = character.codePointAt(0) as number
    const control = code < 32 || (code >= 127 && code < 160) || code === 0x2028 || code === 0x2029
    const isPlain = !control || character === '\t'
    result += isPlain ? character : `\\x${code.toString(16).padStart(2, '0')}`
  }
  return result
}

/** An output's own lines stay lines; what steers a terminal does not. */
export function printLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

export interface Column<T> {
  title: string
  value(row: T): string
  right?: boolean
}

function plainTable(titles: string[], rows: string[][], right: boolean[]): string {
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => (row[index] as string).length))
  )
  const line = (cells: string[]) =>
    cells
      .map((cell, index) =>
        right[index] ? cell.padStart(widths[index] as number) : cell.padEnd(widths[index] as number)
      )
      .join('  ')
      .trimEnd()
  return [titles, ...rows].map(line).join('\n')
}

/** Rows under titles: with lines in a terminal, aligned plain text otherwise. */
export function formatTable<T>(rows: T[], columns: Column<T>[], terminal = process.stdout.isTTY === true): string {
  const titles = columns.map((column) => column.title)
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))))
  const right = columns.map((column) => column.right ?? false)
  if (!terminal) return plainTable(titles, cells, right)
  const table = new Table({
    head: titles,
    colAligns: right.map((isRight) => (isRight ? 'right' : 'left')),
    style: { head: [], border: [], compact: true }
  })
  table.push(...cells)
  return table.toString()
}

/** Names and values, one a line, the values below each other; a value of several lines goes on below itself. */
export function formatFields(fields: [name: string, value: string | string[]][]): string {
  const width = Math.max(...fields.map(([name]) => name.length))
  return fields
    .flatMap(([name, value]) => {
      const lines = Array.isArray(value) ? (value.length === 0 ? ['-'] : value) : [value]
      return lines.map((line, index) => `${(index === 0 ? name : '').padEnd(width)}  ${printable(line)}`.trimEnd())
    })
    .join('\n')
}

export function formatTime(timeMs: number | null): string {
  return timeMs === null ? '-' : new Date(timeMs).toISOString().replace('T', ' ').replace('Z', ' UTC')
}

export function formatSeconds(seconds: number): string {
  const whole = Math.floor(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const hours = Math.floor(whole / 3600)
  return hours < 48
    ? `${hours} h ${Math.floor((whole % 3600) / 60)} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

export function formatMs(ms: number | null): string {
  return ms === null ? '-' : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/** 12 B, 3.4 kB, 5.6 MB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
