import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadOrCreateKeyFile } from '../../../src/client/node.js'
import { createKeyPair, isKeyPair } from '../../../src/crypto/index.js'

let dir = ''
let path = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hp-client-'))
  path = join(dir, 'user.key')
})
afterEach(() => rmSync(dir, { recursive: true }))

function write(content: unknown, mode = 0o600): void {
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  chmodSync(path, mode)
}

describe('a key file', () => {
  it('is made with mode 0600 and read back', async () => {
    const made = await loadOrCreateKeyFile(path)
    expect(isKeyPair(made.publicKey, made.secretKey)).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir)).toEqual(['user.key'])
    const content = JSON.parse(readFileSync(path, 'utf8'))
    expect(Object.keys(content)).toEqual(['keytype', 'pubkey', 'seckey'])
    const read = await loadOrCreateKeyFile(path)
    expect(read.publicKey).toBe(made.publicKey)
    expect(Buffer.from(read.secretKey).equals(made.secretKey)).toBe(true)
  })

  it('is the same for all who make it at once', async () => {
    const pairs = await Promise.all(Array.from({ length: 10 }, () => loadOrCreateKeyFile(path)))
    expect(new Set(pairs.map(({ publicKey }) => publicKey)).size).toBe(1)
    expect(readdirSync(dir)).toEqual(['user.key'])
  })

  it('is refused when others can read it', async () => {
    await loadOrCreateKeyFile(path)
    chmodSync(path, 0o640)
    await expect(loadOrCreateKeyFile(path)).rejects.toMatchObject({
      code: 'bad_key',
      message: `key file ${path} can be used by others: run chmod 600 ${path}`
    })
  })

  it.each([
    ['no JSON', 'hello', 'is not JSON'],
    ['null', 'null', 'must have "keytype": "ed25519"'],
    ['another kind', { keytype: 'rsa' }, 'must have "keytype": "ed25519"'],
    ['without keys', { keytype: 'ed25519' }, 'must have "pubkey"'],
    ['too large', 'x'.repeat(5_000), 'is not a key file']
  ])('is refused when it is %s', async (_name, content, message) => {
    write(content)
    await expect(loadOrCreateKeyFile(path)).rejects.toThrow(message)
  })

  it('is refused when its keys do not belong together', async () => {
    const seckey = Buffer.from(createKeyPair().secretKey).toString('hex')
    write({ keytype: 'ed25519', pubkey: createKeyPair().publicKey, seckey })
    await expect(loadOrCreateKeyFile(path)).rejects.toThrow('do not belong together')
  })

  it('is refused when it is a folder or cannot be made', async () => {
    mkdirSync(path)
    await expect(loadOrCreateKeyFile(path)).rejects.toMatchObject({ code: 'bad_key' })
    await expect(loadOrCreateKeyFile(join(dir, 'none', 'user.key'))).rejects.toThrow('cannot be written (ENOENT)')
  })
})
