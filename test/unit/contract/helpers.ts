import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterEach } from 'vitest'
import {
  type ContractLimits,
  ContractRunner,
  DEFAULT_LIMITS,
  type Execution,
  type ExecutionOutcome,
  type RunnerOptions,
  type SandboxMode
} from '../../../src/contract/index.js'

export const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/contracts/${name}`, import.meta.url))
export const example = (path: string) => fileURLToPath(new URL(`../../../examples/${path}`, import.meta.url))
/** A 64-digit hex key. */
export const keyOf = (number: number) => number.toString(16).padStart(64, '0')
export const NODE = keyOf(0xaa)

const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

export function onCleanup(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup)
}

export function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'hp-contract-'))
  onCleanup(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

export interface TestOptions extends Partial<Omit<RunnerOptions, 'limits'>> {
  limits?: Partial<ContractLimits>
}

/** How the runner keeps the contract in when a test does not say: one file's tests are run both ways. */
let sandbox: SandboxMode = 'off'

export function setSandbox(mode: SandboxMode): void {
  sandbox = mode
}

/** A runner in a fresh directory; slow machines get more wall time than the default. */
export function makeRunner(binary: string, options: TestOptions = {}): ContractRunner & { dir: string } {
  const dir = options.dir ?? makeDir()
  const runner = new ContractRunner({
    binary,
    args: [],
    publicKey: NODE,
    logDir: join(dir, 'log'),
    log: pino({ level: 'silent' }),
    sandbox: { mode: sandbox },
    ...options,
    dir,
    limits: { ...DEFAULT_LIMITS, execTimeoutMs: 30_000, ...options.limits }
  })
  onCleanup(() => runner.stop())
  return Object.assign(runner, { dir })
}

export function makeExecution(users: (string | Uint8Array)[][], seq = 1, unl = [NODE]): Execution {
  return {
    seq,
    lcl: keyOf(0x1000 + seq),
    timeMs: 1_568_193_881_999,
    unl,
    users: users.map((inputs, index) => ({
      key: keyOf(0x100 + index),
      inputs: inputs.map((input) => (typeof input === 'string' ? Buffer.from(input) : input))
    }))
  }
}

export function textOf(outcome: ExecutionOutcome, user = 0): string {
  const output = outcome.outputs.find(({ user: key }) => key === keyOf(0x100 + user))
  return output === undefined ? '' : Buffer.from(output.content).toString('utf8')
}

/** Builds a program in a directory of its own. */
export function build(command: string, args: string[], env: Record<string, string> = {}): string {
  const path = join(makeDir(), 'program')
  execFileSync(command, [...args.map((arg) => (arg === '%o' ? path : arg))], {
    env: { ...process.env, ...env },
    stdio: 'pipe'
  })
  return path
}

/** True while the process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/** Waits until it holds; the test's own timeout is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5)
}
