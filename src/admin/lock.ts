import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import koffi from 'koffi'
import { AdminError, systemCode } from './errors.js'

/** flock(2): the kernel gives the lock back when its process ends, however it ends, so that no lock is ever stale. */
const LOCK_EXCLUSIVE = 2
const LOCK_NON_BLOCKING = 4

type Flock = (fd: number, operation: number) => number
let flock: Flock | null = null

function tryLock(fd: number): boolean {
  flock ??= koffi.load(null).func('int flock(int fd, int operation)') as unknown as Flock
  if (flock(fd, LOCK_EXCLUSIVE | LOCK_NON_BLOCKING) === 0) return true
  const errno = koffi.errno()
  if (errno === koffi.os.errno.EWOULDBLOCK || errno === koffi.os.errno.EAGAIN) return false
  throw new AdminError('failed', `the lock of the node's directory cannot be taken (errno ${errno})`)
}

export interface NodeLock {
  release(): Promise<void>
}

function pidPath(dir: string): string {
  return resolve(dir, 'hist', 'node.pid')
}

/** The process id that the last node of the directory wrote, or null; it may be long gone. */
export async function readNodePid(dir: string): Promise<number | null> {
  const text = await readFile(pidPath(dir), 'utf8').catch(() => '')
  return /^\d{1,10}\n?$/.test(text) ? Number(text.trim()) : null
}

async function lockFile(dir: string, file: FileHandle): Promise<NodeLock> {
  if (!tryLock(file.fd)) {
    const pid = await readNodePid(dir)
    const who = pid === null ? '' : ` (process ${pid})`
    throw new AdminError('already-running', `a node runs on ${resolve(dir)} already${who}: stop it first`)
  }
  await file.truncate(0)
  await file.write(`${process.pid}\n`, 0)
  let released: Promise<void> | null = null
  // The file stays: removing it would let two nodes hold locks on two files of one name.
  const release = async () => {
    await file.truncate(0)
    await file.close()
  }
  return {
    release: () => {
      released ??= release()
      return released
    }
  }
}

/**
 * Makes this process the only node of a contract directory until the lock is released or the process ends. Throws
 * `AdminError` 'already-running' with the process id of the other one.
 */
export async function acquireNodeLock(dir: string): Promise<NodeLock> {
  let file: FileHandle
  try {
    await mkdir(join(resolve(dir), 'hist'), { recursive: true, mode: 0o700 })
    file = await open(pidPath(dir), 'a+', 0o600)
  } catch (error) {
    throw new AdminError('failed', `${pidPath(dir)} cannot be opened (${systemCode(error)}): check the owner of hist/`)
  }
  try {
    return await lockFile(dir, file)
  } catch (error) {
    await file.close()
    throw error
  }
}
