import type { ContractError } from '../../../src/contract/errors.js'
import type { Execution, ExecutionOutcome, RunnerOptions } from '../../../src/contract/index.js'
import { type ContractFiles, type ContractResult, runContract } from './contract.js'
import type { SimFiles } from './sim-files.js'
import type { SimProcess } from './sim-process.js'

/** Writes of one execution that take time: with many inputs the rest goes at once. */
const STEPS_WAITED = 12

/** How an execution goes on one node. */
export interface Conduct {
  /** Between two writes, ms. */
  stepMs: number
  /** It crashes on this node, in the middle. */
  crashes: boolean
  /** It is not deterministic here. */
  differs: boolean
}

/** What stands for the runner of contracts in one process: the contract is another process on the same machine. */
export function createRunnerClass(
  process: SimProcess,
  conductOf: (seq: number) => Conduct,
  makeError: (message: string) => ContractError
): unknown {
  return class SimRunner {
    readonly capabilities = { sandbox: 'none', processBound: 'watch' }
    onNpl = (): void => {}
    readonly #files: StateFiles
    #isStopped = false
    #stop: (() => void) | null = null

    constructor(options: RunnerOptions) {
      this.#files = new StateFiles(process.machine.files, `${options.dir}/state`)
    }

    async start(): Promise<void> {}
    setLimits(): void {}
    setNplPeers(): void {}
    deliverNpl(): void {}

    async execute(execution: Execution): Promise<ExecutionOutcome> {
      if (this.#isStopped) throw makeError('the contract runner is stopped')
      const startMs = process.machine.clock.nowMs
      const conduct = conductOf(execution.seq)
      const result = await this.#run(execution, conduct)
      if (this.#isStopped) throw makeError('the contract was stopped')
      const durationMs = process.machine.clock.nowMs - startMs
      const reason = result.status === 'failed' ? 'the contract failed' : null
      const outputs = result.status === 'failed' ? [] : result.outputs
      const rest = { exitCode: 0, signal: null, nplMessages: 0, nplBytesSent: 0 }
      return { status: result.status, reason, outputs, durationMs, ...rest }
    }

    async #run(execution: Execution, { stepMs, crashes, differs }: Conduct): Promise<ContractResult> {
      const steps = runContract(this.#files, execution)
      for (let step = 0; ; step++) {
        if (step < STEPS_WAITED) await this.#wait(stepMs)
        if (this.#isStopped || (crashes && step > 0)) return { status: 'failed' }
        try {
          const { done, value } = steps.next()
          if (done !== true) continue
          if (crashes) return { status: 'failed' }
          if (differs) this.#files.write('stray', Buffer.from(`${execution.seq} ${startOf(process)}`))
          return value
        } catch {
          // The disk is full.
          return { status: 'failed' }
        }
      }
    }

    #wait(ms: number): Promise<void> {
      return new Promise((resolve) => {
        this.#stop = resolve
        process.after(ms, resolve)
      })
    }

    async stop(): Promise<void> {
      this.#isStopped = true
      this.#stop?.()
    }
  }
}

const startOf = (process: SimProcess): number => process.machine.wallMs

/** The state directory of a node. */
class StateFiles implements ContractFiles {
  readonly #files: SimFiles
  readonly #dir: string

  constructor(files: SimFiles, dir: string) {
    this.#files = files
    this.#dir = dir
  }

  read(path: string): Buffer | undefined {
    const inode = this.#files.find(`${this.#dir}/${path}`)
    return inode === undefined ? undefined : Buffer.from(inode.data.view)
  }

  write(path: string, bytes: Uint8Array): void {
    const file = `${this.#dir}/${path}`
    const folder = file.slice(0, file.lastIndexOf('/'))
    if (this.#files.find(folder) === undefined) this.#files.add(folder, 'dir', 0o755)
    const inode = this.#files.find(file) ?? this.#files.add(file, 'file', 0o644)
    if (inode.data.size > bytes.length) this.#files.resize(inode, bytes.length)
    this.#files.write(inode, 0, bytes)
  }

  remove(path: string): void {
    const file = `${this.#dir}/${path}`
    if (this.#files.find(file) !== undefined) this.#files.remove(file)
  }
}
