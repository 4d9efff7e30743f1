import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url))
const FOLDERS = ['src/state', 'src/crypto', 'src/codec', 'src/codec/pb', 'src/consensus', 'test/unit/state/crash']

/**
 * The state store as plain JavaScript in a directory of its own: hundreds of processes start much sooner from it than
 * through a loader. Returns the directory; the caller removes it.
 */
export function compileChild(): string {
  const out = fs.mkdtempSync(path.join(tmpdir(), 'hp-crash-code-'))
  for (const folder of FOLDERS) {
    fs.mkdirSync(path.join(out, folder), { recursive: true })
    for (const name of fs.readdirSync(path.join(REPOSITORY, folder))) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue
      const source = fs.readFileSync(path.join(REPOSITORY, folder, name), 'utf8')
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true }
      })
      fs.writeFileSync(path.join(out, folder, name.replace(/\.ts$/, '.js')), outputText)
    }
  }
  fs.writeFileSync(path.join(out, 'package.json'), '{"type":"module"}')
  fs.symlinkSync(path.join(REPOSITORY, 'node_modules'), path.join(out, 'node_modules'))
  return out
}

export interface Outcome {
  /** What the child said, a word a line. */
  words: string[]
  /** It was killed in the middle of the operation. */
  isCut: boolean
  /** Time that the operation took, for a child that was to live. */
  spanMs: number
}

/** Runs one operation in a process; it ends by SIGKILL after `delayMs`, or by itself when that is negative. */
export async function runChild(code: string, args: [string, string, number, number]): Promise<Outcome> {
  const child = spawn(process.execPath, [path.join(code, 'test/unit/state/crash/child.js'), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  child.stderr.on('data', (data) => {
    errors += data
  })
  const [exitCode, signal] = await once(child, 'close')
  const mustLive = args[3] < 0
  if (mustLive ? exitCode !== 0 : signal !== 'SIGKILL') throw new Error(`the child ended by itself: ${errors}`)
  const words = output.trim().split('\n')
  const end = words.find((word) => word.startsWith('end'))
  return {
    words,
    isCut: words.includes('begin') && end === undefined,
    spanMs: Number(end?.split(' ')[1] ?? Number.NaN)
  }
}
