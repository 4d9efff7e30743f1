/** What a node needs of its machine. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, readFile, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { DoctorCheck } from '../../admin/index.js'
import { check, formatSize } from './check.js'

const MIB = 1024 * 1024
const ROOM_LITTLE = 1024 * MIB
const ROOM_NONE = 64 * MIB
const SYNCS = 15
/** A ledger needs some syncs one after another. */
const SYNC_SLOW_MS = 15
const SYNC_TOO_SLOW_MS = 100
const SYNC_TOTAL_MS = 3000
const FILES_LITTLE = 4096
const OLDEST_NODE = { major: 20, minor: 19 }

/** @param keeps the folder in which the node keeps its data */
export async function examineMachine(keeps: string): Promise<DoctorCheck[]> {
  return [examineRuntime(), await examineFiles(), await examineRoom(keeps), await examineSync(keeps)]
}

function examineRuntime(): DoctorCheck {
  const { version } = process
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isOld = major < OLDEST_NODE.major || (major === OLDEST_NODE.major && minor < OLDEST_NODE.minor)
  const wanted = `${OLDEST_NODE.major}.${OLDEST_NODE.minor}`
  if (isOld) return check('Node.js', 'problem', version, `install Node.js ${wanted} or later`)
  if (process.platform === 'linux') return check('Node.js', 'ok', `${version} on Linux ${process.arch}`)
  return check('Node.js', 'warning', `${version} on ${process.platform}`, 'run nodes on Linux, which contracts need')
}

/** The limit of this process, the node's own when it runs. */
async function examineFiles(): Promise<DoctorCheck> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const found = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1]
  if (found === undefined) return check('open files', 'note', 'the limit cannot be read here')
  const most = found === 'unlimited' ? Number.POSITIVE_INFINITY : Number(found)
  if (most >= FILES_LITTLE) return check('open files', 'ok', `${found} at most`)
  const advice = `allow ${FILES_LITTLE} or more before the node starts: \`ulimit -n 65536\`, LimitNOFILE= of a systemd unit`
  return check('open files', 'warning', `${found} at most: too few for many users and peers`, advice)
}

async function examineRoom(folder: string): Promise<DoctorCheck> {
  try {
    const { bavail, bsize, blocks } = await statfs(folder)
    const left = bavail * bsize
    const found = `${formatSize(left)} of ${formatSize(blocks * bsize)} are free`
    const advice = 'make room, set `history` to keep fewer ledgers, or move the directory'
    if (left < ROOM_NONE) return check('disk space', 'problem', found, advice)
    return left < ROOM_LITTLE ? check('disk space', 'warning', found, advice) : check('disk space', 'ok', found)
  } catch (error) {
    return check('disk space', 'note', `not known (${(error as Error).message})`)
  }
}

/** How long a small write takes to be durable: every vote waits for one. */
async function examineSync(folder: string): Promise<DoctorCheck> {
  const name = 'disk speed'
  try {
    const times = await timeSyncs(folder)
    const median = times[Math.floor(times.length / 2)] as number
    const found = `a write is durable after ${median.toFixed(1)} ms (${times.length} tries, ${(times.at(-1) as number).toFixed(1)} ms at most)`
    if (median < SYNC_SLOW_MS) return check(name, 'ok', found)
    const advice = 'each ledger waits for several of these: use an SSD, or a disk with a battery-backed cache'
    return check(name, median < SYNC_TOO_SLOW_MS ? 'note' : 'warning', found, advice)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const advice =
      code === 'ENOSPC' || code === 'EDQUOT' ? 'make room' : 'check the owner and the mode of the directory'
    return check(name, 'problem', `cannot write into ${folder} (${message})`, advice)
  }
}

/** Milliseconds of each, ascending. */
async function timeSyncs(folder: string): Promise<number[]> {
  const path = join(folder, `.doctor-${randomBytes(8).toString('hex')}`)
  const file: FileHandle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    // Nothing is left behind, however this ends.
    await unlink(path)
    const times: number[] = []
    const startMs = performance.now()
    for (let count = 0; count < SYNCS && performance.now() - startMs < SYNC_TOTAL_MS; count++) {
      const beforeMs = performance.now()
      await file.write(randomBytes(1024))
      await file.datasync()
      times.push(performance.now() - beforeMs)
    }
    return times.sort((a, b) => a - b)
  } finally {
    await file.close()
  }
}
