import { Worker } from 'node:worker_threads'
import { CURRENT_HEAD_BYTES, type WorkerMessage, type WorkerTask } from './worker-task.js'

/** Longer than anything that is not stuck, on a machine that others use as well. */
const HANG_MS = 20_000
const WATCH_MS = 1_000
const HEAP_MB = 1024
const INPUT_BYTES = 1024 * 1024

export interface ReportedFinding {
  input: Uint8Array
  kind: string
  message: string
  stack: string
}

export interface RunSummary {
  executions: number
  seconds: number
  kinds: string[]
  kept: Uint8Array[]
  findings: ReportedFinding[]
}

/** The worker's module, through tsx: a worker does not inherit the loader of its parent. */
function bootstrap(): string {
  const tsx = import.meta.resolve('tsx/esm/api')
  const worker = new URL('./worker.ts', import.meta.url).href
  return `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(worker)}) })`
}

/**
 * Runs one target in a thread of its own. A hang, a heap that grows past its limit and an error that nobody catches end
 * the thread and are findings, with the input that was being executed.
 */
export function runTarget(
  task: Omit<WorkerTask, 'current'>,
  onFinding: (finding: ReportedFinding) => void
): Promise<RunSummary> {
  const current = new SharedArrayBuffer(CURRENT_HEAD_BYTES + INPUT_BYTES)
  const head = new Int32Array(current, 0, 2)
  const startMs = performance.now()
  const summary: RunSummary = { executions: 0, seconds: 0, kinds: [], kept: [], findings: [] }
  const report = (finding: ReportedFinding): void => {
    summary.findings.push(finding)
    onFinding(finding)
  }
  const reportCurrent = (kind: string, message: string, stack: string): void => {
    const input = new Uint8Array(current, CURRENT_HEAD_BYTES, Atomics.load(head, 1)).slice()
    report({ input, kind, message, stack })
  }
  return new Promise((resolve) => {
    const worker = new Worker(bootstrap(), {
      eval: true,
      workerData: { ...task, current } satisfies WorkerTask,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      stdout: false
    })
    let last = -1
    let lastMs = performance.now()
    const watch = setInterval(() => {
      const count = Atomics.load(head, 0)
      if (count !== last) {
        last = count
        lastMs = performance.now()
      } else if (count > 0 && performance.now() - lastMs > HANG_MS && summary.executions === 0) {
        reportCurrent('hang', `no end after ${HANG_MS} ms`, '')
        void worker.terminate()
      }
    }, WATCH_MS)
    worker.on('message', (message: WorkerMessage) => {
      if (message.type === 'finding') {
        const { input, kind, message: text, stack } = message
        report({ input, kind, message: text, stack })
      } else Object.assign(summary, { ...message, type: undefined })
    })
    worker.on('error', (error: Error) =>
      reportCurrent('uncaught', `${error.name}: ${error.message}`, error.stack ?? '')
    )
    worker.on('exit', () => {
      clearInterval(watch)
      if (summary.executions === 0) {
        summary.executions = Atomics.load(head, 0)
        summary.seconds = (performance.now() - startMs) / 1000
      }
      resolve(summary)
    })
  })
}
