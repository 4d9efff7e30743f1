import { randomBytes } from 'node:crypto'
import { link, open, readFile, unlink } from 'node:fs/promises'
import { createKeyPair, isKeyPair } from '../crypto/keys.js'
import { HotPocketClientError } from './errors.js'
import type { KeyPair } from './keys.js'

/** A key file is far smaller. */
const KEY_FILE_BYTES_MAX = 4_096
const HEX_SECRET = /^[0-9a-f]{128}$/i

/**
 * The key pair in the file, made anew with mode 0600 when there is no file. The file is JSON with the names of
 * hp.cfg: keytype, pubkey, seckey. Rejects with `bad_key` when the file can be read by others, or is not such a file,
 * or its keys do not belong together.
 */
export async function loadOrCreateKeyFile(path: string): Promise<KeyPair> {
  const found = await readKeyFile(path)
  if (found !== null) return found
  const keyPair = createKeyPair()
  if (await writeKeyFile(path, keyPair)) return keyPair
  // Another program made it in the same moment.
  const made = await readKeyFile(path)
  if (made === null) throw new HotPocketClientError('bad_key', `key file ${path} vanished`)
  return made
}

async function readKeyFile(path: string): Promise<KeyPair | null> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return null
    throw badKey(path, `cannot be read (${errorCodeOf(error)})`, error)
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > KEY_FILE_BYTES_MAX) throw badKey(path, 'is not a key file')
    if ((stat.mode & 0o077) !== 0) throw badKey(path, `can be used by others: run chmod 600 ${path}`)
    return parseKeyFile(path, await readFile(file, 'utf8'))
  } finally {
    await file.close()
  }
}

function parseKeyFile(path: string, text: string): KeyPair {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw badKey(path, 'is not JSON', error)
  }
  const { keytype, pubkey, seckey } = (content ?? {}) as Record<string, unknown>
  if (keytype !== 'ed25519') throw badKey(path, 'must have "keytype": "ed25519"')
  if (typeof pubkey !== 'string' || typeof seckey !== 'string' || !HEX_SECRET.test(seckey)) {
    throw badKey(path, 'must have "pubkey" (64 hex digits) and "seckey" (128 hex digits)')
  }
  const keyPair = { publicKey: pubkey.toLowerCase(), secretKey: new Uint8Array(Buffer.from(seckey, 'hex')) }
  if (!isKeyPair(keyPair.publicKey, keyPair.secretKey)) throw badKey(path, 'has keys that do not belong together')
  return keyPair
}

/** Writes beside and links into place, so that nobody reads half a file; false when `path` exists by now. */
async function writeKeyFile(path: string, keyPair: KeyPair): Promise<boolean> {
  const content = {
    keytype: 'ed25519',
    pubkey: keyPair.publicKey,
    seckey: Buffer.from(keyPair.secretKey).toString('hex')
  }
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(content, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path)
    return true
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') return false
    throw badKey(path, `cannot be written (${errorCodeOf(error)})`, error)
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

function errorCodeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

function badKey(path: string, what: string, cause?: unknown): HotPocketClientError {
  return new HotPocketClientError('bad_key', `key file ${path} ${what}`, { cause })
}
