import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const START = new URL('./thread.mjs', import.meta.url)

/** Starts a thread with a module of this folder and waits for its first message. */
export async function startThread<T>(module: string, data: Record<string, unknown>): Promise<[Worker, T]> {
  const thread = new Worker(START, { workerData: { ...data, module } })
  const [first] = (await once(thread, 'message')) as [T]
  return [thread, first]
}
