export interface WorkerTask {
  target: string
  seed: number
  count: number
  seconds: number
  useCoverage: boolean
  /** The input that is being executed: a counter, a length, the bytes. */
  current: SharedArrayBuffer
}

/** Bytes before the input in `current`. */
export const CURRENT_HEAD_BYTES = 8

export type WorkerMessage =
  | { type: 'finding'; input: Uint8Array; kind: string; message: string; stack: string }
  | { type: 'done'; executions: number; seconds: number; kinds: string[]; kept: Uint8Array[] }
