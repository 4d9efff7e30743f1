import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AdminError, adminRequest, type NodeStatus, type PeerRow, type StateView } from '../../src/admin/index.js'
import { waitUntil } from './wait.js'

/** The program under test: what `npm run build` made, or what HP_P2P_MAIN names. */
export const MAIN = process.env.HP_P2P_MAIN ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

const STOP_TIMEOUT_MS = 20_000
const alive = new Set<ChildProcess>()

// Whatever ends this process, no node outlives it; the channel to each child says so as well when this is not run.
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export interface LogEntry {
  level: number
  part?: string
  msg: string
  [field: string]: unknown
}

const LEVEL_WARN = 40

/** One node as a child process; may be started again after its end. */
export class NodeProcess {
  readonly logPath: string
  /** Flags of Node.js for the next start. */
  nodeFlags: string[] = []
  /** What the next start runs. */
  main = MAIN
  #child: ChildProcess | null = null
  #exited: Promise<string> = Promise.resolve('never started')

  /**
   * @param dir its contract directory
   * @param launcher a program with arguments that starts what follows in its own place, such as `ip netns exec NAME`
   */
  constructor(
    readonly dir: string,
    readonly publicKey: string,
    readonly userUrl: string,
    readonly ports: { pubport: number; peerport: number; tcpport: number },
    private readonly launcher: string[] = []
  ) {
    this.logPath = join(dir, 'log', 'node.log')
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error(`the node in ${this.dir} does not run`)
    return pid
  }
  get isRunning(): boolean {
    return this.#child !== null
  }
  /** Resolves with the signal or exit code when the process is gone. */
  get exited(): Promise<string> {
    return this.#exited
  }

  async start(): Promise<void> {
    if (this.#child !== null) throw new Error(`the node in ${this.dir} runs already`)
    await mkdir(join(this.dir, 'log'), { recursive: true })
    const log = openSync(this.logPath, 'a')
    const level = process.env.HP_P2P_LOGLEVEL
    const node = [
      process.execPath,
      ...this.nodeFlags,
      this.main,
      'run',
      this.dir,
      ...(level === undefined ? [] : ['--loglevel', level])
    ]
    const [program, ...args] = [...this.launcher, ...node] as [string, ...string[]]
    const child = spawn(program, args, {
      stdio: ['ignore', log, log, 'ipc'],
      env: { UV_THREADPOOL_SIZE: '16', ...process.env }
    })
    closeSync(log)
    this.#child = child
    alive.add(child)
    this.#exited = new Promise((resolve) => {
      const end = (how: string): void => {
        alive.delete(child)
        this.#child = null
        resolve(how)
      }
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
      child.once('error', (error) => end(error.message))
    })
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#exited
  }

  /** SIGTERM, and kill -9 when that does not help. Resolves with how it ended. */
  async stop(): Promise<string> {
    const child = this.#child
    if (child === null) return this.#exited
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    const how = await this.#exited
    clearTimeout(timer)
    return how
  }

  /** Null while the node does not answer. */
  async status(): Promise<NodeStatus | null> {
    try {
      return await adminRequest(this.dir, '/v1/status', { timeoutMs: 10_000 })
    } catch (error) {
      if (error instanceof AdminError) return null
      throw error
    }
  }

  async peers(): Promise<PeerRow[]> {
    return adminRequest(this.dir, '/v1/peers')
  }

  /** Of the contract's state. */
  async state(): Promise<StateView> {
    return adminRequest(this.dir, '/v1/state')
  }

  /** Waits until `condition` holds for the node's status; fails at once when the process ends. */
  async waitFor(what: string, condition: (status: NodeStatus) => boolean, timeoutMs?: number): Promise<NodeStatus> {
    let last: NodeStatus | null = null
    const check = async (): Promise<NodeStatus | null> => {
      if (this.#child === null) throw new Error(`the node ended (${await this.#exited})\n${this.tail()}`)
      last = await this.status()
      return last !== null && condition(last) ? last : null
    }
    return waitUntil(`${what} (node in ${this.dir})`, check, {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      describe: () => `${JSON.stringify(last)}\n${this.tail()}`
    })
  }

  log(): LogEntry[] {
    return readFileSync(this.logPath, 'utf8')
      .split('\n')
      .flatMap((line) => {
        try {
          return line === '' ? [] : [JSON.parse(line) as LogEntry]
        } catch {
          return [{ level: LEVEL_WARN, msg: line }]
        }
      })
  }

  /** What the node warned of, and worse. */
  warnings(): LogEntry[] {
    return this.log().filter(({ level }) => level >= LEVEL_WARN)
  }

  tail(lines = 15): string {
    try {
      return readFileSync(this.logPath, 'utf8')
        .split('\n')
        .slice(-lines - 1)
        .join('\n')
    } catch {
      return '(no log)'
    }
  }

  /** Ends what a killed node has left behind: its contract, when it hangs. */
  killContract(): void {
    let pid: number
    try {
      pid = Number(readFileSync(join(this.dir, 'log', 'contract.pid'), 'latin1').split(' ')[0])
      if (!(pid > 1) || readlinkSync(`/proc/${pid}/cwd`) !== this.dir) return
      process.kill(-pid, 'SIGKILL')
    } catch {
      // Nothing was left.
    }
  }
}
