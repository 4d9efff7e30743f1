import { constants } from 'node:fs'
import { access, mkdtemp, open, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

/** sun_path holds 108 bytes on Linux and 104 on macOS, the zero byte included. */
const MAX_SOCKET_PATH_BYTES = 100

export interface ShortPath {
  path: string
  release(): Promise<void>
}

export function adminSocketPath(dir: string): string {
  return resolve(dir, 'hist', 'admin.sock')
}

const fits = (path: string) => Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES

/** Through the open folder: needs no writable place and leaves nothing behind. Linux. */
async function throughDescriptor(socket: string): Promise<ShortPath | null> {
  const folder = await open(dirname(socket), constants.O_RDONLY | constants.O_DIRECTORY)
  const path = `/proc/self/fd/${folder.fd}/${basename(socket)}`
  const works = await access(dirname(path)).then(
    () => true,
    () => false
  )
  if (works) return { path, release: () => folder.close() }
  await folder.close()
  return null
}

/** Through a symbolic link in the folder for temporary files. */
async function throughLink(socket: string): Promise<ShortPath> {
  const base = fits(join(tmpdir(), 'hp-XXXXXX', 'd', basename(socket))) ? tmpdir() : '/tmp'
  const place = await mkdtemp(join(base, 'hp-'))
  await symlink(dirname(socket), join(place, 'd'))
  return { path: join(place, 'd', basename(socket)), release: () => rm(place, { recursive: true, force: true }) }
}

/**
 * A path of the same socket that is short enough to bind or connect to, whatever the length of the real one. To be
 * released once bound or connected. `via` is for tests.
 */
export async function shortSocketPath(socket: string, via: 'any' | 'link' = 'any'): Promise<ShortPath> {
  if (fits(socket)) return { path: socket, release: async () => {} }
  const direct = via === 'any' ? await throughDescriptor(socket) : null
  return direct ?? throughLink(socket)
}
