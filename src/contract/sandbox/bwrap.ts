import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'

const VERSION_WAIT_MS = 5_000
/** The first with --json-status-fd that tells whether the program was started. */
const OLDEST: Version = [0, 4]

type Version = [major: number, minor: number]

/** A bubblewrap that is installed. */
export interface BwrapFacts {
  path: string
  version: string
  /** --size of a tmpfs: 0.7. */
  hasSize: boolean
  /** --disable-userns: 0.8. */
  hasDisableUserns: boolean
  /** It runs with root's rights until it has made the namespaces: limits cannot be set from outside. */
  isSetuid: boolean
}

export const INSTALL_ADVICE =
  'install it with the system\u2019s package manager (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap; Alpine: apk add bubblewrap)'

/** The bwrap on the search path, or a sentence that says why there is none that can be used. */
export async function findBwrap(searchPath: string): Promise<BwrapFacts | string> {
  const path = searchPath
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, 'bwrap'))
    .find(isExecutable)
  if (path === undefined) return `bubblewrap is not installed: ${INSTALL_ADVICE}`
  let text: string
  try {
    text = (await promisify(execFile)(path, ['--version'], { timeout: VERSION_WAIT_MS, env: {} })).stdout
  } catch (error) {
    return `${path} does not run: ${(error as Error).message.split('\n')[0]}`
  }
  const match = /(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})?/.exec(text)
  if (match === null) return `${path} does not tell its version`
  const version: Version = [Number(match[1]), Number(match[2])]
  if (!isAtLeast(version, OLDEST)) return `bubblewrap ${match[0]} is too old: 0.4 or later is needed`
  return {
    path,
    version: match[0],
    hasSize: isAtLeast(version, [0, 7]),
    hasDisableUserns: isAtLeast(version, [0, 8]),
    isSetuid: (statSync(path).mode & 0o4000) !== 0
  }
}

/**
 * Namespaces of its own and no rights in them. An unprivileged user inside, also when the node is root's: what is
 * executed by a namespace's root gets all rights in it, and could take the mounts away that hide the node's files.
 */
export function namespaceArguments(bwrap: BwrapFacts, network: 'none' | 'host'): string[] {
  return [
    ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try'],
    ...(network === 'none' ? ['--unshare-net'] : []),
    ...(bwrap.hasDisableUserns && !bwrap.isSetuid ? ['--disable-userns'] : []),
    ...['--uid', '1000', '--gid', '1000', '--hostname', 'contract'],
    ...(process.getuid?.() === 0 ? ['--cap-drop', 'ALL'] : []),
    ...['--die-with-parent', '--new-session']
  ]
}

function isAtLeast(version: Version, wanted: Version): boolean {
  return version[0] > wanted[0] || (version[0] === wanted[0] && version[1] >= wanted[1])
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
