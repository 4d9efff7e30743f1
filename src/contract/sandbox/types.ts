/** auto: used where it works, else the node warns. on: nothing runs without it. off: never used. */
export type SandboxMode = 'auto' | 'on' | 'off'

export interface SandboxOptions {
  mode: SandboxMode
  /** none: not even the loopback of the machine. host: the machine's network, with its abstract unix sockets. */
  network: 'none' | 'host'
  /** Absolute paths that the contract may read beside the system's. */
  paths: string[]
}

export const DEFAULT_SANDBOX: SandboxOptions = { mode: 'auto', network: 'none', paths: [] }

/** What operators see of it. */
export interface SandboxFact {
  mode: SandboxMode
  active: boolean
  /** Why it is not active, and what to do; null when it is, or was not asked for. */
  reason: string | null
  /** Of bubblewrap; null when it was not found. */
  version: string | null
}
