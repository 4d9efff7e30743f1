import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileFunction } from 'node:vm'
import ts from 'typescript'
import type { Replacement } from '../mutants.js'
import { addLooks } from './looks.js'
import { PACKAGES } from './packages.js'

type Exports = Record<string, unknown>
type Compiled = (
  exports: Exports,
  require: (name: string) => unknown,
  module: { exports: Exports },
  ...globals: unknown[]
) => void

/** What a program is given in place of the globals of a process. */
export const GLOBALS = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance'
] as const

/** The surroundings of one process: its globals, and modules in place of the system's or of the program's own. */
export interface Surroundings {
  globals: Record<(typeof GLOBALS)[number], unknown>
  /** By name ('node:fs') or by path below src without its ending ('network/index'). */
  modules: ReadonlyMap<string, unknown>
}

const SOURCE = fileURLToPath(new URL('../../../src/', import.meta.url))
const TRANSPILE: ts.TranspileOptions = {
  compilerOptions: {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    esModuleInterop: true
  },
  transformers: { before: [addLooks] }
}
/** Evaluated once for all processes: they hold nothing of a process, know no clock and no disk. */
const SHARED = ['codec/', 'crypto/', 'consensus/', 'config/', 'contract/', 'network/']

/** Compiled sources by their text: most files are the same in all programs. */
const compiledByText = new Map<string, string>()
const requireNative = nodeModule.createRequire(import.meta.url)

/**
 * The sources of the node as they are, to be run as many processes inside this one. Each process has its own instance of
 * every module that holds something, and sees only the clock, timers, disk, network and randomness that it is given.
 */
export class Program {
  readonly #replacements: readonly Replacement[]
  readonly #compiled = new Map<string, Compiled>()
  readonly #shared = new Map<string, { exports: Exports }>()
  /** Modules in place of those of the system or of the program, for all processes. */
  readonly #common: ReadonlyMap<string, unknown>

  /** @param replacements faults to be made in the sources, each exactly once; files are relative to src */
  constructor(replacements: readonly Replacement[] = [], common: ReadonlyMap<string, unknown> = new Map()) {
    this.#replacements = replacements
    this.#common = common
    for (const { file } of replacements) this.#compile(file.replace(/\.ts$/, ''))
  }

  /** Modules by their path below src, for one process. */
  process({ globals, modules }: Surroundings): <T>(name: string) => T {
    const values = GLOBALS.map((name) => globals[name])
    const own = new Map<string, { exports: Exports }>()
    const load = (name: string): unknown => this.#load(name, own, modules, values)
    return <T>(name: string) => load(name) as T
  }

  /** A module that all processes share. */
  shared<T>(name: string): T {
    return this.#load(name, this.#shared, new Map(), []) as T
  }

  #load(
    name: string,
    own: Map<string, { exports: Exports }>,
    modules: ReadonlyMap<string, unknown>,
    globals: readonly unknown[]
  ): unknown {
    const given = modules.get(name) ?? this.#common.get(name)
    if (given !== undefined) return given
    const isShared = SHARED.some((folder) => name.startsWith(folder))
    const cache = isShared ? this.#shared : own
    const known = cache.get(name)
    if (known !== undefined) return known.exports
    const module = { exports: {} }
    cache.set(name, module)
    const folder = dirname(name)
    const require = (wanted: string): unknown => {
      if (!wanted.startsWith('.')) return modules.get(wanted) ?? this.#common.get(wanted) ?? requirePackage(wanted)
      const path = relative(SOURCE, join(SOURCE, folder, wanted)).replace(/\.js$/, '')
      return isShared ? this.#load(path, this.#shared, new Map(), []) : this.#load(path, own, modules, globals)
    }
    this.#compile(name)(module.exports, require, module, ...(isShared ? REAL_GLOBALS : globals))
    return module.exports
  }

  #compile(name: string): Compiled {
    const known = this.#compiled.get(name)
    if (known !== undefined) return known
    const file = `${name}.ts`
    let text = readFileSync(join(SOURCE, file), 'utf8')
    for (const { file: of, from, to } of this.#replacements) {
      if (of !== file) continue
      if (text.split(from).length !== 2) throw new Error(`${file} has not once: ${from}`)
      text = text.replace(from, () => to)
    }
    const code = compiledByText.get(text) ?? ts.transpileModule(text, TRANSPILE).outputText
    compiledByText.set(text, code)
    const params = ['exports', 'require', 'module', ...GLOBALS]
    const compiled = compileFunction(code, params, { filename: join(SOURCE, file) }) as Compiled
    this.#compiled.set(name, compiled)
    return compiled
  }
}

const REAL_GLOBALS = GLOBALS.map((name) => (globalThis as unknown as Record<string, unknown>)[name])

function requirePackage(name: string): unknown {
  const known = PACKAGES.get(name)
  if (known !== undefined) return known
  if (name.startsWith('node:')) return asModule(requireNative(name) as Exports)
  throw new Error(`the simulator does not know the package ${name}: add it to packages.ts`)
}

/** As a compiled import sees a module. */
export function asModule(exports: object): Exports {
  const named = exports as Exports
  return { ...named, default: named.default ?? exports, __esModule: true }
}
