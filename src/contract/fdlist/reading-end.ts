import { Socket } from 'node:net'
import type { Duplex, Writable } from 'node:stream'
import type { Libc } from '../libc.js'
import type { StartedProcess } from '../process/start.js'
import { closeQuietly } from '../temp-files.js'
import { NPL_READ_FD } from './channels.js'

/** What the contract reads the party line from. */
export interface ReadingEnd {
  readonly childEnd: number | 'pipe'
  open(child: StartedProcess): Writable
  /** The contract has its own copy now. */
  closeChildEnd(): void
  /** Idempotent. */
  close(): void
}

/** A pipe where it can be had, since /dev/fd/N cannot open a socket; else child_process's socket pair. */
export function openReadingEnd(libc: Libc | null): ReadingEnd {
  if (libc === null) {
    return {
      childEnd: 'pipe',
      open: (child) => child.stream(NPL_READ_FD) as Duplex,
      closeChildEnd: () => {},
      close: () => {}
    }
  }
  const [childEnd, ours] = libc.openPipe()
  let isChildEndOpen = true
  let isOpen = true
  let stream: Socket | null = null
  const closeChildEnd = () => {
    if (isChildEndOpen) closeQuietly(childEnd)
    isChildEndOpen = false
  }
  return {
    childEnd,
    open: () => {
      stream = new Socket({ fd: ours, readable: false, writable: true })
      return stream
    },
    closeChildEnd,
    close: () => {
      closeChildEnd()
      if (!isOpen) return
      isOpen = false
      if (stream === null) closeQuietly(ours)
      else stream.destroy()
    }
  }
}
