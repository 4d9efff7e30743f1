import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AdminError, adminRequest, type NodeStatus } from '../../admin/index.js'
import { CliError } from '../errors.js'
import { formatLogLine } from '../log.js'
import { RotatingFile } from '../rotating-file.js'

/** Sets the size of the thread pool before anything else. */
const PROGRAM = fileURLToPath(new URL('../bin.cjs', import.meta.url))
/** All nodes share this machine's cores: the garbage collector's helper threads of one would slow the others down. */
const NODE_FLAGS = ['--single-threaded-gc']
const TAIL_LINES = 12
const TAIL_BYTES = 16 * 1024
const POLL_MS = 50
/** A node has this long to stop in order before it is killed. */
const STOP_TIMEOUT_MS = 15_000

/** One node of the local network: a child process with its log. */
export class NodeProcess {
  readonly exited: Promise<string>
  readonly logPath: string
  readonly #child: ChildProcess
  readonly #log: RotatingFile
  #tail = ''
  #stopping = false
  #alive = true

  constructor(readonly dir: string) {
    mkdirSync(join(dir, 'log'), { recursive: true })
    this.logPath = join(dir, 'log', 'node.log')
    this.#log = new RotatingFile(this.logPath)
    // In a process group of its own, so that Ctrl-C in the terminal reaches the nodes through us alone, once and in
    // order. The channel tells the node when we are gone, however we went.
    this.#child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, 'run', dir], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc']
    })
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#take(chunk))
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => this.#ended(error.message, resolve))
      this.#child.once('close', (code, signal) => this.#ended(signal ?? `exit code ${code}`, resolve))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isAlive(): boolean {
    return this.#alive
  }

  /** True when the end of the process was asked for. */
  get isStopping(): boolean {
    return this.#stopping
  }

  #ended(how: string, resolve: (how: string) => void): void {
    if (!this.#alive) return
    this.#alive = false
    this.#log.close()
    resolve(how)
  }

  #take(chunk: Buffer): void {
    this.#log.write(chunk)
    this.#tail = (this.#tail + chunk.toString()).slice(-TAIL_BYTES)
  }

  /** The last lines of the log, for people. */
  tail(): string {
    const lines = this.#tail.split('\n').filter((line) => line !== '')
    return lines
      .slice(-TAIL_LINES)
      .map((line) => `    ${formatLogLine(line, false)}`)
      .join('\n')
  }

  async #status(): Promise<NodeStatus | null> {
    try {
      return await adminRequest(this.dir, '/v1/status', { timeoutMs: 5000 })
    } catch (error) {
      if (error instanceof AdminError) return null
      throw error
    }
  }

  /** Waits until the node stands on the last ledger with a quorum in touch. */
  async waitUntilReady(timeoutMs: number, signal: AbortSignal): Promise<NodeStatus> {
    const endMs = Date.now() + timeoutMs
    let last: NodeStatus | null = null
    while (!signal.aborted) {
      if (!this.#alive)
        throw new CliError(`the node in ${this.dir} ended (${await this.exited}); its log ends with:\n${this.tail()}`)
      last = await this.#status()
      if (last !== null && last.sync === 'synced' && last.quorum.present >= last.quorum.needed) return last
      if (Date.now() > endMs) {
        const state =
          last === null
            ? 'does not answer'
            : `is ${last.sync}, ${last.quorum.present} of ${last.quorum.needed} validators`
        throw new CliError(`the node in ${this.dir} ${state} after ${timeoutMs / 1000} s; its log is ${this.logPath}`)
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
    throw new CliError('interrupted')
  }

  /** Asks the node to stop, and kills it when it takes too long. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (!this.#alive) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT_MS)
    await this.exited
    clearTimeout(timer)
  }

  kill(): void {
    this.#stopping = true
    this.#child.kill('SIGKILL')
  }
}
