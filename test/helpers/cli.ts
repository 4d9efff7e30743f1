import { execFile } from 'node:child_process'
import { MAIN } from './node-process.js'

export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs a command of the program to its end. */
export function runCli(args: string[], timeoutMs = 120_000): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: timeoutMs }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(error)
    }).stdin?.end()
  })
}

/** Runs a command with --json and reads what it printed. */
export async function runJson<T>(args: string[]): Promise<T> {
  const { code, stdout, stderr } = await runCli([...args, '--json'])
  if (code !== 0) throw new Error(`${args.join(' ')}: exit code ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}
