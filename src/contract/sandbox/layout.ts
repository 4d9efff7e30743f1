import { realpathSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { isWithin } from './programs.js'
import { isInSystem, kindOf } from './system-paths.js'

/** The node's own in a contract directory, and what the contract must not change. */
const HIDDEN = ['cfg', 'hist', 'log']
const DEVICES = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom']
export const SANDBOX_DEVICES: readonly string[] = DEVICES

export interface LayoutOptions {
  /** Contract directory, absolute. */
  dir: string
  binary: string
  /** bwrap's arguments for the read-only system. */
  system: string[]
  /** Paths of programs and of hp.cfg, read-only. */
  readable: string[]
  /** Absolute paths to hide beside the node's own in the contract directory. */
  secretPaths: string[]
  /** Bytes of /tmp; null where this bwrap cannot bound it. */
  tmpBytes: number | null
}

export interface Layout {
  /** What the contract gets. Without a part of it the contract sees less. */
  given: string[]
  /** What is hidden and closed again; comes after `given` and must not be left out. */
  closed: string[]
}

/**
 * The file system that the contract sees: a read-only system, a bounded /tmp, and at its own place the contract
 * directory without the node's own. The contract could have left a symlink where a directory is expected: such a path
 * is given to bwrap only as what lstat says that it is.
 */
export function buildLayout(options: LayoutOptions): Layout {
  const { dir, system, readable, secretPaths, tmpBytes } = options
  const size = tmpBytes === null ? [] : ['--size', String(tmpBytes)]
  const given = [
    ...system,
    ...['--proc', '/proc', ...size, '--tmpfs', '/tmp', '--symlink', '/tmp', '/var/tmp'],
    ...DEVICES.flatMap((path) => ['--dev-bind', path, path]),
    ...['--symlink', '/proc/self/fd', '/dev/fd', '--symlink', '/tmp', '/dev/shm'],
    ...['stdin', 'stdout', 'stderr'].flatMap((name, fd) => ['--symlink', `/proc/self/fd/${fd}`, `/dev/${name}`]),
    ...readable.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--bind', dir, dir],
    ...ownArguments(options)
  ]
  const hidden = [...new Set([...HIDDEN.map((name) => join(dir, name)), ...secretPaths])]
  return {
    given,
    // The kernel lets root's processes write what belongs to root there, whatever their user namespace.
    closed: ['--ro-bind', '/proc/sys', '/proc/sys', ...hidden.flatMap(hide), '--remount-ro', '/', '--chdir', dir]
  }
}

/** Mount points of their own cannot be renamed or removed from inside. */
function ownArguments({ dir, binary }: LayoutOptions): string[] {
  const state = join(dir, 'state')
  const args = kindOf(state) === 'directory' ? ['--bind', state, state] : []
  const closed = new Set([join(dir, 'bin')])
  const real = realOrNull(binary)
  for (const path of [binary, real]) {
    // The directory of the program, or the program where it lies at the top: a contract that could write it would
    // choose what the node starts next.
    const top = path !== null && isWithin(path, dir) ? relative(dir, path).split(sep)[0] : undefined
    if (top !== undefined && top !== 'state' && top !== '') closed.add(join(dir, top))
  }
  for (const path of closed) {
    const kind = kindOf(path)
    if (kind === 'directory' || kind === 'other') args.push('--ro-bind', path, path)
  }
  return args
}

function hide(path: string): string[] {
  const kind = kindOf(path)
  if (kind === 'directory') return ['--tmpfs', path, '--remount-ro', path]
  return kind === 'other' ? ['--ro-bind', '/dev/null', path] : []
}

function realOrNull(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

/** Why this directory cannot be shown to a contract without showing the system or the node, or null. */
export function findLayoutProblem(dir: string, paths: readonly string[]): string | null {
  const real = realOrNull(dir) ?? dir
  if (dirname(real) === real || ['/usr', '/etc', '/proc', '/dev', '/tmp', '/var', '/home', '/root'].includes(real)) {
    return `the contract directory cannot be ${real}: move it to a directory of its own`
  }
  if (isInSystem(real)) return `the contract directory ${real} lies in the system's: move it, for example to /var/lib`
  for (const path of paths) {
    const target = realOrNull(path)
    if (target === null) return `sandboxpaths names ${path}, which does not exist: correct or remove it`
    if (isWithin(real, target) || isWithin(target, real)) {
      return `sandboxpaths names ${path}, which holds or lies in the contract directory: remove it`
    }
  }
  return null
}
