import { closeSync, openSync, readSync, realpathSync } from 'node:fs'
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path'
import { isInSystem, kindOf } from './system-paths.js'

const SHEBANG_BYTES = 256
/** A script's interpreter may be a script. */
const SCRIPTS_DEEP = 4

/**
 * What the contract's program needs that lies neither in the system nor below `dir`: the file itself, its interpreter
 * (`#!`, also through env), the Node that runs the node, and for a program in <prefix>/bin the libraries in
 * <prefix>/lib. Never a whole directory of programs: that could be somebody's home.
 */
export function programPaths(binary: string, dir: string, searchPath: string): string[] {
  const found = new Set<string>()
  for (const program of [process.execPath, ...chainOf(binary, searchPath)]) {
    for (const path of [program, realPathOf(program)]) {
      if (isInSystem(path) || isWithin(path, dir)) continue
      found.add(path)
      for (const library of librariesOf(path)) found.add(library)
    }
  }
  return [...found]
}

/** True when `path` is `dir` or lies below it. */
export function isWithin(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith('/') ? dir : `${dir}/`)
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** The program, its interpreter, the interpreter's interpreter. */
function chainOf(binary: string, searchPath: string): string[] {
  const chain = [binary]
  for (let depth = 0; depth < SCRIPTS_DEEP; depth++) {
    const next = interpreterOf(chain.at(-1) as string)
    if (next.length === 0) break
    chain.push(next[0] as string)
    const named = basename(next[0] as string) === 'env' ? next.slice(1).find((word) => !/^-|=/.test(word)) : undefined
    const program = named === undefined ? undefined : lookUp(named, searchPath)
    if (program !== undefined) chain.push(program)
  }
  return chain
}

function interpreterOf(file: string): string[] {
  const head = Buffer.alloc(SHEBANG_BYTES)
  let size = 0
  try {
    const fd = openSync(file, 'r')
    try {
      size = readSync(fd, head, 0, head.length, 0)
    } finally {
      closeSync(fd)
    }
  } catch {
    return []
  }
  const line = /^#![ \t]*(\/[^\n]*)/.exec(head.toString('latin1', 0, size))?.[1]
  return line === undefined ? [] : line.trim().split(/[ \t]+/)
}

function lookUp(name: string, searchPath: string): string | undefined {
  if (isAbsolute(name)) return name
  return searchPath
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => kindOf(path) !== null)
}

function librariesOf(program: string): string[] {
  const folder = dirname(program)
  if (basename(folder) !== 'bin') return []
  return ['lib', 'lib64', 'libexec'].map((name) => join(dirname(folder), name)).filter((path) => kindOf(path) !== null)
}
