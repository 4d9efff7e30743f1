import { open, stat } from 'node:fs/promises'
import * as v from 'valibot'
import { ConfigError, type ConfigProblem, configError, systemCode } from './errors.js'
import { findJsonProblem } from './json.js'
import { CONFIG_KEY_NAMES, CONFIG_KEYS, type ConfigKey, type RawConfig } from './keys.js'
import { nearestWord } from './nearest.js'
import { contractPaths } from './paths.js'
import { type KeySpec, showValue } from './specs.js'

/** No honest hp.cfg comes near it. */
const MAX_FILE_BYTES = 1024 * 1024

const MISSING: Partial<Record<ConfigKey, string>> = {
  pubkey: '`hp-p2p rekey <dir>` makes a key pair',
  seckey: '`hp-p2p rekey <dir>` makes a key pair',
  binary: 'put in the path of the contract\u2019s executable',
  unl: 'put in the public key of every validator, at least your own'
}

const FILE_SCHEMA = v.strictObject({
  $schema: v.optional(v.unknown()),
  ...(Object.fromEntries(
    CONFIG_KEY_NAMES.map((name) => [name, entryOf(CONFIG_KEYS[name] as KeySpec<unknown>)])
  ) as Record<ConfigKey, v.GenericSchema<unknown, unknown>>)
})

function entryOf(spec: KeySpec<unknown>): v.GenericSchema<unknown, unknown> {
  return spec.fallback === undefined ? spec.schema : v.optional(spec.schema, spec.fallback)
}

async function checkDirectory(dir: string): Promise<void> {
  const paths = contractPaths(dir)
  const found = await stat(paths.dir).catch((error: unknown) => systemCode(error))
  if (typeof found === 'string') {
    const why = found === 'ENOENT' ? 'does not exist: `hp-p2p new` makes one' : `cannot be read (${found})`
    throw configError('dir-missing', null, `the contract directory ${paths.dir} ${why}`)
  }
  if (!found.isDirectory()) throw configError('dir-broken', null, `${paths.dir} is a file, not a contract directory`)
  for (const piece of [paths.cfg, paths.bin, paths.hist, paths.state, paths.log]) {
    const part = await stat(piece).catch(() => null)
    if (part !== null && !part.isDirectory()) {
      throw configError('dir-broken', null, `${piece} must be a directory: move that file away`)
    }
  }
}

/** The text of hp.cfg and whether others may read it. */
export async function readConfigText(dir: string): Promise<{ text: string; mode: number }> {
  await checkDirectory(dir)
  const path = contractPaths(dir).config
  try {
    const file = await open(path, 'r')
    try {
      const info = await file.stat()
      if (!info.isFile()) throw configError('dir-broken', null, `${path} is not a file`)
      if (info.size > MAX_FILE_BYTES) {
        throw configError(
          'file-too-large',
          null,
          `${path} has ${info.size} bytes, more than ${MAX_FILE_BYTES}: is it the right file?`
        )
      }
      return { text: (await file.readFile('utf8')).replace(/^\uFEFF/, ''), mode: info.mode & 0o777 }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const code = systemCode(error)
    if (code === 'ENOENT') {
      throw configError(
        'file-missing',
        null,
        `${path} does not exist: ${contractPaths(dir).dir} is no contract directory (\`hp-p2p new\` makes one)`
      )
    }
    throw configError(
      'file-unreadable',
      null,
      `${path} cannot be read (${code || (error as Error).message}): check its owner and mode`
    )
  }
}

/** The JSON object in the text of an hp.cfg; `ConfigError` with line and column when it is none. */
export function parseConfigText(text: string): Record<string, unknown> {
  const problem = findJsonProblem(text)
  if (problem?.kind === 'duplicate-key') {
    const key = problem.key as string
    throw configError(
      'duplicate-key',
      key,
      `hp.cfg: ${showValue(key)} ${problem.reason} (line ${problem.line}, column ${problem.column})`
    )
  }
  if (problem !== null) {
    throw configError(
      'not-json',
      null,
      `hp.cfg is not JSON: line ${problem.line}, column ${problem.column}: ${problem.reason}`
    )
  }
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw configError('not-json', null, 'hp.cfg must hold one JSON object: { "hotpocket": "0.1", ... }')
  }
  return value as Record<string, unknown>
}

function unknownKey(name: string): ConfigProblem {
  const near = nearestWord(name, CONFIG_KEY_NAMES)
  const remedy = near === null ? 'remove it (docs/configuration.md lists the keys)' : `did you mean "${near}"?`
  return { code: 'unknown-key', key: name, message: `hp.cfg: unknown key ${showValue(name)}: ${remedy}` }
}

function problemOf(issue: v.BaseIssue<unknown>): ConfigProblem {
  const name = String(issue.path?.[0]?.key ?? '')
  if (issue.type === 'strict_object') {
    if (issue.expected === 'never') return unknownKey(name)
    const remedy = MISSING[name as ConfigKey] ?? 'add it'
    return { code: 'missing-key', key: name, message: `hp.cfg: ${name} is missing: ${remedy}` }
  }
  return { code: name === 'unl' ? 'unl' : 'wrong-value', key: name, message: `hp.cfg: ${name} ${issue.message}` }
}

/** Unknown keys beyond the first are found here: the shape check stops at one. */
function findUnknownKeys(value: Record<string, unknown>): ConfigProblem[] {
  const known = new Set<string>(['$schema', ...CONFIG_KEY_NAMES])
  return Object.keys(value)
    .filter((name) => !known.has(name))
    .slice(0, 20)
    .map(unknownKey)
}

/** Checks each key by itself and fills in the defaults; `ConfigError` with every mistake. */
export function checkConfigShape(value: Record<string, unknown>): RawConfig {
  const result = v.safeParse(FILE_SCHEMA, value)
  if (result.success) {
    const { $schema: _schema, ...keys } = result.output
    return keys as unknown as RawConfig
  }
  const problems = result.issues.map(problemOf).filter((problem) => problem.code !== 'unknown-key')
  const [first, ...rest] = [...findUnknownKeys(value), ...problems]
  throw new ConfigError([first as ConfigProblem, ...rest])
}
