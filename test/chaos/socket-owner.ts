import { readdir, readFile, readlink } from 'node:fs/promises'

/** The TCP socket of IPv4 bound to `port` on 127.0.0.1, by inode; null when there is none. */
async function findInode(port: number): Promise<string | null> {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const table = await readFile('/proc/net/tcp', 'latin1')
  for (const row of table.split('\n').slice(1)) {
    const fields = row.trim().split(/\s+/)
    if (fields[1] === local && fields[9] !== undefined && fields[9] !== '0') return fields[9]
  }
  return null
}

/**
 * Which of the processes `pids` holds the loopback socket with local port `port`, as its index; null when none does.
 * Linux, see proc(5).
 */
export async function findSocketOwner(port: number, pids: (number | null)[]): Promise<number | null> {
  const inode = await findInode(port)
  if (inode === null) return null
  const wanted = `socket:[${inode}]`
  for (const [index, pid] of pids.entries()) {
    if (pid === null) continue
    const fds = await readdir(`/proc/${pid}/fd`).catch(() => [] as string[])
    for (const fd of fds) {
      if ((await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')) === wanted) return index
    }
  }
  return null
}
