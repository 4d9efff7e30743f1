import { spawn } from 'node:child_process'
import { chmod, cp, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CliError } from '../errors.js'
import { printable } from '../output.js'
import { type Manifest, parseManifest } from './manifest.js'

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url))
const BUILD_TIMEOUT_MS = 120_000
const MAX_BUILD_OUTPUT = 4000

/** A contract ready to be put into contract directories. */
export interface Contract {
  name: string
  description: string
  binary: string
  binargs: string | string[]
  /** Inputs that show what it does. */
  sample: string[]
  /** Puts its files into a contract directory. */
  install(dir: string): Promise<void>
  /** Something that the user should know. */
  note: string | null
}

async function listExamples(): Promise<string> {
  const names = await readdir(EXAMPLES).catch(() => [] as string[])
  return names.filter((name) => !name.includes('.')).join(', ')
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, 'contract.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    throw new CliError(`${path} cannot be read: a contract's folder needs one (examples/ shows how)`)
  }
  return parseManifest(text, path)
}

/** Runs the build command; null when it went well, 'missing' when its program is not there, else what it said. */
function runBuild(argv: string[], folder: string): Promise<string | null> {
  return new Promise((done) => {
    const [program, ...args] = argv as [string, ...string[]]
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: BUILD_TIMEOUT_MS })
    let said = ''
    const take = (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-MAX_BUILD_OUTPUT)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', (error: NodeJS.ErrnoException) => done(error.code === 'ENOENT' ? 'missing' : error.message))
    child.once('close', (code, signal) => done(code === 0 ? null : `${signal ?? `exit ${code}`}: ${said.trim()}`))
  })
}

async function copyIfThere(from: string, to: string): Promise<void> {
  const found = await stat(from).catch(() => null)
  if (found?.isDirectory()) await cp(from, to, { recursive: true })
}

async function prepareFolder(folder: string, workDir: string, mayFallBack: boolean): Promise<Contract> {
  const manifest = await readManifest(folder)
  const staged = join(workDir, manifest.name)
  await mkdir(workDir, { recursive: true })
  await cp(folder, staged, { recursive: true })
  if (manifest.build !== undefined) {
    await mkdir(join(staged, 'bin'), { recursive: true })
    const problem = await runBuild(manifest.build, staged)
    if (problem === 'missing' && manifest.fallback !== undefined && mayFallBack) {
      const twin = await prepareFolder(join(EXAMPLES, basename(manifest.fallback)), workDir, false)
      return { ...twin, note: `${manifest.build[0]} is not installed: ${twin.name} runs instead of ${manifest.name}` }
    }
    if (problem !== null)
      throw new CliError(`${manifest.name} could not be built with ${manifest.build[0]} (${printable(problem)})`)
  }
  const { name, description, binary, binargs, sample } = manifest
  const install = async (dir: string) => {
    await copyIfThere(join(staged, 'bin'), join(dir, 'bin'))
    await copyIfThere(join(staged, manifest.state ?? 'state'), join(dir, 'state'))
  }
  return { name, description, binary, binargs, sample, install, note: null }
}

function contractOfFile(path: string): Contract {
  const name = basename(path)
  const install = async (dir: string) => {
    await cp(path, join(dir, 'bin', name))
    await chmod(join(dir, 'bin', name), 0o755)
  }
  const contractName =
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'contract'
  return {
    name: contractName,
    description: path,
    binary: `bin/${name}`,
    binargs: [],
    sample: ['hello'],
    install,
    note: null
  }
}

/**
 * The contract that `--contract` names: a folder of examples/, a folder with a contract.json, or an executable file.
 * It is built in `workDir`.
 */
export async function prepareContract(named: string, workDir: string): Promise<Contract> {
  if (/^[a-z0-9-]{1,64}$/.test(named)) {
    const example = join(EXAMPLES, named)
    if ((await stat(join(example, 'contract.json')).catch(() => null)) !== null) {
      return prepareFolder(example, workDir, true)
    }
  }
  const path = resolve(named)
  const found = await stat(path).catch(() => null)
  if (found === null) {
    throw new CliError(`--contract ${named}: neither an example (${await listExamples()}) nor a file or folder`)
  }
  if (found.isDirectory()) return prepareFolder(path, workDir, true)
  if ((found.mode & 0o111) === 0) throw new CliError(`--contract ${named} is not executable: \`chmod +x\` it`)
  return contractOfFile(path)
}
