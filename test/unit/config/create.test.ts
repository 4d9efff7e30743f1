import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, createContractDir, loadConfig, rekeyContractDir } from '../../../src/config/index.js'

let base: string
let dir: string

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hp-create-'))
  dir = join(base, 'a', 'node')
})

afterEach(async () => {
  await rm(base, { recursive: true, force: true })
})

const modeOf = async (path: string) => (await stat(path)).mode & 0o777

describe('createContractDir', () => {
  it('makes a directory that loads, with secrets closed to others', async () => {
    const { publicKey } = await createContractDir(dir, { binary: process.execPath, binargs: 'a b', pubport: 1234 })
    expect((await readdir(dir)).sort()).toEqual(['bin', 'cfg', 'hist', 'log', 'state'])
    expect(await modeOf(join(dir, 'cfg', 'hp.cfg'))).toBe(0o600)
    expect(await modeOf(join(dir, 'hist'))).toBe(0o700)
    const config = await loadConfig(dir)
    expect(config.keys.publicKey).toBe(publicKey)
    expect(config.consensus.unl).toEqual([publicKey])
    expect(config.contract.args).toEqual(['a', 'b'])
    expect(config.users.port).toBe(1234)
    expect(config.warnings).toEqual([])
  })

  it('makes other keys each time', async () => {
    const first = await createContractDir(dir)
    const second = await createContractDir(join(base, 'b'))
    expect(second.publicKey).not.toBe(first.publicKey)
  })

  it('refuses a directory that is there and leaves it alone', async () => {
    await mkdir(dir, { recursive: true })
    await writeFile(join(dir, 'mine'), 'x')
    await expect(createContractDir(dir)).rejects.toMatchObject({ name: 'ConfigError', code: 'dir-exists' })
    expect(await readdir(dir)).toEqual(['mine'])
  })

  it('refuses wrong options and leaves nothing behind', async () => {
    await expect(createContractDir(dir, { extra: { roundtime: 0 } })).rejects.toBeInstanceOf(ConfigError)
    await expect(createContractDir(dir, { extra: { nonsense: 1 } })).rejects.toMatchObject({ code: 'unknown-key' })
    await expect(createContractDir(dir, { peerport: 8080 })).rejects.toMatchObject({ key: 'pubport' })
    expect(await readdir(base)).toEqual([])
  })
})

describe('rekeyContractDir', () => {
  it('gives new keys, drops what belonged to the old ones, keeps the rest', async () => {
    const old = await createContractDir(dir, { binary: process.execPath })
    for (const folder of ['ledgers', 'peers']) {
      await mkdir(join(dir, 'hist', folder))
      await writeFile(join(dir, 'hist', folder, 'CURRENT'), 'x')
    }
    for (const file of ['journal', 'journal.1']) await writeFile(join(dir, 'hist', file), 'x')
    await writeFile(join(dir, 'state', 'data'), 'x')

    const result = await rekeyContractDir(dir)

    expect(result.oldPublicKey).toBe(old.publicKey)
    expect(result.publicKey).not.toBe(old.publicKey)
    expect(result.dropped.sort()).toEqual(['journal', 'journal.1', 'peers'])
    expect(await readdir(join(dir, 'hist'))).toEqual(['ledgers'])
    expect(await readdir(join(dir, 'state'))).toEqual(['data'])
    expect(await readdir(join(dir, 'cfg'))).toEqual(['hp.cfg'])
    expect(await modeOf(join(dir, 'cfg', 'hp.cfg'))).toBe(0o600)
    const config = await loadConfig(dir)
    expect(config.keys.publicKey).toBe(result.publicKey)
    expect(config.consensus.unl).toEqual([old.publicKey, result.publicKey].sort())
  })

  it('changes nothing when the file has a mistake', async () => {
    await createContractDir(dir)
    const path = join(dir, 'cfg', 'hp.cfg')
    const broken = (await readFile(path, 'utf8')).replace('"roundtime": 1000', '"roundtime": -1')
    await writeFile(path, broken)
    await writeFile(join(dir, 'hist', 'journal'), 'x')
    await expect(rekeyContractDir(dir)).rejects.toMatchObject({ code: 'wrong-value', key: 'roundtime' })
    expect(await readFile(path, 'utf8')).toBe(broken)
    expect(await readdir(join(dir, 'hist'))).toEqual(['journal'])
  })
})
