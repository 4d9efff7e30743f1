// The start of a thread whose module is in TypeScript: --import tsx does not reach threads.
import { workerData } from 'node:worker_threads'
import { tsImport } from 'tsx/esm/api'

await tsImport(workerData.module, import.meta.url)
