import { readFileSync, type Stats, statSync } from 'node:fs'
import type { Layout } from './layout.js'

/** How many words follow an option of the layout. */
const WORDS: Record<string, number> = {
  '--bind': 2,
  '--dev-bind': 2,
  '--ro-bind': 2,
  '--ro-bind-try': 2,
  '--symlink': 2,
  '--proc': 1,
  '--tmpfs': 1,
  '--size': 1,
  '--remount-ro': 1,
  '--chdir': 1
}

interface Mount {
  path: string
  /** What is shown there; null for a file system of its own. */
  source: string | null
  isReadOnly: boolean
}

/**
 * A sandbox that waits was made from the files of that time; since then one could have been replaced, and a mount goes
 * away with the directory that it lies on. This looks at the sandbox from outside, as it is now: whether every mount is
 * in its place, and shows what a new one would.
 *
 * @param pid outside, of the first process inside
 * @returns a path that is not as it should be, or null
 */
export function findDifference(layout: Layout, pid: number): string | null {
  const there = readMounts(pid)
  for (const { path, source, isReadOnly } of listMounts(layout)) {
    const wanted = source === null ? null : statOrNull(source)
    const options = there.get(path)
    if (options === undefined) {
      // Left out with leave (--ro-bind-try), and still not there.
      if (source !== null && wanted === null) continue
      return path
    }
    if (isReadOnly && !/^ro(,|$)/.test(options)) return path
    if (source === null) continue
    const shown = statOrNull(`/proc/${pid}/root${path}`)
    if (wanted === null || shown === null || wanted.dev !== shown.dev || wanted.ino !== shown.ino) return path
  }
  return null
}

/** The mounts that the arguments ask for, by their place; of two at one place the later. */
function listMounts({ given, closed }: Layout): Iterable<Mount> {
  const mounts = new Map<string, Mount>()
  const words = [...given, ...closed]
  for (let index = 0; index < words.length; ) {
    const option = words[index] as string
    const count = WORDS[option]
    if (count === undefined) throw new Error(`the layout has an unknown option ${option}`)
    const [first = '', second = ''] = words.slice(index + 1, index + 1 + count)
    index += 1 + count
    const old = mounts.get(first)
    if (option === '--remount-ro') mounts.set(first, { path: first, source: null, ...old, isReadOnly: true })
    else if (option === '--proc' || option === '--tmpfs') {
      mounts.set(first, { path: first, source: null, isReadOnly: false })
    } else if (option.endsWith('bind') || option.endsWith('bind-try')) {
      mounts.set(second, { path: second, source: first, isReadOnly: option.startsWith('--ro-') })
    }
  }
  return mounts.values()
}

/** Place -> options, of the uppermost there (proc(5), mountinfo). */
function readMounts(pid: number): Map<string, string> {
  const mounts = new Map<string, string>()
  let text = ''
  try {
    text = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  } catch {
    // It is gone: nothing is in its place.
  }
  for (const line of text.split('\n')) {
    const fields = line.split(' ', 6)
    const place = fields[4]
    // Blanks and backslashes are written in octal.
    const plain = place?.includes('\\') ? place.replace(/\\([0-7]{3})/g, (_, code) => fromOctal(code)) : place
    if (plain !== undefined) mounts.set(plain, fields[5] ?? '')
  }
  return mounts
}

const fromOctal = (code: string): string => String.fromCharCode(Number.parseInt(code, 8))

function statOrNull(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null
  } catch {
    return null
  }
}
