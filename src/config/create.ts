import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createKeyPair, type KeyPair } from '../crypto/index.js'
import { ConfigError, type ConfigProblem, configError, systemCode } from './errors.js'
import { CONFIG_KEYS } from './keys.js'
import { contractPaths } from './paths.js'
import { checkConfigShape, parseConfigText, readConfigText } from './read.js'
import { checkTogether } from './together.js'

/** Keys of hp.cfg beside the key pair, as JSON values; what is absent gets its default. */
export interface CreateOptions {
  binary?: string
  binargs?: string | string[]
  peerport?: number
  tcpport?: number | null
  pubport?: number
  /** The validators; the own key alone when absent. */
  unl?: string[]
  /** For callers that must know the key before, such as those who make a whole network. */
  keys?: KeyPair
  /** Any other keys of hp.cfg. */
  extra?: Record<string, unknown>
}

/** Written into a new hp.cfg although it is the default, so that it is seen. */
const SHOWN_KEYS = [
  'ip',
  'peerport',
  'tcpport',
  'roundtime',
  'minroundtime',
  'pubport',
  'pubmaxsize',
  'pubmaxcpm'
] as const

function newConfig(options: CreateOptions, keys: KeyPair): Record<string, unknown> {
  const shown = Object.fromEntries(SHOWN_KEYS.map((name) => [name, CONFIG_KEYS[name].fallback]))
  return {
    hotpocket: '0.1',
    pubkey: keys.publicKey,
    seckey: Buffer.from(keys.secretKey).toString('hex'),
    keytype: 'ed25519',
    contractid: CONFIG_KEYS.contractid.fallback,
    binary: options.binary ?? 'bin/contract',
    binargs: options.binargs ?? [],
    peers: [],
    unl: options.unl ?? [keys.publicKey],
    ...shown,
    tcpport: options.tcpport ?? 0,
    ...(options.peerport === undefined ? {} : { peerport: options.peerport }),
    ...(options.pubport === undefined ? {} : { pubport: options.pubport }),
    ...options.extra
  }
}

/** Replaces a file in one step: readers and a crash see the old text or the new one. Mode 0600. */
async function writeFileAtomically(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await rename(draft, path)
  } catch (error) {
    await unlink(draft)
    throw error
  }
  const folder = await open(dirname(path), 'r')
  await folder.sync().finally(() => folder.close())
}

/** Throws `ConfigError` for what would not load. */
function checkConfig(value: Record<string, unknown>): void {
  const problems: ConfigProblem[] = []
  checkTogether(checkConfigShape(value), (code, key, text) => {
    problems.push({ code, key, message: `hp.cfg: ${text}` })
  })
  const [first, ...rest] = problems
  if (first !== undefined) throw new ConfigError([first, ...rest])
}

/** Writes <dir>/cfg/hp.cfg; what would not load is refused. */
export async function writeConfig(dir: string, value: Record<string, unknown>): Promise<void> {
  checkConfig(value)
  await writeFileAtomically(contractPaths(dir).config, `${JSON.stringify(value, null, 2)}\n`)
}

/** Makes the folders that a node writes to where they are missing; the node's own are closed to other users. */
export async function ensureContractDirs(dir: string): Promise<void> {
  const paths = contractPaths(dir)
  for (const path of [paths.bin, paths.state, paths.log]) await mkdir(path, { recursive: true })
  await mkdir(paths.hist, { recursive: true, mode: 0o700 })
}

/**
 * Makes a contract directory with a fresh key pair: bin, cfg/hp.cfg (0600), hist, state and log. Throws `ConfigError`
 * when `dir` is there already or an option is wrong; nothing is left behind then.
 */
export async function createContractDir(dir: string, options: CreateOptions = {}): Promise<{ publicKey: string }> {
  const keys = options.keys ?? createKeyPair()
  const value = newConfig(options, keys)
  checkConfig(value)
  const paths = contractPaths(dir)
  try {
    await mkdir(dirname(paths.dir), { recursive: true })
    await mkdir(paths.dir)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST') {
      throw configError('dir-exists', null, `${paths.dir} is there already: choose another name or remove it`)
    }
    throw configError('dir-broken', null, `${paths.dir} cannot be made (${code || (error as Error).message})`)
  }
  try {
    await mkdir(paths.cfg)
    await ensureContractDirs(dir)
    await writeConfig(dir, value)
  } catch (error) {
    await rm(paths.dir, { recursive: true, force: true })
    throw error
  }
  return { publicKey: keys.publicKey }
}

async function dropOldIdentity(dir: string): Promise<string[]> {
  const paths = contractPaths(dir)
  const names = await readdir(paths.hist).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  })
  const dropped = names.filter((name) => name === 'peers' || name.startsWith('journal'))
  for (const name of dropped) await rm(join(paths.hist, name), { recursive: true, force: true })
  return dropped
}

export interface RekeyResult {
  oldPublicKey: string | null
  publicKey: string
  /** Names in hist/ that belonged to the old key and are gone. */
  dropped: string[]
}

/**
 * Gives a copied contract directory a key pair of its own: the new key joins its UNL, the peer store and the journal of
 * the old key are dropped, ledgers and state stay. The caller makes sure that no node runs on it.
 */
export async function rekeyContractDir(dir: string): Promise<RekeyResult> {
  const { text } = await readConfigText(dir)
  const value = parseConfigText(text)
  const keys = createKeyPair()
  const unl = Array.isArray(value.unl) ? value.unl : []
  const next = {
    ...value,
    pubkey: keys.publicKey,
    seckey: Buffer.from(keys.secretKey).toString('hex'),
    keytype: 'ed25519',
    unl: [...unl, keys.publicKey]
  }
  checkConfig(next)
  // The journal goes first: a crash in between leaves the old key without a journal of the old directory's copy, never
  // the new key with another's.
  const dropped = await dropOldIdentity(dir)
  await writeConfig(dir, next)
  return { oldPublicKey: typeof value.pubkey === 'string' ? value.pubkey : null, publicKey: keys.publicKey, dropped }
}

/** True when `dir` holds a contract directory. */
export async function isContractDir(dir: string): Promise<boolean> {
  return stat(contractPaths(dir).config).then(
    (found) => found.isFile(),
    () => false
  )
}
