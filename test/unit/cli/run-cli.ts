import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../../dist/cli/bin.cjs', import.meta.url))

export interface CliResult {
  code: number | null
  out: string
  err: string
}

/** Starts the built program; stdin is closed unless text is given. */
export function startCli(args: string[], env: Record<string, string> = {}): ChildProcess {
  if (!existsSync(BIN)) throw new Error('dist/ is missing: `npm run build` first')
  return spawn(process.execPath, [BIN, ...args], { stdio: 'pipe', env: { ...process.env, ...env } })
}

export async function runCli(args: string[], input = ''): Promise<CliResult> {
  const child = startCli(args)
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  return finishCli(child)
}

export function finishCli(child: ChildProcess): Promise<CliResult> {
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, out, err }))
  })
}

/** A port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
