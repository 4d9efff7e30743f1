import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { makeBytes } from './helpers.js'

/** A random change of a directory tree; names are few, so that changes meet. */
export type Mutation =
  | { kind: 'write'; at: number[]; size: number; seed: number; executable: boolean }
  | { kind: 'patch'; at: number[]; offset: number; seed: number }
  | { kind: 'truncate'; at: number[]; size: number }
  | { kind: 'mkdir'; at: number[] }
  | { kind: 'remove'; at: number[] }
  | { kind: 'rename'; at: number[]; to: number[] }
  | { kind: 'symlink'; at: number[]; target: number }
  | { kind: 'hardlink'; at: number[]; to: number[] }

const NAMES = ['a', 'b', 'é', '\u{1f600}', '\uffee', '-x', 'long name\n']
const SIZES = [0, 1, 100, 65_535, 65_536, 65_537, 200_000]

const at = fc.array(fc.nat(NAMES.length - 1), { minLength: 1, maxLength: 3 })
const size = fc.constantFrom(...SIZES)
const seed = fc.nat(1000)

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('write' as const), at, size, seed, executable: fc.boolean() })
  },
  fc.record({ kind: fc.constant('patch' as const), at, offset: fc.nat(250_000), seed }),
  fc.record({ kind: fc.constant('truncate' as const), at, size }),
  fc.record({ kind: fc.constant('mkdir' as const), at }),
  fc.record({ kind: fc.constant('remove' as const), at }),
  fc.record({ kind: fc.constant('rename' as const), at, to: at }),
  fc.record({ kind: fc.constant('symlink' as const), at, target: fc.nat(2) }),
  fc.record({ kind: fc.constant('hardlink' as const), at, to: at })
)

/** Carries out a mutation as far as it is possible there; one that is not does nothing. */
export function mutate(dir: string, mutation: Mutation): void {
  const target = path.join(dir, ...mutation.at.map((i) => NAMES[i]!))
  if (hasSymlink(dir, mutation.at)) return
  try {
    applyMutation(dir, target, mutation)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (
      !['ENOENT', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTEMPTY', 'EINVAL', 'EPERM', 'ELOOP', 'ERR_FS_EISDIR'].includes(
        code
      )
    )
      throw error
  }
}

/** A contract may write through symlinks; here that would only make the outcome hard to follow. */
function hasSymlink(dir: string, at: number[]): boolean {
  let file = dir
  for (const i of at) {
    file = path.join(file, NAMES[i]!)
    try {
      if (fs.lstatSync(file).isSymbolicLink()) return file !== path.join(dir, ...at.map((j) => NAMES[j]!))
    } catch {
      return false
    }
  }
  return false
}

function applyMutation(dir: string, target: string, mutation: Mutation): void {
  switch (mutation.kind) {
    case 'write':
      fs.mkdirSync(path.dirname(target), { recursive: true })
      fs.rmSync(target, { force: true })
      fs.writeFileSync(target, makeBytes(mutation.size, mutation.seed), { mode: mutation.executable ? 0o755 : 0o644 })
      break
    case 'patch': {
      const fd = fs.openSync(target, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW)
      fs.writeSync(fd, `patch ${mutation.seed}`, mutation.offset)
      fs.closeSync(fd)
      break
    }
    case 'truncate':
      if (fs.lstatSync(target).isFile()) fs.truncateSync(target, mutation.size)
      break
    case 'mkdir':
      fs.mkdirSync(target, { recursive: true })
      break
    case 'remove':
      fs.rmSync(target, { recursive: true })
      break
    case 'rename':
      fs.renameSync(target, path.join(dir, ...mutation.to.map((i) => NAMES[i]!)))
      break
    case 'symlink':
      fs.symlinkSync(['.', 'a', 'no/where'][mutation.target]!, target)
      break
    case 'hardlink':
      fs.linkSync(target, path.join(dir, ...mutation.to.map((i) => NAMES[i]!)))
      break
  }
}
