import { parentPort, workerData } from 'node:worker_threads'
import { TARGETS } from '../targets/index.js'
import { Coverage } from './coverage.js'
import { Fuzzer } from './fuzzer.js'
import { CURRENT_HEAD_BYTES, type WorkerMessage, type WorkerTask } from './worker-task.js'

const task = workerData as WorkerTask
const entry = TARGETS.find(({ name }) => name === task.target)
if (entry === undefined || parentPort === null) throw new Error(`there is no target ${task.target}`)
const port = parentPort
const send = (message: WorkerMessage): void => port.postMessage(message)
const head = new Int32Array(task.current, 0, 2)
const bytes = new Uint8Array(task.current, CURRENT_HEAD_BYTES)

const { executions, seconds, kinds, kept } = await Fuzzer.run(entry, {
  seed: task.seed,
  count: task.count,
  seconds: task.seconds,
  coverage: task.useCoverage ? new Coverage('/src/') : null,
  onInput: (input) => {
    const length = Math.min(input.length, bytes.length)
    bytes.set(input.subarray(0, length))
    head[1] = length
    Atomics.add(head, 0, 1)
  },
  onFinding: ({ input, finding }) => {
    const { cause, kind, message, stack = '' } = finding
    const origin = cause instanceof Error ? (cause.stack ?? '') : ''
    send({ type: 'finding', input, kind, message, stack: `${stack}\n${origin}` })
  }
})
send({ type: 'done', executions, seconds, kinds, kept })
// A target that leaves a timer or a socket behind must not keep the run alive.
setImmediate(() => process.exit(0))
