import { spawn as spawnChild } from 'node:child_process'
import { constants } from 'node:os'
import type { Duplex } from 'node:stream'
import type { Libc } from '../libc.js'
import type { Command } from './command.js'

export interface Exit {
  exitCode: number | null
  signal: string | null
}

export interface StartOptions {
  command: Command
  dir: string
  env: Record<string, string>
  /** The index is the contract's descriptor. */
  stdio: (number | 'pipe')[]
  /** null: child_process starts it. */
  libc: Libc | null
}

/** A contract that has been started, as the leader of a session and a process group of its own. */
export interface StartedProcess {
  /** null when it could not be started: `exit` rejects then. */
  pid: number | null
  /** Rejects with an error that has the system's code. Nothing looks for the end before the first call. */
  whenEnded(): Promise<Exit>
  /** Our end of a descriptor that was given as 'pipe'. */
  stream(index: number): Duplex | null
}

/** The signal that says that a child has ended does not reach worker threads, so it is looked for as well. */
const LOOK_MS = 20

/**
 * Starts a process. posix_spawn(3) takes the place of child_process where it can be had: libuv forks, and a fork copies
 * the page tables of the whole node and makes it fault on every page that it writes to afterwards, which for a node of
 * 150 MB costs more than most contracts. Throws an error with the system's code when it cannot be started.
 */
export function startProcess(options: StartOptions): StartedProcess {
  const { libc, stdio } = options
  libc?.protectDescriptors()
  if (libc === null || stdio.includes('pipe')) return startChild(options)
  const { command, dir, env } = options
  const pid = libc.spawn(command.file, command.args, env, dir, stdio as number[])
  let exit: Promise<Exit> | null = null
  const whenEnded = () => {
    exit ??= waitFor(pid, libc)
    return exit
  }
  return { pid, whenEnded, stream: () => null }
}

function startChild({ command, dir, env, stdio }: StartOptions): StartedProcess {
  const child = spawnChild(command.file, command.args, { cwd: dir, env, stdio, detached: true })
  const exit = new Promise<Exit>((resolve, reject) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }))
    child.once('error', reject)
  })
  // Whoever asks is told.
  exit.catch(() => {})
  const stream = (index: number) => (child.stdio[index] ?? null) as Duplex | null
  return { pid: child.pid ?? null, whenEnded: () => exit, stream }
}

function waitFor(pid: number, libc: Libc): Promise<Exit> {
  return new Promise((resolve) => {
    const look = (): void => {
      const status = libc.wait(pid)
      if (status === null) return
      process.off('SIGCHLD', look)
      clearInterval(timer)
      resolve(readStatus(status))
    }
    const timer = setInterval(look, LOOK_MS)
    process.on('SIGCHLD', look)
    look()
  })
}

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))

/** The name of a signal, or null when there is none with this number. */
export function nameSignal(number: number): string | null {
  return SIGNALS.get(number) ?? null
}

/** The status of wait(2). */
function readStatus(status: number): Exit {
  const signal = status & 0x7f
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, signal: null }
  return { exitCode: null, signal: SIGNALS.get(signal) ?? `signal ${signal}` }
}
