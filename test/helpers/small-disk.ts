import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const mounted = new Set<string>()

// Whatever ends this process, no mount outlives it.
process.on('exit', () => {
  for (const dir of mounted) releaseDisk(dir)
})

function mount(dir: string, mb: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mb}m`, 'tmpfs', dir], { stdio: 'pipe' })
}

/** Whether this process may mount; asks by doing. */
export function canMountDisks(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const dir = join(tmpdir(), `hp-mount-${process.pid}`)
  mkdirSync(dir)
  try {
    mount(dir, 1)
    execFileSync('umount', [dir])
    return true
  } catch {
    return false
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Makes `dir` a disk of its own of `mb` MB; it goes with `releaseDisk`. */
export function mountSmallDisk(dir: string, mb: number): void {
  mkdirSync(dir, { recursive: true })
  mount(dir, mb)
  mounted.add(dir)
}

export function releaseDisk(dir: string): void {
  try {
    mounted.delete(dir)
    execFileSync('umount', ['-l', dir], { stdio: 'pipe' })
  } catch {
    // It was none.
  }
}

/** Takes all room but `left` bytes. Returns how to give it back. */
export function fillDisk(dir: string, left = 0): () => void {
  const path = join(dir, 'filler')
  const spare = join(dir, 'spare')
  if (left > 0) writeFileSync(spare, Buffer.alloc(left, 1))
  const fd = openSync(path, 'w')
  const block = Buffer.alloc(4096, 1)
  try {
    for (;;) writeSync(fd, block)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(fd)
  }
  rmSync(spare, { force: true })
  return () => rmSync(path, { force: true })
}
